"""The maps from the parameters to the numbers of the cone program."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from argrad._canonical.canonical import Canonical
from argrad._canonical.memory import check_map

AffineArrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(indptr, indices, data, base) of an affine map in compressed rows."""


def program_maps(
    canonical: Canonical, theta: sp.csr_array, memory_limit: int | None = None
) -> dict[str, Any]:
    """Sizes of the cone program, patterns of P and A, and the five affine maps to its numbers."""
    conic, n, m = canonical.conic, canonical.variables, canonical.rows
    for name, tensor in (("A and b", conic.A), ("q", conic.q), ("P", conic.P)):
        if tensor is not None:
            check_map(name, int(tensor.nnz), memory_limit)
    a_pattern, a_map, b_map = _constraints(conic, n, m, theta)
    q_map, constant = _linear(conic, n, theta)
    p_pattern, p_map = _quadratic(conic, n, theta)
    return {
        "n": n,
        "m": m,
        "p_pattern": p_pattern,
        "a_pattern": a_pattern,
        "maps": (p_map, q_map, a_map, b_map, constant),
    }


def _constraints(
    conic: Any, n: int, m: int, theta: sp.csr_array
) -> tuple[tuple[np.ndarray, np.ndarray], AffineArrays, AffineArrays]:
    """The pattern of A, and the maps to A and b: CVXPY has the augmented matrix [A b] of
    A x + b in K, flattened by columns."""
    row, column, value = _triplets(conic.A, theta)
    in_b = row >= n * m
    in_a = ~in_b
    slots, a_row = np.unique(row[in_a], return_inverse=True)
    a_map = _affine(a_row, column[in_a], -value[in_a], slots.size, theta)
    b_map = _affine(row[in_b] - n * m, column[in_b], value[in_b], m, theta)
    return _pattern(slots, m, n), a_map, b_map


def _linear(conic: Any, n: int, theta: sp.csr_array) -> tuple[AffineArrays, AffineArrays]:
    """The maps to q and to the constant of the objective, which CVXPY has as its last row."""
    row, column, value = _triplets(conic.q, theta)
    last = row == n
    q_map = _affine(row[~last], column[~last], value[~last], n, theta)
    return q_map, _affine(np.zeros(last.sum(), int), column[last], value[last], 1, theta)


def _quadratic(
    conic: Any, n: int, theta: sp.csr_array
) -> tuple[tuple[np.ndarray, np.ndarray], AffineArrays]:
    """The pattern of the upper triangle of P, and the map to it."""
    row, column, value = _triplets(conic.P, theta)
    i, j = row % n, row // n
    low, high = np.minimum(i, j), np.maximum(i, j)
    # Only the symmetric part of P counts; an entry off the diagonal is half of either place.
    value = np.where(i == j, 1.0, 0.5) * value
    slots, p_row = np.unique(high * n + low, return_inverse=True)
    return _pattern(slots, n, n), _affine(p_row, column, value, slots.size, theta)


def _triplets(tensor: Any, theta: sp.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nonzero entries of a map from CVXPY's parameter vector: row, column, value."""
    if tensor is None or 0 in tensor.shape:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    width = theta.shape[0] + 1
    if tensor.shape[1] != width:
        raise NotImplementedError(
            f"CVXPY's parameter vector has {tensor.shape[1]} entries; expected {width}"
        )
    entries = sp.coo_array(tensor)
    keep = entries.data != 0.0
    row, column = entries.coords
    return row[keep].astype(np.int64), column[keep].astype(np.int64), entries.data[keep]


def _affine(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, slots: int, theta: sp.csr_array
) -> AffineArrays:
    """The affine map theta -> slots as (indptr, indices, data, base)."""
    width = theta.shape[0]
    fixed = column == width
    base = np.bincount(row[fixed], weights=value[fixed], minlength=slots).astype(np.float64)
    free = ~fixed
    linear = sp.csr_array((value[free], (row[free], column[free])), shape=(slots, width))
    return (*compressed_rows(linear @ theta), base)


def compressed_rows(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, data) of a matrix in compressed rows with sorted indices."""
    rows = sp.csr_array(matrix)
    rows.sum_duplicates()
    rows.sort_indices()
    return (
        np.ascontiguousarray(rows.indptr, dtype=np.int64),
        np.ascontiguousarray(rows.indices, dtype=np.int64),
        np.ascontiguousarray(rows.data, dtype=np.float64),
    )


def _pattern(slots: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(indptr, indices) in compressed columns of the sorted positions column * rows + row."""
    rows = max(rows, 1)
    counts = np.bincount(slots // rows, minlength=columns)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return indptr, np.ascontiguousarray(slots % rows, dtype=np.int64)


def cone_tuples(dims: Any) -> list[tuple]:
    """The cones of a CVXPY program, in the order of its rows."""
    cones: list[tuple] = []
    if dims.zero:
        cones.append(("zero", int(dims.zero)))
    if dims.nonneg:
        cones.append(("nonnegative", int(dims.nonneg)))
    for dim in dims.soc:
        cones.append(("second_order", int(dim)) if dim > 1 else ("nonnegative", int(dim)))
    for side in dims.psd:
        cones.append(("psd_triangle", int(side)))
    if dims.exp:
        cones.append(("exponential", int(dims.exp)))
    for alpha in dims.p3d:
        cones.append(("power", float(alpha)))
    for alphas in dims.pnd:
        # CVXPY lets their sum differ from one by rounding.
        total = sum(float(a) for a in alphas)
        cones.append(("generalized_power", [float(a) / total for a in alphas], 1))
    return cones
