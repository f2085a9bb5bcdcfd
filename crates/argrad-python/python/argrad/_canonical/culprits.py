"""Where a CVXPY problem breaks the rules of disciplined parametrized programming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cvxpy as cp
from cvxpy.utilities import scopes

_SHOWN = 4
_LONGEST = 120
_QUAD_FORM = (
    "quad_form(x, P) with parametric P is only supported in the objective, not in constraints"
)


def culprits(problem: cp.Problem, gp: bool) -> str:
    """What a message says of a problem that is not DPP: the rules, and the smallest parts that
    break them.

    The rules are those of DCP (of DGP with `gp`) where these are broken already, else those of DPP,
    which count parameters as variables.
    """
    rules = "DGP" if gp else "DCP"
    disciplined = problem.is_dgp() if gp else problem.is_dcp()
    follows = _follows(gp, dpp=disciplined)
    found = [*_in_objective(problem, follows, gp), *_in_constraints(problem, follows)]
    if disciplined:
        loose = [v for v in problem.variables() if not v.is_dpp(rules.lower())]
        found += [f"the bounds of variable {v.name()}" for v in loose]
    if len(found) > _SHOWN:
        found = [*found[:_SHOWN], f"{len(found) - _SHOWN} more"]
    named = "; ".join(found)
    if not disciplined:
        return f"it does not follow the rules of {rules} either. See {named}"
    said = f"it follows the rules of {rules}, but not where parameters count as variables. See "
    quad_form = any(
        isinstance(part, cp.QuadForm)
        for constraint in problem.constraints
        for part in _smallest(constraint, follows)
    )
    return said + named + (f". Note: {_QUAD_FORM}" if quad_form else "")


def _follows(gp: bool, dpp: bool) -> Any:
    """Whether an expression or constraint follows the rules."""
    return (lambda part: part.is_dgp(dpp=dpp)) if gp else (lambda part: part.is_dcp(dpp=dpp))


def _smallest(part: Any, follows: Any) -> Iterator[Any]:
    """The parts of an expression that break the rules while all of their own parts do not."""
    if follows(part):
        return
    below = [arg for arg in part.args if not follows(arg)]
    if not below:
        yield part
    for arg in below:
        yield from _smallest(arg, follows)


def _in_objective(problem: cp.Problem, follows: Any, gp: bool) -> Iterator[str]:
    objective = problem.objective
    expression = objective.args[0]
    with scopes.quad_form_dpp_scope():  # a parametric P is allowed here
        if follows(objective):
            return
        parts = list(_smallest(expression, follows))
    kind = "log-log " if gp else ""
    if parts:
        yield from (f"{_short(part)} in the objective" for part in parts)
    elif isinstance(objective, cp.Maximize):
        yield f"the objective, which is maximized and not {kind}concave: {_short(expression)}"
    else:
        yield f"the objective, which is minimized and not {kind}convex: {_short(expression)}"


def _in_constraints(problem: cp.Problem, follows: Any) -> Iterator[str]:
    for number, constraint in enumerate(problem.constraints):
        for part in _smallest(constraint, follows):
            place = f"constraint {number}"
            yield place + (
                f": {_short(part)}" if part is constraint else f", in which {_short(part)}"
            )


def _short(part: Any) -> str:
    text = str(part)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
