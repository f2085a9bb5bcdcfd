"""Dense quadratic programs as compiled problems, where a front end needs them as such."""

from __future__ import annotations

import functools

import numpy as np

from argrad._compiled import Compiled, Input, Output, Parameter

_NAMES = ("Q", "p", "G", "h", "A", "b")


@functools.lru_cache(maxsize=64)
def quadratic(n: int, equalities: int, inequalities: int, duals: bool) -> Compiled:
    """Quadratic programs as a program whose numbers are affine in Q, p, G, h, A, b."""
    e, k = equalities, inequalities
    shapes = {"Q": (n, n), "p": (n,), "G": (k, n), "h": (k,), "A": (e, n), "b": (e,)}
    parameters, start, places = [], {}, 0
    for name in _NAMES:
        if 0 not in shapes[name]:
            parameters.append(Parameter(name, shapes[name], False))
            start[name] = places
            places += parameters[-1].size
    # The upper triangle, column by column.
    column, row = (np.ascontiguousarray(at) for at in np.nonzero(np.tri(n, dtype=bool)))
    upper, lower = row * n + column, column * n + row
    quadratic = (
        np.arange(0, 2 * len(row) + 1, 2),
        np.stack([upper, lower], 1).reshape(-1),
        np.full(2 * len(row), 0.5),
        np.zeros(len(row)),
    )
    stacked = [np.zeros(0, int), np.zeros(0, int)]
    for name, right in (("A", "b"), ("G", "h")):
        if name in start:
            entries = start[name] + np.arange(shapes[name][0] * n).reshape(-1, n)
            stacked = [
                np.concatenate([stacked[0].reshape(-1, n), entries]),
                np.concatenate([stacked[1], start[right] + np.arange(shapes[right][0])]),
            ]
    matrix, right_hand_side = stacked[0].reshape(e + k, n), stacked[1]
    none = np.zeros(0, int)
    sizes = [("z", "x", 0, n)]
    if duals:
        sizes += [("nu", "z", 0, e), ("lam", "z", e, k)]
    program = {
        "n": n,
        "m": e + k,
        "p_pattern": (np.concatenate([[0], np.cumsum(np.arange(1, n + 1))]), row),
        "a_pattern": (np.arange(n + 1) * (e + k), np.tile(np.arange(e + k), n)),
        "maps": (
            quadratic,
            _picked(start["p"] + np.arange(n)),
            _picked(np.ascontiguousarray(matrix.T).reshape(-1)),
            _picked(right_hand_side),
            (np.zeros(2, int), none, np.zeros(0), np.zeros(1)),
        ),
        "cones": [(name, count) for name, count in (("zero", e), ("nonnegative", k)) if count],
        "parameters": [(parameter.name, parameter.size) for parameter in parameters],
        "outputs": [
            (name, source, count, *_picked(first + np.arange(count)))
            for name, source, first, count in sizes
        ],
        "constraints": [
            (name, list(range(first, first + count)))
            for name, first, count in (("Az = b", 0, e), ("Gz <= h", e, k))
            if count
        ],
    }
    inputs = tuple(Input(at, False) for at in range(len(parameters)))
    outputs = tuple(
        Output(name, (count,), False, source == "z") for name, source, _, count in sizes
    )
    return Compiled(tuple(parameters), inputs, outputs, False, program, {})


def _picked(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The affine map that picks entries, as (indptr, indices, data, base)."""
    count = len(places)
    return np.arange(count + 1), np.asarray(places), np.ones(count), np.zeros(count)
