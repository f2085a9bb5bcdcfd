"""The patterns of P and A: matrices, checked and brought to the form of the core, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from argrad._standard.values import (
    Value,
    doubles,
    index_of,
    is_list,
    numbers,
    says_single,
    single_of,
)

#: Relative asymmetry of P that is averaged away, by whether it is single precision.
SYMMETRY_TOLERANCE = {False: 1e-12, True: 1e-6}


class Matrix:
    """The pattern of P or A, and the ways between what callers give and what the core takes.

    *Given order* is row-major for a dense pattern and the order of `.data` of the canonical CSR
    matrix (where CSR was given) or CSC matrix (otherwise) for a sparse one. *Core order* is that of
    the core: compressed columns, of P the upper triangle alone.
    """

    def __init__(self, name: str, given: Any, symmetric: bool):
        self.name = name
        self.symmetric = symmetric
        items = list(given) if is_list(given) else [given]
        items = [item if sp.issparse(item) else numbers(name, item) for item in items]
        for item in items:
            if item.ndim not in (2, 3) or (item.ndim == 3 and sp.issparse(item)):
                raise ValueError(
                    f"{name}: expected a matrix, a list of matrices or an array of shape "
                    f"(batch, rows, columns), found shape {item.shape}"
                )
        self.shape = tuple(int(k) for k in items[0].shape[-2:])
        for item in items:
            if item.shape[-2:] != self.shape:
                raise ValueError(
                    f"{name}: the matrices of a batch have shapes {self.shape} and "
                    f"{item.shape[-2:]}, expected one shape"
                )
        if symmetric and self.shape[0] != self.shape[1]:
            raise ValueError(f"{name}: expected a square matrix, found shape {self.shape}")
        self.is_dense = any(not sp.issparse(item) for item in items)
        self._find_pattern(items)
        self._find_core()

    def _find_pattern(self, items: list) -> None:
        rows, columns = self.shape
        if self.is_dense:
            self.layout = "csr"
            self.indptr = np.arange(0, rows * columns + 1, max(columns, 1), dtype=np.int64)
            self.indptr = self.indptr[: rows + 1] if columns else np.zeros(rows + 1, np.int64)
            self.indices = np.tile(np.arange(columns, dtype=np.int64), rows)
        else:
            self.layout = "csr" if items[0].format == "csr" else "csc"
            union = sum((self._ones(item) for item in items[1:]), self._ones(items[0]))
            if self.symmetric:
                union = (union + union.T).asformat(self.layout)
            union.sum_duplicates()
            self.indptr = union.indptr.astype(np.int64)
            self.indices = union.indices.astype(np.int64)
        self.size = self.indices.size
        major = np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))
        is_row = self.layout == "csr"
        self.rows: np.ndarray = major if is_row else self.indices
        self.columns: np.ndarray = self.indices if is_row else major
        self.keys = major * self._stride + self.indices

    @property
    def _stride(self) -> int:
        return max(self.shape[1] if self.layout == "csr" else self.shape[0], 1)

    def _ones(self, matrix: Any) -> Any:
        """The pattern, explicit zeros included, with ones."""
        pattern = sp.coo_array(matrix)
        return sp.coo_array(
            (np.ones(pattern.data.size), (pattern.row, pattern.col)), shape=self.shape
        ).asformat(self.layout)

    def _find_core(self) -> None:
        """Core slots, in core order, as positions in given order; and the way back."""
        if self.symmetric:
            slots = np.flatnonzero(self.rows <= self.columns)
            mirrored = self.indices * self._stride + self.keys // self._stride
            mirror = np.searchsorted(self.keys, mirrored)
        else:
            slots = np.arange(self.size)
        # Sorted by column, then by row.
        slots = slots[np.lexsort((self.rows[slots], self.columns[slots]))]
        self.slots = slots
        counts = np.bincount(self.columns[slots], minlength=self.shape[1])
        core_indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.core_pattern = (core_indptr, np.ascontiguousarray(self.rows[slots], np.int64))
        self.is_ordered = slots.size == self.size and bool((np.diff(slots) == 1).all())
        if self.symmetric:
            self.mirror = mirror[slots]
            self.core_of = np.empty(self.size, np.int64)
            self.core_of[self.mirror] = np.arange(slots.size)
            self.core_of[slots] = np.arange(slots.size)
            self.weight = np.where(self.rows == self.columns, 1.0, 0.5)

    # From the caller

    def read(self, value: Any, name: str | None = None, is_item: bool = False) -> Value:
        """The numbers of a matrix, a batch of matrices, or values on the pattern."""
        name = name or self.name
        if not is_item and is_list(value):
            return self._read_list(value, name)
        if sp.issparse(value):
            if value.shape != self.shape:
                raise ValueError(f"{name}: expected shape {self.shape}, found {value.shape}")
            form = ("sparse", value.format, not sp.isspmatrix(value))
            data = self._read_sparse(value, name)
            return self._value(name, data, form, single_of(value.dtype))
        return self._read_array(value, name, is_item)

    def _read_list(self, value: Sequence, name: str) -> Value:
        read = []
        for index, item in enumerate(value):
            item_name = f"{name}[{index}]"
            one = self.read(item, item_name, is_item=True)
            if one.batch is not None or one.form[0] == "values":
                raise ValueError(
                    f"{item_name}: expected a matrix of shape {self.shape}, as in the rest of "
                    f"the list"
                )
            read.append(one)
        say = {one.is_single for one in read} - {None}
        is_single = None if not say else say == {True}
        data = np.stack([one.data for one in read])
        return Value(data, ("list", [one.form for one in read]), is_single)

    def _read_sparse(self, value: Any, name: str) -> np.ndarray:
        if value.dtype.kind not in "fiub":
            raise ValueError(f"{name}: expected real numbers, found {value.dtype}")
        matrix = value
        if matrix.format != self.layout:
            matrix = matrix.asformat(self.layout)
        if not matrix.has_canonical_format:
            matrix = matrix.copy() if matrix is value else matrix
            matrix.sum_duplicates()
        if (
            matrix.nnz == self.size
            and np.array_equal(matrix.indptr, self.indptr)
            and np.array_equal(matrix.indices, self.indices)
        ):
            return doubles(matrix.data)
        major = np.repeat(np.arange(matrix.indptr.size - 1), np.diff(matrix.indptr))
        keys = major * self._stride + matrix.indices
        data = np.zeros(self.size)
        if keys.size == 0:
            return data
        position = np.minimum(np.searchsorted(self.keys, keys), max(self.size - 1, 0))
        on_pattern = self.keys[position] == keys if self.size else np.zeros(keys.size, bool)
        off = np.flatnonzero(~on_pattern & (matrix.data != 0))
        if off.size:
            pair = (int(major[off[0]]), int(matrix.indices[off[0]]))
            self._refuse_entry(name, pair if self.layout == "csr" else pair[::-1])
        data[position[on_pattern]] = matrix.data[on_pattern]
        return data

    def _refuse_entry(self, name: str, where: tuple[int, int]) -> None:
        raise ValueError(
            f"{name}{index_of(where)} is not in the pattern of {self.name} that the solver was "
            f"built for; build the Solver with a matrix that has all entries that can occur "
            f"(zeros may be stored)"
        )

    def _read_array(self, value: Any, name: str, is_item: bool) -> Value:
        array = numbers(name, value)
        single = says_single(value, array)
        is_matrix = array.ndim >= 2 and array.shape[-2:] == self.shape
        if array.ndim == 2 and array.shape[1] == self.size and not (self.is_dense or is_item):
            if is_matrix and self.size > 0:
                raise ValueError(
                    f"{name}: shape {array.shape} is that of a matrix and also that of a batch "
                    f"of {array.shape[0]} times {self.size} values on the pattern; give a sparse "
                    f"matrix, an array of shape (batch, {self.shape[0]}, {self.shape[1]}) or a "
                    f"list of matrices"
                )
            is_matrix = False
        if is_matrix and array.ndim <= 3:
            if self.is_dense:
                data = array.reshape(*array.shape[:-2], self.size)
            else:
                data = array[..., self.rows, self.columns]
                if np.count_nonzero(data) != np.count_nonzero(array):
                    rest = array.astype(np.float64)
                    rest[..., self.rows, self.columns] = 0.0
                    self._refuse_entry(name, np.argwhere(rest)[0][-2:])
            return self._value(name, doubles(data), ("dense",), single)
        if array.ndim in (1, 2) and array.shape[-1] == self.size:
            return self._value(name, doubles(array), ("values",), single)
        rows, columns = self.shape
        raise ValueError(
            f"{name}: expected a matrix of shape {self.shape}, a list of them, an array of shape "
            f"(batch, {rows}, {columns}), or values of shape ({self.size},) or "
            f"(batch, {self.size}) on the pattern; found shape {array.shape}"
        )

    def _value(self, name: str, data: np.ndarray, form: Any, is_single: bool | None) -> Value:
        """Numbers in given order: checked, and brought to core order."""
        finite = np.isfinite(data)
        if not finite.all():
            where = np.argwhere(~finite)[0]
            raise ValueError(
                f"{self._entry(name, where[:-1], where[-1])} is {data[tuple(where)]}, expected a "
                f"finite number"
            )
        if not self.symmetric:
            core = data if self.is_ordered else np.take(data, self.slots, axis=-1)
            return Value(core, form, is_single)
        upper, lower = np.take(data, self.slots, axis=-1), np.take(data, self.mirror, axis=-1)
        if not np.array_equal(upper, lower):
            self._check_symmetry(name, data, upper, lower, bool(is_single))
            upper = 0.5 * (upper + lower)
        return Value(upper, form, is_single)

    def _check_symmetry(
        self, name: str, data: np.ndarray, upper: np.ndarray, lower: np.ndarray, is_single: bool
    ) -> None:
        scale = np.max(np.abs(data), axis=-1, keepdims=True)
        bad = np.argwhere(np.abs(upper - lower) > SYMMETRY_TOLERANCE[is_single] * scale)
        if bad.size:
            *sample, k = bad[0]
            values = upper[tuple(bad[0])], lower[tuple(bad[0])]
            raise ValueError(
                f"{name} must be symmetric, but "
                f"{self._entry(name, sample, self.slots[k])} is {values[0]} and "
                f"{self._entry(name, sample, self.mirror[k])} is {values[1]}; give "
                f"({name} + {name}.T) / 2, or, if {name} holds one triangle, both triangles"
            )

    def _entry(self, name: str, sample: Sequence[int], slot: int) -> str:
        return f"{name}{index_of([*sample, self.rows[slot], self.columns[slot]])}"

    # Back to the caller

    def from_core(self, gradient: np.ndarray) -> np.ndarray:
        """A gradient in given order: the adjoint of the way to core order."""
        if self.symmetric:
            return np.take(gradient, self.core_of, axis=-1) * self.weight
        if self.is_ordered:
            return gradient
        out = np.empty_like(gradient)
        out[..., self.slots] = gradient
        return out

    def wrap(self, data: np.ndarray, form: Any, dtype: Any) -> Any:
        """Numbers in given order as what the caller gave: matrix, list, array or values."""
        data = data.astype(dtype, copy=False)
        kind = form[0]
        if kind == "values":
            return data
        if kind == "list":
            return [self.wrap(one, f, dtype) for one, f in zip(data, form[1], strict=True)]
        if kind == "dense":
            if self.is_dense:
                return data.reshape(*data.shape[:-1], *self.shape)
            out = np.zeros((*data.shape[:-1], *self.shape), dtype)
            out[..., self.rows, self.columns] = data
            return out
        _, fmt, is_array = form
        classes = {
            ("csr", True): sp.csr_array,
            ("csc", True): sp.csc_array,
            ("csr", False): sp.csr_matrix,
            ("csc", False): sp.csc_matrix,
        }
        make = classes[self.layout, is_array]
        # Copies, because methods of scipy change index arrays in place.
        matrix = make((data, self.indices.copy(), self.indptr.copy()), shape=self.shape)
        return matrix.asformat(fmt)


def has_values(given: Any) -> bool:
    """False for a pattern: a matrix of booleans."""
    items = given if is_list(given) else [given]
    return not any(getattr(item, "dtype", None) == np.bool_ for item in items)
