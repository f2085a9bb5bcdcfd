"""From a CVXPY problem to a problem in argrad's own language, atom by atom.

The tree of the problem becomes a list of expressions (`description`), which the core reads into its
modelling language and compiles. What the language takes is more than what CVXPY can canonicalize
with parameters: with the parameters held fixed a problem must be DCP, nothing more. And it stays
small: no matrix of (numbers of the program) x (parameters) is ever made.

`walk` goes over the tree with one table per family of atoms: `affine`, `products`, `elementwise`,
`reductions`, `matrices`; `leaves` are variables and parameters, `constraints` come with their
duals. A part that has no counterpart raises `NoTranslation`, which says what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np

from argrad._attributes import attributes_of
from argrad._compiled import Input, Output, Parameter
from argrad._translation import constraints
from argrad._translation.description import Description, NoTranslation
from argrad._translation.walk import Walk

__all__ = ["NoTranslation", "Translation", "translate"]


class Translation(NamedTuple):
    """A problem in argrad's language, and what its layer takes and returns."""

    program: dict[str, Any]
    """What `_core.compile_model` takes, but for the settings."""
    parameters: list[Parameter]
    inputs: list[Input]
    outputs: list[Output]


def translate(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    variables: Sequence[cp.Variable],
    check_attributes: bool = True,
) -> Translation:
    """Translates a problem whose lists of parameters and variables are checked already.

    Raises NoTranslation where it cannot be.
    """
    description = Description()
    walk = Walk(description)
    objective = description.node(walk.term(problem.objective.args[0]))
    duals: dict[int, constraints.Dual] = {}
    for constraint in problem.constraints:
        found = constraints.translate(constraint, walk)
        for variable, dual in zip(constraint.dual_variables, found, strict=True):
            duals[variable.id] = dual
    while bounds := walk.new_bounds():
        for bound in bounds:
            constraints.translate(bound, walk)
    infos, rows = _outputs(variables, walk, duals)
    inputs = []
    for parameter in parameters:
        position = walk.positions.get(parameter.id)
        if position is None:
            raise NoTranslation(f"parameter {parameter.name()}, on which nothing depends")
        inputs.append(position)
    program = {
        "expressions": description.expressions,
        "constraints": description.constraints,
        "objective": objective,
        "maximize": isinstance(problem.objective, cp.Maximize),
        "parameters": inputs,
        "outputs": rows,
    }
    promised = [attributes_of(p) if check_attributes else () for p in parameters]
    return Translation(
        program,
        [
            Parameter(p.name(), tuple(p.shape), False, attributes)
            for p, attributes in zip(parameters, promised, strict=True)
        ],
        [Input(number, False) for number in range(len(inputs))],
        infos,
    )


def _outputs(
    variables: Sequence[cp.Variable], walk: Walk, duals: dict[int, constraints.Dual]
) -> tuple[list[Output], list[tuple]]:
    """What the layer returns, and how the core makes it: (name, whether of duals, of which
    expressions or constraints, which of their entries, factors)."""
    infos, rows = [], []
    for variable in variables:
        term = walk.variables.get(variable.id)
        infos.append(Output(variable.name(), tuple(variable.shape), False, term is None))
        if term is not None:
            of, positions = [walk.to.node(term)], np.arange(term.size)
        elif variable.id in duals:
            of, positions = duals[variable.id]
        else:
            raise NoTranslation(f"variable {variable.name()}, which nothing depends on")
        positions = np.ascontiguousarray(positions, dtype=np.int64)
        rows.append((variable.name(), term is None, of, positions, np.ones(positions.size)))
    return infos, rows
