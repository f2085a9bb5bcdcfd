"""Variables and parameters with their attributes."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from argrad._translation.description import Description, NoTranslation, Term

_REFUSED = ("boolean", "integer", "hermitian", "imag", "complex")


def variable(leaf: cp.Variable, to: Description) -> Term:
    """A variable, whose attributes become constraints of the core; bounds that are expressions are
    left to `bound_expressions`."""
    attributes = _attributes(leaf)
    words = []
    if attributes["nonneg"] or attributes["pos"]:
        words.append("nonneg")
    if attributes["nonpos"] or attributes["neg"]:
        words.append("nonpos")
    _check_matrix(leaf, ("symmetric", "PSD", "NSD", "diag"))
    if attributes["NSD"]:
        if words or leaf.bounds is not None:
            raise NoTranslation(f"the attributes of variable {leaf.name()} together")
        negative = to.add("variable", [], leaf.shape, leaf.shape, leaf.name(), ["psd"])
        return to.add("negate", [negative], leaf.shape)
    if attributes["PSD"]:
        words.append("psd")
    elif attributes["symmetric"]:
        words.append("symmetric")
    elif attributes["diag"]:
        words.append("diagonal")
    term = Term(leaf.shape, None)
    term = to.add("variable", [], leaf.shape, term.core_shape, leaf.name(), words)
    if attributes["sparsity"]:
        if len(leaf.shape) != 2:
            raise NoTranslation(f"the sparsity of variable {leaf.name()}, which is no matrix")
        pattern = [(int(i), int(j)) for i, j in zip(*leaf.sparse_idx, strict=True)]
        term = to.add("sparse", [term], leaf.shape, pattern)
    lower, upper = _number_bounds(leaf)
    if lower is None and upper is None:
        return term
    if attributes["diag"] or attributes["sparsity"]:
        raise NoTranslation(f"the bounds of variable {leaf.name()}, which has zeros")
    full = [
        np.full(leaf.size, infinite) if bound is None else _flat(bound, leaf.shape)
        for bound, infinite in ((lower, -np.inf), (upper, np.inf))
    ]
    return to.add("bounds", [term], leaf.shape, *full)


def bound_expressions(leaf: cp.Variable) -> list[Any]:
    """The bounds of a variable that hold parameters, as constraints of CVXPY."""
    if leaf.bounds is None:
        return []
    lower, upper = leaf.bounds
    found = [leaf >= lower] if isinstance(lower, cp.Expression) else []
    return found + ([leaf <= upper] if isinstance(upper, cp.Expression) else [])


def parameter(leaf: cp.Parameter, to: Description) -> Term:
    """A parameter, given by all entries row by row: of a symmetric matrix their symmetric part
    counts, of a diagonal or sparse one those that it has. Values are checked elsewhere."""
    attributes = _attributes(leaf)
    lower, upper = _number_bounds(leaf)
    words = []
    if attributes["nonneg"] or attributes["pos"] or _has(lower, lambda b: b >= 0):
        words.append("nonneg")
    if attributes["nonpos"] or attributes["neg"] or _has(upper, lambda b: b <= 0):
        words.append("nonpos")
    _check_matrix(leaf, ("symmetric", "PSD", "NSD", "diag"))
    if attributes["PSD"]:
        words.append("psd")
    core = Term(leaf.shape, None).core_shape
    term = to.add("parameter", [], leaf.shape, core, leaf.name(), words)
    if attributes["symmetric"] or attributes["PSD"] or attributes["NSD"]:
        return to.add("symmetric_part", [term], leaf.shape)
    if attributes["diag"]:
        diagonal = to.add("diag", [term], leaf.shape[:1])
        return to.add("diag", [diagonal], leaf.shape)
    if attributes["sparsity"]:
        numbers = np.arange(leaf.size).reshape(leaf.shape)
        positions = np.full(leaf.shape, -1)
        positions[leaf.sparse_idx] = numbers[leaf.sparse_idx]
        return to.gather([term], positions, leaf.shape)
    return term


def _attributes(leaf: Any) -> Any:
    found = leaf.attributes
    for name in _REFUSED:
        if found.get(name):
            raise NoTranslation(f"the attribute {name} of {leaf.name()}")
    return found


def _check_matrix(leaf: Any, names: tuple[str, ...]) -> None:
    if len(leaf.shape) != 2 and any(leaf.attributes[name] for name in names):
        raise NoTranslation(f"attributes of {leaf.name()}, which is a stack of matrices")


def _number_bounds(leaf: Any) -> tuple[Any, Any]:
    """The bounds that are numbers; None for none."""
    lower, upper = leaf.bounds if leaf.bounds is not None else (None, None)
    if sp.issparse(lower) or sp.issparse(upper):
        raise NoTranslation(f"the sparse bounds of {leaf.name()}")
    lower = None if isinstance(lower, cp.Expression) else lower
    upper = None if isinstance(upper, cp.Expression) else upper
    return lower, upper


def _has(bound: Any, holds: Any) -> bool:
    return bound is not None and bool(np.all(holds(np.asarray(bound))))


def _flat(bound: Any, shape: tuple[int, ...]) -> np.ndarray:
    full = np.broadcast_to(np.asarray(bound, dtype=np.float64), shape)
    return np.ascontiguousarray(full).ravel()
