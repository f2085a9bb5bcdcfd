"""The relaxed programs of layers, see `argrad::model::Layer::relaxed`, and how they are found."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from argrad._compiled import Compiled, Output
from argrad._options import Elastic
from argrad._policy import Policy
from argrad._quadratic import quadratic
from argrad.torch._call import Arrays, Program, Solution
from argrad.torch._elastic import ElasticProgram, Relaxed
from argrad.torch._layer_program import LayerProgram
from argrad.torch._qp_program import QpProgram

Settings = tuple[tuple[str, Any], ...]


def elastic_layer(
    program: LayerProgram, settings: Settings, elastic: Elastic, violation: bool
) -> ElasticProgram:
    """A CVXPY problem with these settings and its relaxed one."""
    relaxed = _relaxed_layer(program.compiled, settings, program.single, elastic)
    return ElasticProgram(program, relaxed, violation)


def elastic_qp(
    program: QpProgram, settings: Settings, single: bool, elastic: Elastic, violation: bool
) -> ElasticProgram:
    """Quadratic programs with these settings and their relaxed ones."""
    sizes = (program.n, program.equalities, program.inequalities)
    relaxed = _relaxed_qp(*sizes, program.duals, settings, single, elastic)
    return ElasticProgram(program, relaxed, violation)


@functools.lru_cache(maxsize=64)
def _relaxed_layer(
    compiled: Compiled, settings: Settings, single: bool, elastic: Elastic
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
def _relaxed_qp(
    n: int,
    equalities: int,
    inequalities: int,
    duals: bool,
    settings: Settings,
    single: bool,
    elastic: Elastic,
) -> Relaxed:
    """The relaxed program of quadratic programs of one size."""
    compiled = quadratic(n, equalities, inequalities, duals)
    relaxed = _relaxed_layer(compiled, settings, single, elastic)
    present = (True, True, *(inequalities > 0,) * 2, *(equalities > 0,) * 2)
    return relaxed._replace(program=_Present(relaxed.program, present))


class _Present:
    """A program without the arguments that are absent, as one that has them all."""

    __slots__ = ("_present", "_program", "arguments", "results", "tape_len")

    def __init__(self, program: Program, present: Sequence[bool]) -> None:
        self._program = program
        self._present = present
        self.tape_len = program.tape_len
        given = iter(program.arguments)
        self.arguments = [next(given) if there else None for there in present]
        self.results = program.results

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        solved = self._program.solve(batch, arrays, policy, start, differentiable)
        return _PresentSolution(solved, self._present)

    def restore(self, batch: int, arrays: Arrays, tape: np.ndarray, policy: Policy) -> Solution:
        return _PresentSolution(self._program.restore(batch, arrays, tape, policy), self._present)


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

    def flat_tape(self) -> np.ndarray:
        return self._solved.flat_tape()

    def _given(self, tangents: Sequence[np.ndarray | None]) -> Arrays:
        return [t for t, there in zip(tangents, self._present, strict=True) if there]

    def _spread(self, grads: Arrays) -> Arrays:
        given = iter(grads)
        return [next(given) if there else None for there in self._present]
