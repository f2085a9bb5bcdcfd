"""The functions around a solve, evaluated where tensors are: from parameters to the numbers of a
program, and from its solution to outputs.

All are gathers, products and sums along a dimension, so the same numbers give the same bits on
every call, whatever the card does at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from argrad._core import Layer, NotOnDevice

Map = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(indptr, indices, data, base), as `Layer.maps` of the core gives it."""


class NotEvaluated(NotOnDevice):
    """A function of parameters has no counterpart here."""


class Rows:
    """A sparse matrix that multiplies the last dimension of tensors.

    Its rows are sorted by their numbers of entries into a few groups, up to one, two, four and so
    on; a group is one gather, whose places without an entry read a zero behind the vector.
    """

    def __init__(
        self,
        row: np.ndarray,
        column: np.ndarray,
        entry: np.ndarray,
        shape: tuple[int, int],
        device: torch.device,
    ) -> None:
        order = np.lexsort((column, row))
        self._triplets = row[order], column[order], entry[order]
        self._shape, self._device = shape, device
        self._transposed: Rows | None = None
        row, column, entry = self._triplets
        rows, columns = shape
        counts = np.bincount(row, minlength=rows)
        starts = np.concatenate([[0], np.cumsum(counts)])
        # The first power of two that is not less.
        widths = np.where(counts > 0, 1 << np.ceil(np.log2(np.maximum(counts, 1))).astype(int), 0)
        # (index, coefficient or None, width) of each group.
        self._groups: list[tuple[torch.Tensor, torch.Tensor | None, int]] = []
        # Where each row is among the rows of all groups, and, last, a zero.
        place = np.full(rows, np.count_nonzero(counts))
        self._is_padded, done = False, 0
        for width in np.unique(widths[widths > 0]):
            own = np.flatnonzero(widths == width)
            place[own] = done + np.arange(own.size)
            done += own.size
            at = starts[own, None] + np.arange(width)
            there = np.arange(width) < counts[own, None]
            at = np.where(there, at, 0)
            index = np.where(there, column[at], columns)
            weight = np.where(there, entry[at], 0.0)
            self._is_padded = self._is_padded or not there.all()
            plain = bool((weight[there] == 1.0).all())
            self._groups.append(
                (self._tensor(index.reshape(-1)), None if plain else self._tensor(weight), width)
            )
        self._has_empty = bool((counts == 0).any())
        in_order = len(self._groups) == 1 and not self._has_empty
        self._place = None if in_order else self._tensor(place)
        self._is_identity = (
            in_order
            and rows == columns == column.size
            and (column == np.arange(rows)).all()
            and (entry == 1.0).all()
        )

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    @property
    def transposed(self) -> Rows:
        """The transpose, made when it is asked for first."""
        if self._transposed is None:
            row, column, entry = self._triplets
            rows, columns = self._shape
            self._transposed = Rows(column, row, entry, (columns, rows), self._device)
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
        indptr, indices, data, base = given
        used = data != 0.0
        row = np.repeat(np.arange(base.size), np.diff(indptr))[used]
        indices, data = indices[used], data[used]
        block = np.searchsorted(np.asarray(ends[1:]), indices, side="right")
        self._parts = []
        for at in np.unique(block):
            own = block == at
            shape = (base.size, ends[at + 1] - ends[at])
            part = Rows(row[own], indices[own] - ends[at], data[own], shape, device)
            self._parts.append((int(at), part))
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
        steps, program, outputs = core.maps()
        n, m, *_ = core.sizes
        ends = list(np.cumsum([0, *sizes]))
        self._steps = []
        for kind, *of in steps:
            if kind == "other":
                raise NotEvaluated(f"parameters: expected sums and products of them, found {of[0]}")
            made = Affine(of[0], ends, device) if kind == "affine" else None
            self._steps.append((kind, made, of))
            ends.append(ends[-1] + _size(kind, of))
        self._ends = ends
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
        start, end = ends
        at = int(np.searchsorted(self._ends, start, side="right")) - 1
        if end > self._ends[at + 1]:
            raise NotEvaluated("parameters: expected products of whole ones, found one of several")
        first = self._ends[at]
        return blocks[at][..., start - first : end - first]


def _size(kind: str, of: list[Any]) -> int:
    """How many numbers a step makes."""
    if kind == "affine":
        return of[0][3].size
    if kind == "times":
        return max(end - start for start, end in of[:2])
    if kind == "matmul":
        rows, _, columns = of[2]
        return rows * columns
    return of[2] * (of[2] + 1) // 2
