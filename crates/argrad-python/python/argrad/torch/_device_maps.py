"""The functions around a solve, evaluated where tensors are: from parameters to the numbers of a
program, and from its solution to outputs. What they are made of is said in `argrad._maps`.

Their derivatives are functions here, not nodes of autograd: operators of compiled graphs run below
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from argrad._core import Layer
from argrad._maps import FUNCTIONS, Function, Map, Matrix, blocks_of, part_of, steps_of
from argrad.torch._prices import Price

Tensors = list[torch.Tensor | None]


class Rows:
    """A sparse matrix that multiplies the last dimension of tensors."""

    def __init__(self, matrix: Matrix, device: torch.device) -> None:
        self._matrix, self._device = matrix, device
        self._transposed: Rows | None = None
        gathers = matrix.gathers()
        # (index, coefficient or None, width) of each group.
        self._groups: list[tuple[torch.Tensor, torch.Tensor | None, int]] = [
            (self._tensor(index), None if weight is None else self._tensor(weight), width)
            for index, weight, width in gathers.groups
        ]
        self._place = None if gathers.place is None else self._tensor(gathers.place)
        self._is_padded, self._has_empty = gathers.is_padded, gathers.has_empty
        self._is_identity = gathers.is_identity

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    @property
    def transposed(self) -> Rows:
        """The transpose, made when it is asked for first."""
        if self._transposed is None:
            self._transposed = Rows(self._matrix.transposed(), self._device)
            self._transposed._transposed = self
        return self._transposed

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """(..., columns) to (..., rows); what is returned is nobody else's."""
        if self._is_identity:
            return vectors.clone()
        lead = vectors.shape[:-1]
        if self._is_padded:
            vectors = torch.nn.functional.pad(vectors, (0, 1))
        parts = []
        for index, weight, width in self._groups:
            part = vectors.index_select(-1, index)
            if weight is not None or width > 1:
                part = part.unflatten(-1, (index.numel() // width, width))
                part = (part if weight is None else part * weight).sum(-1)
            parts.append(part)
        if self._place is None:
            return parts[0]
        if self._has_empty:
            parts.append(vectors.new_zeros((*lead, 1)))
        return torch.cat(parts, -1).index_select(-1, self._place)


class Affine:
    """An affine map of a vector that is given in blocks, each with a batch dimension or without."""

    def __init__(self, given: Map, ends: Sequence[int], device: torch.device) -> None:
        *_, base = given
        self._parts = [(at, Rows(matrix, device)) for at, matrix in blocks_of(given, ends)]
        self._base = torch.from_numpy(np.array(base)).to(device)
        self._is_linear = not base.any()
        self._columns = ends[-1]

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        """The image; without a batch dimension where no block that it reads has one."""
        found = self.linear(blocks)
        if found is None:
            return self._base
        return found if self._is_linear else found + self._base

    def linear(self, blocks: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
        """Without the constant part; None where that is all. A block that is None is zero."""
        found = None
        for at, rows in self._parts:
            block = blocks[at]
            if block is not None:
                part = rows(block)
                found = part if found is None else found + part
        return found

    def transposed(self, cotangents: torch.Tensor) -> torch.Tensor:
        """The product with the transpose, of a map of one block."""
        if not self._parts:
            return cotangents.new_zeros((*cotangents.shape[:-1], self._columns))
        ((_, rows),) = self._parts
        return rows.transposed(cotangents)

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        return self.linear(tangents)

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        for at, rows in self._parts:
            # Before the product: a block that the batch shares has less.
            own = _as_of(cotangent, blocks[at])
            _add(cotangents, at, rows.transposed(own))


class Step(Protocol):
    """How a block follows from blocks before it."""

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor: ...

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        """Its tangent, from theirs; None for zero."""
        ...

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        """Adds to their cotangents what its own brings."""
        ...


class Part:
    """Some entries of one block, in the shape of a matrix of so many columns where that is said."""

    def __init__(
        self, ends: tuple[int, int], of: Sequence[int], columns: int | None = None
    ) -> None:
        self._at, self._own = part_of(*ends, of)
        self._shape = None if columns is None else ((ends[1] - ends[0]) // columns, columns)

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._shaped(blocks[self._at][..., self._own])

    def along(self, tangents: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
        block = tangents[self._at]
        return None if block is None else self._shaped(block[..., self._own])

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        """Adds a cotangent of it; a dimension of size one that it had been broadcast along is
        summed over."""
        block = blocks[self._at]
        if self._shape is not None:
            cotangent = cotangent.flatten(-2)
        own = block[..., self._own]
        if own.shape[-1] != cotangent.shape[-1]:
            cotangent = cotangent.sum(-1, keepdim=True)
        cotangent = _as_of(cotangent, block)
        whole = block.new_zeros((*cotangent.shape[:-1], block.shape[-1]))
        whole[..., self._own] = cotangent
        _add(cotangents, self._at, whole)

    def _shaped(self, vector: torch.Tensor) -> torch.Tensor:
        return vector if self._shape is None else vector.unflatten(-1, self._shape)


class Times:
    """Products, entry by entry; a scalar is broadcast."""

    def __init__(self, left: Part, right: Part) -> None:
        self._left, self._right = left, right

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._left(blocks) * self._right(blocks)

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        first, second = self._left.along(tangents), self._right.along(tangents)
        return _sum(
            None if first is None else first * self._right(blocks),
            None if second is None else self._left(blocks) * second,
        )

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        self._left.back(blocks, cotangent * self._right(blocks), cotangents)
        self._right.back(blocks, cotangent * self._left(blocks), cotangents)


class MatMul:
    """A product of matrices."""

    def __init__(self, left: Part, right: Part) -> None:
        self._left, self._right = left, right

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return (self._left(blocks) @ self._right(blocks)).flatten(-2)

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        first, second = self._left.along(tangents), self._right.along(tangents)
        return _sum(
            None if first is None else (first @ self._right(blocks)).flatten(-2),
            None if second is None else (self._left(blocks) @ second).flatten(-2),
        )

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        left, right = self._left(blocks), self._right(blocks)
        cotangent = cotangent.unflatten(-1, (left.shape[-2], right.shape[-1]))
        self._left.back(blocks, cotangent @ right.mT, cotangents)
        self._right.back(blocks, left.mT @ cotangent, cotangents)


class Gram:
    """The lower triangle of M'WM, row by row."""

    def __init__(
        self, matrix: Part, weights: Part | None, columns: int, device: torch.device
    ) -> None:
        self._matrix, self._weights, self._columns = matrix, weights, columns
        self._row, self._column = torch.tril_indices(columns, columns, device=device)

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        matrix = self._matrix(blocks)
        return self._lower(matrix.mT @ self._weighted(blocks, matrix))

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        matrix, moved = self._matrix(blocks), self._matrix.along(tangents)
        one = other = None
        if moved is not None:
            half = moved.mT @ self._weighted(blocks, matrix)
            one = half + half.mT
        if self._weights is not None:
            weights = self._weights.along(tangents)
            if weights is not None:
                other = matrix.mT @ (matrix * weights.unsqueeze(-1))
        found = _sum(one, other)
        return None if found is None else self._lower(found)

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        matrix = self._matrix(blocks)
        order = self._columns
        square = cotangent.new_zeros((*cotangent.shape[:-1], order, order))
        square[..., self._row, self._column] = cotangent
        self._matrix.back(blocks, self._weighted(blocks, matrix) @ (square + square.mT), cotangents)
        if self._weights is not None:
            self._weights.back(blocks, ((matrix @ square) * matrix).sum(-1), cotangents)

    def _weighted(self, blocks: Sequence[torch.Tensor], matrix: torch.Tensor) -> torch.Tensor:
        return matrix if self._weights is None else matrix * self._weights(blocks).unsqueeze(-1)

    def _lower(self, square: torch.Tensor) -> torch.Tensor:
        return square[..., self._row, self._column]


class Elementwise:
    """A function of each number by itself."""

    def __init__(self, function: Function, numbers: Sequence[float], of: Part) -> None:
        self._function, self._numbers, self._of = function, numbers, of

    def __call__(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._function.value(torch, self._of(blocks), self._numbers)

    def along(
        self, blocks: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]
    ) -> torch.Tensor | None:
        tangent = self._of.along(tangents)
        return None if tangent is None else self._derivative(blocks) * tangent

    def back(
        self, blocks: Sequence[torch.Tensor], cotangent: torch.Tensor, cotangents: Tensors
    ) -> None:
        self._of.back(blocks, cotangent * self._derivative(blocks), cotangents)

    def _derivative(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        return self._function.derivative(torch, self._of(blocks), self._numbers)


class Evaluated:
    """The numbers of a program, at vectors: P, q, A, b and the constant of the objective, each
    (len,) where the batch shares it, else (batch, len). `fine` says, of all that is computed on the
    way, whether it is finite."""

    def __init__(self, maps: Maps, vectors: Sequence[torch.Tensor]) -> None:
        self._maps, self._given = maps, len(vectors)
        blocks = list(vectors)
        self.fine = []
        for step in maps.steps:
            blocks.append(step(blocks))
            self.fine.append(torch.isfinite(blocks[-1]).all())
        # For the way back.
        self._blocks = blocks
        self.numbers = [one(blocks) for one in maps.program]
        self._price = None if maps.price is None else maps.price.of(self.numbers)
        if self._price is not None:
            at = self._price.at
            self.numbers[at] = self._price.times(self.numbers[at])

    def along(self, tangents: Sequence[torch.Tensor | None]) -> Tensors:
        """Tangents of P, q, A, b, from those of the vectors; None for zero."""
        moved = list(tangents)
        for step in self._maps.steps:
            moved.append(step.along(self._blocks, moved))
        found = [one.linear(moved) for one in self._maps.program[:4]]
        if self._price is not None:
            paid = found[self._price.at]
            found[self._price.at] = None if paid is None else self._price.times(paid)
        return found

    def back(self, cotangents: Sequence[torch.Tensor]) -> Tensors:
        """Cotangents of the vectors, from those of P, q, A, b; None for zero."""
        given = list(cotangents)
        if self._price is not None:
            given[self._price.at] = self._price.times(given[self._price.at])
        found: Tensors = [None] * len(self._blocks)
        for one, cotangent in zip(self._maps.program, given, strict=False):
            one.back(self._blocks, cotangent, found)
        for at in reversed(range(len(self._maps.steps))):
            own = found[self._given + at]
            if own is not None:
                self._maps.steps[at].back(self._blocks, own, found)
        return found[: self._given]


class Maps:
    """The functions around the solve of a core layer that takes vectors of these sizes.

    Raises `NotEvaluated` if one of them has no counterpart here.
    """

    def __init__(self, core: Layer, sizes: Sequence[int], device: torch.device) -> None:
        steps, program, outputs, price = core.maps()
        n, m, *_ = core.sizes
        found, ends = steps_of(steps, sizes)
        self.steps = [_step(kind, of, ends, device) for kind, of in found]
        self.has_products = any(kind != "affine" for kind, _ in found)
        self.program = [Affine(given, ends, device) for given in program]
        self.price = None if price is None else Price(*price)
        self.outputs = [
            (dual, Affine(given, [0, m if dual else n], device)) for dual, given in outputs
        ]


def _step(kind: str, of: list[Any], ends: Sequence[int], device: torch.device) -> Step:
    if kind == "affine":
        return Affine(of[0], ends, device)
    if kind == "times":
        return Times(Part(of[0], ends), Part(of[1], ends))
    if kind == "matmul":
        _, inner, columns = of[2]
        return MatMul(Part(of[0], ends, inner), Part(of[1], ends, columns))
    if kind == "function":
        name, numbers, (ends_of_argument,), _ = of
        return Elementwise(FUNCTIONS[name], numbers, Part(ends_of_argument, ends))
    weights = None if of[1] is None else Part(of[1], ends)
    return Gram(Part(of[0], ends, of[2]), weights, of[2], device)


def _sum(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _as_of(cotangent: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
    """A cotangent of what follows from a block; summed over the batch where that is shared."""
    return cotangent.sum(0) if cotangent.dim() > block.dim() else cotangent


def _add(cotangents: Tensors, at: int, more: torch.Tensor) -> None:
    cotangents[at] = _sum(cotangents[at], more)
