"""Programs whose linear costs are predicted, and solvers of others behind the same door."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from argrad._core import SolverError
from argrad._policy import Policy
from argrad.torch._call import to_array, to_tensor

Sense = Literal["minimize", "maximize"]


class DecisionModel(abc.ABC):
    """A family of programs that differ in their predicted costs c alone:

        minimize (or maximize)  c'M'w + f(w)   subject to   w in W

    The set W, the matrix M and the function f are fixed. Inside, every program is a minimization:
    its *coefficients* are M c, and their negative where the user maximizes. All losses of this
    package are written for that form, so that none of them asks for the sense.

    Attributes:
        num_cost: d, the number of predicted costs.
        num_variables: n, the number of entries of a decision w. d where M is the identity.
        sense: "minimize" or "maximize".
        on_failure: for samples without a solution, "raise" `argrad.SolverError` that names them, or
            go on with "nan": their decisions, and losses, are NaN.
    """

    def __init__(
        self, num_cost: int, num_variables: int, sense: Sense, on_failure: Literal["raise", "nan"]
    ) -> None:
        if sense not in ("minimize", "maximize"):
            raise ValueError(f'sense must be "minimize" or "maximize"; found {sense!r}')
        if on_failure not in ("raise", "nan"):
            raise ValueError(f'on_failure must be "raise" or "nan"; found {on_failure!r}')
        self.num_cost = num_cost
        self.num_variables = num_variables
        self.sense = sense
        self.on_failure = on_failure
        self._policy = Policy("exact", on_failure, "direct", False)

    @property
    def sign(self) -> float:
        """1 where the user minimizes, -1 where he maximizes."""
        return 1.0 if self.sense == "minimize" else -1.0

    @abc.abstractmethod
    def lift(self, cost: torch.Tensor) -> torch.Tensor:
        """The coefficients (..., n) of the minimization for costs (..., d); linear in them."""

    @abc.abstractmethod
    def rest(self, decision: torch.Tensor) -> torch.Tensor:
        """f (...) of the minimization at decisions (..., n): what the costs do not scale."""

    @abc.abstractmethod
    def _minimize(self, coefficients: np.ndarray) -> np.ndarray:
        """Decisions (batch, n) for coefficients (batch, n), both float64. Raises SolverError as
        `on_failure` says; where it goes on, decisions that do not exist are NaN."""

    def minimize(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Decisions (batch, n) for coefficients (batch, n), in their dtype and on their device.

        All are solved in one call, in double precision. Without derivative."""
        with torch.no_grad():
            return to_tensor(self._minimize(to_array(coefficients)), coefficients)

    def value(self, coefficients: torch.Tensor, decision: torch.Tensor) -> torch.Tensor:
        """The objective of the minimization, (...), at coefficients and decisions (..., n)."""
        return (coefficients * decision).sum(-1) + self.rest(decision)

    def solve(self, cost: torch.Tensor) -> torch.Tensor:
        """Optimal decisions (batch, n) for costs (batch, d), or (n,) for (d,). No derivative.

        Raises ValueError for costs of another shape or that are not finite, `argrad.SolverError`
        for samples without a solution (see `on_failure`).
        """
        single = isinstance(cost, torch.Tensor) and cost.dim() == 1
        costs = self.check_costs("cost", cost.unsqueeze(0) if single else cost)
        found = self.minimize(self.lift(costs.detach()))
        return found[0] if single else found

    def objective(self, cost: torch.Tensor, decision: torch.Tensor) -> torch.Tensor:
        """The user's objective (...) at costs (..., d) and decisions (..., n)."""
        return self.sign * self.value(self.lift(cost), decision)

    def check_costs(self, name: str, cost: Any) -> torch.Tensor:
        """`cost`; raises TypeError or ValueError unless it is a (batch, d) tensor of finite
        floating-point numbers."""
        check_tensor(name, cost, self.num_cost, "costs")
        # A sum of finite numbers may overflow, but one that is finite has no other terms.
        if not math.isfinite(cost.detach().sum()):
            wrong = (~torch.isfinite(cost)).nonzero().tolist()
            if not wrong:
                return cost
            sample, entry = wrong[0]
            raise ValueError(
                f"{name} must be finite; entry {entry} of sample {sample} is {cost[sample, entry]}"
            )
        return cost

    def check_decisions(self, name: str, decision: Any) -> torch.Tensor:
        """`decision`; raises TypeError or ValueError unless it is a (batch, n) tensor."""
        return check_tensor(name, decision, self.num_variables, "decisions")

    def check_objectives(self, name: str, found: Any, batch: int) -> torch.Tensor:
        """Objectives of the minimization, (batch,), of the user's, (batch,) or (batch, 1)."""
        if not isinstance(found, torch.Tensor) or found.shape not in ((batch,), (batch, 1)):
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ValueError(
                f"{name} must be a tensor of shape ({batch},) or ({batch}, 1); found {shape}"
            )
        return self.sign * found.detach().reshape(-1)


def check_tensor(name: str, found: Any, width: int, noun: str) -> torch.Tensor:
    """`found`; raises unless it is a floating-point tensor of shape (batch, width)."""
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"{name} must be a tensor of {noun}; found {type(found).__name__}")
    if found.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64; found {found.dtype}")
    if found.dim() != 2 or found.shape[1] != width:
        raise ValueError(
            f"{name} must have shape (batch, {width}), one row of {noun} a sample; "
            f"found {tuple(found.shape)}"
        )
    return found


class CallbackModel(DecisionModel):
    """Programs that the caller's own solver decides: integer programs, paths, matchings.

    Losses need nothing of a solver but its decisions. `rest` is 0, M the identity.

    Args:
        solve: gets costs, a float64 array of shape (batch, num_cost), as the losses make them
            (predicted, perturbed or mixed ones), and returns optimal decisions of that shape. A row
            of NaN says that a sample has no solution.
        num_cost: d, the number of costs and of decision variables.
        sense: whether `solve` minimizes or maximizes c'w.
        on_failure: see `DecisionModel`.

    >>> cheapest = CallbackModel(lambda c: (c == c.min(1, keepdims=True)).astype(float), 3)
    >>> cheapest.solve(torch.tensor([[3.0, 1.0, 2.0]])).tolist()
    [[0.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        solve: Callable[[np.ndarray], Any],
        num_cost: int,
        sense: Sense = "minimize",
        on_failure: Literal["raise", "nan"] = "raise",
    ) -> None:
        if not callable(solve):
            raise TypeError(f"solve must be a function; found {type(solve).__name__}")
        if isinstance(num_cost, bool) or not isinstance(num_cost, int) or num_cost < 1:
            raise ValueError(f"num_cost must be an integer >= 1; found {num_cost!r}")
        super().__init__(num_cost, num_cost, sense, on_failure)
        self._solver = solve

    def lift(self, cost: torch.Tensor) -> torch.Tensor:
        return cost if self.sense == "minimize" else -cost

    def rest(self, decision: torch.Tensor) -> torch.Tensor:
        return decision.new_zeros(decision.shape[:-1])

    def _minimize(self, coefficients: np.ndarray) -> np.ndarray:
        given = coefficients if self.sense == "minimize" else -coefficients
        found = np.asarray(self._solver(given.copy()), dtype=np.float64)
        if found.shape != coefficients.shape:
            raise ValueError(
                f"solve must return an array of decisions of shape {coefficients.shape}; "
                f"found {found.shape}"
            )
        lost = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(lost) and self.on_failure == "raise":
            error = SolverError(
                f"solve returned numbers that are not finite for {len(lost)} of {len(found)} "
                f"samples, the first of them sample {lost[0]}: it has no decision there"
            )
            error.indices, error.statuses = lost.tolist(), ["no decision"] * len(lost)
            raise error
        found = np.array(found, order="C")
        found[lost] = np.nan
        return found
