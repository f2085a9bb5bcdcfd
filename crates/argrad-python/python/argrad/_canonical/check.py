"""What a problem must be to become a layer."""

from __future__ import annotations

from collections.abc import Sequence

import cvxpy as cp

from .._relaxations import RELAXATIONS
from .culprits import culprits


def check_rules(problem: cp.Problem, gp: bool) -> None:
    """Raises ValueError if the problem does not follow the rules of DPP."""
    if gp:
        if not problem.is_dpp("dgp"):
            raise ValueError(
                f"Problem must be DPP for geometric programming; {culprits(problem, gp)}"
            )
    elif not problem.is_dpp(quad_form_dpp="qp"):
        raise ValueError(f"Problem must be DPP; {culprits(problem, gp)}")


def check_lists(
    problem: cp.Problem, parameters: Sequence[cp.Parameter], variables: Sequence[cp.Variable]
) -> None:
    """Raises ValueError if the lists are not those of the problem."""
    _check_parameters(problem, parameters)
    _check_variables(problem, variables)


def _check_parameters(problem: cp.Problem, parameters: Sequence[cp.Parameter]) -> None:
    """Raises ValueError unless the list holds each parameter once, none of them complex."""
    if not isinstance(parameters, (list, tuple)):
        raise ValueError("The layer's parameters must be provided as a list or tuple")
    own, listed = problem.parameters(), {id(parameter) for parameter in parameters}
    missing = [parameter.name() for parameter in own if id(parameter) not in listed]
    known = {id(parameter) for parameter in own}
    foreign = [str(parameter) for parameter in parameters if id(parameter) not in known]
    said = [f"missing: {', '.join(missing)}"] if missing else []
    said += [f"not in the problem: {', '.join(foreign)}"] if foreign else []
    if not said and len(listed) < len(parameters):
        said = ["one is listed twice"]
    if said:
        raise ValueError(
            f"The layer's parameters must exactly match problem.parameters: {'; '.join(said)}"
        )
    for parameter in parameters:
        if parameter.is_complex():
            raise NotImplementedError(
                f"Complex parameters are not yet supported: {parameter.name()}"
            )


def _check_variables(problem: cp.Problem, variables: Sequence[cp.Variable]) -> None:
    """Raises ValueError unless the list holds variables and dual variables of the problem, which
    has some, all of them real."""
    if not isinstance(variables, (list, tuple)):
        raise ValueError("The layer's variables must be provided as a list or tuple")
    own = problem.variables()
    duals = [dual for con in problem.constraints for dual in con.dual_variables]
    # By their ids: what is no variable need not have a hash.
    known = [variable.id for variable in [*own, *duals]]
    for variable in variables:
        if getattr(variable, "id", None) not in known:
            raise ValueError(
                f"Variable {variable} must be a subset of problem.variables "
                "or a constraint dual variable"
            )
    if not own:
        raise ValueError("The problem has no variables: there is nothing to solve for")
    for variable in own:
        if variable.attributes["boolean"] or variable.attributes["integer"]:
            kind = "boolean" if variable.attributes["boolean"] else "integer"
            raise ValueError(
                f"Variable {variable.name()} is {kind}; a layer takes no boolean or integer "
                f"variables, since their solutions jump and have no derivative. {RELAXATIONS}"
            )
        if variable.is_complex():
            raise NotImplementedError(f"Complex variables are not yet supported: {variable.name()}")
