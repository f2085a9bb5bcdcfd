"""The KKT conditions at a point, as they are told to users."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from argrad._core import _Table


@dataclasses.dataclass(frozen=True)
class KktRow:
    """One condition, of one constraint (for stationarity: of one group of variables).

    Attributes:
        condition: "primal feasibility", "dual feasibility", "complementarity" or "stationarity".
        constraint: how the constraint, or the group of variables, is called.
        row: where in it the residual is largest; None where it has one row only, or is a cone
            that cannot be taken apart.
        absolute: the residual there, in the units of the program; NaN for a point that has no
            number.
        relative: the residual there relative to the size of its terms.
    """

    condition: str
    constraint: str
    row: int | None
    absolute: float
    relative: float


@dataclasses.dataclass(frozen=True, repr=False)
class KktConditions:
    """How far a point is from optimal: primal feasibility, dual feasibility, complementarity and
    stationarity, each by constraint. `print` shows a table, worst rows first.

    Attributes:
        rows: the residuals, one `KktRow` each.
        multipliers: "given", or "least squares" where they were fitted to x.
        verdict: one line, "optimal to 3.1e-10" or what fails by most and where.
    """

    rows: tuple[KktRow, ...]
    multipliers: Literal["given", "least squares"]
    verdict: str
    _text: str

    @property
    def residual(self) -> float:
        """The largest relative residual; NaN if one is."""
        relative = [row.relative for row in self.rows]
        return math.nan if any(map(math.isnan, relative)) else max(relative, default=0.0)

    def is_optimal(self, tolerance: float) -> bool:
        """Whether every relative residual is at most `tolerance`."""
        return self.residual <= tolerance

    def worst(self, condition: str | None = None) -> KktRow | None:
        """The row with the largest relative residual (of one condition); None without rows."""
        rows = [row for row in self.rows if condition in (None, row.condition)]
        nan = [row for row in rows if math.isnan(row.relative)]
        return nan[0] if nan else max(rows, key=lambda row: row.relative, default=None)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"KktConditions({self.verdict!r})"


def read(tables: list[_Table]) -> list[KktConditions]:
    """What the core says, one for each sample."""
    return [
        KktConditions(
            tuple(KktRow(*row) for row in rows),
            "given" if given else "least squares",
            verdict,
            text,
        )
        for rows, given, verdict, text in tables
    ]


def conditions(problem: Any) -> KktConditions:
    """The KKT conditions of a CVXPY problem at the values that its variables have.

    Any solver may have found them, or nobody: assign `variable.value`. Constraints are called as
    CVXPY prints them, or by their label; multipliers are those that fit best by least squares.
    Variables that CVXPY adds for its atoms follow from the user's. Parameters must have values.

    Args:
        problem: a `cvxpy.Problem` that follows the rules of DCP (and, with parameters, DPP).

    Raises:
        ValueError: a variable or a parameter without a value, a problem that is not convex.

        >>> import argrad, cvxpy as cp
        >>> x = cp.Variable(2)
        >>> problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [cp.sum(x) <= 1])
        >>> x.value = [0.5, 0.75]
        >>> argrad.conditions(problem).verdict.startswith("infeasible by 2.5e-1")
        True
    """
    from argrad._canonical import compile_problem

    for kind, leaves in (("variable", problem.variables()), ("parameter", problem.parameters())):
        for leaf in leaves:
            if leaf.value is None:
                raise ValueError(f"{kind} {leaf.name()} has no value; solve first, or assign one")
    compiled = compile_problem(problem, problem.parameters(), problem.variables())
    layer = compiled.layer()
    parameters = [_numbers(p.value) for p in problem.parameters()]
    values = [_numbers(v.value) for v in problem.variables()]
    return read(layer.conditions_at(parameters, values))[0]


def _numbers(value: Any) -> np.ndarray:
    """The entries row by row; CVXPY keeps some values sparse."""
    dense = value.toarray() if hasattr(value, "toarray") else value
    return np.ascontiguousarray(np.asarray(dense, dtype=np.float64).ravel(order="C"))
