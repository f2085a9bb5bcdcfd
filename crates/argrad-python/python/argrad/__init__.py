"""Gradients through argmin: convex optimization problems as differentiable layers, in batches.

- :func:`argrad.solve`, :class:`argrad.Solver`: programs in standard form, on numpy and scipy data.
- :func:`argrad.conditions`: whether the values of a CVXPY problem's variables are optimal.
- ``argrad.torch``: ``CvxpyLayer``, ``qp`` and ``QpLayer`` for PyTorch; ``argrad.torch.decision``:
  losses over programs whose costs are predicted.
- ``argrad.jax``: ``CvxpyLayer`` and ``qp`` for JAX.
- ``argrad.tensorflow``: ``CvxpyLayer`` for TensorFlow.
- ``argrad.cvxpy``: ``ARGRAD``, a solver for CVXPY.
- ``argrad.cvxpylayers``: ``interface()``, a solver for cvxpylayers.
- ``argrad.ray``: tables of programs on a Ray cluster.
- ``python -m argrad``, or ``argrad``: programs from files, on the command line.

Importing ``argrad`` imports nothing else. numpy and scipy, which take most of a second where disks
are slow, come with the first name that is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argrad._conditions import KktConditions, KktRow, conditions
    from argrad._core import (
        DeviceError,
        MemoryLimitError,
        NotOnDevice,
        SolverError,
        __version__,
    )
    from argrad._errors import SolverWarning
    from argrad._standard import Solution, Solver, solve

__all__ = [
    "DeviceError",
    "KktConditions",
    "KktRow",
    "MemoryLimitError",
    "NotOnDevice",
    "Solution",
    "Solver",
    "SolverError",
    "SolverWarning",
    "__version__",
    "conditions",
    "solve",
]

_MODULES = {
    "DeviceError": "_core",
    "KktConditions": "_conditions",
    "KktRow": "_conditions",
    "MemoryLimitError": "_core",
    "NotOnDevice": "_core",
    "Solution": "_standard",
    "Solver": "_standard",
    "SolverError": "_core",
    "SolverWarning": "_errors",
    "__version__": "_core",
    "conditions": "_conditions",
    "solve": "_standard",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"argrad.{_MODULES[name]}"), name)
    # Found without this function from now on.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
