"""What the JAX primitives do on the host: numpy arrays in, numpy arrays out.

Nothing here calls JAX, which would wait for the thread that waits for this one. The keyword
arguments are those of the primitives, see `_primitives`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from argrad._programs import Flags, Program, Shape, bits_of, double, recall
from argrad._programs import solve as solve_program
from argrad.jax._arguments import lead, spread
from argrad.jax._device import tape_len


def _cast(array: np.ndarray, shape: Shape, dtype: np.dtype) -> np.ndarray:
    return np.asarray(array).reshape(shape).astype(dtype, copy=False)


def solve(
    *arrays: Any,
    program: Program,
    batch: int | None,
    each: Flags,
    differentiable: bool,
    dtype: np.dtype,
) -> tuple[np.ndarray, ...]:
    """Outputs, status codes, and the flat tape where it is to be differentiable."""
    solved = solve_program(program, 1 if batch is None else batch, arrays, differentiable)
    outputs, status = program.results(solved)
    results = [
        _cast(out, (*lead(batch), *shape), dtype)
        for out, shape in zip(outputs, program.outputs, strict=True)
    ]
    results.append(_cast(status, lead(batch), np.dtype(np.int32)))
    if differentiable:
        bits = bits_of(program, solved)
        spare = 2 * (tape_len(program) - program.flat_tape_len)
        if spare:
            bits = np.pad(bits, ((0, 0), (0, spare)))
        results.append(bits.reshape((*lead(batch), bits.shape[-1])))
    return tuple(results)


def _recall(program: Program, batch: int | None, arrays: Sequence[Any]) -> Any:
    """The solution at the values, with which the arrays begin, from the flat tape behind them."""
    k = len(program.inputs)
    bits = np.asarray(arrays[k])[..., : 2 * program.flat_tape_len]
    return recall(program, 1 if batch is None else batch, arrays[:k], bits)


def tangents(
    *arrays: Any,
    program: Program,
    batch: int | None,
    each: Flags,
    extra: int | None,
    given: Flags,
    dtype: np.dtype,
) -> tuple[np.ndarray, ...]:
    """Tangents of the outputs. Arrays are the values, the flat tape, and the tangents given."""
    k = len(program.inputs)
    solved = _recall(program, batch, arrays)
    rows = [double(array) for array in arrays[k + 1 :]]
    shapes = [(*lead(batch), *shape) for shape in program.outputs]

    def one(directions: list[np.ndarray]) -> list[np.ndarray]:
        outputs = program.tangents(solved, spread(given, directions))
        return [_cast(out, shape, dtype) for out, shape in zip(outputs, shapes, strict=True)]

    if extra is None:
        return tuple(one(rows))
    return _each_row(extra, [np.empty((extra, *shape), dtype) for shape in shapes], rows, one)


def cotangents(
    *arrays: Any,
    program: Program,
    batch: int | None,
    each: Flags,
    extra: int | None,
    given: Flags,
    wanted: Flags,
    dtype: np.dtype,
) -> tuple[np.ndarray, ...]:
    """Cotangents of the wanted values. Arrays are the values, the flat tape, and those given."""
    count = 1 if batch is None else batch
    k = len(program.inputs)
    solved = _recall(program, batch, arrays)
    inner = [shape for shape, flag in zip(program.outputs, given, strict=True) if flag]
    rows = [
        double(array).reshape((*lead(extra), count, *shape))
        for array, shape in zip(arrays[k + 1 :], inner, strict=True)
    ]
    shapes = [
        (*(lead(batch) if own else ()), *shape)
        for shape, own in zip(program.inputs, each, strict=True)
    ]

    def one(directions: list[np.ndarray]) -> list[np.ndarray]:
        gradients = program.cotangents(solved, spread(given, directions), wanted)
        return [
            _cast(gradient, shape, dtype)
            for gradient, shape, want in zip(gradients, shapes, wanted, strict=True)
            if want and gradient is not None
        ]

    if extra is None:
        return tuple(one(rows))
    results = [
        np.empty((extra, *shape), dtype) for shape, want in zip(shapes, wanted, strict=True) if want
    ]
    return _each_row(extra, results, rows, one)


def second(
    *arrays: Any,
    program: Program,
    batch: int | None,
    each: Flags,
    given: Flags,
    moved: Flags,
    wanted: Flags,
    dtype: np.dtype,
    on_card: bool = False,
) -> tuple[np.ndarray, ...]:
    """Changes of the cotangents of the wanted values. Arrays are the values, the flat tape, the
    cotangents given, and the tangents of the values that move. A tape that was made on a card says
    nothing here: the program is solved again."""
    count = 1 if batch is None else batch
    k = len(program.inputs)
    if on_card:
        solved = solve_program(program, count, arrays[:k], True)
    else:
        solved = _recall(program, batch, arrays)
    rest = [double(array) for array in arrays[k + 1 :]]
    inner = [shape for shape, flag in zip(program.outputs, given, strict=True) if flag]
    weights = [array.reshape((count, *shape)) for array, shape in zip(rest, inner, strict=False)]
    moves = spread(moved, rest[len(inner) :])
    found = program.second(solved, spread(given, weights), moves, wanted)
    return tuple(
        _cast(change, (*(lead(batch) if own else ()), *shape), dtype)
        for change, shape, own, want in zip(found, program.inputs, each, wanted, strict=True)
        if want and change is not None
    )


def _each_row(
    extra: int, results: list[np.ndarray], rows: list[np.ndarray], one: Any
) -> tuple[np.ndarray, ...]:
    """Right-hand side by right-hand side, with the same factorization."""
    for at in range(extra):
        for result, found in zip(results, one([row[at] for row in rows]), strict=True):
            result[at] = found
    return tuple(results)
