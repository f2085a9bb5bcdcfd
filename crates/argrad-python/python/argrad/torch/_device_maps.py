"""The functions around a solve, evaluated where tensors are: from parameters to the numbers of a
program, and from its solution to outputs. What they are made of is said in `argrad._maps`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from argrad._core import Layer
from argrad._maps import Map, Matrix, blocks_of, part_of, steps_of


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
        """(..., columns) to (..., rows); differentiable."""
        return _Product.apply(self, vectors)

    def product(self, vectors: torch.Tensor) -> torch.Tensor:
        """The same without a derivative; what is returned is nobody else's."""
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


class _Product(torch.autograd.Function):
    """A product whose derivative is a product with the transpose."""

    @staticmethod
    def forward(rows: Rows, vectors: torch.Tensor) -> torch.Tensor:
        return vectors.clone() if rows._is_identity else rows.product(vectors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        ctx.rows = inputs[0]

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        return None, ctx.rows.transposed(cotangents[0])


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

    def linear(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Without the constant part; None where that is all."""
        found = None
        for at, rows in self._parts:
            part = rows(blocks[at])
            found = part if found is None else found + part
        return found

    def transposed(self, cotangents: torch.Tensor) -> torch.Tensor:
        """The product with the transpose, of a map of one block."""
        if not self._parts:
            return cotangents.new_zeros((*cotangents.shape[:-1], self._columns))
        ((_, rows),) = self._parts
        return rows.transposed(cotangents)


class Maps:
    """The functions around the solve of a core layer that takes vectors of these sizes.

    Raises `NotEvaluated` if one of them has no counterpart here.
    """

    def __init__(self, core: Layer, sizes: Sequence[int], device: torch.device) -> None:
        steps, program, outputs, _ = core.maps()
        n, m, *_ = core.sizes
        found, self._ends = steps_of(steps, sizes)
        ends = self._ends
        self._steps = [
            (kind, Affine(of[0], ends, device) if kind == "affine" else None, of)
            for kind, of in found
        ]
        self.has_products = any(kind != "affine" for kind, *_ in self._steps)
        self._program = [Affine(given, ends, device) for given in program]
        self.outputs = [
            (dual, Affine(given, [0, m if dual else n], device)) for dual, given in outputs
        ]

    def program(
        self, vectors: Sequence[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """P, q, A, b and the constant of the objective, each (len,) where the batch shares it, else
        (batch, len); and, of all that is computed on the way, whether it is finite."""
        blocks, fine = list(vectors), []
        for kind, made, of in self._steps:
            blocks.append(made(blocks) if made is not None else self._step(kind, of, blocks))
            fine.append(torch.isfinite(blocks[-1].detach()).all())
        return [one(blocks) for one in self._program], fine

    def _step(self, kind: str, of: list[Any], blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        """A block of derived parameters that is no affine map of those before."""
        if kind == "times":
            return self._part(of[0], blocks) * self._part(of[1], blocks)
        if kind == "matmul":
            rows, inner, columns = of[2]
            left, right = self._part(of[0], blocks), self._part(of[1], blocks)
            product = left.unflatten(-1, (rows, inner)) @ right.unflatten(-1, (inner, columns))
            return product.flatten(-2)
        matrix = self._part(of[0], blocks).unflatten(-1, (-1, of[2]))
        weighted = matrix
        if of[1] is not None:
            weighted = matrix * self._part(of[1], blocks).unsqueeze(-1)
        square = matrix.mT @ weighted
        row, column = torch.tril_indices(of[2], of[2], device=square.device)
        return square[..., row, column]

    def _part(self, ends: tuple[int, int], blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        """The entries of theta between two places, which are in one block."""
        at, part = part_of(*ends, self._ends)
        return blocks[at][..., part]
