"""The programs of the front end on a card: what is checked of their values there, and how values
become vectors.

What fails a check here is looked at again on the host, which says what is wrong in its own words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from argrad import _core
from argrad._attributes import Attribute, rounding_of, slack_of
from argrad._cvxpy_program import CvxpyProgram
from argrad._programs import Shape
from argrad._quadratic import quadratic
from argrad.jax._device_maps import Maps

Vectors = tuple[list[jax.Array], list[jax.Array]]


@dataclass(frozen=True, eq=False)
class DeviceProgram:
    """A program where its arrays are: the functions around the solve.

    `vectors` takes the values, in double precision, to what the maps take, and says as arrays
    whether they are well-formed. `shapes` are the shapes of the outputs, each with whether the maps
    give its logarithm; `lengths` are those of the core's solver.
    """

    maps: Maps
    vectors: Callable[[Sequence[jax.Array]], Vectors]
    shapes: Sequence[tuple[Shape, bool]]
    lengths: tuple[tuple[int, ...], int, int, int, int, int]

    @property
    def row_parts(self) -> tuple[int, ...]:
        """Numbers of a sample that its derivatives need: x, z, s, a report, a tape."""
        _, x, z, report, tape, _ = self.lengths
        return x, z, z, report, tape


def on_device(program: Any) -> DeviceProgram:
    """A program of the front end on a card. Raises `NotOnDevice` with what a card does not
    serve."""
    if isinstance(program, CvxpyProgram):
        return _layer_on_device(program)
    return _qp_on_device(program)


def take(program: Any, card: int | None) -> None:
    """Compiles what a program needs on the card with this number, or on the host in tests. Raises
    `NotOnDevice` or `DeviceError`."""
    of_layer = isinstance(program, CvxpyProgram)
    make = _core.DeviceSolver.of_layer if of_layer else _core.DeviceSolver.of_qp
    make(program.core_layer, card)


def _qp_on_device(program: Any) -> DeviceProgram:
    compiled = quadratic(program.n, program.equalities, program.inequalities, program.duals)
    maps = Maps(compiled.layer(), [p.size for p in compiled.parameters])
    names = [name for name, given in zip("QpGhAb", program.given, strict=True) if given]
    shapes = [(output.shape, False) for output in compiled.outputs]
    lengths = _core.DeviceSolver.lengths_of_qp(program.core_layer)
    vectors = _qp_vectors(names, program.asymmetry)
    return DeviceProgram(maps, vectors, shapes, lengths)


def _qp_vectors(names: Sequence[str], tolerance: float) -> Callable[[Sequence[jax.Array]], Vectors]:
    def vectors(leaves: Sequence[jax.Array]) -> Vectors:
        found, fine = [], []
        for name, leaf in zip(names, leaves, strict=True):
            # From 1e19 on, an entry of h is no constraint.
            fine.append((leaf > -math.inf if name == "h" else jnp.isfinite(leaf)).all())
            found.append(_flat(leaf, 2) if name in "QGA" else leaf)
        matrix = leaves[0]
        skew = jnp.abs(matrix - jnp.swapaxes(matrix, -1, -2))
        fine.append((_largest(skew) <= tolerance * _largest(jnp.abs(matrix))).all())
        return found, fine

    return vectors


def _flat(array: jax.Array, rank: int) -> jax.Array:
    """The last `rank` axes as one."""
    lead = array.ndim - rank
    return array.reshape((*array.shape[:lead], math.prod(array.shape[lead:])))


def _largest(matrices: jax.Array) -> jax.Array:
    return matrices.max((-2, -1), initial=0.0)


def _layer_on_device(program: CvxpyProgram) -> DeviceProgram:
    compiled = program.compiled
    maps = Maps(program.core_layer, [compiled.parameters[at].size for at, _ in compiled.inputs])
    shapes = [(output.shape, output.exp) for output in program.all_outputs]
    lengths = _core.DeviceSolver.lengths_of_layer(program.core_layer)
    return DeviceProgram(maps, functools.partial(_layer_vectors, program), shapes, lengths)


def _layer_vectors(program: CvxpyProgram, leaves: Sequence[jax.Array]) -> Vectors:
    compiled, fine, given = program.compiled, [], []
    for leaf, parameter in zip(leaves, compiled.parameters, strict=True):
        fine.append(jnp.isfinite(leaf).all())
        if parameter.positive:
            fine.append((leaf > 0.0).all())
        for attribute in parameter.attributes:
            fine.append(_holds(attribute, leaf))
            # What a rounding mends has the derivative that it would have without.
            numbers = jax.lax.stop_gradient(leaf)
            leaf = leaf + (_clipped(attribute, numbers) - numbers)
        given.append(leaf)
    found = []
    for at, is_log in compiled.inputs:
        leaf = _flat(given[at], len(compiled.parameters[at].shape))
        found.append(jnp.log(leaf) if is_log else leaf)
    return found, fine


def _holds(attribute: Attribute, numbers: jax.Array) -> jax.Array:
    """Whether a promise is kept, up to rounding; never true where it is not."""
    slack = slack_of(jnp.abs(numbers).max(initial=0.0), rounding_of(False))
    if attribute.eigenvalues:
        order = numbers.shape[-1]
        shift = jnp.maximum(slack * order, np.finfo(np.float64).tiny)
        symmetric = 0.5 * (numbers + jnp.swapaxes(numbers, -1, -2))
        moved = attribute.eigenvalues * symmetric + shift * jnp.eye(order)
        # NaN where there is no factor.
        return jnp.isfinite(jnp.linalg.cholesky(moved)).all()
    kept = jnp.asarray(True)
    if attribute.lower is not None:
        kept = kept & (numbers >= attribute.lower - slack).all()
    if attribute.upper is not None:
        kept = kept & (numbers <= attribute.upper + slack).all()
    return kept


def _clipped(attribute: Attribute, numbers: jax.Array) -> jax.Array:
    """The numbers, those outside of bounds on them."""
    if attribute.lower is None and attribute.upper is None:
        return numbers
    return jnp.clip(numbers, attribute.lower, attribute.upper)
