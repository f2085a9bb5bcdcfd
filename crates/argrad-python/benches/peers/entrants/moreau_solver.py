"""moreau's own torch solver, on the standard form."""

from __future__ import annotations

import cvxpy as cp
import moreau
import moreau.torch
import numpy as np
import scipy.sparse as sparse
import torch

from ..canonical import Canonical
from ..cases import Case
from .base import TorchRun

_METHODS = {
    "auto": {},
    "ipm": {"solver": "ipm"},
    "ipm, tuned": {"solver": "ipm", "auto_tune": True},
}
_SOLVED = (moreau.SolverStatus.Solved, moreau.SolverStatus.AlmostSolved)


class Moreau:
    """`moreau.torch.Solver`; the numbers are put in its form beforehand."""

    differentiates = True

    def version(self) -> str:
        """Of the package."""
        return moreau.__version__

    def variants(self, case: Case) -> list[str]:
        """Its own choice (an active-set method for small quadratic programs), and the others.

        On a card there is one method, and nothing to tune.
        """
        return ["ipm"] if case.device == "cuda" else list(_METHODS)

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The solver and its tensors."""
        settings = moreau.Settings(
            device=case.device, batch_size=case.batch, enable_grad=True, **_METHODS[variant]
        )
        return _qp(case, settings) if case.form == "qp" else _cone(case, settings)

    def builder(self, case: Case):
        """None: it takes no problem. `cvxpylayers-moreau` does."""
        return None


def _solver(p: sparse.csr_matrix, a: sparse.csr_matrix, cones, settings):
    def tensor(array):
        return torch.from_numpy(np.asarray(array, np.int64))

    return moreau.torch.Solver(
        n=p.shape[0],
        m=a.shape[0],
        P_row_offsets=tensor(p.indptr),
        P_col_indices=tensor(p.indices),
        A_row_offsets=tensor(a.indptr),
        A_col_indices=tensor(a.indices),
        cones=cones,
        settings=settings,
    )


def _failed(solver):
    return lambda: [i for i, status in enumerate(solver.info.status) if status not in _SOLVED]


class _StandardRun(TorchRun):
    """A run whose leaves are the values of P, A, q and b, in that order."""

    def __init__(self, solver, arguments, cotangent, case: Case, restore) -> None:
        def call(leaves):
            of = {
                name: value.expand(case.batch, -1) if value.dim() == 1 else value
                for name, value in leaves.items()
            }
            return solver.solve(of["P"], of["A"], of["q"], of["b"]).x

        super().__init__(call, arguments, cotangent, _failed(solver), case.device)
        self._restore = restore

    def results(self) -> dict:
        """In the terms of the case."""
        found = super().results()
        return self._restore(found) | {"failed": found["failed"]}


def _qp(case: Case, settings) -> TorchRun:
    data, n = case.data, case.cotangent.shape[1]
    equalities = data["b"].shape[-1] if "b" in data else 0
    inequalities = data["h"].shape[-1]
    names = ("A", "G") if equalities else ("G",)
    dense = {name: np.atleast_3d(data[name].T).T for name in ("Q", *names)}
    rows = np.concatenate([np.any(dense[name], axis=0) for name in names])
    # Entries that are zero in every sample are not stored.
    patterns = [sparse.csr_matrix(np.any(dense["Q"], axis=0)), sparse.csr_matrix(rows)]
    places = [pattern.nonzero() for pattern in patterns]
    shared = "A" in case.shared or "G" in case.shared

    def stacked(name_a, name_g):
        parts = [data[name] for name in (name_a, name_g) if name in data]
        axis = 0 if shared else 1
        return np.concatenate(parts, axis=axis)

    arguments = {
        "P": data["Q"][..., places[0][0], places[0][1]],
        "A": stacked("A", "G")[..., places[1][0], places[1][1]],
        "q": data["p"],
        "b": stacked("b", "h"),
    }
    cones = moreau.Cones(num_zero_cones=equalities, num_nonneg_cones=inequalities)
    solver = _solver(*patterns, cones, settings)

    def restore(found):
        gradients = found["gradients"]
        q = np.zeros((*gradients["P"].shape[:-1], n, n))
        q[..., places[0][0], places[0][1]] = gradients["P"]
        a = np.zeros((*gradients["A"].shape[:-1], len(rows), n))
        a[..., places[1][0], places[1][1]] = gradients["A"]
        split = {"Q": q, "p": gradients["q"]}
        # Rows that are not stored have no gradient; a pattern of dense rows has all of it.
        if patterns[1].nnz == rows.size:
            split["G"] = a[..., equalities:, :]
        split["h"] = gradients["b"][..., equalities:]
        if patterns[0].nnz < n * n:
            del split["Q"]
        if equalities:
            split |= {"A": a[..., :equalities, :], "b": gradients["b"][..., :equalities]}
        return {"solution": found["solution"], "gradients": split}

    return _StandardRun(solver, arguments, case.cotangent, case, restore)


def _cone(case: Case, settings) -> TorchRun:
    form = Canonical(case, cp.CLARABEL)
    indices, indptr, shape = form.a_pattern
    order = sparse.csc_matrix((np.arange(len(indices)), indices, indptr), shape).tocsr()
    n = shape[1]
    if form.p_pattern is None:
        p_matrix = sparse.csr_matrix((n, n))
    else:
        # Symmetric: its compressed columns are its compressed rows.
        p_indices, p_indptr, _ = form.p_pattern
        p_matrix = sparse.csr_matrix((np.ones(len(p_indices)), p_indices, p_indptr), (n, n))
    dims = form.dims
    cones = moreau.Cones(
        num_zero_cones=dims.zero,
        num_nonneg_cones=dims.nonneg,
        so_cone_dims=list(dims.soc),
        num_exp_cones=dims.exp,
        psd_dims=list(dims.psd),
    )
    arguments = {
        "P": np.zeros((case.batch, 0)) if form.p is None else form.p,
        "A": form.a[:, order.data],
        "q": form.q,
        "b": form.b,
    }
    solver = _solver(p_matrix, order, cones, settings)

    def restore(found):
        gradients = found["gradients"]
        by_a = np.zeros_like(form.a)
        by_a[:, order.data] = gradients["A"]
        return {
            "solution": form.solution(found["solution"]),
            "gradients": form.gradients(gradients["P"], gradients["q"], by_a, gradients["b"]),
        }

    return _StandardRun(solver, arguments, form.cotangent(), case, restore)
