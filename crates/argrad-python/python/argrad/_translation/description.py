"""A problem as a list of expressions that the core reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

Shape = tuple[int, ...]


class NoTranslation(Exception):
    """A part of a problem has no counterpart in argrad's language; says which, and why."""


class Term:
    """An expression of a description, or numbers that are not one yet.

    Entries are numbered row-major. The core knows up to two axes; what has more is a vector there.
    """

    __slots__ = ("_node", "shape", "value")

    def __init__(self, shape: Shape, node: int | None, value: Any = None) -> None:
        self.shape = shape
        self._node = node
        self.value = value

    @property
    def is_constant(self) -> bool:
        """Whether it is numbers, a dense array or a sparse matrix."""
        return self.value is not None

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def core_shape(self) -> Shape:
        """The shape that the core knows."""
        return self.shape if len(self.shape) <= 2 else (self.size,)


class Description:
    """Expressions and constraints, each `(name, arguments, data...)` with the positions of its
    arguments, in the order in which the core makes them."""

    def __init__(self) -> None:
        self.expressions: list[tuple] = []
        self.constraints: list[tuple] = []

    def node(self, term: Term) -> int:
        """The position of an expression; numbers become one."""
        if term._node is None:
            numbers = dense(term.value)
            if not np.isfinite(numbers).all():
                raise NoTranslation("a constant with entries that are not finite")
            flat = np.ascontiguousarray(numbers, dtype=np.float64).ravel()
            term._node = self._push(("constant", (), term.core_shape, flat))
        return term._node

    def _push(self, expression: tuple) -> int:
        self.expressions.append(expression)
        return len(self.expressions) - 1

    def add(self, name: str, args: Sequence[Term], shape: Shape, *data: Any) -> Term:
        """An expression of this name, of arguments and of whatever else the core takes for it."""
        positions = tuple(self.node(arg) for arg in args)
        return Term(shape, self._push((name, positions, *data)))

    def constrain(self, name: str, args: Sequence[Term], label: str, *data: Any) -> int:
        """A constraint; returns its position among the constraints."""
        positions = tuple(self.node(arg) for arg in args)
        self.constraints.append((name, positions, label, *data))
        return len(self.constraints) - 1

    def gather(self, args: Sequence[Term], positions: np.ndarray, shape: Shape) -> Term:
        """Entries of all arguments, one argument after the other, by position; zero where that is
        negative."""
        target = Term(shape, None)
        if len(args) == 1 and args[0].core_shape == target.core_shape:
            (only,) = args
            if np.array_equal(positions.ravel(), np.arange(only.size)):
                return Term(shape, only._node, only.value)
        flat = np.ascontiguousarray(positions, dtype=np.int64).ravel()
        return self.add("gather", args, shape, target.core_shape, flat)

    def map(self, args: Sequence[Term], matrix: Any, shape: Shape) -> Term:
        """A sparse matrix times the entries of all arguments, one after the other."""
        rows = sp.csr_array(matrix)
        rows.sum_duplicates()
        data = (
            np.ascontiguousarray(rows.indptr, dtype=np.int64),
            np.ascontiguousarray(rows.indices, dtype=np.int64),
            np.ascontiguousarray(rows.data, dtype=np.float64),
        )
        if not np.isfinite(data[2]).all():
            raise NoTranslation("a constant with entries that are not finite")
        return self.add("map", args, shape, Term(shape, None).core_shape, *data)

    def reshape(self, term: Term, shape: Shape) -> Term:
        """The same entries, row-major, in another shape."""
        if term.shape == shape:
            return term
        if term.is_constant:
            return Term(shape, None, dense(term.value).reshape(shape))
        return self.gather([term], np.arange(term.size), shape)

    def broadcast(self, term: Term, shape: Shape) -> Term:
        """Repeated along axes of length one and new ones, as numpy does."""
        if term.shape == shape:
            return term
        if term.is_constant:
            return Term(shape, None, np.broadcast_to(dense(term.value), shape))
        positions = np.broadcast_to(np.arange(term.size).reshape(term.shape), shape)
        return self.gather([term], positions, shape)

    def scalar(self, term: Term) -> Term:
        """A term of one entry, without axes."""
        return self.reshape(term, ())

    def flat(self, term: Term) -> Term:
        """All entries as a vector."""
        return self.reshape(term, (term.size,))


def dense(value: Any) -> np.ndarray:
    """Numbers as an array, whatever holds them."""
    return np.asarray(value.toarray() if sp.issparse(value) else value, dtype=np.float64)
