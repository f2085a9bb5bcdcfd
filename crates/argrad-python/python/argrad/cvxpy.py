"""A CVXPY solver: `problem.solve(solver=ARGRAD())`.

For problems with linear and quadratic objectives over the zero, nonnegative, second-order, positive
semidefinite, exponential and power cones, with duals.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import cvxpy.settings as s
import numpy as np
import scipy.sparse as sp
from cvxpy.constraints import SOC, ExpCone, PowCone3D, PowConeND, SvecPSD
from cvxpy.error import SolverError
from cvxpy.reductions.solution import Solution, failure_solution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver
from cvxpy.reductions.solvers.defines import INSTALLED_SOLVERS, SOLVER_MAP_CONIC
from cvxpy.utilities.linalg import is_psd_within_tol
from cvxpy.utilities.psd_utils import TriangleKind

from . import _core, _options

#: A point of a solve that ended without proof counts as inaccurate up to this relative residual.
INACCURATE = 1e-5

_STATUS = {
    "solved": s.OPTIMAL,
    "almost_solved": s.OPTIMAL_INACCURATE,
    "primal_infeasible": s.INFEASIBLE,
    "dual_infeasible": s.UNBOUNDED,
    "iteration_limit": s.USER_LIMIT,
    "time_limit": s.USER_LIMIT,
}

# Options of CVXPY itself that it also hands to solvers.
_OF_CVXPY = ("use_quad_obj",)


def _exponents(alphas: Any) -> list[float]:
    """With the sum 1, where CVXPY accepts nearly 1."""
    total = float(sum(alphas))
    return [float(alpha) / total for alpha in alphas]


def cones_of(dims: Any) -> list[tuple]:
    """The cones of CVXPY's `ConeDims`, in the order of its rows."""
    return [
        ("zero", dims.zero),
        ("nonnegative", dims.nonneg),
        *(("second_order", int(k)) for k in dims.soc),
        *(("psd_triangle", int(side)) for side in dims.psd),
        ("exponential", dims.exp),
        *(("power", float(alpha)) for alpha in dims.p3d),
        *(("generalized_power", _exponents(alphas), 1) for alphas in dims.pnd),
    ]


def pattern_of(matrix: Any) -> tuple[np.ndarray, np.ndarray]:
    """The pattern of a canonical CSC matrix as the core takes it."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)


class _Result(NamedTuple):
    """What `solve_via_data` hands to `invert`: one solved program, its duals in CVXPY's rows."""

    status: str
    x: np.ndarray
    z: np.ndarray
    report: dict[str, Any]
    setup_time: float
    solve_time: float


class _Cached:
    """What a warm start needs of the previous solve; a pickle of the problem has none of it."""

    def __init__(self, key: tuple, solver: Any, point: tuple | None):
        self.key = key
        self.solver = solver
        self.point = point

    def __reduce__(self) -> tuple:
        return _Cached, ((), None, None)


def _with_bounds(A: Any, b: np.ndarray, cones: list, lower: Any, upper: Any) -> tuple:
    """A, b, cones with rows for bounds on variables after those that there are."""
    n = A.shape[1]
    low = np.full(n, -np.inf) if lower is None else np.asarray(lower, float)
    high = np.full(n, np.inf) if upper is None else np.asarray(upper, float)
    fixed = np.flatnonzero((low == high) & np.isfinite(low))
    free = np.setdiff1d(np.arange(n), fixed)
    below = free[np.isfinite(low[free]) | (low[free] == np.inf)]
    above = free[np.isfinite(high[free]) | (high[free] == -np.inf)]
    columns = np.concatenate([fixed, below, above])
    if columns.size == 0:
        return A, b, cones
    signs = np.ones(columns.size)
    signs[fixed.size : fixed.size + below.size] = -1.0
    rows = sp.csc_array((signs, (np.arange(columns.size), columns)), shape=(columns.size, n))
    extra = [("zero", fixed.size), ("nonnegative", below.size + above.size)]
    sides = np.concatenate([low[fixed], -low[below], high[above]])
    return sp.vstack([A, rows], format="csc"), np.concatenate([b, sides]), cones + extra


class _Program(NamedTuple):
    """A cone program as the core takes it."""

    P: Any
    """The upper triangle."""
    q: np.ndarray
    A: Any
    b: np.ndarray
    cones: list
    rows: int
    """Rows of CVXPY's constraints; those for bounds on variables come after them."""

    @classmethod
    def read(cls, data: dict) -> _Program:
        """From what CVXPY hands to a solver."""
        q = np.ascontiguousarray(data[s.C], dtype=np.float64)
        right = np.asarray(data[s.B], dtype=np.float64)
        A, b, cones = _with_bounds(
            sp.csc_array(data[s.A]),
            right,
            cones_of(data[ConicSolver.DIMS]),
            data.get(s.LOWER_BOUNDS),
            data.get(s.UPPER_BOUNDS),
        )
        n = q.size
        P = sp.csc_array((n, n)) if data.get(s.P) is None else sp.csc_array(data[s.P])
        P = sp.triu((P + P.T) / 2, format="csc")
        A.sum_duplicates()
        P.sum_duplicates()
        return cls(P, q, A, b, [cone for cone in cones if cone[1] != 0], right.size)

    @property
    def patterns(self) -> tuple:
        """Those of P and A."""
        return pattern_of(self.P), pattern_of(self.A)

    def key(self, settings: dict[str, Any]) -> tuple:
        """Equal for programs that one solver of the core can solve."""
        arrays = [array.tobytes() for pattern in self.patterns for array in pattern]
        return self.A.shape, arrays, self.cones, settings

    def solver(self, settings: dict[str, Any]) -> _core.Solver:
        """The core's solver for programs like this one."""
        p, a = self.patterns
        return _core.Solver(self.q.size, self.b.size, p, a, self.cones, settings)

    def solve(
        self, solver: _core.Solver, settings: dict[str, Any], start: tuple | None
    ) -> _core.Solved:
        """Solves, without what a derivative needs."""
        parts = (self.P.data, self.q, self.A.data, self.b)
        p, q, a, b = (np.ascontiguousarray(part, np.float64) for part in parts)
        try:
            return solver.forward(1, p, q, a, b, start=start, differentiable=False)
        except ValueError as error:
            if "negative eigenvalue" not in str(error):
                raise
            # CVXPY takes slightly negative eigenvalues of its quadratic forms, P / 2, for zeros.
            if not is_psd_within_tol((self.P + sp.triu(self.P, 1).T) / 2, s.EIGVAL_TOL):
                raise SolverError(f"ARGRAD: {error}") from error
            forgiving = self.solver({**settings, "check_convexity": False})
            return forgiving.forward(1, p, q, a, b, start=start, differentiable=False)


def _summary(report: dict[str, Any], program: _Program, seconds: float) -> str:
    """What `verbose` says about a solve."""
    n, m, entries = program.q.size, program.b.size, f"{program.A.nnz} + {program.P.nnz}"
    return (
        f"argrad: {report['status'].replace('_', ' ')}, objective {report['objective']:.10g}, "
        f"residual {report['residual']:.1e}, {report['iterations']} iterations, "
        f"{report['polish_steps']} polish steps"
        f"{' from the last solution' if report['warm_started'] else ''}, "
        f"{seconds:.3g} s; {n} variables, {m} rows, {entries} entries"
    )


class ARGRAD(ConicSolver):
    """argrad as a solver of CVXPY: `problem.solve(solver=ARGRAD())`.

    Importing this module also makes it known by name, `solver="ARGRAD"`.

    Args:
        settings: defaults of the settings that `problem.solve` takes as keywords: tolerance (1e-9),
            infeasibility_tolerance (1e-8), max_iterations (100), time_limit (seconds, None),
            max_polish_steps (10), check_convexity (True), memory_limit (bytes that a call may
            take; None is the memory of the machine), engine ("auto"). Any other keyword is a
            TypeError.

    `warm_start=True` (CVXPY's default) starts from the last solution of the same problem where
    sparsity, cones and settings are unchanged; it is accepted only where its residual proves it.
    `problem.solver_stats.extra_stats` is a dictionary with residuals and further diagnostics. A
    solve that ends without proof is "optimal_inaccurate" where its relative residual is at most
    1e-5, and a solver error otherwise. Quadratic objectives are passed as they are.

    An inequality whose side is 1e19 or more (once all that is constant is on one side), or a bound
    of a variable, is no constraint: its dual is 0 and its slack infinite.
    """

    MIP_CAPABLE = False
    BOUNDED_VARIABLES = True
    SUPPORTED_CONSTRAINTS = [
        *ConicSolver.SUPPORTED_CONSTRAINTS,
        SOC,
        SvecPSD,
        ExpCone,
        PowCone3D,
        PowConeND,
    ]
    EXP_CONE_ORDER = [0, 1, 2]
    PSD_TRIANGLE_KIND = TriangleKind.UPPER
    PSD_SQRT2_SCALING = True

    def __init__(self, **settings: Any):
        super().__init__()
        self.settings = _options.solver_options(settings, strict=True).settings

    def name(self) -> str:
        """The name of the solver."""
        return "ARGRAD"

    def import_solver(self) -> None:
        """Nothing to do: importing this module has imported the solver."""

    def supports_quad_obj(self) -> bool:
        """True: quadratic objectives go with any cones."""
        return True

    def cite(self, data: dict) -> str:
        """A citation in BibTeX."""
        return "@misc{argrad, title = {argrad: gradients through argmin}}"

    def apply(self, problem: Any) -> tuple[dict, dict]:
        """Data of the solve, and what `invert` needs."""
        data, inverse_data = super().apply(problem)
        # Inequality rows, without those of bounds on variables; CVXPY's QP interfaces say it too.
        data["n_ineq"] = data[self.DIMS].nonneg
        return data, inverse_data

    def solve_via_data(
        self,
        data: dict,
        warm_start: bool,
        verbose: bool,
        solver_opts: dict,
        solver_cache: dict | None = None,
    ) -> _Result:
        """Solves the program in `data`.

        Raises:
            TypeError: an option that is no setting. ValueError: one that is out of its range.
            cvxpy.SolverError: an objective that is not convex (`quad_form(..., assume_PSD=True)`).
        """
        begin = time.perf_counter()
        given = {key: value for key, value in solver_opts.items() if key not in _OF_CVXPY}
        settings = {**self.settings, **_options.solver_options(given, strict=True).settings}
        program = _Program.read(data)
        key = program.key(settings)
        cached = solver_cache.get(self.name()) if warm_start and solver_cache is not None else None
        if not isinstance(cached, _Cached) or cached.key != key:
            cached = _Cached(key, program.solver(settings), None)
        setup = time.perf_counter()
        solved = program.solve(cached.solver, settings, cached.point)
        end = time.perf_counter()
        report = {name: values[0].item() for name, values in solved.reports.items()}
        status = _core.STATUS[report["status"]]
        if status == "iteration_limit" and "max_iterations" not in settings:
            # No limit of the user's: it came to no end.
            status = "numerical_trouble"
        report["status"] = status
        if solver_cache is not None:
            point = (solved.x, solved.z, solved.s) if status == "solved" else None
            solver_cache[self.name()] = _Cached(key, cached.solver, point)
        if verbose:
            print(_summary(report, program, end - begin))
        z = solved.z[0, : program.rows]
        return _Result(status, solved.x[0], z, report, setup - begin, end - setup)

    def invert(self, solution: _Result, inverse_data: Any) -> Solution:
        """The solution of CVXPY's problem: its status, value, variables and duals."""
        report = solution.report
        status = _STATUS.get(solution.status)
        if status is None:
            if not report["residual"] <= INACCURATE:
                raise SolverError(_trouble(solution))
            status = s.OPTIMAL_INACCURATE
        attributes = {
            s.SOLVE_TIME: solution.solve_time,
            s.SETUP_TIME: solution.setup_time,
            s.NUM_ITERS: report["iterations"],
            s.EXTRA_STATS: report,
        }
        zero = inverse_data[self.DIMS].zero
        duals: dict[int, Any] = {}
        for z, constraints in (
            (solution.z[:zero], self.EQ_CONSTR),
            (solution.z[zero:], self.NEQ_CONSTR),
        ):
            duals |= utilities.get_dual_values(
                z, utilities.extract_dual_value, inverse_data[constraints]
            )
        if status not in s.SOLUTION_PRESENT:
            return failure_solution(status, attributes, duals)
        value = report["objective"] + inverse_data[s.OFFSET]
        primal = {inverse_data[self.VAR_ID]: solution.x}
        return Solution(status, value, primal, duals, attributes)


def _trouble(solution: _Result) -> str:
    largest = float(np.max(np.abs(solution.x), initial=0.0))
    return (
        f"ARGRAD: {solution.status.replace('_', ' ')}. The best point has a relative residual of "
        f"{solution.report['residual']:.1e} and entries of up to {largest:.1e}; no certificate was "
        "found. If these are much larger than expected, the problem may be unbounded, or its "
        "optimum not attained, along a ray that was not found: bounds on the variables tell"
    )


# By name as well, which some of CVXPY's reductions (that of `perspective`) need.
if "ARGRAD" not in SOLVER_MAP_CONIC:
    SOLVER_MAP_CONIC["ARGRAD"] = ARGRAD()
    INSTALLED_SOLVERS.append("ARGRAD")
