"""From a CVXPY problem to a compiled layer: parameters in, values of variables out.

CVXPY canonicalizes; what it yields is one affine map from its own parameter vector to the numbers
of a cone program. Here that map is composed with the way in (row-major parameters, symmetric
matrices averaged, diagonal and sparse ones picked) and with the way out (row-major variables and
duals), so that the core sees plain vectors on both sides and its gradients are those of the user's
arrays. Nothing here depends on PyTorch, JAX or TensorFlow.

In the order of the work: `check` the problem, its `memory`, canonicalize (`face`, `canonical`), the
way in (`inputs`), the `maps` to the numbers of the program, the way out (`outputs`, `duals`).
`leaves` knows how CVXPY stores variables and parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp
from cvxpy.reductions.flip_objective import FlipObjective

from argrad._canonical.canonical import canonicalize
from argrad._canonical.check import check_lists, check_rules
from argrad._canonical.duals import constraint_rows
from argrad._canonical.inputs import read_parameters
from argrad._canonical.maps import cone_tuples, program_maps
from argrad._canonical.memory import check_products, name_memory_errors
from argrad._canonical.outputs import read_variables
from argrad._compiled import Compiled

__all__ = ["compile_problem"]


def compile_problem(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    variables: Sequence[cp.Variable],
    gp: bool = False,
    solver_options: Mapping[str, Any] | None = None,
    canon_backend: str | None = None,
    verbose: bool = False,
    check_attributes: bool = True,
    untranslated: str | None = None,
) -> Compiled:
    """Compiles a CVXPY problem into a layer.

    `problem` follows the rules of disciplined parametrized programming (of geometric programs with
    `gp`); a parametric matrix in a quad_form of the objective is allowed. `parameters` are all of
    its parameters, in the order in which values will be passed. `variables` are those whose values
    will be returned: variables of the problem or dual variables of its constraints, with CVXPY's
    signs. `solver_options` are settings of the core, `canon_backend` is handed to CVXPY, `verbose`
    prints what CVXPY does, and with `check_attributes` calls check what the parameters' attributes
    promise. `untranslated` is what `Compiled.explain` says of why CVXPY canonicalizes.

    Raises ValueError in the words of cvxpylayers where the problem is not DPP or the lists do not
    match, and where a variable is boolean or integer; NotImplementedError for complex variables
    and parameters; `argrad.MemoryLimitError` where the maps or the program would not fit into
    memory.
    """
    check_lists(problem, parameters, variables)
    check_rules(problem, gp)
    memory_limit = (solver_options or {}).get("memory_limit")
    check_products(problem, memory_limit)
    with name_memory_errors():
        canonical = canonicalize(problem, parameters, gp, canon_backend, verbose)
    inputs = read_parameters(parameters, canonical, check_attributes)
    program = program_maps(canonical, inputs.theta, memory_limit)
    outputs = read_variables(problem, variables, canonical, gp)
    core_names = [
        f"log({inputs.parameters[at].name})" if log else inputs.parameters[at].name
        for at, log in inputs.vectors
    ]
    sizes = [inputs.parameters[at].size for at, _ in inputs.vectors]
    program |= {
        "cones": cone_tuples(canonical.conic.cone_dims),
        "parameters": list(zip(core_names, sizes, strict=True)),
        "outputs": outputs.rows,
        "constraints": constraint_rows(problem, canonical),
        "maximize": any(isinstance(r, FlipObjective) for r in canonical.chain.reductions),
    }
    return Compiled(
        tuple(inputs.parameters),
        tuple(inputs.vectors),
        tuple(outputs.outputs),
        gp,
        program,
        solver_options or {},
        untranslated,
    )
