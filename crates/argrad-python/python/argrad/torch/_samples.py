"""Samples under transforms: their dimensions, the names of their solutions, their derivatives.

vmap stacks names as any other tensor; every dimension that it adds becomes part of the one batch
dimension of the solver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from argrad.torch._call import Arrays, Call, Solution, to_array, to_tensor, unseen

# A sample's name is the number of its solve, shifted, plus its place in that solve's batch.
SHIFT = 32
_MASK = (1 << SHIFT) - 1


def flatten(
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


def unflatten(
    tensors: Sequence[torch.Tensor | None], size: int, batch: int | None
) -> tuple[torch.Tensor | None, ...]:
    """Splits the leading dimension again into that of vmap and the batch."""
    if batch is None:
        return tuple(tensors)
    return tuple(None if t is None else t.reshape(size, batch, *t.shape[1:]) for t in tensors)


def leading(tensors: Sequence[torch.Tensor | None]) -> tuple[int | None, ...]:
    """The leading dimension of each tensor."""
    return tuple(None if t is None else 0 for t in tensors)


def argument_ranks(call: Call) -> list[int]:
    """Numbers of dimensions of the arguments of one sample."""
    return [0 if shape is None else len(shape) for shape in call.program.arguments]


def result_ranks(call: Call) -> list[int]:
    """Numbers of dimensions of the outputs of one sample."""
    return [len(shape) for shape in call.program.results]


@unseen
def by_sample(
    call: Call,
    names: torch.Tensor,
    tensors: Sequence[torch.Tensor | None],
    shapes_in: Sequence[tuple[int, ...] | None],
    shapes_out: Sequence[tuple[int, ...] | None],
    derive: Callable[[Call, Solution, Arrays], Sequence[np.ndarray | None]],
) -> tuple[torch.Tensor | None, ...]:
    """Derivatives for named samples, each of which may be asked for several times.

    `tensors` are what `derive` takes, one row a name.
    """
    flat = names.reshape(-1).numpy()
    count = flat.size
    rows = [
        None if t is None or shape is None else to_array(t).reshape(count, *shape)
        for t, shape in zip(tensors, shapes_in, strict=True)
    ]
    results = [None if shape is None else np.zeros((count, *shape)) for shape in shapes_out]
    for number in np.unique(flat >> SHIFT):
        solution = call.solutions[int(number)]
        size = len(solution.reports["status"])
        mine = np.flatnonzero(flat >> SHIFT == number)
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
            asked: Arrays = []
            for row in rows:
                if row is None:
                    asked.append(None)
                    continue
                part = np.zeros((size, *row.shape[1:]))
                part[at] = row[chosen]
                asked.append(part)
            answers = derive(call, solution, asked)
            for result, answer in zip(results, answers, strict=True):
                if result is not None and answer is not None:
                    result[chosen] = answer.reshape(size, *result.shape[1:])[at]
    return tuple(
        None
        if result is None
        else to_tensor(result.reshape((*names.shape, *result.shape[1:])), call.like)
        for result in results
    )


def vjp(call: Call, solution: Solution, asked: Arrays) -> Arrays:
    return solution.vjp(asked)


def jvp(call: Call, solution: Solution, asked: Arrays) -> list[np.ndarray]:
    return solution.jvp(asked)


def vjp_tangent(call: Call, solution: Solution, asked: Arrays) -> Arrays:
    count = len(call.program.results)
    return solution.vjp_tangent(asked[:count], asked[count : 2 * count], asked[2 * count :])


def jvp_tangent(call: Call, solution: Solution, asked: Arrays) -> list[np.ndarray]:
    """Number by number of the outputs: the Hessian of each, between two directions. So it takes as
    many solves as outputs have numbers, where the other second derivatives take one."""
    count = len(call.program.arguments)
    first, second = asked[:count], asked[count:]
    results = call.program.results
    batch = len(solution.reports["status"])
    found = [np.zeros((batch, *shape)) for shape in results]
    for at, shape in enumerate(results):
        for place in np.ndindex(*shape):
            cotangents: Arrays = [None] * len(results)
            one = np.zeros((batch, *shape))
            one[(slice(None), *place)] = 1.0
            cotangents[at] = one
            hessian = solution.vjp_tangent(cotangents, [None] * len(results), first)
            for row, other in zip(hessian, second, strict=True):
                if row is not None and other is not None:
                    product = (row * other).reshape(batch, -1).sum(1)
                    found[at][(slice(None), *place)] += product
    return found
