"""Layers under the transforms of `torch.func`.

`Solve` returns, next to the outputs, a tensor that names each sample's solution. vmap stacks it
like any other tensor, so the derivative operations `_Vjp` and `_Jvp`, and their derivatives
`_VjpTangent` and `_JvpTangent`, find the tapes of their samples at any nesting of transforms, and
every dimension that vmap adds goes into the one batch dimension of the solver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from argrad.torch._call import (
    THIRD,
    Call,
    SecondDerivative,
    constant,
    device_results,
    optional_array,
    to_results,
)
from argrad.torch._device import solve_on_device
from argrad.torch._samples import (
    SHIFT,
    Kept,
    argument_ranks,
    by_sample,
    flatten,
    jvp,
    jvp_tangent,
    leading,
    result_ranks,
    unflatten,
    vjp,
    vjp_tangent,
)

transformed = torch._C._are_functorch_transforms_active
_functorch = torch._C._functorch


def differentiated(tensor: torch.Tensor) -> bool:
    """Whether a derivative with respect to a tensor can be asked for, by the transforms that are
    active or by what is around them."""
    reverse = torch.is_grad_enabled()
    forward = any(
        level.key() == _functorch.TransformType.Jvp for level in _functorch.get_interpreter_stack()
    )
    # From the wrapper of the innermost transform to the tensor itself.
    while _functorch.maybe_get_level(tensor) >= 0:
        if _functorch.is_gradtrackingtensor(tensor) and (
            forward or (reverse and tensor.requires_grad)
        ):
            return True
        tensor = _functorch.get_unwrapped(tensor)
    # Around a transform the tangent of forward mode cannot be looked at, so its level decides.
    return (reverse and tensor.requires_grad) or (forward_ad._current_level >= 0 and not forward)


@constant
def composes() -> bool:
    """Whether the operators compose with the transforms that are active: with vmap they do, with
    derivatives they do not. Where a graph is made, this runs once, and nothing of it is traced."""
    stack = _functorch.get_interpreter_stack() or ()
    return all(level.key() == _functorch.TransformType.Vmap for level in stack)


class Solve(torch.autograd.Function):
    """The solve under transforms: outputs, and for each sample the name of its solution."""

    @staticmethod
    def forward(call: Call, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        ranks = argument_ranks(call)
        batch = None
        for tensor, rank in zip(tensors, ranks, strict=True):
            if tensor is not None and tensor.dim() > rank:
                batch = tensor.shape[0]
        count = 1 if batch is None else batch
        if call.differentiable:
            # Derivatives are taken sample by sample here, so nothing is shared.
            tensors = tuple(
                tensor.expand(count, *tensor.shape)
                if tensor is not None and tensor.dim() == rank
                else tensor
                for tensor, rank in zip(tensors, ranks, strict=True)
            )
        solved = solve_on_device(call, count, tensors)
        kept: Any
        if solved is not None:
            kept = Kept(solved, count, tensors)
            results = device_results(call, solved.outputs, batch)
        else:
            kept = call.solve(count, [optional_array(tensor) for tensor in tensors])
            results = to_results(call, kept, batch)
        number = call.keep(kept) if call.differentiable else 0
        names = torch.arange(count, dtype=torch.int64)
        names += number << SHIFT
        return (*results, names[0] if batch is None else names)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        call, *tensors = inputs
        names = output[-1]
        ctx.mark_non_differentiable(names)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(names, *tensors)
        ctx.save_for_forward(names, *tensors)
        ctx.call = call

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        names, *tensors = ctx.saved_tensors
        cotangents = cotangents[:-1]
        if all(c is None for c in cotangents):
            return (None,) * (1 + len(tensors))
        grads = _Vjp.apply(ctx.call, names, *cotangents, *tensors)
        return (None, *_summed(ctx.call, names, grads, tensors))

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        names, *tensors = ctx.saved_tensors
        directions = expanded(ctx.call, names, tangents[1:])
        return (*_Jvp.apply(ctx.call, names, *directions, *tensors), None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, call: Call, *tensors: torch.Tensor | None) -> tuple:
        ranks = argument_ranks(call)
        flat, batch = flatten(tensors, in_dims[1:], ranks, info.batch_size, share=True)
        outputs = unflatten(Solve.apply(call, *flat), info.batch_size, batch)
        return outputs, leading(outputs)


class Once(torch.autograd.Function):
    """A second derivative, which has no derivative."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> Any:
        raise SecondDerivative(THIRD)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> Any:
        raise SecondDerivative(THIRD)


class _Derivative(torch.autograd.Function):
    """A first derivative of named samples: takes the call, the names, one tensor or None for each
    part of what it is applied to, and the arguments, on which it depends too."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        call, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.call = call


class _Vjp(_Derivative):
    """Gradients of all arguments sample by sample, from cotangents of the outputs.

    The product of the Hessian of `cotangents . outputs` with a direction serves both ways, since
    the Hessian is symmetric.
    """

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        program = call.program
        cotangents = tensors[: len(program.results)]
        return by_sample(call, names, cotangents, program.results, program.arguments, vjp)

    @staticmethod
    def backward(ctx: Any, *directions: torch.Tensor | None) -> tuple[Any, ...]:
        count = len(ctx.call.program.results)
        return _pulled_back(ctx, directions, count, _Jvp, lambda parts: (parts, directions))

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        call, (names, *tensors) = ctx.call, ctx.saved_tensors
        count = len(call.program.results)
        changes = tangents[2 : count + 2]
        directions = expanded(call, names, tangents[count + 2 :])
        return _VjpTangent.apply(
            call, names, *tensors[:count], *changes, *directions, *tensors[count:]
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        return _vmap_derivative(_Vjp, info, in_dims, call, names, tensors, result_ranks(call))


class _Jvp(_Derivative):
    """Tangents of all outputs sample by sample, from tangents of the arguments."""

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        program = call.program
        tangents = tensors[: len(program.arguments)]
        return by_sample(call, names, tangents, program.arguments, program.results, jvp)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        count = len(ctx.call.program.arguments)
        return _pulled_back(ctx, cotangents, count, _Vjp, lambda parts: (cotangents, parts))

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        call, (names, *tensors) = ctx.call, ctx.saved_tensors
        count = len(call.program.arguments)
        second = expanded(call, names, tangents[count + 2 :])
        parts: Sequence[torch.Tensor | None] = _JvpTangent.apply(
            call, names, *tensors[:count], *second, *tensors[count:]
        )
        if any(t is not None for t in tangents[2 : count + 2]):
            first = _Jvp.apply(call, names, *tangents[2 : count + 2], *tensors[count:])
            parts = [one + other for one, other in zip(parts, first, strict=True)]
        return tuple(parts)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        return _vmap_derivative(_Jvp, info, in_dims, call, names, tensors, argument_ranks(call))


def _pulled_back(
    ctx: Any,
    given: Sequence[torch.Tensor | None],
    count: int,
    transposed: type[torch.autograd.Function],
    sides: Callable[[Sequence[torch.Tensor | None]], tuple[Any, Any]],
) -> tuple[Any, ...]:
    """Backward of a derivative of `count` parts, from cotangents `given` of its results: to the
    parts by the transposed derivative, to the arguments by the Hessian of `cotangents . outputs`
    along `directions`, which `sides` tells of the parts."""
    call, (names, *tensors) = ctx.call, ctx.saved_tensors
    parts, arguments = tensors[:count], tensors[count:]
    nothing = (None,) * (2 + len(tensors))
    if all(g is None for g in given):
        return nothing
    needed = ctx.needs_input_grad
    along = nothing[2 : count + 2]
    if any(needed[2 : count + 2]):
        along = transposed.apply(call, names, *given, *arguments)
    cotangents, directions = sides(parts)
    turned = _turned(ctx, names, cotangents, directions, arguments, needed[count + 2 :])
    return (None, None, *along, *turned)


def expanded(
    call: Call, names: torch.Tensor, tangents: Sequence[torch.Tensor | None]
) -> list[torch.Tensor | None]:
    """Tangents of the arguments sample by sample: those of shared ones as often as there are
    samples."""
    rows = []
    for tangent, rank in zip(tangents, argument_ranks(call), strict=True):
        if tangent is not None and names.dim() == 1 and tangent.dim() == rank:
            tangent = tangent.unsqueeze(0).expand(names.shape[0], *tangent.shape)
        rows.append(tangent)
    return rows


def _summed(
    call: Call,
    names: torch.Tensor,
    grads: Sequence[torch.Tensor | None],
    arguments: Sequence[torch.Tensor | None],
) -> list[torch.Tensor | None]:
    """Gradients of the arguments, of shared ones summed over the samples."""
    found: list[torch.Tensor | None] = []
    for argument, grad, rank in zip(arguments, grads, argument_ranks(call), strict=True):
        if argument is not None and grad is not None and names.dim() == 1:
            if argument.dim() == rank:
                grad = grad.sum(0)
        found.append(grad)
    return found


def _turned(
    ctx: Any,
    names: torch.Tensor,
    cotangents: Sequence[torch.Tensor | None],
    directions: Sequence[torch.Tensor | None],
    arguments: Sequence[torch.Tensor | None],
    needed: Sequence[bool],
) -> Sequence[torch.Tensor | None]:
    """The Hessian of `cotangents . outputs` times `directions`, as gradients of the arguments."""
    if not any(needed):
        return (None,) * len(arguments)
    changes = (None,) * len(cotangents)
    found = _VjpTangent.apply(ctx.call, names, *cotangents, *changes, *directions, *arguments)
    return _summed(ctx.call, names, found, arguments)


class _VjpTangent(Once):
    """How `_Vjp` changes along changes of the cotangents and tangents of the arguments.

    Takes names of solutions, cotangents and changes, one an output, tangents, one an argument, each
    with None for zero, and the arguments.
    """

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        program = call.program
        shapes = (*program.results, *program.results, *program.arguments)
        asked = tensors[: len(shapes)]
        return by_sample(call, names, asked, shapes, program.arguments, vjp_tangent)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        ranks = 2 * result_ranks(call) + argument_ranks(call)
        return _vmap_derivative(_VjpTangent, info, in_dims, call, names, tensors, ranks)


class _JvpTangent(Once):
    """How `_Jvp` changes along tangents of the arguments: second derivatives along two directions.

    Takes names of solutions, two tangents an argument, and the arguments.
    """

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        program = call.program
        shapes = (*program.arguments, *program.arguments)
        asked = tensors[: len(shapes)]
        return by_sample(call, names, asked, shapes, program.results, jvp_tangent)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        ranks = 2 * argument_ranks(call)
        return _vmap_derivative(_JvpTangent, info, in_dims, call, names, tensors, ranks)


def _vmap_derivative(
    function: type[torch.autograd.Function],
    info: Any,
    in_dims: tuple,
    call: Call,
    names: torch.Tensor,
    tensors: Sequence[torch.Tensor | None],
    ranks: Sequence[int],
) -> tuple:
    """The rule of vmap for a derivative: one dimension more in the batch."""
    count = len(ranks)
    flat, batch = flatten(
        (names, *tensors[:count]), in_dims[1 : count + 2], (0, *ranks), info.batch_size, share=False
    )
    # The arguments are passed on only to be known as dependencies.
    arguments, _ = flatten(
        tensors[count:], in_dims[count + 2 :], argument_ranks(call), info.batch_size, share=True
    )
    found = unflatten(function.apply(call, *flat, *arguments), info.batch_size, batch)
    return found, leading(found)
