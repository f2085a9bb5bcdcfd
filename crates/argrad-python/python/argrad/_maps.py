"""The functions around a solve as a device evaluates them: which gathers, products, sums along a
dimension and elementwise functions they are. What frameworks share of it, in numpy arrays.

The same numbers give the same bits on every call, whatever a card does at once: nothing is added up
in an order of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


class Function(NamedTuple):
    """A function of one number, and its derivative, of arrays of a framework: both take its
    namespace, the array, and the numbers of the function."""

    value: Callable[[Any, Any, Sequence[float]], Any]
    derivative: Callable[[Any, Any, Sequence[float]], Any]


def _power(np: Any, x: Any, numbers: Sequence[float]) -> Any:
    (p,) = numbers
    if p > 0.0 and p % 2.0 == 0.0:
        return x**p
    return np.where((x < 0.0) | ((x == 0.0) & (p < 0.0)), math.nan, np.abs(x) ** p)


def _power_derivative(np: Any, x: Any, numbers: Sequence[float]) -> Any:
    (p,) = numbers
    return p * x ** (p - 1.0)


FUNCTIONS = {
    "abs": Function(lambda np, x, _: np.abs(x), lambda np, x, _: np.sign(x)),
    "entr": Function(
        lambda np, x, _: np.where(x == 0.0, 0.0, -x * np.log(x)),
        lambda np, x, _: -np.log(x) - 1.0,
    ),
    "exp": Function(lambda np, x, _: np.exp(x), lambda np, x, _: np.exp(x)),
    "inv_pos": Function(
        lambda np, x, _: np.where(x > 0.0, 1.0 / x, math.nan), lambda np, x, _: -1.0 / (x * x)
    ),
    "log": Function(lambda np, x, _: np.log(x), lambda np, x, _: 1.0 / x),
    "log1p": Function(lambda np, x, _: np.log1p(x), lambda np, x, _: 1.0 / (1.0 + x)),
    "logistic": Function(
        lambda np, x, _: np.where(x > 0.0, x, 0.0) + np.log1p(np.exp(-np.abs(x))),
        lambda np, x, _: 1.0 / (1.0 + np.exp(-x)),
    ),
    "power": Function(_power, _power_derivative),
    "recip": Function(lambda np, x, _: 1.0 / x, lambda np, x, _: -1.0 / (x * x)),
    "sqrt": Function(lambda np, x, _: np.sqrt(x), lambda np, x, _: 0.5 / np.sqrt(x)),
    "square": Function(lambda np, x, _: x * x, lambda np, x, _: 2.0 * x),
    "xexp": Function(
        lambda np, x, _: np.where(x >= 0.0, x * np.exp(x), math.nan),
        lambda np, x, _: (1.0 + x) * np.exp(x),
    ),
}
"""Elementwise functions, by the names that the core gives them, whose formulas these are."""


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
        if kind == "other" or (kind == "function" and of[0] not in FUNCTIONS):
            expected = f"sums and products of them and {', '.join(FUNCTIONS)}"
            raise NotEvaluated(f"parameters: expected {expected}, found {of[0]}")
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
    if kind == "function":
        return of[3]
    if kind == "matmul":
        rows, _, columns = of[2]
        return rows * columns
    return of[2] * (of[2] + 1) // 2
