"""The relaxed programs of layers, see `argrad::model::Layer::relaxed`, and how they are found."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from argrad._compiled import Compiled, Input, Output, Parameter
from argrad._policy import Policy
from argrad.torch._call import Arrays, Program, Solution
from argrad.torch._elastic import Relaxed
from argrad.torch._layer_program import LayerProgram
from argrad.torch._qp_program import NAMES

Elastic = tuple[str, str, float]
"""``("elastic", norm, weight)``."""


@functools.lru_cache(maxsize=64)
def relaxed_layer(
    compiled: Compiled, settings: tuple[tuple[str, Any], ...], single: bool, elastic: Elastic
) -> Relaxed:
    """The relaxed program of a CVXPY problem with these settings."""
    _, norm, weight = elastic
    base = compiled.layer(dict(settings), single=single)
    constraints = base.relaxed_constraints()
    rows = sum(count for _, count in constraints)
    violation = Output("violation", (rows,), False, False)
    program = LayerProgram(compiled, base.relaxed(norm, weight), single, (violation,))
    return Relaxed(program, constraints, norm)


@functools.lru_cache(maxsize=64)
def relaxed_qp(
    n: int,
    equalities: int,
    inequalities: int,
    duals: bool,
    settings: tuple[tuple[str, Any], ...],
    single: bool,
    elastic: Elastic,
) -> Relaxed:
    """The relaxed program of quadratic programs of one size."""
    compiled = _quadratic(n, equalities, inequalities, duals)
    relaxed = relaxed_layer(compiled, settings, single, elastic)
    present = (True, True, *(inequalities > 0,) * 2, *(equalities > 0,) * 2)
    return relaxed._replace(program=_Present(relaxed.program, present))


def _quadratic(n: int, equalities: int, inequalities: int, duals: bool) -> Compiled:
    """Quadratic programs as a program whose numbers are affine in Q, p, G, h, A, b."""
    e, k = equalities, inequalities
    shapes = {"Q": (n, n), "p": (n,), "G": (k, n), "h": (k,), "A": (e, n), "b": (e,)}
    parameters, start, places = [], {}, 0
    for name in NAMES:
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


class _Present:
    """A program without the arguments that are absent, as one that has them all."""

    __slots__ = ("_present", "_program", "arguments", "results")

    def __init__(self, program: Program, present: Sequence[bool]) -> None:
        self._program = program
        self._present = present
        given = iter(program.arguments)
        self.arguments = [next(given) if there else None for there in present]
        self.results = program.results

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        solved = self._program.solve(batch, arrays, policy, start, differentiable)
        return _PresentSolution(solved, self._present)


class _PresentSolution:
    """A solution of such a program."""

    def __init__(self, solved: Solution, present: Sequence[bool]) -> None:
        self._solved = solved
        self._present = present
        self.outputs = solved.outputs
        self.reports = solved.reports
        self.all_solved = solved.all_solved

    def vjp(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        return self._spread(self._solved.vjp(cotangents))

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        return self._solved.jvp(self._given(tangents))

    def vjp_tangent(
        self,
        cotangents: Sequence[np.ndarray | None],
        changes: Sequence[np.ndarray | None],
        tangents: Sequence[np.ndarray | None],
    ) -> Arrays:
        found = self._solved.vjp_tangent(cotangents, changes, self._given(tangents))
        return self._spread(found)

    def _given(self, tangents: Sequence[np.ndarray | None]) -> Arrays:
        return [t for t, there in zip(tangents, self._present, strict=True) if there]

    def _spread(self, grads: Arrays) -> Arrays:
        given = iter(grads)
        return [next(given) if there else None for there in self._present]
