"""What the front ends share of `on_infeasible="elastic"`."""

from __future__ import annotations

from collections.abc import Sequence

NO_VIOLATION = (
    'violation=True needs on_infeasible="elastic", since otherwise no sample violates anything; '
    "found on_infeasible='fail'"
)


def constraint_rows(constraints: Sequence[tuple[str, int]]) -> dict[str, slice]:
    """Where the violations of each constraint are, by its name, in the order of the constraints;
    one that has the name of another gets a number."""
    found: dict[str, slice] = {}
    start = 0
    for name, count in constraints:
        unique, number = name, 2
        while unique in found:
            unique, number = f"{name} ({number})", number + 1
        found[unique] = slice(start, start + count)
        start += count
    return found
