"""What CVXPY's reductions take for a solver."""

from __future__ import annotations

from typing import Any

from cvxpy.constraints import SOC, ExpCone, PowCone3D, PowConeND, SvecPSD
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver
from cvxpy.utilities.psd_utils import TriangleKind


class Canonicalizer(ConicSolver):
    """The face that CVXPY's reductions see: every cone, and quadratic objectives.

    It ends the chain of reductions with the parametrized program and never applies parameters.
    """

    MIP_CAPABLE = False
    BOUNDED_VARIABLES = False
    SUPPORTED_CONSTRAINTS = ConicSolver.SUPPORTED_CONSTRAINTS + [
        SOC,
        ExpCone,
        PowCone3D,
        PowConeND,
        SvecPSD,
    ]
    EXP_CONE_ORDER = [0, 1, 2]
    PSD_TRIANGLE_KIND = TriangleKind.UPPER
    PSD_SQRT2_SCALING = True

    def name(self) -> str:
        return "ARGRAD_LAYER"

    def import_solver(self) -> None:
        pass

    def supports_quad_obj(self) -> bool:
        return True

    def apply(self, problem: Any) -> tuple[dict, dict]:
        problem, data, inverse = self._prepare_data_and_inv_data(problem)
        return data, inverse

    def solve_via_data(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("this canonicalizes for a layer; to solve, use argrad.cvxpy")

    def cite(self, data: Any) -> str:
        return ""


CANONICALIZER = Canonicalizer()
