"""What is said about samples without a solution."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from argrad._core import STATUS, SolverError

SOLVED = STATUS.index("solved")
ALMOST_SOLVED = STATUS.index("almost_solved")
INFEASIBLE = STATUS.index("primal_infeasible")
_SHOWN = 8
_MEANING = {
    "primal_infeasible": "primal infeasible (no point satisfies the constraints)",
    "dual_infeasible": "dual infeasible (the objective is unbounded)",
}


class SolverWarning(UserWarning):
    """Some samples have no solution, and the caller asked for NaN or zero gradients there."""


def failures(reports: Mapping[str, np.ndarray]) -> list[tuple[int, str]]:
    """Index and status name of each sample that is not solved."""
    status = reports["status"]
    return [(int(at), STATUS[status[at]]) for at in np.flatnonzero(failed(reports))]


def failed(reports: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether each sample is neither solved nor almost solved."""
    status = reports["status"]
    return (status != SOLVED) & (status != ALMOST_SOLVED)


def describe(
    found: list[tuple[int, str]],
    batch: int,
    noun: str = "sample",
    reason: Callable[[int], str] = lambda at: "",
) -> str:
    """One sentence that names the first few of them; `reason` says more of a sample."""
    named = [
        f"{noun} {at}: {_MEANING.get(status) or status.replace('_', ' ')}{reason(at)}"
        for at, status in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        named.append(f"and {len(found) - _SHOWN} more")
    return f"{len(found)} of {batch} {noun}s not solved: {'; '.join(named)}"


def raise_failures(
    reports: Mapping[str, np.ndarray],
    noun: str = "sample",
    reason: Callable[[int], str] = lambda at: "",
) -> None:
    """Raises :class:`argrad.SolverError` if any sample is not solved; `reason` says more of one.

    The error has the attributes ``indices`` and ``statuses``. Where diffcp is imported it is a
    ``diffcp.SolverError`` too: what was written for cvxpylayers catches that.
    """
    found = failures(reports)
    if found:
        kind = _error_of(getattr(sys.modules.get("diffcp"), "SolverError", None))
        error = kind(describe(found, len(reports["status"]), noun, reason))
        error.indices = [at for at, _ in found]
        error.statuses = [status for _, status in found]
        raise error


@functools.cache
def _error_of(other: type[Exception] | None) -> type[SolverError]:
    """The class of the error, which is of another one too if there is one."""
    if other is None:
        return SolverError

    def reduce(error: SolverError) -> tuple[Any, ...]:
        return SolverError, error.args, error.__dict__

    names = {"__module__": "argrad", "__doc__": SolverError.__doc__, "__reduce__": reduce}
    return type("SolverError", (SolverError, other), names)
