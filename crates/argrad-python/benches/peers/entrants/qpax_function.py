"""qpax, an interior point in JAX: one program, mapped over the batch."""

from __future__ import annotations

from importlib.metadata import version

import jax
import numpy as np
import qpax

from ..cases import Case
from .base import qp_only, quick_only

_NAMES = ("Q", "p", "A", "b", "G", "h")
_OPTIONS = {
    "default": {},
    # Its default derivative is that of a program that is smoothed by 1e-3.
    "implicit, 1e-8": {"backend": "i", "solver_tol": 1e-8, "target_kappa": 1e-8},
}


class Qpax:
    """`solve_qp_primal` under `jax.vmap` and `jax.jit`, in double precision."""

    differentiates = True

    def __init__(self) -> None:
        jax.config.update("jax_enable_x64", True)

    def version(self) -> str:
        """Of the package."""
        return version("qpax")

    def variants(self, case: Case) -> list[str]:
        """As it comes, and with derivatives that are those of the program."""
        qp_only(case)
        quick_only(case)
        return list(_OPTIONS)

    def prepare(self, case: Case, variant: str) -> _QpaxRun:
        """The compiled functions and their arrays."""
        return _QpaxRun(case, _OPTIONS[variant])

    def builder(self, case: Case):
        """None: there is nothing to construct."""
        return None


class _QpaxRun:
    def __init__(self, case: Case, options: dict) -> None:
        self._device = jax.devices(case.device)[0]
        n = case.cotangent.shape[1]
        none = {"A": np.zeros((0, n)), "b": np.zeros(0)}
        self._arguments = [self._put(case.data.get(name, none.get(name))) for name in _NAMES]
        self._cotangent = self._put(case.cotangent)
        axes = [0 if name in case.data and name not in case.shared else None for name in _NAMES]
        self._given = [name for name in _NAMES if name in case.data]

        # Arguments that the batch shares get the sum of its gradients by the map.
        def solve(*arguments):
            return qpax.solve_qp_primal(*arguments, **options)

        def converged(*arguments):
            how = {name: value for name, value in options.items() if name != "target_kappa"}
            return qpax.solve_qp(*arguments, **how)[4]

        mapped = jax.vmap(solve, axes)
        self._forward = jax.jit(lambda *arguments: jax.vjp(mapped, *arguments))
        self._backward = jax.jit(lambda adjoint, cotangent: adjoint(cotangent))
        self._converged = jax.jit(jax.vmap(converged, axes))
        self._solution = self._adjoint = self._gradients = None

    def _put(self, array: np.ndarray) -> jax.Array:
        return jax.device_put(np.asarray(array, np.float64), self._device)

    def forward(self) -> None:
        """Solves."""
        self._solution = self._adjoint = self._gradients = None
        found = self._forward(*self._arguments)
        self._solution, self._adjoint = jax.block_until_ready(found)

    def backward(self) -> None:
        """Differentiates."""
        self._gradients = jax.block_until_ready(self._backward(self._adjoint, self._cotangent))

    def results(self) -> dict:
        """As arrays. What converged is known only to the solve without derivative: once more."""
        gradients = dict(zip(_NAMES, self._gradients, strict=True))
        return {
            "solution": np.asarray(self._solution),
            "gradients": {name: np.asarray(gradients[name]) for name in self._given},
            "failed": np.flatnonzero(np.asarray(self._converged(*self._arguments)) == 0).tolist(),
        }
