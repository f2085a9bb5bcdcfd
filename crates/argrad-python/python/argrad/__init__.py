"""Gradients through argmin: convex optimization problems as differentiable layers, in batches.

- :func:`argrad.solve`, :class:`argrad.Solver`: programs in standard form, on numpy and scipy data.
- :func:`argrad.conditions`: whether the values of a CVXPY problem's variables are optimal.
- ``argrad.torch``: ``CvxpyLayer``, ``qp`` and ``QpLayer`` for PyTorch.
- ``argrad.jax``: ``CvxpyLayer`` and ``qp`` for JAX.
- ``argrad.tensorflow``: ``CvxpyLayer`` for TensorFlow.
- ``argrad.cvxpy``: ``ARGRAD``, a solver for CVXPY.
- ``argrad.cvxpylayers``: ``interface()``, a solver for cvxpylayers.

Importing ``argrad`` imports numpy and scipy only.
"""

from argrad._conditions import KktConditions, KktRow, conditions
from argrad._core import MemoryLimitError, SolverError, __version__
from argrad._errors import SolverWarning
from argrad._standard import Solution, Solver, solve

__all__ = [
    "KktConditions",
    "KktRow",
    "MemoryLimitError",
    "Solution",
    "Solver",
    "SolverError",
    "SolverWarning",
    "__version__",
    "conditions",
    "solve",
]
