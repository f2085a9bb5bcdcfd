"""The programs of the cases as CVXPY problems, for everything that takes one."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from .cases import Case
from .reference.logistic_regression import RIDGE
from .reference.portfolio import GAMMA


@dataclass(frozen=True)
class Modelled:
    """A problem, its parameters by the names of their values, and the variable that is asked."""

    problem: cp.Problem
    parameters: dict[str, cp.Parameter]
    variable: cp.Variable


def modelled(case: Case) -> Modelled:
    """The problem of a case. Every call makes a new one, with nothing cached in it."""
    shapes = {
        name: value.shape if name in case.shared else value.shape[1:]
        for name, value in values(case).items()
    }
    parameters = {
        name: cp.Parameter(shape, nonneg=name == "weight") for name, shape in shapes.items()
    }
    return _FORMS[case.form](parameters, case.cotangent.shape[1:])


def values(case: Case) -> dict[str, np.ndarray]:
    """The numbers of a case for the parameters of its problem.

    Disciplined parametrized programming has no quadratic form in a parameter, so a quadratic
    program has `L` in place of `Q` = L'L.
    """
    if case.form != "qp":
        return case.data
    factor = np.linalg.cholesky(case.data["Q"])
    found = {"L": np.ascontiguousarray(np.swapaxes(factor, -1, -2))}
    return found | {name: value for name, value in case.data.items() if name != "Q"}


def _qp(p, shape) -> Modelled:
    z = cp.Variable(shape)
    constraints = [p["G"] @ z <= p["h"]]
    if "A" in p:
        constraints.append(p["A"] @ z == p["b"])
    objective = cp.Minimize(0.5 * cp.sum_squares(p["L"] @ z) + p["p"] @ z)
    return Modelled(cp.Problem(objective, constraints), p, z)


def _portfolio(p, shape) -> Modelled:
    x = cp.Variable(shape)
    risk = cp.norm(cp.hstack([p["F"] @ x, cp.multiply(p["d"], x)]))
    problem = cp.Problem(cp.Minimize(GAMMA * risk - p["mu"] @ x), [cp.sum(x) == 1, x >= 0])
    return Modelled(problem, p, x)


def _total_variation(p, shape) -> Modelled:
    x = cp.Variable(shape)
    distance = 0.5 * cp.sum_squares(x - p["y"])
    return Modelled(cp.Problem(cp.Minimize(distance + p["weight"] * cp.tv(x))), p, x)


def _logistic_regression(p, shape) -> Modelled:
    w = cp.Variable(shape)
    loss = cp.sum(cp.logistic(p["S"] @ w)) / p["S"].shape[0]
    return Modelled(cp.Problem(cp.Minimize(loss + RIDGE * cp.sum_squares(w))), p, w)


def _softmax(p, shape) -> Modelled:
    x = cp.Variable(shape)
    objective = cp.Maximize(p["y"] @ x + cp.sum(cp.entr(x)))
    return Modelled(cp.Problem(objective, [cp.sum(x) == 1]), p, x)


def _psd_projection(p, shape) -> Modelled:
    x = cp.Variable(shape, PSD=True)
    return Modelled(cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - p["C"]))), p, x)


_FORMS = {
    "qp": _qp,
    "portfolio": _portfolio,
    "total-variation": _total_variation,
    "logistic-regression": _logistic_regression,
    "softmax": _softmax,
    "psd-projection": _psd_projection,
}
