"""The functions around a solve in JAX's own operations, for where arrays are on a card: from
parameters to the numbers of a program, and from its solution to outputs. What they are made of is
said in `argrad._maps`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import linear_call

from argrad._core import Layer
from argrad._maps import FUNCTIONS, Map, Matrix, blocks_of, part_of, steps_of


class Rows:
    """A sparse matrix that multiplies the last axis of arrays."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix, self._gathers = matrix, matrix.gathers()
        self._transposed: Rows | None = None

    @property
    def transposed(self) -> Rows:
        """The transpose, made when it is asked for first."""
        if self._transposed is None:
            self._transposed = Rows(self._matrix.transposed())
            self._transposed._transposed = self
        return self._transposed

    def __call__(self, vectors: jax.Array) -> jax.Array:
        """(..., columns) to (..., rows); its derivative is the product with the transpose."""
        if self._gathers.is_identity:
            return vectors
        return linear_call(
            lambda _, given: self.product(given),
            lambda _, given: self.transposed.product(given),
            (),
            vectors,
        )

    def product(self, vectors: jax.Array) -> jax.Array:
        """The same without a derivative."""
        gathers, lead = self._gathers, vectors.shape[:-1]
        zero = jnp.zeros((*lead, 1), vectors.dtype)
        if gathers.is_padded:
            vectors = jnp.concatenate([vectors, zero], -1)
        parts = []
        for index, weight, width in gathers.groups:
            part = _gather(vectors, index)
            if weight is not None or width > 1:
                part = part.reshape((*lead, len(index) // width, width))
                part = (part if weight is None else part * weight).sum(-1)
            parts.append(part)
        if gathers.place is None:
            return parts[0]
        if gathers.has_empty:
            parts.append(zero)
        return _gather(jnp.concatenate(parts, -1), gathers.place)


def _gather(vectors: jax.Array, index: np.ndarray) -> jax.Array:
    return vectors.at[..., index.astype(np.int32)].get(mode="promise_in_bounds")


class Affine:
    """An affine map of a vector that is given in blocks, each with a batch axis or without."""

    def __init__(self, given: Map, ends: Sequence[int]) -> None:
        self._parts = [(at, Rows(matrix)) for at, matrix in blocks_of(given, ends)]
        self._base = np.array(given[-1])
        self._is_linear = not self._base.any()
        self._columns = ends[-1]

    def __call__(self, blocks: Sequence[jax.Array]) -> jax.Array:
        """The image; without a batch axis where no block that it reads has one."""
        found = self.linear(blocks)
        if found is None:
            return jnp.asarray(self._base)
        return found if self._is_linear else found + self._base

    def linear(self, blocks: Sequence[jax.Array]) -> jax.Array | None:
        """Without the constant part; None where that is all."""
        found = None
        for at, rows in self._parts:
            part = rows(blocks[at])
            found = part if found is None else found + part
        return found

    def transposed(self, cotangents: jax.Array) -> jax.Array:
        """The product with the transpose, of a map of one block."""
        if not self._parts:
            return jnp.zeros((*cotangents.shape[:-1], self._columns), cotangents.dtype)
        ((_, rows),) = self._parts
        return rows.transposed(cotangents)


class Maps:
    """The functions around the solve of a core layer that takes vectors of these sizes.

    Raises `NotEvaluated` if one of them has no counterpart here.
    """

    def __init__(self, core: Layer, sizes: Sequence[int]) -> None:
        steps, program, outputs, self._price = core.maps()
        n, m, *_ = core.sizes
        found, self._ends = steps_of(steps, sizes)
        ends = self._ends
        self._steps = [
            (kind, Affine(of[0], ends) if kind == "affine" else None, of) for kind, of in found
        ]
        self._program = [Affine(given, ends) for given in program]
        self.outputs = [(dual, Affine(given, [0, m if dual else n])) for dual, given in outputs]

    def program(self, vectors: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        """P, q, A, b, each (len,) where the batch shares it, else (batch, len); and, of all that is
        computed on the way, whether it is finite."""
        blocks, fine = list(vectors), []
        for kind, made, of in self._steps:
            blocks.append(made(blocks) if made is not None else self._step(kind, of, blocks))
            fine.append(jnp.isfinite(blocks[-1]).all())
        # The constant of the objective is not used.
        numbers = [one(blocks) for one in self._program[:4]]
        return (numbers if self._price is None else _priced(numbers, *self._price)), fine

    def _step(self, kind: str, of: list[Any], blocks: Sequence[jax.Array]) -> jax.Array:
        """A block of derived parameters that is no affine map of those before."""
        if kind == "times":
            return self._part(of[0], blocks) * self._part(of[1], blocks)
        if kind == "matmul":
            rows, inner, columns = of[2]
            left, right = self._part(of[0], blocks), self._part(of[1], blocks)
            product = _matrix(left, (rows, inner)) @ _matrix(right, (inner, columns))
            return product.reshape((*product.shape[:-2], rows * columns))
        if kind == "function":
            name, numbers, (argument,), _ = of
            return _elementwise(name, tuple(numbers), self._part(argument, blocks))
        vector = self._part(of[0], blocks)
        matrix = _matrix(vector, (vector.shape[-1] // of[2], of[2]))
        weighted = matrix
        if of[1] is not None:
            weighted = matrix * self._part(of[1], blocks)[..., None]
        square = jnp.swapaxes(matrix, -1, -2) @ weighted
        row, column = np.tril_indices(of[2])
        return square[..., row, column]

    def _part(self, ends: tuple[int, int], blocks: Sequence[jax.Array]) -> jax.Array:
        """The entries of theta between two places, which are in one block."""
        at, part = part_of(*ends, self._ends)
        return blocks[at][..., part]


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _elementwise(name: str, numbers: tuple[float, ...], x: jax.Array) -> jax.Array:
    """A function of each number by itself, with the derivative that the core gives it."""
    return FUNCTIONS[name].value(jnp, x, numbers)


@_elementwise.defjvp
def _elementwise_jvp(name: str, numbers: tuple[float, ...], primals: Any, tangents: Any) -> Any:
    (x,), (tangent,) = primals, tangents
    function = FUNCTIONS[name]
    return function.value(jnp, x, numbers), function.derivative(jnp, x, numbers) * tangent


def _matrix(vector: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return vector.reshape((*vector.shape[:-1], *shape))


# From here on a bound is none.
_NO_BOUND = float(np.float32(1e19))


def _priced(
    numbers: Sequence[jax.Array], norm: str, weight: float, columns: int
) -> list[jax.Array]:
    """P, q, A, b of a relaxed program with what violations cost, see `ExportedPrice` of the core.
    The price has no derivative."""
    p, q, a, b = numbers
    behind = (0, columns, 2 * columns, 0) if norm == "l1" else (columns, columns, columns, 0)
    p_size, q_size, a_size, b_size = (
        _size(one[..., : one.shape[-1] - count]) for one, count in zip(numbers, behind, strict=True)
    )
    scales = [p_size / (a_size * a_size), q_size / (a_size * b_size)]
    curved, linear = (jnp.where(jnp.isfinite(scale), scale, 0.0) for scale in scales)
    scale = jnp.maximum(curved, linear)
    scale = scale * b_size if norm == "l1" else scale
    power = jnp.round(jnp.log2(jnp.where(scale > 0.0, scale, 1.0))).astype(jnp.int32)
    price = weight * jnp.ldexp(1.0, power)[..., None]
    if norm == "l1":
        return [p, _last_times(q, columns, price), a, b]
    return [_last_times(p, columns, price), q, a, b]


def _size(numbers: jax.Array) -> jax.Array:
    """The largest entry, without its sign; bounds that are none do not count."""
    sizes = jnp.abs(jax.lax.stop_gradient(numbers))
    return jnp.where(sizes < _NO_BOUND, sizes, 0.0).max(-1, initial=0.0)


def _last_times(numbers: jax.Array, count: int, factor: jax.Array) -> jax.Array:
    """The numbers, the last of them multiplied; each sample has its own where the factor has."""
    first = numbers.shape[-1] - count
    lead = jnp.broadcast_shapes(numbers.shape[:-1], factor.shape[:-1])
    kept = jnp.broadcast_to(numbers[..., :first], (*lead, first))
    return jnp.concatenate([kept, numbers[..., first:] * factor], -1)
