"""CVXPY problems whose linear costs are predicted."""

from __future__ import annotations

from typing import Any, Literal

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
import torch

from argrad._canonical import compile_problem
from argrad.torch.decision._program import ProgramModel


class CvxpyModel(ProgramModel):
    """What `from_cvxpy` makes. Its decisions are those of the standard form, which may have more
    variables than the problem; `value_of` finds the problem's among them."""

    _picks: dict[int, tuple[tuple[int, ...], torch.Tensor]]

    def value_of(self, variable: cp.Variable, decision: torch.Tensor) -> torch.Tensor:
        """The value (..., *shape) of a variable of the problem at decisions (..., n)."""
        if variable.id not in self._picks:
            raise ValueError(f"{variable.name()} is no variable of the problem of this model")
        shape, pick = self._picks[variable.id]
        return (
            (decision @ pick.T.to(decision))
            .unflatten(-1, shape or (1,))
            .reshape(*decision.shape[:-1], *shape)
        )


def from_cvxpy(
    problem: cp.Problem,
    cost: cp.Parameter,
    *,
    on_failure: Literal["raise", "nan"] = "raise",
    **settings: Any,
) -> CvxpyModel:
    """A model of a CVXPY problem whose objective is affine in one parameter, the predicted costs.

    Args:
        problem: minimizes or maximizes ``cost @ expression + rest``, both affine or convex as DPP
            asks; `cost` is nowhere else. Its other parameters have values, which are kept.
        cost: the parameter, a vector (d,).
        on_failure, settings: as of `ProgramModel`.

    Raises:
        ValueError: a problem that is not DPP, a parameter without a value, or a `cost` that is no
            vector or not in the linear part of the objective alone.

    >>> x, c = cp.Variable(2), cp.Parameter(2)
    >>> model = from_cvxpy(cp.Problem(cp.Maximize(c @ x), [cp.sum(x) <= 1, x >= 0]), c)
    >>> decision = model.solve(torch.tensor([[1.0, 2.0]]))
    >>> model.value_of(x, decision).abs().round(decimals=6).tolist()
    [[0.0, 1.0]]
    """
    # By identity: CVXPY makes a constraint of ==.
    if not any(parameter is cost for parameter in problem.parameters()):
        raise ValueError(f"cost: {cost.name()} is no parameter of the problem")
    if cost.ndim != 1:
        raise ValueError(f"cost: expected a vector; {cost.name()} has shape {cost.shape}")
    others = [parameter for parameter in problem.parameters() if parameter is not cost]
    for parameter in others:
        if parameter.value is None:
            raise ValueError(f"parameter {parameter.name()} has no value; assign one")
    variables = problem.variables()
    compiled = compile_problem(problem, [cost, *others], variables, check_attributes=False)
    program = compiled.program
    known = _known(others)
    d, n, m = cost.size, program["n"], program["m"]
    maps = dict(zip(("P", "q", "A", "b", "constant"), program["maps"], strict=True))
    fixed = {}
    places = sp.csr_array((n, d))
    for name, (indptr, indices, data, base) in maps.items():
        linear = sp.csr_array((data, indices, indptr), shape=(len(base), d + known.size))
        by_cost = linear[:, :d]
        by_cost.eliminate_zeros()
        if name == "q":
            places = by_cost
        elif by_cost.nnz:
            raise ValueError(
                f"cost: {cost.name()} must scale a linear part of the objective, and be nowhere "
                f"else; {_WHERE[name]} depends on it"
            )
        fixed[name] = linear[:, d:] @ known + base
    upper = _matrix(fixed["P"], program["p_pattern"], (n, n))
    maximize = bool(program["maximize"])
    # CVXPY has turned a maximization already; `ProgramModel` turns it again.
    sign = -1.0 if maximize else 1.0
    model = CvxpyModel(
        sp.csr_array(upper + sp.triu(upper, 1).T) if upper.nnz else None,
        _matrix(fixed["A"], program["a_pattern"], (m, n)) if m else None,
        fixed["b"] if m else None,
        program["cones"],
        q=sign * fixed["q"],
        constant=sign * float(fixed["constant"][0]),
        costs=sign * places,
        sense="maximize" if maximize else "minimize",
        on_failure=on_failure,
        **settings,
    )
    model._picks = {
        variable.id: (output.shape, _dense(row, n))
        for variable, output, row in zip(
            variables, compiled.outputs, program["outputs"], strict=True
        )
    }
    return model


_WHERE = {
    "P": "the quadratic part",
    "A": "a constraint",
    "b": "the right-hand side of a constraint",
    "constant": "the constant of the objective",
}


def _known(parameters: list[cp.Parameter]) -> np.ndarray:
    """The values of parameters, row by row, one after the other."""
    parts = [
        np.asarray(p.value.toarray() if sp.issparse(p.value) else p.value, np.float64).ravel()
        for p in parameters
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _matrix(
    data: np.ndarray, pattern: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> sp.csc_array:
    indptr, indices = pattern
    return sp.csc_array((data, indices, indptr), shape=shape)


def _dense(row: tuple, n: int) -> torch.Tensor:
    """The matrix (size, n) that picks the entries of a variable from a decision."""
    _, _, size, indptr, indices, data, _ = row
    return torch.from_numpy(sp.csr_array((data, indices, indptr), shape=(size, n)).toarray())
