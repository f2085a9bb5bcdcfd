"""Convex optimization layers for PyTorch.

`CvxpyLayer` makes a differentiable layer of a CVXPY problem, with the interface of cvxpylayers;
`qp` and `QpLayer` solve batches of quadratic programs; `argmin` finds and differentiates minimizers
of smooth problems written in PyTorch. `row_normalized`, `orthonormal_rows`, `regularized` and
`perturbed` make constraints and objectives that are better to learn. `CvxpyLayer` needs the package
cvxpy, which is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from argrad._errors import SolverWarning
from argrad.torch._argmin import ArgminSolution, argmin
from argrad.torch._call import SecondDerivative
from argrad.torch._parametrizations import (
    orthonormal_rows,
    perturbed,
    regularized,
    row_normalized,
)
from argrad.torch._qp import qp
from argrad.torch._qp_layer import QpLayer

if TYPE_CHECKING:
    from argrad.torch._layer import CvxpyLayer

__all__ = [
    "ArgminSolution",
    "CvxpyLayer",
    "QPLayer",
    "QpLayer",
    "SecondDerivative",
    "SolverWarning",
    "argmin",
    "orthonormal_rows",
    "perturbed",
    "qp",
    "regularized",
    "row_normalized",
]

QPLayer = QpLayer
"""`QpLayer`, in the spelling of other packages."""


def __getattr__(name: str) -> Any:
    if name == "CvxpyLayer":
        from argrad.torch._layer import CvxpyLayer

        return CvxpyLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
