"""Vectors and numbers, checked and brought to the form of the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp


class Value(NamedTuple):
    """An argument as the core takes it, with what is needed to answer in the form it had."""

    data: np.ndarray  # (k,) shared by the batch, or (batch, k); float64, C order
    form: Any
    is_single: bool | None  # float32; None where the argument has no say (integers, lists)

    @property
    def batch(self) -> int | None:
        return self.data.shape[0] if self.data.ndim == 2 else None


def is_list(value: Any) -> bool:
    """Whether this is a list of matrices, not a matrix written as nested lists."""
    return isinstance(value, (list, tuple)) and any(
        sp.issparse(item) or getattr(item, "ndim", 0) >= 2 for item in value
    )


def single_of(dtype: np.dtype) -> bool | None:
    return dtype == np.float32 if dtype.kind == "f" else None


def numbers(name: str, value: Any) -> np.ndarray:
    """An array of real numbers, not yet converted; names the argument where it is none."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: cannot be read as an array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name}: expected real numbers, found an array of {array.dtype} and shape "
            f"{array.shape}"
        )
    return array


def doubles(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float64)


def says_single(value: Any, array: np.ndarray) -> bool | None:
    return single_of(array.dtype) if hasattr(value, "dtype") else None


def vector(name: str, value: Any, length: int) -> Value:
    array = numbers(name, value)
    if array.ndim not in (1, 2) or array.shape[-1] != length:
        raise ValueError(
            f"{name}: expected shape ({length},) or (batch, {length}), found {array.shape}"
        )
    return Value(doubles(array), None, says_single(value, array))


def check_finite(name: str, data: np.ndarray, allowed: np.ndarray | None = None) -> None:
    """Raises ValueError for the first entry that is not finite, nor +inf where that is allowed."""
    finite = np.isfinite(data)
    if finite.all():
        return
    bad = ~finite
    hint = ""
    if allowed is not None:
        bad &= ~((data == np.inf) & allowed)
        hint = " (or +inf in a nonnegative row, which removes it)"
    if bad.any():
        where = np.unravel_index(np.flatnonzero(bad)[0], data.shape)
        raise ValueError(
            f"{name}{index_of(where)} is {data[where]}, expected a finite number{hint}"
        )


def index_of(where: Sequence[int]) -> str:
    return f"[{', '.join(str(int(i)) for i in where)}]"


def is_single(value: Value | None) -> bool:
    """Whether a matrix was given in single precision."""
    return value is not None and bool(value.is_single)


def owned(value: Value) -> Value:
    return value._replace(data=value.data.copy())


def batch_of(values: dict[str, Value | None]) -> int | None:
    found = {name: v.batch for name, v in values.items() if v is not None and v.batch is not None}
    if len(set(found.values())) > 1:
        sizes = ", ".join(f"{name} has {batch}" for name, batch in found.items())
        raise ValueError(
            f"batch sizes differ: {sizes}; give one size, or no leading axis to what the batch "
            f"shares"
        )
    return next(iter(found.values()), None)
