"""Differentiable convex programs for JAX.

`qp` solves batches of quadratic programs; `argmin` finds and differentiates minimizers of smooth
problems written in JAX; `CvxpyLayer` makes a JAX function of a CVXPY problem,
with the interface of cvxpylayers. `CvxpyLayer` needs the package cvxpy, which is imported when it
is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from argrad._errors import SolverWarning
from argrad.jax import _ffi
from argrad.jax import _vmap as _vmap  # registers the rules of vmap
from argrad.jax._argmin import ArgminSolution, argmin
from argrad.jax._qp import qp

if TYPE_CHECKING:
    from argrad.jax._layer import CvxpyLayer

_ffi.is_available()

__all__ = ["ArgminSolution", "CvxpyLayer", "SolverWarning", "argmin", "qp"]


def __getattr__(name: str) -> Any:
    if name == "CvxpyLayer":
        from argrad.jax._layer import CvxpyLayer

        return CvxpyLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
