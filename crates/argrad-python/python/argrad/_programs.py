"""What front ends that carry arrays only (JAX, TensorFlow) solve, as functions of numpy arrays.

Such a framework carries arrays from the forward pass to the backward pass, and nothing else. So a
solution that is to be differentiated leaves a *flat tape*: one row of numbers per sample, of a
length that the program fixes, from which the solution with its factorization is made again. The
numbers travel as their bits, in uint32: no framework rounds or differentiates those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from argrad._policy import Policy

Shape = tuple[int, ...]
Flags = tuple[bool, ...]


class Program(Protocol):
    """What a front end solves. All arrays are float64 and contiguous.

    Values have the shapes `inputs`, with a leading batch axis or not; outputs and their tangents
    and cotangents have the shapes `outputs` with a leading batch axis. Equality is identity.
    """

    def __hash__(self) -> int:
        """It is looked up in tables."""

    @property
    def policy(self) -> Policy:
        """What is done about derivatives and failures."""

    @property
    def inputs(self) -> Sequence[Shape]:
        """Shapes of the values."""

    @property
    def outputs(self) -> Sequence[Shape]:
        """Shapes of the outputs."""

    @property
    def flat_tape_len(self) -> int:
        """Numbers of one sample in a flat tape."""

    def forward(self, batch: int, values: list[np.ndarray], differentiable: bool) -> Any:
        """Solves; the result holds the solution and, if `differentiable`, what derivatives need.

        Raises whatever is to be raised for values that are malformed or have no solution.
        """

    def restore(self, batch: int, values: list[np.ndarray], flat_tape: np.ndarray) -> Any:
        """The result of a differentiable `forward` at these values, from its flat tape."""

    def flat_tape(self, solved: Any) -> np.ndarray:
        """The flat tape of a differentiable result, of shape (batch, flat_tape_len)."""

    def results(self, solved: Any) -> tuple[list[np.ndarray], np.ndarray]:
        """The outputs and the status codes, of shape (batch,)."""

    def tangents(self, solved: Any, tangents: list[np.ndarray | None]) -> list[np.ndarray]:
        """Tangents of all outputs; a tangent has the shape of its value, None is zero."""

    def cotangents(
        self, solved: Any, cotangents: list[np.ndarray | None], wanted: Flags
    ) -> list[np.ndarray | None]:
        """Cotangents of all values, each of the shape of its value; where not wanted, anything."""

    def second(
        self,
        solved: Any,
        cotangents: list[np.ndarray | None],
        tangents: list[np.ndarray | None],
        wanted: Flags,
    ) -> list[np.ndarray | None]:
        """How `cotangents` changes along the tangents of the values."""


def double(array: Any) -> np.ndarray:
    """A float64 array in C order; the array itself where it is one already."""
    array = np.asarray(array)
    if array.dtype != np.float64 or not array.flags.c_contiguous:
        return np.array(array, dtype=np.float64, order="C")
    return array


def solve(program: Program, batch: int, arrays: Sequence[Any], differentiable: bool) -> Any:
    """The solution at these values."""
    return program.forward(batch, [double(array) for array in arrays], differentiable)


def bits_of(program: Program, solved: Any) -> np.ndarray:
    """The flat tape of a solution as uint32, (batch, 2 * flat_tape_len)."""
    return program.flat_tape(solved).view(np.uint32)


def recall(program: Program, batch: int, arrays: Sequence[Any], bits: Any) -> Any:
    """The differentiable solution at these values that left the flat tape `bits`."""
    rows = np.ascontiguousarray(bits, np.uint32).reshape(batch, 2 * program.flat_tape_len)
    values = [double(array) for array in arrays]
    return program.restore(batch, values, rows.view(np.float64))
