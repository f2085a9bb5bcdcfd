"""Samples under transforms: their dimensions, the names of their solutions, their derivatives.

vmap stacks names as any other tensor; every dimension that it adds becomes part of the one batch
dimension of the solver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from argrad.torch._call import SECOND, Arrays, Call, Solution, optional_array, unseen
from argrad.torch._device import solve_on_host
from argrad.torch._device_solved import DeviceSolution

# A sample's name is the number of its solve, shifted, plus its place in that solve's batch.
SHIFT = 32
_MASK = (1 << SHIFT) - 1
# Bytes of copies of samples that are made at once on a device.
_ROOM = 1 << 28


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


class Kept:
    """A batch that was solved on a device, with what it was solved at."""

    def __init__(
        self, solution: DeviceSolution, batch: int, tensors: Sequence[torch.Tensor | None]
    ) -> None:
        self.solution = solution
        self._batch, self._tensors = batch, tensors
        self._on_host: Solution | None = None

    def on_host(self, call: Call) -> Solution:
        """The same solved on the CPU, for second derivatives."""
        if self._on_host is None:
            self._on_host = solve_on_host(call, self._batch, self._tensors, SECOND)
        return self._on_host


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
    numbers, count = flat >> SHIFT, flat.size
    shapes = list(zip(tensors, shapes_in, strict=True))
    found: list[torch.Tensor | None] = [None] * len(shapes_out)
    for number in np.unique(numbers):
        kept = call.solutions[int(number)]
        chosen = np.flatnonzero(numbers == number)
        places = flat[chosen] & _MASK
        if isinstance(kept, Kept) and derive in _ON_DEVICE:
            rows = _chosen(shapes, count, chosen)
            answers = _derived_there(call, kept.solution, places, rows, _ON_DEVICE[derive])
        else:
            solution = kept.on_host(call) if isinstance(kept, Kept) else kept
            rows = _chosen(shapes, count, chosen)
            answers = _derived_here(call, solution, places, rows, shapes_out, derive)
        for at, (answer, shape) in enumerate(zip(answers, shapes_out, strict=True)):
            if shape is None or answer is None:
                continue
            if len(chosen) == count:
                found[at] = answer.reshape(count, *shape)
                continue
            known = found[at]
            if known is None:
                known = found[at] = answer.new_zeros((count, *shape))
            known[torch.from_numpy(chosen).to(known.device)] = answer.reshape(-1, *shape)
    return tuple(
        None if shape is None else _like(result, call.like, (*names.shape, *shape))
        for result, shape in zip(found, shapes_out, strict=True)
    )


def _like(result: torch.Tensor | None, like: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """A result for the caller; zero where there was nobody to ask."""
    return like.new_zeros(shape) if result is None else result.to(like).reshape(shape)


def _chosen(
    tensors: Sequence[tuple[torch.Tensor | None, tuple[int, ...] | None]],
    count: int,
    chosen: np.ndarray,
) -> list[torch.Tensor | None]:
    """Some rows of tensors whose rows have these shapes."""
    rows: list[torch.Tensor | None] = []
    for tensor, shape in tensors:
        if tensor is None or shape is None:
            rows.append(None)
            continue
        tensor = tensor.detach().reshape(count, *shape)
        if len(chosen) < count:
            tensor = tensor[torch.from_numpy(chosen).to(tensor.device)]
        rows.append(tensor)
    return rows


def _derived_there(
    call: Call,
    solution: DeviceSolution,
    places: np.ndarray,
    rows: Sequence[torch.Tensor | None],
    derive: Callable[..., Sequence[torch.Tensor | None]],
) -> Sequence[torch.Tensor | None]:
    """Derivatives on the device, of samples that may be asked for several times: as many copies of
    their tapes, in one launch where there is room."""
    if np.array_equal(places, np.arange(solution.batch)):
        return derive(solution, rows, call.policy)
    at = torch.from_numpy(places).to(solution.device)
    step = max(solution.batch, _ROOM // max(8 * solution.sample_len, 1), 1)
    found = []
    for start in range(0, len(places), step):
        own = slice(start, start + step)
        asked = [None if row is None else row[own] for row in rows]
        found.append(derive(solution.samples(at[own]), asked, call.policy))
    columns = zip(*found, strict=True)
    return [None if column[0] is None else torch.cat(column) for column in columns]


def _derived_here(
    call: Call,
    solution: Solution,
    places: np.ndarray,
    rows: Sequence[torch.Tensor | None],
    shapes_out: Sequence[tuple[int, ...] | None],
    derive: Callable[[Call, Solution, Arrays], Sequence[np.ndarray | None]],
) -> list[torch.Tensor | None]:
    """Derivatives on the CPU: the k-th question about each sample goes into the k-th round."""
    size = len(solution.reports["status"])
    arrays = [optional_array(row) for row in rows]
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rounds = np.empty(places.size, np.int64)
    rounds[order] = np.arange(places.size) - first
    results = [None if shape is None else np.zeros((places.size, *shape)) for shape in shapes_out]
    for k in range(int(rounds.max(initial=-1)) + 1):
        own = rounds == k
        at = places[own]
        asked: Arrays = []
        for array in arrays:
            if array is None:
                asked.append(None)
                continue
            part = np.zeros((size, *array.shape[1:]))
            part[at] = array[own]
            asked.append(part)
        answers = derive(call, solution, asked)
        for result, answer in zip(results, answers, strict=True):
            if result is not None and answer is not None:
                result[own] = answer.reshape(size, *result.shape[1:])[at]
    return [None if result is None else torch.from_numpy(result) for result in results]


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


_ON_DEVICE: dict[Any, Callable[..., Sequence[torch.Tensor | None]]] = {
    vjp: lambda solution, rows, policy: solution.vjp(rows, policy),
    jvp: lambda solution, rows, policy: solution.jvp(rows, policy),
}
"""What a device has a counterpart of."""
