"""Where CVXPY took the variables and parameters of a problem, and how it stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from cvxpy.reductions.dgp2dcp.dgp2dcp import Dgp2Dcp

_SYMMETRIC = ("symmetric", "PSD", "NSD")


class LeafIds:
    """Where CVXPY's reductions took the leaves of a problem."""

    def __init__(self, chain: Any) -> None:
        logs = [r for r in chain.reductions if isinstance(r, Dgp2Dcp)]
        self._log_parameters = _merged(r.param_id_map for r in logs)
        self._log_variables = _merged(r.var_id_map for r in logs)
        rest = [r for r in chain.reductions if not isinstance(r, Dgp2Dcp)]
        self._parameters = [r.param_id_map for r in rest]
        self._variables = [r.var_id_map for r in rest]

    def parameter(self, ident: int) -> int:
        """The id in the cone program of a parameter used as it is."""
        return _follow(ident, self._parameters)

    def log_parameter(self, ident: int) -> int | None:
        """The id in the cone program of the logarithm of a parameter, or None."""
        found = self._log_parameters.get(ident)
        return None if found is None else _follow(found[0], self._parameters)

    def variable(self, ident: int) -> int:
        """The id in the cone program of a variable (of its logarithm, in a geometric program)."""
        start = self._log_variables.get(ident, [ident])[0]
        return _follow(start, self._variables)


def _merged(maps: Iterator[dict]) -> dict[int, list[int]]:
    """The union of dictionaries."""
    merged: dict[int, list[int]] = {}
    for one in maps:
        merged |= one
    return merged


def _follow(ident: int, steps: Sequence[Mapping[int, list[int]]]) -> int:
    """An id after all steps."""
    for step in steps:
        found = step.get(ident)
        if found is not None:
            if len(found) != 1:
                raise NotImplementedError("Complex variables are not yet supported.")
            ident = found[0]
    return ident


def lowered(leaf: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """How CVXPY stores a leaf: triplets (entry of the leaf, stored entry, weight), stored size.

    Entries of the leaf are numbered row-major. Reading a variable, entry = sum of weight * stored,
    always with weight 1; a parameter's stored entries are the averages of those that they stand
    for, which is what makes gradients of symmetric matrices symmetric.
    """
    shape = tuple(leaf.shape)
    size = int(np.prod(shape, dtype=np.int64))
    numbers = np.arange(size).reshape(shape)
    if any(leaf.attributes[a] for a in _SYMMETRIC):
        side = shape[-1]
        rows, columns = np.triu_indices(side)
        stored_shape = (*shape[:-2], rows.size)
        stored = np.arange(int(np.prod(stored_shape))).reshape(stored_shape, order="F")
        upper, lower = numbers[..., rows, columns], numbers[..., columns, rows]
        off = np.broadcast_to(rows != columns, upper.shape).ravel()
        entries = np.concatenate([upper.ravel(), lower.ravel()[off]])
        places = np.concatenate([stored.ravel(), stored.ravel()[off]])
        return entries, places, np.ones(entries.size), stored.size
    if leaf.attributes["diag"]:
        entries = np.diagonal(numbers).copy()
    elif leaf.attributes["sparsity"]:
        entries = numbers[leaf.sparse_idx]
    else:
        entries = numbers.ravel(order="F")
    return entries, np.arange(entries.size), np.ones(entries.size), entries.size
