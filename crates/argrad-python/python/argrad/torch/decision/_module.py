"""What all losses and layers of decisions share: a model, a pool, a reduction."""

from __future__ import annotations

import math
import numbers
from typing import Any, Literal

import numpy as np
import torch

from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import DecisionModel
from argrad.torch.decision._pool import SolutionPool

Reduction = Literal["mean", "sum", "none"]


class DecisionModule(torch.nn.Module):
    """A loss or a layer over the decisions of a model.

    Args:
        model: the programs, a `ProgramModel` or a `CallbackModel`.
        solve_ratio: the probability with which a call solves its programs; otherwise it takes the
            best of the pool, which is as fast as a product of matrices. In [0, 1].
        reduction: "mean", "sum" or "none" of the losses of samples.
        dataset: what the pool begins with, a `DecisionDataset` or decisions (size, n); needed where
            `solve_ratio` is less than 1.
        seed: of the choice between solving and the pool.

    Raises TypeError or ValueError for an argument that is malformed, by name.
    """

    pool: SolutionPool | None

    def __init__(
        self,
        model: DecisionModel,
        solve_ratio: float = 1.0,
        reduction: Reduction = "mean",
        dataset: DecisionDataset | torch.Tensor | None = None,
        seed: int | None = None,
        *,
        needs_pool: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, DecisionModel):
            raise TypeError(
                "model must be a DecisionModel (ProgramModel, CallbackModel, shortest_path, ...); "
                f"found {type(model).__name__}"
            )
        ratio_is_number = isinstance(solve_ratio, numbers.Real) and not isinstance(
            solve_ratio, bool
        )
        if not ratio_is_number or not 0.0 <= solve_ratio <= 1.0:
            raise ValueError(f"solve_ratio must be a number in [0, 1]; found {solve_ratio!r}")
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f'reduction must be "mean", "sum" or "none"; found {reduction!r}')
        self.model = model
        self.solve_ratio = float(solve_ratio)
        self.reduction = reduction
        self._choice = np.random.default_rng(seed)
        self.pool = None
        if solve_ratio < 1.0 or needs_pool:
            self.pool = SolutionPool(model, _first_solutions(type(self).__name__, dataset))

    def _minimize(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Decisions (batch, n) for coefficients (batch, n): solved, or the best of the pool."""
        coefficients = coefficients.detach()
        if self.pool is None:
            return self.model.minimize(coefficients)
        if not self._solves():
            return self.pool.best(coefficients)
        found = self.model.minimize(coefficients)
        self.pool.add(found)
        return found

    def _refreshed(self, coefficients: torch.Tensor) -> SolutionPool:
        """The pool, with the decisions for these coefficients in it where this call solves."""
        assert self.pool is not None
        if self._solves():
            self.pool.add(self.model.minimize(coefficients.detach()))
        return self.pool

    def _solves(self) -> bool:
        """Whether this call solves."""
        return self.solve_ratio >= 1.0 or self._choice.random() < self.solve_ratio

    def _reduce(self, losses: torch.Tensor) -> torch.Tensor:
        if self.reduction == "mean":
            return losses.mean()
        return losses.sum() if self.reduction == "sum" else losses

    def extra_repr(self) -> str:
        return f"model={self.model!r}, solve_ratio={self.solve_ratio}, reduction={self.reduction!r}"


def _first_solutions(loss: str, dataset: Any) -> torch.Tensor:
    """The decisions that a pool begins with."""
    if isinstance(dataset, DecisionDataset):
        return dataset.sols
    if isinstance(dataset, torch.Tensor):
        return dataset
    raise TypeError(
        f"{loss} chooses from a pool of decisions here; pass dataset, a DecisionDataset or a "
        f"tensor of decisions to begin with; found {type(dataset).__name__}"
    )


def check_positive(name: str, found: Any) -> float:
    """`found` as a float; raises ValueError unless it is a positive finite number."""
    if isinstance(found, bool) or not isinstance(found, numbers.Real):
        raise ValueError(f"{name} must be a positive number; found {found!r}")
    if not (float(found) > 0.0 and math.isfinite(found)):
        raise ValueError(f"{name} must be positive and finite; found {found!r}")
    return float(found)


def check_count(name: str, found: Any) -> int:
    """`found`; raises ValueError unless it is an integer of at least 1."""
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise ValueError(f"{name} must be an integer >= 1; found {found!r}")
    return found
