"""Learning to rank the decisions of a pool as their true costs do."""

from __future__ import annotations

import abc

import torch
from torch.nn import functional

from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import DecisionModel
from argrad.torch.decision._module import DecisionModule, Reduction


class _LearningToRank(DecisionModule, abc.ABC):
    """A loss of the objectives that predicted and true costs give to each decision of a pool. The
    programs that a call solves, by `solve_ratio`, only fill the pool.

    Source: Mandi et al. 2022, "Decision-focused learning: through the lens of learning to rank".
    Arguments: see `DecisionModule`.
    """

    def __init__(
        self,
        model: DecisionModel,
        solve_ratio: float = 1.0,
        reduction: Reduction = "mean",
        dataset: DecisionDataset | torch.Tensor | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(model, solve_ratio, reduction, dataset, seed, needs_pool=True)

    def forward(self, pred_cost: torch.Tensor, true_cost: torch.Tensor) -> torch.Tensor:
        """The loss of predicted costs where the true ones are known, both (batch, d): a number, or
        (batch,) with ``reduction="none"``."""
        model = self.model
        predicted = model.lift(model.check_costs("pred_cost", pred_cost))
        true = model.lift(model.check_costs("true_cost", true_cost).detach()).to(predicted)
        if true.shape != predicted.shape:
            raise ValueError(
                f"true_cost must have the shape of pred_cost, {tuple(pred_cost.shape)}; "
                f"found {tuple(true_cost.shape)}"
            )
        pool = self._refreshed(predicted)
        return self._reduce(self._losses(pool.values(predicted), pool.values(true)))

    @abc.abstractmethod
    def _losses(self, predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Losses (batch,) of objectives (batch, size), of which less is better."""


class PointwiseLearningToRank(_LearningToRank):
    """The mean square of the error of the objective over the pool."""

    def _losses(self, predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        return (true - predicted).square().mean(1)


class PairwiseLearningToRank(_LearningToRank):
    """By how much the truly best decision of the pool looks worse than another, mean over the
    others."""

    def _losses(self, predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        best = predicted.gather(1, true.argmin(dim=1, keepdim=True))
        others = max(predicted.shape[1] - 1, 1)
        return functional.relu(best - predicted).sum(1) / others


class ListwiseLearningToRank(_LearningToRank):
    """The cross-entropy of two distributions over the pool, each the softmax of minus objectives:
    it matters how large costs are."""

    def _losses(self, predicted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        log_shares = functional.log_softmax(-predicted, dim=1)
        return -(functional.softmax(-true, dim=1) * log_shares).sum(1)
