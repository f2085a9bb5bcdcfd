"""How a batched solve becomes a differentiable PyTorch operation.

In ordinary PyTorch the solve runs first, and `_Direct` hangs its tape into the autograd graph. What
happens under the transforms of `torch.func` is in `_transforms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from argrad.torch._call import (
    SECOND,
    THIRD,
    Arrays,
    Call,
    SecondDerivative,
    Solution,
    device_results,
    optional_array,
    to_results,
    to_tensor,
    unseen,
)
from argrad.torch._device import solve_on_device, solve_on_host
from argrad.torch._device_solved import DeviceSolution
from argrad.torch._samples import leading
from argrad.torch._transforms import Solve, differentiated, transformed

Tensors = list[torch.Tensor | None]

_is_legacy_batched = torch._C._functorch.is_legacy_batchedtensor
_NESTED = (
    "nested transforms of the backward pass of a layer that was called outside of them; call the "
    "layer inside of the transformed function"
)


def evaluate(
    call: Call, tensors: Sequence[torch.Tensor | None], batch: int | None
) -> tuple[torch.Tensor, ...]:
    """Solves for `tensors` and returns the outputs, part of whatever PyTorch is tracking.

    Each tensor has the shape that the program says, or that with one leading batch dimension;
    `batch` is its size, or None where no tensor has one.
    """
    if transformed():
        call.differentiable = any(t is not None and differentiated(t) for t in tensors)
        # What is kept of the call outlives the transforms.
        call.like = torch.empty(0, dtype=call.like.dtype, device=call.like.device)
        return _apply_solve(call, *tensors)[:-1]
    call.differentiable = any(t is not None and _is_tracked(t) for t in tensors)
    count = 1 if batch is None else batch
    solved = solve_on_device(call, count, tensors)
    if solved is not None:
        if call.differentiable:
            return _OnDevice.apply(call, solved, batch, *tensors)
        return device_results(call, solved.outputs, batch)
    solution = call.solve(count, [optional_array(t) for t in tensors])
    if call.differentiable:
        return _Direct.apply(call, solution, batch, *tensors)
    return to_results(call, solution, batch)


@unseen
def _apply_solve(call: Call, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """`Solve.apply`."""
    return Solve.apply(call, *tensors)


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
        needed = ctx.needs_input_grad[3:]
        if transformed() or torch.is_grad_enabled() or forward_ad._current_level >= 0:
            grads = _DirectVjp.apply(ctx, *cotangents, *ctx.tensors)
        elif any(c is not None and _is_legacy_batched(c) for c in cotangents):
            grads = _legacy(lambda asked: _direct_vjp(ctx, asked, needed), cotangents)
        else:
            grads = _direct_vjp(ctx, cotangents, needed)
        return (None, None, None, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():
            return _DirectJvp.apply(ctx, *tangents[3:], *ctx.tensors)
        return _direct_jvp(ctx, tangents[3:])


class _OnDevice(torch.autograd.Function):
    """A solve that has been made on a device, as a node of the autograd graph.

    What is asked of it that a device does not serve is asked of `_Direct`, as whose node this goes
    then: the batch is solved again, on the CPU.
    """

    @staticmethod
    def forward(
        ctx: Any,
        call: Call,
        solved: DeviceSolution,
        batch: int | None,
        *tensors: torch.Tensor | None,
    ) -> tuple[torch.Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.call = call
        ctx.solved = solved
        ctx.batch = batch
        ctx.tensors = tensors
        ctx.solution = None
        return device_results(call, solved.outputs, batch)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        if transformed() or torch.is_grad_enabled() or forward_ad._current_level >= 0:
            _solve_again(ctx, SECOND)
            return _Direct.backward(ctx, *cotangents)
        if any(c is not None and _is_legacy_batched(c) for c in cotangents):
            grads = _legacy(lambda asked: _device_vjp(ctx, asked), cotangents)
        else:
            grads = _device_vjp(ctx, cotangents)
        return (None, None, None, *grads)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        if torch.is_grad_enabled():
            return _OnDeviceJvp.apply(ctx, *tangents[3:], *ctx.tensors)
        return _device_jvp(ctx, tangents[3:])


def _device_vjp(node: Any, cotangents: Sequence[torch.Tensor | None]) -> Tensors:
    """Gradients of the tensors of a solve on a device that are needed."""
    needed = node.needs_input_grad[3:]
    if all(c is None for c in cotangents) or not any(needed):
        return [None] * len(needed)
    if node.batch is None:
        cotangents = [None if c is None else c.unsqueeze(0) for c in cotangents]
    found = node.solved.vjp(cotangents, node.call.policy)
    return [
        grad.to(tensor.dtype) if need and grad is not None else None
        for need, tensor, grad in zip(needed, node.tensors, found, strict=True)
    ]


def _device_jvp(node: Any, tangents: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """Tangents of the outputs of a solve on a device."""
    found = node.solved.jvp(tangents, node.call.policy)
    return device_results(node.call, found, node.batch)


def _solve_again(node: Any, asked: str) -> None:
    """Solves the batch of a node of `_OnDevice` on the CPU, once. Raises `NotOnDevice` where it was
    asked to stay on the device."""
    if node.solution is None:
        count = 1 if node.batch is None else node.batch
        node.solution = solve_on_host(node.call, count, node.tensors, asked)


def _direct_vjp(
    node: Any, cotangents: Sequence[torch.Tensor | None], needed: Sequence[bool]
) -> Tensors:
    """Gradients of the tensors of a solve that are needed."""
    arrays = _rows(node, cotangents)
    if not any(needed) or all(array is None for array in arrays):
        return [None] * len(node.tensors)
    return _as_gradients(node, node.solution.vjp(arrays), needed)


def _direct_jvp(node: Any, tangents: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """Tangents of the outputs of a solve."""
    found = node.solution.jvp([optional_array(t) for t in tangents])
    if node.batch is None:
        found = [one[0, ...] for one in found]
    return tuple(to_tensor(one, node.call.like) for one in found)


def _direct_vjp_tangent(
    node: Any,
    cotangents: Sequence[torch.Tensor | None],
    changes: Sequence[torch.Tensor | None],
    tangents: Sequence[torch.Tensor | None],
    needed: Sequence[bool],
) -> Tensors:
    """How `_direct_vjp` changes along changes of the cotangents and tangents of the tensors."""
    if not any(needed):
        return [None] * len(node.tensors)
    directions = [optional_array(t) for t in tangents]
    found = node.solution.vjp_tangent(_rows(node, cotangents), _rows(node, changes), directions)
    return _as_gradients(node, found, needed)


def _rows(node: Any, tensors: Sequence[torch.Tensor | None]) -> Arrays:
    """Tensors like the outputs, as arrays with a batch dimension."""
    arrays = [optional_array(t) for t in tensors]
    if node.batch is not None:
        return arrays
    return [None if a is None else a[np.newaxis] for a in arrays]


def _as_gradients(node: Any, found: Arrays, needed: Sequence[bool]) -> Tensors:
    """Gradients of the tensors of a solve, None for those that are not needed."""
    return [
        to_tensor(grad, tensor) if need and grad is not None else None
        for need, tensor, grad in zip(needed, node.tensors, found, strict=True)
    ]


def _stacked(
    function: Callable[[Sequence[torch.Tensor | None]], Tensors],
    tensors: Sequence[torch.Tensor | None],
    stacked: Sequence[bool],
    count: int,
) -> Tensors:
    """`function` of `count` lists of tensors, some of them stacked along their first dimension."""
    pairs = list(zip(tensors, stacked, strict=True))
    each = [
        function([t[k] if at and t is not None else t for t, at in pairs]) for k in range(count)
    ]
    return [
        None if column[0] is None else torch.stack(column) for column in zip(*each, strict=True)
    ]


def _legacy(
    function: Callable[[Sequence[torch.Tensor | None]], Tensors],
    tensors: Sequence[torch.Tensor | None],
) -> Tensors:
    """`function` under torch.autograd.grad(..., is_grads_batched=True), which is how
    torch.autograd.functional.jacobian vectorizes; its tensors carry a hidden dimension."""
    level = torch._C._vmapmode_increment_nesting()
    torch._C._vmapmode_decrement_nesting()
    level -= 1
    stacked = [t is not None and _is_legacy_batched(t) for t in tensors]
    plain = [
        torch._remove_batch_dim(t, level, 1, 0) if at and t is not None else t
        for t, at in zip(tensors, stacked, strict=True)
    ]
    pairs = zip(plain, stacked, strict=True)
    count = next(len(t) for t, at in pairs if at and t is not None)
    found = _stacked(function, plain, stacked, count)
    return [None if t is None else torch._add_batch_dim(t, 0, level) for t in found]


def _last(
    derive: Callable[[Sequence[torch.Tensor | None]], Tensors],
    given: Sequence[torch.Tensor | None],
    sources: Sequence[torch.Tensor | None],
) -> Tensors:
    """`derive(given)`, which refuses to be differentiated with respect to `given` and `sources`."""
    if transformed():
        raise NotImplementedError(_NESTED)
    if any(t is not None and _is_legacy_batched(t) for t in given):
        return _legacy(derive, given)
    results = derive(given)
    tracked = [t for t in (*given, *sources) if t is not None and t.requires_grad]
    if not (tracked and torch.is_grad_enabled()):
        return results
    present = [r for r in results if r is not None]
    guarded = iter(_Last.apply(len(present), *present, *tracked))
    return [None if r is None else next(guarded) for r in results]


class _Last(torch.autograd.Function):
    """The identity, whose derivative is an error."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(t.clone() for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        raise SecondDerivative(THIRD)


class _DirectDerivative(torch.autograd.Function):
    """A first derivative of a solve that has been made: takes the node, what the derivative is
    applied to, and the tensors of the solve, on which it depends too."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        node, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.node = node


class _DirectVjp(_DirectDerivative):
    """The backward pass of `_Direct`."""

    @staticmethod
    def forward(node: Any, *tensors: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        cotangents = tensors[: len(node.solution.outputs)]

        def derive(asked: Sequence[torch.Tensor | None]) -> Tensors:
            return _direct_vjp(node, asked, node.needs_input_grad[3:])

        if any(c is not None and _is_legacy_batched(c) for c in cotangents):
            return tuple(_legacy(derive, cotangents))
        return tuple(derive(cotangents))

    @staticmethod
    def backward(ctx: Any, *directions: torch.Tensor | None) -> tuple[Any, ...]:
        node, saved = ctx.node, ctx.saved_tensors
        count = len(node.solution.outputs)
        cotangents = saved[:count]
        needed = ctx.needs_input_grad[1:]
        if all(d is None for d in directions):
            return (None,) * (1 + len(saved))

        def derive(tangents: Sequence[torch.Tensor | None]) -> Tensors:
            along: Tensors = [None] * count
            if any(needed[:count]):
                along = list(_direct_jvp(node, tangents))
            nothing = [None] * count
            turned = _direct_vjp_tangent(node, cotangents, nothing, tangents, needed[count:])
            return [*along, *turned]

        return (None, *_last(derive, directions, saved))

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        node, saved = ctx.node, ctx.saved_tensors
        count = len(node.solution.outputs)

        def derive(moved: Sequence[torch.Tensor | None]) -> Tensors:
            needed = node.needs_input_grad[3:]
            return _direct_vjp_tangent(node, saved[:count], moved[:count], moved[count:], needed)

        return tuple(_last(derive, tangents[1:], saved))

    @staticmethod
    def vmap(info: Any, in_dims: tuple, node: Any, *tensors: torch.Tensor | None) -> tuple:
        if transformed():
            raise NotImplementedError(_NESTED)
        count = len(node.solution.outputs)
        dims = in_dims[1 : count + 1]
        first = [
            c.movedim(dim, 0) if c is not None and dim is not None else c
            for c, dim in zip(tensors[:count], dims, strict=True)
        ]

        def derive(cotangents: Sequence[torch.Tensor | None]) -> Tensors:
            return _direct_vjp(node, cotangents, node.needs_input_grad[3:])

        grads = _stacked(derive, first, [dim is not None for dim in dims], info.batch_size)
        return tuple(grads), leading(grads)


class _DirectJvp(_DirectDerivative):
    """Forward mode of `_Direct`, to be differentiated backwards."""

    @staticmethod
    def forward(node: Any, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        return _direct_jvp(node, tensors[: len(node.tensors)])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        node, saved = ctx.node, ctx.saved_tensors
        count = len(node.tensors)
        tangents = saved[:count]
        needed = ctx.needs_input_grad[1:]
        if all(c is None for c in cotangents):
            return (None,) * (1 + len(saved))

        def derive(asked: Sequence[torch.Tensor | None]) -> Tensors:
            nothing = [None] * len(asked)
            along = _direct_vjp(node, asked, needed[:count])
            return [*along, *_direct_vjp_tangent(node, asked, nothing, tangents, needed[count:])]

        return (None, *_last(derive, cotangents, saved))


class _OnDeviceJvp(_DirectJvp):
    """Forward mode of `_OnDevice`; to differentiate it backwards, the CPU solves again."""

    @staticmethod
    def forward(node: Any, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        return _device_jvp(node, tensors[: len(node.tensors)])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        _solve_again(ctx.node, SECOND)
        return _DirectJvp.backward(ctx, *cotangents)
