"""How a batched solve becomes a differentiable PyTorch operation.

In ordinary PyTorch the solve runs first, and `_Direct` hangs its tape into the autograd graph. What
happens under the transforms of `torch.func` is in `_transforms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from argrad.torch._call import (
    Call,
    SecondDerivative,
    Solution,
    optional_array,
    to_results,
    to_tensor,
)
from argrad.torch._transforms import Once, Solve, differentiated, leading, transformed

_is_legacy_batched = torch._C._functorch.is_legacy_batchedtensor


def evaluate(
    call: Call, tensors: Sequence[torch.Tensor | None], batch: int | None
) -> tuple[torch.Tensor, ...]:
    """Solves for `tensors` and returns the outputs, part of whatever PyTorch is tracking.

    Each tensor has the shape that the program says, or that with one leading batch dimension;
    `batch` is its size, or None where no tensor has one.
    """
    if transformed():
        call.differentiable = any(t is not None and differentiated(t) for t in tensors)
        return Solve.apply(call, *tensors)[:-1]
    call.differentiable = any(t is not None and _is_tracked(t) for t in tensors)
    solution = call.solve(1 if batch is None else batch, [optional_array(t) for t in tensors])
    if call.differentiable:
        return _Direct.apply(call, solution, batch, *tensors)
    return to_results(call, solution, batch)


def _is_tracked(tensor: torch.Tensor) -> bool:
    """Whether a derivative with respect to a tensor can be asked for, outside of transforms."""
    if tensor.requires_grad and torch.is_grad_enabled():
        return True
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None


class _Direct(torch.autograd.Function):
    """A solve that has been made, as a node of the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any,
        call: Call,
        solution: Solution,
        batch: int | None,
        *tensors: torch.Tensor | None,
    ) -> tuple[torch.Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.call = call
        ctx.solution = solution
        ctx.batch = batch
        ctx.tensors = tensors
        return to_results(call, solution, batch)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        tensors = ctx.tensors
        if transformed():
            grads = _DirectVjp.apply(ctx, *cotangents)
        elif any(c is not None and _is_legacy_batched(c) for c in cotangents):
            grads = _legacy_vjp(ctx, cotangents)
        else:
            grads = _direct_vjp(ctx, cotangents)
        if torch.is_grad_enabled():
            grads = _first_only(grads, (*cotangents, *tensors))
        return (None, None, None, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        tangents = tangents[3:]
        found = ctx.solution.jvp([optional_array(t) for t in tangents])
        if ctx.batch is None:
            found = [one[0, ...] for one in found]
        results: list[torch.Tensor | None] = [to_tensor(one, ctx.call.like) for one in found]
        if torch.is_grad_enabled():
            results = _first_only(results, (*tangents, *ctx.tensors))
        return tuple(results)


def _direct_vjp(ctx: Any, cotangents: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """Gradients of the tensors of a solve that need one."""
    grads: list[torch.Tensor | None] = [None] * len(ctx.tensors)
    arrays = [optional_array(c) for c in cotangents]
    if ctx.batch is None:
        arrays = [None if a is None else a[np.newaxis] for a in arrays]
    for array in arrays:
        if array is not None:
            break
    else:
        return grads
    found = ctx.solution.vjp(arrays)
    needed = ctx.needs_input_grad[3:]
    for i, (tensor, grad) in enumerate(zip(ctx.tensors, found, strict=True)):
        if needed[i] and grad is not None:
            grads[i] = to_tensor(grad, tensor)
    return grads


def _stacked_vjp(
    ctx: Any, cotangents: Sequence[torch.Tensor | None], stacked: Sequence[bool], count: int
) -> list[torch.Tensor | None]:
    """`_direct_vjp` for `count` cotangents, some of them stacked along their first dimension."""
    pairs = list(zip(cotangents, stacked, strict=True))
    each = [
        _direct_vjp(ctx, [c[k] if at and c is not None else c for c, at in pairs])
        for k in range(count)
    ]
    return [
        None if column[0] is None else torch.stack(column) for column in zip(*each, strict=True)
    ]


def _legacy_vjp(ctx: Any, cotangents: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """`_direct_vjp` under torch.autograd.grad(..., is_grads_batched=True), which is how
    torch.autograd.functional.jacobian vectorizes; its tensors carry a hidden dimension."""
    level = torch._C._vmapmode_increment_nesting()
    torch._C._vmapmode_decrement_nesting()
    level -= 1
    stacked = [c is not None and _is_legacy_batched(c) for c in cotangents]
    plain = [
        torch._remove_batch_dim(c, level, 1, 0) if at and c is not None else c
        for c, at in zip(cotangents, stacked, strict=True)
    ]
    pairs = zip(plain, stacked, strict=True)
    count = next(len(c) for c, at in pairs if at and c is not None)
    grads = _stacked_vjp(ctx, plain, stacked, count)
    return [None if g is None else torch._add_batch_dim(g, 0, level) for g in grads]


def _first_only(
    results: Sequence[torch.Tensor | None], sources: Sequence[torch.Tensor | None]
) -> list[torch.Tensor | None]:
    """`results`, which refuse to be differentiated with respect to `sources`."""
    tracked = [s for s in sources if s is not None and s.requires_grad]
    if not tracked:
        return list(results)
    present = [r for r in results if r is not None]
    guarded = iter(_FirstOnly.apply(len(present), *present, *tracked))
    return [None if r is None else next(guarded) for r in results]


class _FirstOnly(torch.autograd.Function):
    """The identity, whose derivative is an error."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(t.clone() for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        raise SecondDerivative


class _DirectVjp(Once):
    """The backward pass of `_Direct`, under a transform that came after the forward pass."""

    @staticmethod
    def forward(node: Any, *cotangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        return tuple(_direct_vjp(node, cotangents))

    @staticmethod
    def vmap(info: Any, in_dims: tuple, node: Any, *cotangents: torch.Tensor | None) -> tuple:
        if transformed():
            raise NotImplementedError(
                "nested transforms of the backward pass of a layer that was called outside of "
                "them; call the layer inside of the transformed function"
            )
        stacked = [dim is not None for dim in in_dims[1:]]
        first = [
            c.movedim(dim, 0) if c is not None and dim is not None else c
            for c, dim in zip(cotangents, in_dims[1:], strict=True)
        ]
        grads = tuple(_stacked_vjp(node, first, stacked, info.batch_size))
        return grads, leading(grads)
