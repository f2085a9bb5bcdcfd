"""Layers in graphs that are compiled or exported: two operators of `torch.library`.

`torch.compile` and `torch.export` trace with tensors that have no numbers. `argrad::solve` has
outputs whose shapes follow from those of its arguments: those of a layer and, last, its tape, one
row of numbers a sample. `argrad::vjp` takes the tape back, where the solution is made again without
a solve, and gives the same bits as ordinary PyTorch.

Operators do not compose with the derivatives of `torch.func`, so whatever is not compiled goes by
`_function` and `_transforms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from argrad.torch._call import optional_array, to_array, to_results, to_tensor
from argrad.torch._device import fall_back
from argrad.torch._samples import flatten, unflatten
from argrad.torch._targets import Target, target_of

Tensors = list[torch.Tensor]


def solve(spec: str, tensors: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """The outputs of the target of `spec`, as a node of the graph that is being traced."""
    given = [t for t in tensors if t is not None]
    taped = torch.is_grad_enabled() and any(t.requires_grad for t in given)
    return tuple(torch.ops.argrad.solve(spec, taped, given)[:-1])


# Defined here and not by the decorator `custom_op`, whose checks of aliases would take longer than
# a small solve.
_LIBRARY = torch.library.Library("argrad", "FRAGMENT")
_LIBRARY.define(
    "solve(str spec, bool taped, Tensor[] tensors) -> Tensor[]",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_LIBRARY.define(
    "vjp(str spec, Tensor tape, Tensor[] tensors, Tensor?[] cotangents, bool[] needed) -> Tensor[]",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def _solve(spec: str, taped: bool, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    target = target_of(spec)
    like = tensors[0]
    if like.is_cuda and target.device != "cpu":
        fall_back("a graph that was compiled or exported is not served on a card")
    program, batch, absent = _plan(target, tensors)
    call = target.call(program, like, taped)
    solution: Any = call.solve(1 if batch is None else batch, _arrays(target, tensors, absent))
    outputs = to_results(call, solution, batch)
    rows = solution.flat_tape() if taped else np.empty((0, program.tape_len))
    return [*outputs, torch.from_numpy(rows)]


def _fake_solve(spec: str, taped: bool, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    target = target_of(spec)
    batch: Any = None
    shapes = []
    for tensor, rank in zip(tensors, target.ranks, strict=True):
        shape = tuple(tensor.shape)
        if len(shape) != rank + 1:
            shapes.append(tuple(int(size) for size in shape))
            continue
        # The size of a batch may be a symbol; the sizes of a sample are numbers.
        shapes.append((1, *(int(size) for size in shape[1:])))
        if batch is None:
            batch = shape[0]
        else:
            torch._check(batch == shape[0], lambda: "Inconsistent batch sizes")
    program, _, _ = target.plan(shapes, tensors[0].dtype is torch.float32)
    ahead = () if batch is None else (batch,)
    outputs = [tensors[0].new_empty((*ahead, *shape)) for shape in program.results]
    rows = 0 if not taped else 1 if batch is None else batch
    tape = torch.empty((rows, program.tape_len), dtype=torch.float64, device="cpu")
    return [*outputs, tape]


def _vjp(
    spec: str,
    tape: torch.Tensor,
    tensors: list[torch.Tensor],
    cotangents: list[torch.Tensor | None],
    needed: list[bool],
) -> list[torch.Tensor]:
    target = target_of(spec)
    program, batch, absent = _plan(target, tensors)
    arrays = _arrays(target, tensors, absent)
    count = 1 if batch is None else batch
    solution = program.restore(count, arrays, to_array(tape), target.policy)
    asked = [optional_array(c) for c in cotangents]
    if batch is None:
        asked = [None if a is None else a[np.newaxis] for a in asked]
    found = solution.vjp(asked) if any(a is not None for a in asked) else [None] * len(absent)
    kept = [found[at] for at in _places(target, absent)]
    return [
        torch.zeros_like(tensor) if grad is None else to_tensor(grad, tensor)
        for tensor, grad, need in zip(tensors, kept, needed, strict=True)
        if need
    ]


def _fake_vjp(
    spec: str,
    tape: torch.Tensor,
    tensors: list[torch.Tensor],
    cotangents: list[torch.Tensor | None],
    needed: list[bool],
) -> list[torch.Tensor]:
    return [t.new_empty(t.shape) for t, need in zip(tensors, needed, strict=True) if need]


def _setup_context(ctx: Any, inputs: tuple, output: Tensors) -> None:
    ctx.spec, _, tensors = inputs
    ctx.needed = [bool(t.requires_grad) for t in tensors]
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[-1], *tensors)


def _backward(ctx: Any, cotangents: Sequence[torch.Tensor | None]) -> tuple[Any, ...]:
    tape, *tensors = ctx.saved_tensors
    asked = list(cotangents[:-1])
    found = iter(torch.ops.argrad.vjp(ctx.spec, tape, tensors, asked, ctx.needed))
    return None, None, [next(found) if need else None for need in ctx.needed]


def _vmap_solve(info: Any, in_dims: tuple, spec: str, taped: bool, tensors: Tensors) -> tuple:
    dims = in_dims[2]
    flat, batch = flatten(tensors, dims, target_of(spec).ranks, info.batch_size, share=True)
    *outputs, tape = torch.ops.argrad.solve(spec, taped, flat)
    split = unflatten(outputs, info.batch_size, batch)
    return [*split, tape], [*(0 for _ in split), None]


def _plan(target: Target, tensors: Tensors) -> tuple[Any, int | None, tuple[bool, ...]]:
    """The program for tensors, the batch size, and which of its arguments are absent."""
    return target.plan([tuple(t.shape) for t in tensors], tensors[0].dtype is torch.float32)


def _places(target: Target, absent: Sequence[bool]) -> list[int]:
    """Which argument of the program each tensor is."""
    if target.problem != "qp":
        return list(range(len(absent)))
    return [at for at, there in enumerate(target.present) if there]


def _arrays(target: Target, tensors: Tensors, absent: Sequence[bool]) -> list[np.ndarray | None]:
    """The arguments of the program."""
    arrays: list[np.ndarray | None] = [None] * len(absent)
    for at, tensor in zip(_places(target, absent), tensors, strict=True):
        arrays[at] = None if absent[at] else to_array(tensor)
    return arrays


for _name, _kernel, _fake in (("solve", _solve, _fake_solve), ("vjp", _vjp, _fake_vjp)):
    _LIBRARY.impl(_name, _kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"argrad::{_name}", _fake, lib=_LIBRARY)
torch.library.register_autograd(
    "argrad::solve", _backward, setup_context=_setup_context, lib=_LIBRARY
)
torch.library.register_vmap("argrad::solve", _vmap_solve, lib=_LIBRARY)
