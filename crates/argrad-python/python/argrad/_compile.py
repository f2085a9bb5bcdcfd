"""CVXPY problems to layers: by argrad's own language where it can be, else by CVXPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp

from argrad import _canonical
from argrad._canonical.check import check_lists
from argrad._canonical.memory import check_products
from argrad._compiled import Compiled
from argrad._core import NotModelled
from argrad._translation import NoTranslation, translate

# Of a coefficient of a product in argrad's own language: terms before and after they are sorted,
# entries of A with their map, and what the solver makes of their pattern; 160 were measured.
_BYTES_OF_TERM = 100

#: The value of `canon_backend` that insists on argrad's own language.
OWN = "ARGRAD"


def compile_problem(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    variables: Sequence[cp.Variable],
    gp: bool = False,
    solver_options: Mapping[str, Any] | None = None,
    canon_backend: str | None = None,
    verbose: bool = False,
    check_attributes: bool = True,
) -> Compiled:
    """Compiles a CVXPY problem into a layer.

    With its parameters held fixed, `problem` must follow the rules of DCP; with `gp` those of
    geometric programs with parameters. It is translated to argrad's own language. Where a part of
    it has no translation, CVXPY canonicalizes, and then the rules of disciplined parametrized
    programming hold; `Compiled.explain` says so. `canon_backend` decides otherwise: "ARGRAD" takes
    a translation or an error, the name of a backend of CVXPY has CVXPY canonicalize with that.
    The other arguments are those of `argrad._canonical.compile_problem`.

    Raises ValueError in the words of cvxpylayers where the problem is neither translated nor DPP or
    the lists do not match, and where a variable is boolean or integer; NotImplementedError for
    complex variables and parameters; `argrad.MemoryLimitError` where the program would not fit
    into memory.
    """
    reason = "it is a geometric program" if gp else f"canon_backend={canon_backend!r} asks for it"
    if not gp and canon_backend in (None, OWN):
        check_lists(problem, parameters, variables)
        limit = (solver_options or {}).get("memory_limit")
        check_products(problem, limit, _BYTES_OF_TERM)
        try:
            found = translate(problem, parameters, variables, check_attributes)
            compiled = Compiled(
                tuple(found.parameters),
                tuple(found.inputs),
                tuple(found.outputs),
                False,
                found.program,
                solver_options or {},
            )
        except (NoTranslation, NotModelled) as error:
            reason = str(error)
        else:
            if verbose:
                print(compiled.explain())
            return compiled
    if canon_backend == OWN:
        raise ValueError(f"The problem cannot be stated in argrad's own language: {reason}")
    try:
        return _canonical.compile_problem(
            problem,
            parameters,
            variables,
            gp,
            solver_options,
            canon_backend,
            verbose,
            check_attributes,
            reason,
        )
    except ValueError as error:
        if gp or canon_backend is not None or not str(error).startswith("Problem must be DPP"):
            raise
        raise ValueError(
            f"{error}. With the parameters held fixed, argrad takes what is DCP, but: {reason}"
        ) from None
