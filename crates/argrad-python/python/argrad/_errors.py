"""What is said about samples without a solution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from argrad._core import STATUS, SolverError

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
    return [(int(at), STATUS[status[at]]) for at in np.flatnonzero(status)]


def describe(failed: list[tuple[int, str]], batch: int, noun: str = "sample") -> str:
    """One sentence that names the first few of them."""
    named = [
        f"{noun} {at}: {_MEANING.get(status) or status.replace('_', ' ')}"
        for at, status in failed[:_SHOWN]
    ]
    if len(failed) > _SHOWN:
        named.append(f"and {len(failed) - _SHOWN} more")
    return f"{len(failed)} of {batch} {noun}s not solved: {'; '.join(named)}"


def raise_failures(reports: Mapping[str, np.ndarray], noun: str = "sample") -> None:
    """Raises :class:`argrad.SolverError` if any sample is not solved.

    The error has the attributes ``indices`` and ``statuses``.
    """
    failed = failures(reports)
    if failed:
        error = SolverError(describe(failed, len(reports["status"]), noun))
        error.indices = [at for at, _ in failed]
        error.statuses = [status for _, status in failed]
        raise error
