"""Losses that compare a true decision with the decisions of a pool."""

from __future__ import annotations

import torch

from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import DecisionModel
from argrad.torch.decision._module import DecisionModule, Reduction


class _Contrastive(DecisionModule):
    """What a true decision has too much of, compared with each decision of a pool. The programs
    that a call solves, by `solve_ratio`, only fill the pool. Arguments: see `DecisionModule`."""

    def __init__(
        self,
        model: DecisionModel,
        solve_ratio: float = 1.0,
        reduction: Reduction = "mean",
        dataset: DecisionDataset | torch.Tensor | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(model, solve_ratio, reduction, dataset, seed, needs_pool=True)

    def _excess(self, pred_cost: torch.Tensor, true_sol: torch.Tensor) -> torch.Tensor:
        """v(p, w) - v(p, u), (batch, size), for each decision u of the pool."""
        model = self.model
        predicted = model.lift(model.check_costs("pred_cost", pred_cost))
        target = model.check_decisions("true_sol", true_sol).detach().to(predicted)
        pool = self._refreshed(predicted)
        return model.value(predicted, target).unsqueeze(1) - pool.values(predicted)


class NoiseContrastiveEstimation(_Contrastive):
    """The mean of v(p, w) - v(p, u) over the pool, for a true decision w and predicted costs p.

    Linear in p and not bounded below: w shall be cheaper than the rest, by as much as can be.

    Source: Mulamba et al. 2021, "Contrastive losses and solution caching for
    predict-and-optimize".
    """

    def forward(self, pred_cost: torch.Tensor, true_sol: torch.Tensor) -> torch.Tensor:
        """The loss of costs (batch, d) for decisions (batch, n): a number, or (batch,)."""
        return self._reduce(self._excess(pred_cost, true_sol).mean(1))


class ContrastiveMAP(_Contrastive):
    """The largest v(p, w) - v(p, u) over the pool: the cheapest rival of a true decision counts.

    Zero or more where w is in the pool, and zero where it is the cheapest of it.

    Source: Mulamba et al. 2021, "Contrastive losses and solution caching for
    predict-and-optimize".
    """

    def forward(self, pred_cost: torch.Tensor, true_sol: torch.Tensor) -> torch.Tensor:
        """The loss of costs (batch, d) for decisions (batch, n): a number, or (batch,)."""
        return self._reduce(self._excess(pred_cost, true_sol).amax(1))
