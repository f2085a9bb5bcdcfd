"""diffcp, on its own standard form."""

from __future__ import annotations

import diffcp
import numpy as np
import scipy.sparse as sparse
from cvxpy.reductions.solvers.conic_solvers.scs_conif import dims_to_solver_dict

from ..canonical import Canonical
from ..cases import Case
from .base import quick_only


class Diffcp:
    """`solve_and_derivative_batch`, on all cores."""

    differentiates = True

    def version(self) -> str:
        """Of the package."""
        return diffcp.__version__

    def variants(self, case: Case) -> list[str]:
        """Solver and derivative, as `solve_method, mode`."""
        quick_only(case)
        large = sum(value.size for value in case.data.values()) / case.batch > 15_000
        modes = ["lsqr"] if large else ["lsqr", "dense"]
        return [f"{solver}, {mode}" for solver in ("Clarabel", "SCS") for mode in modes]

    def prepare(self, case: Case, variant: str) -> _DiffcpRun:
        """The matrices."""
        return _DiffcpRun(case, *variant.split(", "))

    def builder(self, case: Case):
        """None: it takes no problem. `cvxpylayers` does."""
        return None


class _DiffcpRun:
    def __init__(self, case: Case, solver: str, mode: str) -> None:
        self._form = form = Canonical(case, "DIFFCP", quadratic=False)
        indices, indptr, shape = form.a_pattern
        self._matrices = [sparse.csc_matrix((a, indices, indptr), shape) for a in form.a]
        self._cones = [dims_to_solver_dict(form.dims)] * case.batch
        self._options = {"solve_method": solver, "mode": mode}
        self._cotangents = list(form.cotangent())
        self._zeros = list(np.zeros_like(form.b))
        self._adjoint = self._solutions = self._gradients = None

    def forward(self) -> None:
        """Solves."""
        # Copies: it removes stored zeros from the matrices that it is given, for good.
        matrices = [matrix.copy() for matrix in self._matrices]
        self._solutions, _, _, _, self._adjoint = diffcp.solve_and_derivative_batch(
            matrices, list(self._form.b), list(self._form.q), self._cones, **self._options
        )

    def backward(self) -> None:
        """Differentiates."""
        self._gradients = self._adjoint(self._cotangents, self._zeros, self._zeros)

    def results(self) -> dict:
        """In the terms of the case."""
        by_a, by_b, by_q = self._gradients
        rows, indptr, shape = self._form.a_pattern
        cols = np.repeat(np.arange(shape[1]), np.diff(indptr))
        values = np.array([np.asarray(matrix.tocsc()[rows, cols]).ravel() for matrix in by_a])
        return {
            "solution": self._form.solution(np.array(self._solutions)),
            "gradients": self._form.gradients(None, np.array(by_q), values, np.array(by_b)),
            "failed": [],
        }
