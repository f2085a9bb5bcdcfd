"""The functions around a solve as a device evaluates them: which gathers, products and sums along
a dimension they are. What frameworks share of it, in numpy arrays.

The same numbers give the same bits on every call, whatever a card does at once: nothing is added up
in an order of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from argrad._core import NotOnDevice

Map = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(indptr, indices, data, base), as `Layer.maps` of the core gives it."""


class NotEvaluated(NotOnDevice):
    """A function of parameters has no counterpart on a device."""


class Group(NamedTuple):
    """Rows of a matrix with about as many entries: a gather."""

    columns: np.ndarray
    """Columns, `width` for each row; behind the last, where a row has fewer."""
    weight: np.ndarray | None
    """Entries, (rows, width); None where all are one."""
    width: int


class Gathers(NamedTuple):
    """The product with a sparse matrix. Its rows are sorted by their numbers of entries into a few
    groups, up to one, two, four and so on."""

    groups: list[Group]
    place: np.ndarray | None
    """Where each row is among the rows of all groups, and, last, a zero; None where they are in
    order."""
    is_padded: bool
    """Whether a group reads a zero behind the vector."""
    has_empty: bool
    """Whether a row has no entry."""
    is_identity: bool


class Matrix:
    """A sparse matrix by its triplets."""

    def __init__(
        self, row: np.ndarray, column: np.ndarray, entry: np.ndarray, shape: tuple[int, int]
    ) -> None:
        order = np.lexsort((column, row))
        self.row, self.column, self.entry = row[order], column[order], entry[order]
        self.shape = shape

    def transposed(self) -> Matrix:
        """Its transpose."""
        return Matrix(self.column, self.row, self.entry, self.shape[::-1])

    def gathers(self) -> Gathers:
        """How it is multiplied with a vector."""
        column, entry = self.column, self.entry
        rows, columns = self.shape
        counts = np.bincount(self.row, minlength=rows)
        starts = np.concatenate([[0], np.cumsum(counts)])
        # The first power of two that is not less.
        widths = np.where(counts > 0, 1 << np.ceil(np.log2(np.maximum(counts, 1))).astype(int), 0)
        groups = []
        place = np.full(rows, np.count_nonzero(counts))
        is_padded, done = False, 0
        for width in np.unique(widths[widths > 0]):
            own = np.flatnonzero(widths == width)
            place[own] = done + np.arange(own.size)
            done += own.size
            at = starts[own, None] + np.arange(width)
            there = np.arange(width) < counts[own, None]
            at = np.where(there, at, 0)
            index = np.where(there, column[at], columns)
            weight = np.where(there, entry[at], 0.0)
            is_padded = is_padded or not there.all()
            plain = bool((weight[there] == 1.0).all())
            groups.append(Group(index.reshape(-1), None if plain else weight, int(width)))
        has_empty = bool((counts == 0).any())
        in_order = len(groups) == 1 and not has_empty
        is_identity = (
            in_order
            and rows == columns == column.size
            and bool((column == np.arange(rows)).all() and (entry == 1.0).all())
        )
        return Gathers(groups, None if in_order else place, is_padded, has_empty, is_identity)


def blocks_of(given: Map, ends: Sequence[int]) -> list[tuple[int, Matrix]]:
    """The linear part of an affine map of a vector that is given in blocks: a matrix for each block
    that it reads."""
    indptr, indices, data, base = given
    used = data != 0.0
    row = np.repeat(np.arange(base.size), np.diff(indptr))[used]
    indices, data = indices[used], data[used]
    block = np.searchsorted(np.asarray(ends[1:]), indices, side="right")
    found = []
    for at in np.unique(block):
        own = block == at
        shape = (base.size, ends[at + 1] - ends[at])
        found.append((int(at), Matrix(row[own], indices[own] - ends[at], data[own], shape)))
    return found


def steps_of(steps: Sequence[Any], sizes: Sequence[int]) -> tuple[list[tuple[str, Any]], list[int]]:
    """How the derived parameters are made from vectors of these sizes, one block after the other,
    and where all blocks end.

    Raises `NotEvaluated` if one of them has no counterpart here.
    """
    ends = [int(end) for end in np.cumsum([0, *sizes])]
    found = []
    for kind, *of in steps:
        if kind == "other":
            raise NotEvaluated(f"parameters: expected sums and products of them, found {of[0]}")
        found.append((kind, of))
        ends.append(ends[-1] + _size(kind, of))
    return found, ends


def part_of(start: int, end: int, ends: Sequence[int]) -> tuple[int, slice]:
    """The block that has the entries of theta between two places, and where it has them."""
    at = int(np.searchsorted(ends, start, side="right")) - 1
    if end > ends[at + 1]:
        raise NotEvaluated("parameters: expected products of whole ones, found one of several")
    return at, slice(start - ends[at], end - ends[at])


def _size(kind: str, of: list[Any]) -> int:
    """How many numbers a step makes."""
    if kind == "affine":
        return of[0][3].size
    if kind == "times":
        return max(end - start for start, end in of[:2])
    if kind == "matmul":
        rows, _, columns = of[2]
        return rows * columns
    return of[2] * (of[2] + 1) // 2
