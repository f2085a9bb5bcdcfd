"""What front ends with host callbacks (JAX, TensorFlow) solve, as functions of numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from argrad._tapes import tapes

Shape = tuple[int, ...]
Flags = tuple[bool, ...]


class Program(Protocol):
    """What a front end solves. All arrays are float64 and contiguous.

    Values have the shapes `inputs`, with a leading batch axis or not; outputs and their tangents
    and cotangents have the shapes `outputs` with a leading batch axis. Equality is identity.
    """

    @property
    def inputs(self) -> Sequence[Shape]:
        """Shapes of the values."""

    @property
    def outputs(self) -> Sequence[Shape]:
        """Shapes of the outputs."""

    def forward(self, batch: int, values: list[np.ndarray], differentiable: bool) -> Any:
        """Solves; the result holds the solution and, if `differentiable`, what derivatives need.

        Raises whatever is to be raised for values that are malformed or have no solution.
        """

    def results(self, solved: Any) -> tuple[list[np.ndarray], np.ndarray]:
        """The outputs and the status codes, of shape (batch,)."""

    def tangents(self, solved: Any, tangents: list[np.ndarray | None]) -> list[np.ndarray]:
        """Tangents of all outputs; a tangent has the shape of its value, None is zero."""

    def cotangents(
        self, solved: Any, cotangents: list[np.ndarray | None], wanted: Flags
    ) -> list[np.ndarray | None]:
        """Cotangents of all values, each of the shape of its value; where not wanted, anything."""

    def tape_bytes(self, batch: int) -> int:
        """Estimate of the memory that a differentiable result takes, in bytes."""


def double(array: Any, copy: bool = False) -> np.ndarray:
    """A float64 array in C order; the array itself where it is one already, unless `copy`."""
    array = np.asarray(array)
    if copy or array.dtype != np.float64 or not array.flags.c_contiguous:
        return np.array(array, dtype=np.float64, order="C")
    return array


def solve(program: Program, batch: int, arrays: Sequence[Any], differentiable: bool) -> Any:
    """Solves; a differentiable solution is kept for `recall`."""
    # Copies of what is kept: the caller's buffers are used again.
    values = [double(array, copy=differentiable) for array in arrays]
    solved = program.forward(batch, values, differentiable)
    if differentiable:
        tapes.put((program, batch), values, solved, program.tape_bytes(batch))
    return solved


def recall(program: Program, batch: int, arrays: Sequence[Any]) -> Any:
    """The differentiable solution at these values: kept by `solve`, or computed again."""
    owner = (program, batch)
    values = [double(array) for array in arrays]
    solved = tapes.get(owner, values)
    if solved is None:
        values = [value.copy() for value in values]
        solved = program.forward(batch, values, True)
        tapes.put(owner, values, solved, program.tape_bytes(batch), used=True)
    return solved
