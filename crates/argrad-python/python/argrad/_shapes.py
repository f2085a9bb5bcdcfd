"""Hints for arrays of the wrong shape."""

from __future__ import annotations

from collections.abc import Sequence


def transpose_hint(found: Sequence[int], rows: int | None, columns: int) -> str:
    """Asks whether the transpose was meant, where that would fit: `found` is a matrix, or a batch
    of them; `rows` is None where any number will do. Else empty."""
    if len(found) not in (2, 3) or found[-2] != columns or rows not in (None, found[-1]):
        return ""
    return "; did you mean its transpose?"
