"""Layers that return decisions, with a gradient that stands in for a derivative that is zero."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import DecisionModel
from argrad.torch.decision._module import DecisionModule, check_positive


class BlackboxOpt(DecisionModule):
    """Optimal decisions w(c), differentiated by interpolation between two solutions:

        dc = (w(c + lambda g) - w(c)) / lambda   for the gradient g of the decisions

    which is the gradient of a piecewise linear interpolation of the loss (of the minimization;
    signs turn for a maximization). One more program a sample in the backward pass. A small lambda
    is exact and mostly zero, a large one is smooth and far from the loss at c.

    Source: Vlastelica et al. 2020, "Differentiation of blackbox combinatorial solvers", algorithm
    1. `lambd` is in units of costs per gradient; other arguments: see `DecisionModule`.
    """

    def __init__(
        self,
        model: DecisionModel,
        lambd: float = 10.0,
        solve_ratio: float = 1.0,
        dataset: DecisionDataset | torch.Tensor | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(model, solve_ratio, "none", dataset, seed)
        self.lambd = check_positive("lambd", lambd)

    def forward(self, pred_cost: torch.Tensor) -> torch.Tensor:
        """Decisions (batch, n) for costs (batch, d)."""
        coefficients = self.model.lift(self.model.check_costs("pred_cost", pred_cost))
        return _Interpolated.apply(coefficients, self)


class _Interpolated(torch.autograd.Function):
    """Decisions of coefficients, with the gradient of an interpolation."""

    @staticmethod
    def forward(ctx: Any, coefficients: torch.Tensor, layer: BlackboxOpt) -> torch.Tensor:
        found = layer._minimize(coefficients)
        ctx.save_for_backward(coefficients, found)
        ctx.layer = layer
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        coefficients, found = ctx.saved_tensors
        lambd = ctx.layer.lambd
        moved = ctx.layer._minimize(coefficients + lambd * gradient)
        return (moved - found) / lambd, None


class NegativeIdentity(DecisionModule):
    """Optimal decisions w(c), as if their derivative by c were minus the identity.

    A cost that is raised makes its decision smaller, which is all that this gradient knows; it
    costs nothing. Scale or project costs first, as the paper does, where only their direction
    matters.

    Source: Sahoo et al. 2023, "Backpropagation through combinatorial algorithms: identity with
    projection works". Arguments: see `DecisionModule`.
    """

    def __init__(
        self,
        model: DecisionModel,
        solve_ratio: float = 1.0,
        dataset: DecisionDataset | torch.Tensor | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(model, solve_ratio, "none", dataset, seed)

    def forward(self, pred_cost: torch.Tensor) -> torch.Tensor:
        """Decisions (batch, n) for costs (batch, d)."""
        coefficients = self.model.lift(self.model.check_costs("pred_cost", pred_cost))
        # The difference is zero, its derivative is not.
        return self._minimize(coefficients) - (coefficients - coefficients.detach())
