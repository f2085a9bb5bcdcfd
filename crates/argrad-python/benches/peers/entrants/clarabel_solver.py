"""Clarabel, one sample at a time on all threads. It has no derivative."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import clarabel
import cvxpy as cp
import numpy as np
import scipy.sparse as sparse
from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

from ..canonical import Canonical
from ..cases import Case
from .base import cores

_SOLVED = (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)


class Clarabel:
    """`DefaultSolver`: a new one for each sample, or one per thread that gets new numbers."""

    differentiates = False

    def version(self) -> str:
        """Of the package."""
        return clarabel.__version__

    def variants(self, case: Case) -> list[str]:
        """Both ways."""
        return ["new solvers", "updated solvers"]

    def prepare(self, case: Case, variant: str) -> _ClarabelRun:
        """The matrices."""
        programs, cones, restore = (_qp if case.form == "qp" else _cone)(case)
        return _ClarabelRun(programs, cones, restore, variant == "updated solvers")

    def builder(self, case: Case):
        """None: it takes no problem."""
        return None


def _qp(case: Case):
    data = case.data

    def of(name, index):
        return data[name] if name in case.shared else data[name][index]

    programs = []
    for index in range(case.batch):
        names = [pair for pair in (("A", "b"), ("G", "h")) if pair[0] in data]
        rows = np.vstack([of(matrix, index) for matrix, _ in names])
        right = np.concatenate([of(vector, index) for _, vector in names])
        upper = sparse.csc_matrix(np.triu(of("Q", index)))
        programs.append((upper, of("p", index), sparse.csc_matrix(rows), right))
    cones = [clarabel.NonnegativeConeT(data["h"].shape[-1])]
    if "b" in data:
        cones.insert(0, clarabel.ZeroConeT(data["b"].shape[-1]))
    return programs, cones, lambda x: x


def _cone(case: Case):
    form = Canonical(case, cp.CLARABEL)
    indices, indptr, shape = form.a_pattern
    programs = []
    for index in range(case.batch):
        p = sparse.csc_matrix((shape[1], shape[1]))
        if form.p is not None:
            p = sparse.triu(
                sparse.csc_matrix((form.p[index], *form.p_pattern[:2]), p.shape), format="csc"
            )
        a = sparse.csc_matrix((form.a[index], indices, indptr), shape)
        programs.append((p, form.q[index], a, form.b[index]))
    return programs, dims_to_solver_cones(form.dims), form.solution


class _ClarabelRun:
    def __init__(self, programs, cones, restore, update: bool) -> None:
        self._cones, self._restore, self._update = cones, restore, update
        self._settings = clarabel.DefaultSettings()
        self._settings.verbose = False
        self._settings.max_threads = 1
        if update:
            # Needed to keep the structure from one program to the next.
            self._settings.presolve_enable = False
            self._settings.chordal_decomposition_enable = False
        threads = min(cores(), len(programs))
        self._shares = [programs[i::threads] for i in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._solvers = [None] * threads
        self._solutions = None

    def _solve(self, thread: int) -> list:
        solver, found = self._solvers[thread], []
        for program in self._shares[thread]:
            if solver is None or not self._update:
                solver = clarabel.DefaultSolver(*program, self._cones, self._settings)
            else:
                p, q, a, b = program
                solver.update(P=p, q=q, A=a, b=b)
            found.append(solver.solve())
        self._solvers[thread] = solver
        return found

    def forward(self) -> None:
        """Solves."""
        threads = range(len(self._shares))
        run = map if self._pool is None else self._pool.map
        self._solutions = list(run(self._solve, threads))

    def backward(self) -> None:
        """Does nothing."""

    def results(self) -> dict:
        """In the terms of the case."""
        threads = len(self._shares)
        ordered = [None] * sum(map(len, self._solutions))
        for thread, found in enumerate(self._solutions):
            ordered[thread::threads] = found
        x = np.array([solution.x for solution in ordered])
        failed = [i for i, solution in enumerate(ordered) if solution.status not in _SOLVED]
        return {"solution": self._restore(x), "gradients": {}, "failed": failed}
