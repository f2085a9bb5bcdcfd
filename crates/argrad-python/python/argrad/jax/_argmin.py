"""Minimizers of smooth problems written in JAX, differentiable in their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from argrad import _argmin, _options

Function = Callable[[Any, jax.Array], jax.Array]


class ArgminSolution(NamedTuple):
    """What `argmin` returns with ``full=True``."""

    y: jax.Array
    """Minimizers, (n,) or (batch, n)."""
    nu: jax.Array
    """Multipliers of h(theta, y) = 0, in L = f + nu'h + mu'g."""
    mu: jax.Array
    """Multipliers of g(theta, y) <= 0, not negative."""


class _Functions:
    """f, h and g of one sample as functions of flat vectors, and their derivatives over batches.
    Each is compiled for a number of samples when it is first called with it."""

    def __init__(
        self,
        f: Function,
        g: Function | None,
        h: Function | None,
        shapes: list[tuple[int, ...]],
        rebuild: Any,
        dtype: Any,
    ) -> None:
        self._f, self._g, self._h = f, g, h
        self._shapes = shapes
        self._ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        self._rebuild = rebuild
        self._dtype = dtype
        self._compiled: dict[str, Any] = {}

    def _theta(self, flat: jax.Array) -> Any:
        parts = jnp.split(flat, self._ends) if self._shapes else []
        leaves = [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return self._rebuild(leaves)

    def objective(self, theta: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.asarray(self._f(self._theta(theta), y))

    def equalities(self, theta: jax.Array, y: jax.Array) -> jax.Array:
        return y[:0] if self._h is None else jnp.asarray(self._h(self._theta(theta), y))

    def inequalities(self, theta: jax.Array, y: jax.Array) -> jax.Array:
        return y[:0] if self._g is None else jnp.asarray(self._g(self._theta(theta), y))

    def _lagrangian(self, theta: Any, y: Any, nu: Any, mu: Any) -> jax.Array:
        total = self.objective(theta, y)
        return total + nu @ self.equalities(theta, y) + mu @ self.inequalities(theta, y)

    def _conditions(self, theta: Any, y: Any, nu: Any, mu: Any) -> tuple[jax.Array, ...]:
        """L_y, h and g."""
        by_y = jax.grad(self._lagrangian, argnums=1)(theta, y, nu, mu)
        return by_y, self.equalities(theta, y), self.inequalities(theta, y)

    def _values(self, theta: Any, y: Any) -> Any:
        functions = (self.objective, self.equalities, self.inequalities)
        return tuple(function(theta, y) for function in functions)

    def _derivatives(self, theta: Any, y: Any, nu: Any, mu: Any) -> Any:
        return (
            jax.grad(self.objective, argnums=1)(theta, y),
            jax.jacrev(self.equalities, argnums=1)(theta, y),
            jax.jacrev(self.inequalities, argnums=1)(theta, y),
            jax.hessian(self._lagrangian, argnums=1)(theta, y, nu, mu),
        )

    def _mixed_jvp(self, theta: Any, y: Any, nu: Any, mu: Any, dtheta: Any) -> Any:
        return jax.jvp(lambda t: self._conditions(t, y, nu, mu), (theta,), (dtheta,))[1]

    def _mixed_vjp(self, theta: Any, y: Any, nu: Any, mu: Any, *weights: Any) -> Any:
        def weighted(t: Any) -> jax.Array:
            parts = self._conditions(t, y, nu, mu)
            products = [w @ part for w, part in zip(weights, parts, strict=True)]
            return products[0] + products[1] + products[2]

        return (jax.grad(weighted)(theta),)

    def _lagrangian_gradient(self, theta: Any, y: Any, nu: Any, mu: Any) -> Any:
        return (jax.grad(self._lagrangian)(theta, y, nu, mu),)

    # What the core calls.

    def values(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over("_values", at)

    def derivatives(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over("_derivatives", at)

    def mixed_jvp(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over("_mixed_jvp", at)

    def mixed_vjp(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over("_mixed_vjp", at)

    def lagrangian_gradient(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over("_lagrangian_gradient", at)

    def _over(self, name: str, at: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """A function of one sample, over a batch of arrays. The batch is padded to a power of two,
        so that samples that are done do not cost a compilation each time."""
        count = len(at[0])
        padded = 1 << (count - 1).bit_length()
        if name not in self._compiled:
            self._compiled[name] = jax.jit(jax.vmap(getattr(self, name)))
        # Repeats the last sample: its numbers are valid ones.
        rows = np.minimum(np.arange(padded), count - 1)
        arrays = [jnp.asarray(array[rows], self._dtype) for array in at]
        found = self._compiled[name](*arrays)
        return [np.asarray(part[:count], np.float64).reshape(-1) for part in found]


@jax.tree_util.register_static
class _Kept:
    """A solution between the forward and the backward pass: not a number for JAX."""

    def __init__(self, core: Any) -> None:
        self.core = core


def argmin(
    f: Function,
    g: Function | None,
    h: Function | None,
    theta: Any,
    y0: Any,
    *,
    full: bool = False,
    solved: bool = False,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    on_failure: _options.OnFailure = "raise",
) -> Any:
    """Minimizers of smooth problems, convex or not, differentiable in theta:

        y(theta) = argmin f(theta, y)  over y,  subject to  g(theta, y) <= 0,  h(theta, y) = 0

    A local minimum for each sample, by sequential quadratic programming from `y0`, all samples of
    the batch together; the gradient is that of the KKT conditions there (implicit function
    theorem), so nothing of the iterations is kept.

    Arguments:
        f, g, h: functions of one sample, written in JAX and twice differentiable: f(theta, y) a
            number, g(theta, y) and h(theta, y) vectors; g and h may be None. Only theta is
            differentiated: what they close over is constant.
        theta: an array, or a tuple, list or dict of arrays, which f, g and h get in the same form;
            with the batch axis of `y0` in front.
        y0: (n,) or (batch, n), where to start. It decides which local minimum is found.
        full: return an :class:`ArgminSolution` with y and the multipliers instead of y alone.
        solved: y0 is a solution found elsewhere; it is measured and differentiated only.
        tolerance: largest relative KKT residual of a solved sample, 1e-10 in double precision.
        max_iterations: most quadratic programs per sample, 200.
        on_failure: for samples without a solution, "raise" an error that names them, or go on with
            "nan" (outputs and gradients) or "zero" (gradients).

    Returns:
        y of the shape and dtype of y0. f, g and h are evaluated in that dtype: enable
        `jax_enable_x64` and take float64.

    Under grad and vjp, but not inside jit or vmap (nor jacrev, which uses it), since the solver
    calls back into JAX; the functions themselves are compiled. Differentiable once, in reverse
    mode.

    Raises:
        ValueError, TypeError: shapes and dtypes.
        argrad.SolverError: samples without a solution; its `indices` and `statuses` say which.
    """
    named, rebuild = _argmin.leaves_of(theta, _is_array)
    leaves = [jnp.asarray(leaf) for _, leaf in named]
    y0 = jnp.asarray(y0)
    batch, n = _argmin.check_start(y0.shape)
    shapes = [
        _argmin.check_leaf(name, leaf.shape, batch)
        for (name, _), leaf in zip(named, leaves, strict=True)
    ]
    _check_dtypes(
        [("y0", y0), *((name, leaf) for (name, _), leaf in zip(named, leaves, strict=True))]
    )
    count = 1 if batch is None else batch
    if count == 0:
        raise ValueError("y0 must have at least one sample; found an empty batch")
    functions = _Functions(f, g, h, shapes, rebuild, y0.dtype)
    width = sum(math.prod(shape) for shape in shapes)
    counts = _counts(functions, g, h, width, n, y0.dtype)
    core = _argmin.solver(
        functions,
        (width, n, *counts),
        single=y0.dtype == jnp.float32,
        tolerance=tolerance,
        max_iterations=max_iterations,
        on_failure=on_failure,
    )

    def forward(leaves: list[jax.Array]) -> tuple[ArgminSolution, Any]:
        _check_concrete([*leaves, y0])
        flat = [
            np.asarray(leaf, np.float64).reshape(count, math.prod(shape))
            for leaf, shape in zip(leaves, shapes, strict=True)
        ]
        numbers = np.concatenate(flat, axis=1) if flat else np.zeros((count, 0))
        start = np.array(y0, np.float64).reshape(count, n)
        found = core.at(count, numbers, start) if solved else core.solve(count, numbers, start)
        lost = _argmin.check(found, on_failure)
        outputs = [
            jnp.asarray(output if batch is not None else output[0], y0.dtype)
            for output in _argmin.results(found, lost, on_failure)
        ]
        return ArgminSolution(*outputs), _Kept(found)

    def backward(kept: Any, cotangents: ArgminSolution) -> tuple[list[jax.Array]]:
        _check_concrete(list(cotangents))
        arrays = [np.array(c, np.float64).reshape(count, -1) for c in cotangents]
        gradient = kept.core.vjp(*arrays)
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = np.split(gradient, ends, axis=1) if shapes else []
        return (
            [
                jnp.asarray(part.reshape(leaf.shape), leaf.dtype)
                for part, leaf in zip(parts, leaves, strict=True)
            ],
        )

    run = jax.custom_vjp(lambda leaves: forward(leaves)[0])
    run.defvjp(forward, backward)
    solution = run(leaves)
    return solution if full else solution.y


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.floating | float)


def _check_dtypes(named: list[tuple[str, jax.Array]]) -> None:
    name, first = named[0]
    if first.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(f"{name} must be float64 (or float32); found {first.dtype}")
    for other, array in named[1:]:
        if array.dtype != first.dtype:
            raise TypeError(
                f"theta and y0 must have one dtype; found {first.dtype} for {name} and "
                f"{array.dtype} for {other}"
            )


def _check_concrete(arrays: list[Any]) -> None:
    if any(isinstance(array, jax.core.Tracer) for array in arrays):
        raise TypeError(
            "argmin cannot run inside jit, vmap, scan or a second derivative: its solver calls "
            "back into JAX. Call it outside of jit (f, g and h are compiled all the same), and "
            "give theta and y0 a leading batch axis instead of vmap"
        )


def _counts(
    functions: _Functions, g: Any, h: Any, width: int, n: int, dtype: Any
) -> tuple[int, int]:
    """Numbers of equalities and inequalities, from the shapes that the functions return."""
    theta, y = jax.ShapeDtypeStruct((width,), dtype), jax.ShapeDtypeStruct((n,), dtype)
    shape = lambda function: tuple(jax.eval_shape(function, theta, y).shape)  # noqa: E731
    _argmin.check_scalar(shape(functions.objective))
    equalities = 0 if h is None else _argmin.size_of("h", shape(functions.equalities))
    inequalities = 0 if g is None else _argmin.size_of("g", shape(functions.inequalities))
    return equalities, inequalities
