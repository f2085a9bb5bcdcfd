"""Decisions that were found before, to choose from instead of solving."""

from __future__ import annotations

import torch

from argrad.torch.decision._model import DecisionModel


class SolutionPool(torch.nn.Module):
    """A growing set of feasible decisions (size, n) of one model, each of them once.

    The best of them for given costs is a bound on the optimum from above, and in time, as the pool
    fills, the optimum (Mulamba et al. 2021). Two decisions are the same where no entry differs by
    more than the square root of the rounding times the largest entry of the pool.

    Args:
        model: whose decisions these are.
        solutions: the first of them, (size, n), size >= 1; rows of NaN are left out.
    """

    solutions: torch.Tensor

    def __init__(self, model: DecisionModel, solutions: torch.Tensor) -> None:
        super().__init__()
        self.model = model
        start = model.check_decisions("solutions", solutions).detach()
        self.register_buffer("solutions", start[:0], persistent=False)
        self.add(start)
        if len(self) == 0:
            raise ValueError("solutions must hold at least one decision without NaN; found none")

    def __len__(self) -> int:
        return len(self.solutions)

    def add(self, solutions: torch.Tensor) -> None:
        """Puts in what is new of decisions (batch, n), in their order."""
        pool = self.solutions
        new = solutions.detach().to(pool)
        new = new[torch.isfinite(new).all(dim=1)]
        if not len(new):
            return
        # Most of a batch repeats itself exactly; that is cheap to see.
        new = _first_of_equals(new, 0.0)
        both = torch.cat([pool, new])
        near = torch.finfo(pool.dtype).eps ** 0.5 * float(both.abs().max())
        if len(pool):
            new = new[(torch.cdist(new, pool, p=torch.inf) > near).all(dim=1)]
        if len(new):
            self.solutions = torch.cat([pool, _first_of_equals(new, near)])

    def best(self, coefficients: torch.Tensor) -> torch.Tensor:
        """For each row of coefficients (batch, n), the decision of least objective, (batch, n)."""
        pool = self.solutions.to(coefficients)
        return pool[self.values(coefficients.detach()).argmin(dim=1)]

    def values(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The objective (batch, size) of the minimization, of each decision for each row."""
        pool = self.solutions.to(coefficients)
        return coefficients @ pool.T + self.model.rest(pool)


def _first_of_equals(rows: torch.Tensor, near: float) -> torch.Tensor:
    """The rows that are not within `near` of an earlier one."""
    if len(rows) < 2:
        return rows
    same = torch.cdist(rows, rows, p=torch.inf) <= near
    return rows[~torch.tril(same, diagonal=-1).any(dim=1)]
