"""What violations cost in a relaxed program, see `ExportedPrice` of the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

_NO_BOUND = float(np.float32(1e19))
"""From here on a bound is none."""


class Price(NamedTuple):
    """How violations are measured, how much more they count than the objective, and how many
    variables they are."""

    norm: str
    weight: float
    columns: int

    @property
    def at(self) -> int:
        """Where it is paid: in P or, where violations are measured by sums, in q."""
        return 1 if self.norm == "l1" else 0

    def of(self, numbers: Sequence[torch.Tensor]) -> Priced:
        """The price at P, q, A, b: one, or one a sample. It has no derivative."""
        count, sums = self.columns, self.norm == "l1"
        behind = (0, count, 2 * count, 0) if sums else (count, count, count, 0)
        p, q, a, b = (_size(one, more) for one, more in zip(numbers[:4], behind, strict=True))
        # Zero where there is nothing to compare with.
        scale = torch.maximum(_finite(p / (a * a)), _finite(q / (a * b)))
        scale = scale * b if sums else scale
        power = torch.log2(torch.where(scale > 0.0, scale, 1.0)).round()
        return Priced(self.at, count, self.weight * torch.exp2(power).unsqueeze(-1))


class Priced(NamedTuple):
    """A price at the numbers of a program."""

    at: int
    columns: int
    factor: torch.Tensor

    def times(self, numbers: torch.Tensor) -> torch.Tensor:
        """What it is paid in, or a tangent or cotangent of that, with it."""
        first = numbers.shape[-1] - self.columns
        lead = torch.broadcast_shapes(numbers.shape[:-1], self.factor.shape[:-1])
        kept = numbers[..., :first].expand(*lead, first)
        return torch.cat([kept, numbers[..., first:] * self.factor], -1)


def _size(numbers: torch.Tensor, behind: int) -> torch.Tensor:
    """The largest entry before the last ones, without its sign; bounds that are none do not
    count."""
    sizes = numbers[..., : numbers.shape[-1] - behind].abs()
    if sizes.shape[-1] == 0:
        return sizes.new_zeros(sizes.shape[:-1])
    return torch.where(sizes < _NO_BOUND, sizes, 0.0).amax(-1)


def _finite(scale: torch.Tensor) -> torch.Tensor:
    return torch.where(torch.isfinite(scale), scale, 0.0)
