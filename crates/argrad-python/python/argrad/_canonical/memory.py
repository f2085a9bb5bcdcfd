"""Whether the maps of a problem fit into memory, estimated before they are built."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import cvxpy as cp
from cvxpy.atoms.affine.binary_operators import MulExpression
from cvxpy.atoms.affine.trace import Trace

from argrad import _memory
from argrad._core import MemoryLimitError

# Of a coefficient of a map: row, column and value, as CVXPY's matrix and as triplets; the order in
# which they are sorted; the map in the order of the core, and the core's copy of it.
_BYTES_OF_TRIPLET = 24
_BYTES_OF_ENTRY = 120


def check_products(
    problem: cp.Problem, limit: int | None = None, each: int = _BYTES_OF_TRIPLET
) -> None:
    """Raises `argrad.MemoryLimitError` if a product of a matrix and a matrix variable is too large.

    The map to a product of a (m, k) matrix and a (k, n) variable has m k n coefficients, which
    CVXPY writes down. They are counted for products of single parameters or constants and single
    variables only, so this refuses nothing that would fit. `limit` is the setting `memory_limit`,
    `each` are the bytes that a coefficient takes at least.
    """
    largest, product = 0, None
    for candidate in _products(problem):
        entries = _coefficients(*candidate.args)
        if entries > largest:
            largest, product = entries, candidate
    if product is None:
        return

    def what() -> str:
        left, right = (argument.shape for argument in product.args)
        return (
            f"the product {_short(product)} of shapes {left} and {right} has {largest:,} "
            "coefficients, whose map"
        )

    _memory.check(
        what,
        each * largest,
        "make the parameter smaller, or solve for fewer columns at a time (as a batch)",
        limit,
    )


def check_map(name: str, entries: int, limit: int | None = None) -> None:
    """Raises `argrad.MemoryLimitError` if the map from the parameters to `name` is too large.

    `limit` is the setting `memory_limit`.
    """
    _memory.check(
        f"the map from the parameters to {name} has {entries:,} coefficients and",
        _BYTES_OF_ENTRY * entries,
        "make the parameters smaller: a coefficient is an entry of a matrix or a vector of the "
        "cone program and an entry of a parameter that moves it",
        limit,
    )


@contextlib.contextmanager
def name_memory_errors() -> Iterator[None]:
    """Says of CVXPY's `MemoryError` what was too large and what to do."""
    try:
        yield
    except MemoryError as error:
        raise MemoryLimitError(
            "CVXPY, which rewrites the problem as a cone program, would take more memory than the "
            f"system gives: {error}; make the largest constraint or parameter smaller"
        ) from error


def _products(problem: cp.Problem) -> Iterator[MulExpression]:
    """The matrix products that a problem writes out, each once."""
    seen: set[int] = set()
    stack: list[Any] = [problem.objective, *problem.constraints]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        # CVXPY need not write out a product to take its trace.
        if isinstance(node, MulExpression):
            yield node
        stack.extend([] if isinstance(node, Trace) else node.args)


def _coefficients(left: Any, right: Any) -> int:
    """The number of coefficients of a product, at least."""
    if not left.variables() and isinstance(right, cp.Variable):
        return _entries(left) * _across(right, 1) * _is_full(right)
    if not right.variables() and isinstance(left, cp.Variable):
        return _entries(right) * _across(left, 0) * _is_full(left)
    return 0


def _across(leaf: Any, axis: int) -> int:
    """How many vectors a matrix variable multiplies."""
    return int(leaf.shape[axis]) if len(leaf.shape) == 2 else 1


def _entries(factor: Any) -> int:
    """The number of entries that a factor without variables has, at least."""
    if isinstance(factor, cp.Parameter) and len(factor.shape) <= 2:
        return int(factor.size) * _is_full(factor)
    if isinstance(factor, cp.Constant) and len(factor.shape) <= 2:
        value = factor.value
        return int(value.nnz) if hasattr(value, "nnz") else int((value != 0).sum())
    return 0


def _is_full(leaf: Any) -> bool:
    """Whether all entries of a leaf are free, or come in equal pairs."""
    return not (leaf.attributes["diag"] or leaf.attributes["sparsity"])


def _short(expression: Any) -> str:
    """An expression, as far as it fits into a message."""
    text = str(expression)
    return text if len(text) <= 60 else f"{text[:57]}..."
