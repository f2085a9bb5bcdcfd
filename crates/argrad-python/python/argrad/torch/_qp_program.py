"""Quadratic programs in the core: shapes, solves, derivatives in numpy."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from argrad import _core, _options
from argrad._policy import Policy
from argrad._shapes import transpose_hint
from argrad.torch._call import Arrays, Solution, check_second
from argrad.torch._device_programs import qp_on_device, qp_tape_len
from argrad.torch._device_solved import DeviceProgram

NAMES = ("Q", "p", "G", "h", "A", "b")


class _QpSolution:
    """A solved batch of quadratic programs."""

    __slots__ = ("_policy", "core", "duals", "outputs", "reports")

    def __init__(self, core: _core.QpSolved, duals: bool, policy: Policy) -> None:
        self.core = core
        self.duals = duals
        self.outputs = [core.z, core.nu, core.lam] if duals else [core.z]
        self.reports = _Lazy(core)
        self._policy = policy

    @property
    def all_solved(self) -> bool:
        return self.core.all_solved

    def vjp(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        dz, dnu, dlam = (*cotangents, None, None)[:3]
        return list(self.core.vjp(dz, dnu, dlam, None, *self._policy.derivative_options))

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        dQ, dp, dG, dh, dA, db = tangents
        found = self.core.jvp(dQ, dp, dG, dh, dA, db, *self._policy.derivative_options)
        return list(found[: len(self.outputs)])

    def vjp_tangent(
        self,
        cotangents: Sequence[np.ndarray | None],
        changes: Sequence[np.ndarray | None],
        tangents: Sequence[np.ndarray | None],
    ) -> Arrays:
        check_second(self._policy)
        # The slacks are no output, nor are the duals always.
        first, change = [(*part, None, None, None)[:4] for part in (cotangents, changes)]
        options = self._policy.derivative_options
        return list(self.core.vjp_tangent(first, change, tangents, *options))

    def flat_tape(self) -> np.ndarray:
        return self.core.flat_tape()


class _Lazy(Mapping):
    """Reports, fetched from the core when they are looked at."""

    __slots__ = ("_core", "_reports")

    def __init__(self, core: Any) -> None:
        self._core = core
        self._reports: dict[str, np.ndarray] | None = None

    def _fetch(self) -> dict[str, np.ndarray]:
        if self._reports is None:
            self._reports = self._core.reports
        return self._reports

    def __getitem__(self, key: str) -> np.ndarray:
        return self._fetch()[key]

    def __iter__(self) -> Any:
        return iter(self._fetch())

    def __len__(self) -> int:
        return len(self._fetch())


class QpProgram:
    """All quadratic programs of one size, with one set of solver settings."""

    __slots__ = (
        "arguments",
        "core",
        "duals",
        "equalities",
        "inequalities",
        "n",
        "results",
        "single",
    )

    def __init__(
        self,
        core: _core.Qp,
        n: int,
        equalities: int,
        inequalities: int,
        duals: bool,
        single: bool,
    ) -> None:
        self.core = core
        self.single = single
        self.n, self.equalities, self.inequalities = n, equalities, inequalities
        self.duals = duals
        k, e = inequalities, equalities
        with_inequalities = ((k, n), (k,)) if k else (None, None)
        with_equalities = ((e, n), (e,)) if e else (None, None)
        self.arguments = ((n, n), (n,), *with_inequalities, *with_equalities)
        self.results = ((n,), (e,), (k,)) if duals else ((n,),)

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        if not isinstance(start, _core.QpSolved) or start.batch != batch:
            start = None
        Q, p, G, h, A, b = arrays
        assert Q is not None and p is not None
        solved = self.core.forward(
            batch, Q, p, G, h, A, b, start=start, differentiable=differentiable
        )
        return _QpSolution(solved, self.duals, policy)

    def on_device(self, device: torch.device) -> DeviceProgram:
        """The same on a device. Raises `NotOnDevice` or `DeviceError`."""
        sizes = (self.n, self.equalities, self.inequalities)
        return qp_on_device(self.core, *sizes, self.duals, self.single, device)

    def device_tape_len(self) -> int:
        """Numbers of one sample in a tape there. Raises `NotOnDevice`."""
        return qp_tape_len(self.core)

    @property
    def tape_len(self) -> int:
        """Numbers of one sample in a flat tape."""
        return self.core.flat_tape_len

    def restore(self, batch: int, arrays: Arrays, tape: np.ndarray, policy: Policy) -> Solution:
        """The solution that left a flat tape, (batch, tape_len), at the arguments that it was
        solved at."""
        Q, p, G, h, A, b = arrays
        assert Q is not None and p is not None
        return _QpSolution(self.core.restore(batch, tape, Q, p, G, h, A, b), self.duals, policy)


@functools.lru_cache(maxsize=128)
def core_qp(n: int, equalities: int, inequalities: int, settings: tuple, single: bool) -> _core.Qp:
    """The core's solver for a size and settings, `single` for numbers of single precision."""
    if single:
        chosen = {**_options.SINGLE_SETTINGS, **dict(settings)}
        return _core.Qp(n, equalities, inequalities, chosen, _options.SINGLE)
    return _core.Qp(n, equalities, inequalities, dict(settings))


class Plan(NamedTuple):
    """What the shapes of a call say."""

    program: QpProgram
    batch: int | None
    absent: tuple[bool, ...]


@functools.lru_cache(maxsize=512)
def plan_of(
    shapes: tuple[tuple[int, ...] | None, ...], settings: tuple, duals: bool, single: bool
) -> Plan:
    """Checks the shapes of a call and finds the program and the batch size."""
    q_shape, p_shape, g_shape, h_shape, a_shape, b_shape = shapes
    if p_shape is None or len(p_shape) not in (1, 2):
        raise ValueError(f"p must have shape (n,) or (batch, n); found {_found(p_shape)}")
    n = p_shape[-1]
    if n == 0:
        raise ValueError("p must have at least one entry: n = 0 variables")
    if q_shape is None or len(q_shape) not in (2, 3) or q_shape[-2:] != (n, n):
        raise ValueError(
            f"Q must have shape ({n}, {n}) or (batch, {n}, {n}), since p has {n} entries; "
            f"found {_found(q_shape)}"
        )
    batches = {}
    if len(q_shape) == 3:
        batches["Q"] = q_shape[0]
    if len(p_shape) == 2:
        batches["p"] = p_shape[0]
    inequalities = _rows("G", g_shape, "h", h_shape, n, batches)
    equalities = _rows("A", a_shape, "b", b_shape, n, batches)
    sizes = set(batches.values())
    if len(sizes) > 1:
        said = ", ".join(f"{name}: {size}" for name, size in batches.items())
        raise ValueError(
            "Inconsistent batch sizes. Expected all batched arguments to have the same batch "
            f"size, but got: {said}"
        )
    core = core_qp(n, equalities, inequalities, settings, single)
    program = QpProgram(core, n, equalities, inequalities, duals, single)
    absent = (False, False, *(inequalities == 0,) * 2, *(equalities == 0,) * 2)
    return Plan(program, sizes.pop() if sizes else None, absent)


def _found(shape: tuple[int, ...] | None) -> str:
    """A shape, in words."""
    return "None" if shape is None else str(tuple(shape))


def _rows(
    matrix: str,
    shape: tuple[int, ...] | None,
    vector: str,
    right: tuple[int, ...] | None,
    n: int,
    batches: dict[str, int],
) -> int:
    """The number of rows of a matrix and its right-hand side; notes their batch sizes."""
    if (shape is None or shape == (0,)) and (right is None or right == (0,)):
        return 0
    if shape is None or right is None:
        missing, given = (matrix, vector) if shape is None else (vector, matrix)
        raise ValueError(f"{missing} is None but {given} is not; pass both or neither")
    if len(shape) not in (2, 3) or shape[-1] != n:
        raise ValueError(
            f"{matrix} must have shape (k, {n}) or (batch, k, {n}); found {_found(shape)}"
            + transpose_hint(shape, None, n)
        )
    k = shape[-2]
    if len(right) not in (1, 2) or right[-1] != k:
        raise ValueError(
            f"{vector} must have shape ({k},) or (batch, {k}), since {matrix} has {k} rows; "
            f"found {_found(right)}"
        )
    if len(shape) == 3:
        batches[matrix] = shape[0]
    if len(right) == 2:
        batches[vector] = right[0]
    return k
