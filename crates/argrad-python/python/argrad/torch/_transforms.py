"""Layers under the transforms of `torch.func`.

`Solve` returns, next to the outputs, a tensor that names each sample's solution. vmap stacks it
like any other tensor, so the derivative operations `_Vjp` and `_Jvp` find the tapes of their
samples at any nesting of transforms, and every dimension that vmap adds goes into the one batch
dimension of the solver.
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
    optional_array,
    to_array,
    to_results,
    to_tensor,
)

# A sample's name is the number of its solve, shifted, plus its place in that solve's batch.
_SHIFT = 32
_MASK = (1 << _SHIFT) - 1

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


def _flatten(
    tensors: Sequence[torch.Tensor | None],
    dims: Sequence[int | None],
    ranks: Sequence[int],
    size: int,
    share: bool,
) -> tuple[list[torch.Tensor | None], int | None]:
    """Puts the dimension that vmap adds, and a batch dimension if any, into one leading one.

    `ranks` are the numbers of dimensions of one sample. With `share`, a tensor that has neither
    stays as it is. Returns the tensors, and the size of the batch dimension that was there.
    """
    batch = None
    for tensor, dim, rank in zip(tensors, dims, ranks, strict=True):
        if tensor is not None and tensor.dim() - (dim is not None) > rank:
            where = 1 if dim == 0 else 0
            batch = tensor.shape[where]
            break
    flat: list[torch.Tensor | None] = []
    for tensor, dim, rank in zip(tensors, dims, ranks, strict=True):
        if tensor is None or (share and dim is None and tensor.dim() == rank):
            flat.append(tensor)
            continue
        tensor = tensor.unsqueeze(0) if dim is None else tensor.movedim(dim, 0)
        inner = tensor.shape[tensor.dim() - rank :]
        if batch is None:
            flat.append(tensor.expand(size, *inner))
            continue
        if tensor.dim() == rank + 1:
            tensor = tensor.unsqueeze(1)
        flat.append(tensor.expand(size, batch, *inner).reshape(size * batch, *inner))
    return flat, batch


def _unflatten(
    tensors: Sequence[torch.Tensor | None], size: int, batch: int | None
) -> tuple[torch.Tensor | None, ...]:
    """Splits the leading dimension again into that of vmap and the batch."""
    if batch is None:
        return tuple(tensors)
    return tuple(None if t is None else t.reshape(size, batch, *t.shape[1:]) for t in tensors)


def leading(tensors: Sequence[torch.Tensor | None]) -> tuple[int | None, ...]:
    """The leading dimension of each tensor."""
    return tuple(None if t is None else 0 for t in tensors)


def _argument_ranks(call: Call) -> list[int]:
    """Numbers of dimensions of the arguments of one sample."""
    return [0 if shape is None else len(shape) for shape in call.program.arguments]


def _result_ranks(call: Call) -> list[int]:
    """Numbers of dimensions of the outputs of one sample."""
    return [len(shape) for shape in call.program.results]


class Solve(torch.autograd.Function):
    """The solve under transforms: outputs, and for each sample the name of its solution."""

    @staticmethod
    def forward(call: Call, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        ranks = _argument_ranks(call)
        batch = None
        for tensor, rank in zip(tensors, ranks, strict=True):
            if tensor is not None and tensor.dim() > rank:
                batch = tensor.shape[0]
        arrays = []
        for tensor, rank in zip(tensors, ranks, strict=True):
            array = optional_array(tensor)
            if array is not None and array.ndim == rank and call.differentiable:
                # Derivatives are taken sample by sample here, so nothing is shared.
                size = 1 if batch is None else batch
                array = np.ascontiguousarray(np.broadcast_to(array, (size, *array.shape)))
            arrays.append(array)
        solution = call.solve(1 if batch is None else batch, arrays)
        number = call.keep(solution) if call.differentiable else 0
        names = torch.arange(1 if batch is None else batch, dtype=torch.int64)
        names += number << _SHIFT
        return (*to_results(call, solution, batch), names[0] if batch is None else names)

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
        ranks = _argument_ranks(ctx.call)
        found: list[torch.Tensor | None] = []
        for tensor, grad, rank in zip(tensors, grads, ranks, strict=True):
            if tensor is not None and grad is not None and names.dim() == 1:
                if tensor.dim() == rank:
                    grad = grad.sum(0)
            found.append(grad)
        return (None, *found)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        names, *tensors = ctx.saved_tensors
        ranks = _argument_ranks(ctx.call)
        expanded = []
        for tangent, rank in zip(tangents[1:], ranks, strict=True):
            if tangent is not None and names.dim() == 1 and tangent.dim() == rank:
                tangent = tangent.unsqueeze(0).expand(names.shape[0], *tangent.shape)
            expanded.append(tangent)
        return (*_Jvp.apply(ctx.call, names, *expanded, *tensors), None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, call: Call, *tensors: torch.Tensor | None) -> tuple:
        ranks = _argument_ranks(call)
        flat, batch = _flatten(tensors, in_dims[1:], ranks, info.batch_size, share=True)
        outputs = _unflatten(Solve.apply(call, *flat), info.batch_size, batch)
        return outputs, leading(outputs)


class Once(torch.autograd.Function):
    """A derivative, which has no derivative."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> Any:
        raise SecondDerivative

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> Any:
        raise SecondDerivative


class _Vjp(Once):
    """Gradients of all arguments sample by sample, from cotangents of the outputs.

    Takes names of solutions, one cotangent or None an output, and the arguments themselves, on
    which the result depends.
    """

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        shapes = [s if s is None else tuple(s) for s in call.program.arguments]
        cotangents = tensors[: len(call.program.results)]
        return _by_sample(call, names, cotangents, call.program.results, shapes, "vjp")

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        return _vmap_derivative(_Vjp, info, in_dims, call, names, tensors, _result_ranks(call))


class _Jvp(Once):
    """Tangents of all outputs sample by sample, from tangents of the arguments.

    Takes names of solutions, one tangent or None an argument, and the arguments themselves, on
    which the result depends.
    """

    @staticmethod
    def forward(
        call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        tangents = tensors[: len(call.program.arguments)]
        return _by_sample(
            call, names, tangents, call.program.arguments, call.program.results, "jvp"
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, call: Call, names: torch.Tensor, *tensors: torch.Tensor | None
    ) -> tuple:
        return _vmap_derivative(_Jvp, info, in_dims, call, names, tensors, _argument_ranks(call))


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
    flat, batch = _flatten(
        (names, *tensors[:count]), in_dims[1 : count + 2], (0, *ranks), info.batch_size, share=False
    )
    # The arguments are passed on only to be known as dependencies.
    arguments, _ = _flatten(
        tensors[count:], in_dims[count + 2 :], _argument_ranks(call), info.batch_size, share=True
    )
    found = _unflatten(function.apply(call, *flat, *arguments), info.batch_size, batch)
    return found, leading(found)


def _by_sample(
    call: Call,
    names: torch.Tensor,
    tensors: Sequence[torch.Tensor | None],
    shapes_in: Sequence[tuple[int, ...] | None],
    shapes_out: Sequence[tuple[int, ...] | None],
    direction: str,
) -> tuple[torch.Tensor | None, ...]:
    """Derivatives for named samples, each of which may be asked for several times.

    `tensors` are cotangents ("vjp") or tangents ("jvp"), one row a name.
    """
    flat = names.reshape(-1).numpy()
    count = flat.size
    rows = [
        None if t is None or shape is None else to_array(t).reshape(count, *shape)
        for t, shape in zip(tensors, shapes_in, strict=True)
    ]
    results = [None if shape is None else np.zeros((count, *shape)) for shape in shapes_out]
    for number in np.unique(flat >> _SHIFT):
        solution = call.solutions[int(number)]
        size = len(solution.reports["status"])
        mine = np.flatnonzero(flat >> _SHIFT == number)
        places = flat[mine] & _MASK
        # The k-th question about each sample goes into the k-th round.
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        first = np.searchsorted(ordered, ordered, side="left")
        rounds = np.empty(mine.size, np.int64)
        rounds[order] = np.arange(mine.size) - first
        for k in range(int(rounds.max(initial=-1)) + 1):
            chosen = mine[rounds == k]
            at = flat[chosen] & _MASK
            asked: list[np.ndarray | None] = []
            for row in rows:
                if row is None:
                    asked.append(None)
                    continue
                part = np.zeros((size, *row.shape[1:]))
                part[at] = row[chosen]
                asked.append(part)
            answers = solution.vjp(asked) if direction == "vjp" else solution.jvp(asked)
            for result, answer in zip(results, answers, strict=True):
                if result is not None and answer is not None:
                    result[chosen] = answer.reshape(size, *result.shape[1:])[at]
    return tuple(
        None
        if result is None
        else to_tensor(result.reshape((*names.shape, *result.shape[1:])), call.like)
        for result in results
    )
