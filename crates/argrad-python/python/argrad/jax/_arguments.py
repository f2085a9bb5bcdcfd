"""How the arguments of the JAX primitives are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from argrad._programs import Flags, Shape


def lead(batch: int | None) -> Shape:
    """The leading axis of a batch, or of several right-hand sides."""
    return () if batch is None else (batch,)


def spread(flags: Flags, arrays: Sequence[Any]) -> list[Any]:
    """Puts the arrays in the places where `flags` is true, None in the others."""
    source = iter(arrays)
    return [next(source) if flag else None for flag in flags]
