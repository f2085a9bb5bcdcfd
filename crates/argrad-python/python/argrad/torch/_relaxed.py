"""The relaxed programs of layers, see `argrad::model::Layer::relaxed`, and how they are found."""

from __future__ import annotations

import functools
from typing import Any

from argrad._compiled import Compiled, Output
from argrad._options import Elastic
from argrad._quadratic import quadratic
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
    return _relaxed_layer(compiled, settings, single, elastic)
