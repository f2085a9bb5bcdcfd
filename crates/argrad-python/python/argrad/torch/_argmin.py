"""Minimizers of smooth problems written in PyTorch, differentiable in their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.func import grad, jacrev, jvp, vmap

from argrad import _argmin, _options

Function = Callable[[Any, torch.Tensor], torch.Tensor]


class ArgminSolution(NamedTuple):
    """What `argmin` returns with ``full=True``."""

    y: torch.Tensor
    """Minimizers, (n,) or (batch, n)."""
    nu: torch.Tensor
    """Multipliers of h(theta, y) = 0, in L = f + nu'h + mu'g."""
    mu: torch.Tensor
    """Multipliers of g(theta, y) <= 0, not negative."""
    reports: Mapping[str, Any]
    """Diagnostics, one array (or list) per name: status, residuals, iterations, weakly_active,
    dependent, second_order, condition."""


class _Functions:
    """f, h and g of one sample as functions of flat vectors, and their derivatives over batches."""

    def __init__(
        self,
        f: Function,
        g: Function | None,
        h: Function | None,
        shapes: list[tuple[int, ...]],
        rebuild: Any,
        like: torch.Tensor,
    ) -> None:
        self._f, self._g, self._h = f, g, h
        self._shapes = shapes
        self._sizes = [math.prod(shape) for shape in shapes]
        self._rebuild = rebuild
        self._like = like

    def theta(self, flat: torch.Tensor) -> Any:
        """Theta of one sample as the user gave it."""
        parts = flat.split(self._sizes) if self._sizes else ()
        leaves = [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return self._rebuild(leaves)

    def objective(self, theta: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self._f(self.theta(theta), y)

    def equalities(self, theta: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y[:0] if self._h is None else self._h(self.theta(theta), y)

    def inequalities(self, theta: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return y[:0] if self._g is None else self._g(self.theta(theta), y)

    def lagrangian(
        self, theta: torch.Tensor, y: torch.Tensor, nu: torch.Tensor, mu: torch.Tensor
    ) -> torch.Tensor:
        total = self.objective(theta, y)
        if self._h is not None:
            total = total + nu @ self.equalities(theta, y)
        if self._g is not None:
            total = total + mu @ self.inequalities(theta, y)
        return total

    def conditions(
        self, theta: torch.Tensor, y: torch.Tensor, nu: torch.Tensor, mu: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """L_y, h and g."""
        by_y = grad(self.lagrangian, argnums=1)(theta, y, nu, mu)
        return by_y, self.equalities(theta, y), self.inequalities(theta, y)

    # What the core calls.

    def values(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        def one(theta: torch.Tensor, y: torch.Tensor) -> Any:
            functions = (self.objective, self.equalities, self.inequalities)
            return tuple(function(theta, y) for function in functions)

        return self._over(one, at)

    def derivatives(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        def one(theta: torch.Tensor, y: torch.Tensor, nu: torch.Tensor, mu: torch.Tensor) -> Any:
            return (
                grad(self.objective, argnums=1)(theta, y),
                self._jacobian(self._h, self.equalities, theta, y),
                self._jacobian(self._g, self.inequalities, theta, y),
                # Not forward over reverse: forward mode under vmap promotes float32 where a scalar
                # meets a Python number.
                jacrev(grad(self.lagrangian, argnums=1), argnums=1)(theta, y, nu, mu),
            )

        return self._over(one, at)

    def mixed_jvp(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        def one(theta: Any, y: Any, nu: Any, mu: Any, dtheta: Any) -> Any:
            return jvp(lambda t: self.conditions(t, y, nu, mu), (theta,), (dtheta,))[1]

        return self._over(one, at)

    def mixed_vjp(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        def weighted(theta: Any, y: Any, nu: Any, mu: Any, *weights: Any) -> torch.Tensor:
            parts = self.conditions(theta, y, nu, mu)
            return sum((w @ part for w, part in zip(weights, parts, strict=True)), y[0] * 0)

        return self._over(lambda *one: (grad(weighted)(*one),), at)

    def lagrangian_gradient(self, samples: np.ndarray, *at: np.ndarray) -> list[np.ndarray]:
        return self._over(lambda *one: (grad(self.lagrangian)(*one),), at)

    @staticmethod
    def _jacobian(given: Any, function: Any, theta: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if given is None:
            return y.new_zeros((0, len(y)))
        return jacrev(function, argnums=1)(theta, y)

    def _over(self, one: Any, at: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """A function of one sample, over a batch of arrays."""
        like = self._like
        tensors = [torch.from_numpy(array).to(like.device, like.dtype) for array in at]
        with torch.no_grad():
            found = vmap(one)(*tensors)
        arrays = [part.detach().to("cpu", torch.float64).numpy() for part in found]
        return [np.ascontiguousarray(array).reshape(-1) for array in arrays]


class _Solved(torch.autograd.Function):
    """A solve that has been made, as a node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any, core: Any, outputs: list[np.ndarray], batch: Any, like: Any, *leaves: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.core, ctx.batch = core, batch
        ctx.leaves = [(leaf.shape, leaf.dtype, leaf.device) for leaf in leaves]
        return _tensors(outputs, batch, like)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        arrays = [
            None
            if cotangent is None
            else cotangent.detach()
            .reshape(1 if ctx.batch is None else ctx.batch, -1)
            .to("cpu", torch.float64)
            .contiguous()
            .numpy()
            for cotangent in cotangents
        ]
        gradient = torch.from_numpy(ctx.core.vjp(*arrays))
        sizes = [math.prod(shape[ctx.batch is not None :]) for shape, _, _ in ctx.leaves]
        parts = gradient.split(sizes, dim=1)
        gradients = [
            part.reshape(shape).to(device, dtype)
            for part, (shape, dtype, device) in zip(parts, ctx.leaves, strict=True)
        ]
        return (None, None, None, None, *gradients)


def _tensors(
    outputs: list[np.ndarray], batch: int | None, like: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    tensors = (torch.from_numpy(output).to(like.device, like.dtype) for output in outputs)
    return tuple(tensor[0] if batch is None else tensor for tensor in tensors)


def argmin(
    f: Function,
    g: Function | None,
    h: Function | None,
    theta: Any,
    y0: torch.Tensor,
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

    - f, g, h: functions of one sample, written in PyTorch and twice differentiable by
      `torch.func`: f(theta, y) a number, g(theta, y) and h(theta, y) vectors; g and h may be None.
      Only theta is differentiated: what they close over is constant
    - theta: a tensor, or a tuple, list or dict of tensors, which f, g and h get in the same form;
      with the batch dimension of `y0` in front
    - y0 (n,) or (batch, n): where to start. It decides which local minimum is found
    - full: return an :class:`ArgminSolution` with y, the multipliers (differentiable too) and the
      reports instead of y alone
    - solved: y0 is a solution found elsewhere; it is measured and differentiated only
    - tolerance: largest relative KKT residual of a solved sample, 1e-10 in double precision
    - max_iterations: most quadratic programs per sample, 200
    - on_failure: for samples without a solution, ``"raise"`` an error that names them, or go on
      with ``"nan"`` (outputs and gradients) or ``"zero"`` (gradients)

    All tensors have one dtype, in which f, g and h are evaluated: take float64. Can be
    differentiated once; not inside `torch.func` transforms or `torch.compile`.

    Raises ValueError for shapes, TypeError for dtypes, `argrad.SolverError` for samples without a
    solution (its ``indices`` and ``statuses`` say which).

    >>> theta = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    >>> y = argmin(
    ...     lambda theta, y: ((y - theta) ** 2).sum(),
    ...     None,
    ...     lambda theta, y: (y @ y - 1.0).reshape(1),  # the nearest point of the circle
    ...     theta,
    ...     torch.ones(2, 2, dtype=torch.float64),
    ... )
    >>> y.detach().numpy().round(6).tolist()
    [[0.6, 0.8], [0.0, 1.0]]
    >>> y[:, 0].sum().backward()
    >>> theta.grad.numpy().round(6).tolist()
    [[0.128, -0.096], [0.5, 0.0]]
    """
    if not isinstance(y0, torch.Tensor):
        raise TypeError(f"y0 must be a tensor; found {type(y0).__name__}")
    batch, n = _argmin.check_start(tuple(y0.shape))
    named, rebuild = _argmin.leaves_of(theta, lambda leaf: isinstance(leaf, torch.Tensor))
    _check_dtypes([("y0", y0), *named])
    shapes = [_argmin.check_leaf(name, tuple(leaf.shape), batch) for name, leaf in named]
    leaves = [leaf for _, leaf in named]
    functions = _Functions(f, g, h, shapes, rebuild, y0)
    count = 1 if batch is None else batch
    flat = [
        leaf.detach().reshape(count, math.prod(s)) for leaf, s in zip(leaves, shapes, strict=True)
    ]
    numbers = _array(torch.cat(flat, dim=1)) if flat else np.zeros((count, 0))
    start = _array(y0.detach().reshape(count, n))
    sizes = (numbers.shape[1], n, *_counts(functions, f, g, h, count, numbers, y0))
    core = _argmin.solver(
        functions,
        sizes,
        single=y0.dtype is torch.float32,
        tolerance=tolerance,
        max_iterations=max_iterations,
        on_failure=on_failure,
    )
    found = core.at(count, numbers, start) if solved else core.solve(count, numbers, start)
    lost = _argmin.check(found, on_failure)
    outputs = _argmin.results(found, lost, on_failure)
    if torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves):
        tensors = _Solved.apply(found, outputs, batch, y0, *leaves)
    else:
        tensors = _tensors(outputs, batch, y0)
    y, nu, mu = tensors
    return ArgminSolution(y, nu, mu, found.reports) if full else y


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.to("cpu", torch.float64).numpy())


def _check_dtypes(named: list[tuple[str, torch.Tensor]]) -> None:
    name, first = named[0]
    if first.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float64 (or float32); found {first.dtype}")
    for other, tensor in named[1:]:
        if tensor.dtype is not first.dtype:
            raise TypeError(
                f"theta and y0 must have one dtype; found {first.dtype} for {name} and "
                f"{tensor.dtype} for {other}"
            )
        if tensor.device != first.device:
            raise ValueError(
                f"theta and y0 must be on one device; found {first.device} for {name} and "
                f"{tensor.device} for {other}"
            )


def _counts(
    functions: _Functions,
    f: Any,
    g: Any,
    h: Any,
    count: int,
    numbers: np.ndarray,
    like: torch.Tensor,
) -> tuple[int, int]:
    """Numbers of equalities and inequalities, from the functions at the first sample."""
    if count == 0:
        raise ValueError("y0 must have at least one sample; found an empty batch")
    with torch.no_grad():
        flat = torch.from_numpy(numbers[0]).to(like.device, like.dtype)
        theta, y = functions.theta(flat), like.detach().reshape(count, -1)[0]
        _argmin.check_scalar(_shape("f", f(theta, y)))
        equalities = 0 if h is None else _argmin.size_of("h", _shape("h", h(theta, y)))
        inequalities = 0 if g is None else _argmin.size_of("g", _shape("g", g(theta, y)))
    return equalities, inequalities


def _shape(name: str, found: Any) -> tuple[int, ...]:
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"{name} must return a tensor; found {type(found).__name__}")
    return tuple(found.shape)
