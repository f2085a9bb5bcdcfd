"""Layers in graphs that are compiled or exported: two operators of `torch.library`.

`torch.compile` and `torch.export` trace with tensors that have no numbers. `argrad::solve` has
outputs whose shapes follow from those of its arguments: those of a layer and, last, its tape, one
row of numbers a sample, on the card where that solves. `argrad::vjp` takes the tape back, where the
solution is made again without a solve, and gives the same bits as ordinary PyTorch.

Operators do not compose with the derivatives of `torch.func`, so whatever is not compiled goes by
`_function` and `_transforms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from argrad.torch._call import Call, device_results, optional_array, to_array, to_results
from argrad.torch._device import DIFFER, device_program, solve_on_device, tape_len
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
    program, batch, absent = _plan(target, tensors)
    call = target.call(program, like, taped)
    count = 1 if batch is None else batch
    given = _arguments(target, tensors, absent)
    solved = solve_on_device(call, count, given)
    if solved is not None:
        outputs = device_results(call, solved.outputs, batch)
        tape = solved.tape() if taped else None
    else:
        solution: Any = call.solve(count, [optional_array(tensor) for tensor in given])
        if taped and device_program(call, like.device) is not None:
            # The graph would take the tape for one of the card.
            raise ValueError(DIFFER)
        outputs = to_results(call, solution, batch)
        tape = torch.from_numpy(solution.flat_tape()) if taped else None
    length, device = _place(call, like.device)
    if tape is None:
        tape = _room(0, length, device)
    elif tape.shape[-1] != length or tape.device != device:
        whole = _room(count, length, device)
        whole[:, : tape.shape[-1]] = tape
        tape = whole
    return [*outputs, tape]


def _place(call: Call, device: torch.device) -> tuple[int, torch.device]:
    """How many numbers a row of the tape has, and where it is, of a call whose tensors are on a
    device."""
    length = tape_len(call, device)
    return (call.program.tape_len, torch.device("cpu")) if length is None else (length, device)


def _room(rows: Any, length: int, device: torch.device) -> torch.Tensor:
    return torch.zeros((rows, length), dtype=torch.float64, device=device)


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
    like = tensors[0]
    program, _, _ = target.plan(shapes, like.dtype is torch.float32)
    ahead = () if batch is None else (batch,)
    outputs = [like.new_empty((*ahead, *shape)) for shape in program.results]
    rows = 0 if not taped else 1 if batch is None else batch
    length, device = _place(target.call(program, like, taped), like.device)
    return [*outputs, _room(rows, length, device)]


def _vjp(
    spec: str,
    tape: torch.Tensor,
    tensors: list[torch.Tensor],
    cotangents: list[torch.Tensor | None],
    needed: list[bool],
) -> list[torch.Tensor]:
    target = target_of(spec)
    program, batch, absent = _plan(target, tensors)
    given = _arguments(target, tensors, absent)
    count = 1 if batch is None else batch
    found: Sequence[torch.Tensor | None] = [None] * len(absent)
    if any(c is not None for c in cotangents):
        if batch is None:
            cotangents = [None if c is None else c.unsqueeze(0) for c in cotangents]
        own = device_program(target.call(program, tensors[0], True), tensors[0].device)
        if own is not None:
            tape = tape[:, : own.tape_len]
            found = own.restore(count, given, tape).vjp(cotangents, target.policy)
        else:
            arrays = [optional_array(tensor) for tensor in given]
            rows = to_array(tape[:, : program.tape_len])
            solution = program.restore(count, arrays, rows, target.policy)
            grads = solution.vjp([optional_array(c) for c in cotangents])
            found = [None if grad is None else torch.as_tensor(grad) for grad in grads]
    kept = [found[at] for at in _places(target, absent)]
    return [
        torch.zeros_like(tensor) if grad is None else grad.to(tensor)
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


def _arguments(
    target: Target, tensors: Tensors, absent: Sequence[bool]
) -> list[torch.Tensor | None]:
    """The arguments of the program."""
    given: list[torch.Tensor | None] = [None] * len(absent)
    for at, tensor in zip(_places(target, absent), tensors, strict=True):
        given[at] = None if absent[at] else tensor
    return given


for _name, _kernel, _fake in (("solve", _solve, _fake_solve), ("vjp", _vjp, _fake_vjp)):
    _LIBRARY.impl(_name, _kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"argrad::{_name}", _fake, lib=_LIBRARY)
torch.library.register_autograd(
    "argrad::solve", _backward, setup_context=_setup_context, lib=_LIBRARY
)
torch.library.register_vmap("argrad::solve", _vmap_solve, lib=_LIBRARY)
