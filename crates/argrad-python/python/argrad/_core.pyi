"""The extension module. All arrays are float64 in C order unless said otherwise."""

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Indices = NDArray[np.int64]
_Pattern = tuple[_Indices, _Indices]
_Map = tuple[_Indices, _Indices, _Array, _Array]
_Output = tuple[str, Literal["x", "z"], int, _Indices, _Indices, _Array, _Array]
_Mode = Literal["exact"] | tuple[Literal["smoothed", "lpgd"], float]
_OnFailure = Literal["raise", "nan", "zero"]
_Method = Literal["direct"] | tuple[Literal["lsqr"], float, int]

# Addresses of x, z and s.
_Point = tuple[int, ...]

_Table = tuple[list[tuple[str, str, int | None, float, float]], bool, str, str]

__all__ = [
    "ARGMIN_STATUS",
    "STATUS",
    "Argmin",
    "ArgminSolved",
    "DeviceError",
    "DeviceReports",
    "DeviceSolver",
    "Layer",
    "LayerSolved",
    "MemoryLimitError",
    "NotModelled",
    "NotOnDevice",
    "Qp",
    "QpSolved",
    "Solved",
    "Solver",
    "SolverError",
    "__version__",
    "compile_model",
    "ffi_device_handlers",
    "ffi_handlers",
    "ffi_register_layer",
    "ffi_register_qp",
    "ffi_take_exception",
    "held_tapes",
]

ARGMIN_STATUS: tuple[str, ...]
STATUS: tuple[str, ...]
__version__: str

def ffi_device_handlers(on_host: bool) -> dict[str, Any]: ...
def ffi_handlers() -> dict[str, Any]: ...
def ffi_take_exception(error: str) -> BaseException | None: ...
def ffi_register_layer(
    key: int,
    layer: Layer,
    vectors: Sequence[tuple[int, bool]],
    inputs: Sequence[int],
    exponentials: Sequence[bool],
    checks: bool,
    options: tuple[_Mode, _OnFailure, _Method],
    program: Any,
) -> None: ...
def ffi_register_qp(
    key: int,
    qp: Qp,
    outputs: int,
    options: tuple[_Mode, _OnFailure, _Method],
    program: Any,
) -> None: ...
def held_tapes() -> int: ...

class DeviceError(RuntimeError): ...
class MemoryLimitError(MemoryError): ...
class NotModelled(ValueError): ...
class NotOnDevice(ValueError): ...

class SolverError(RuntimeError):
    indices: list[int]
    statuses: list[str]

@final
class Argmin:
    def __new__(
        cls,
        callbacks: Any,
        theta: int,
        y: int,
        equalities: int,
        inequalities: int,
        tolerance: float | None = None,
        max_iterations: int | None = None,
        on_failure: _OnFailure | None = None,
    ) -> Argmin: ...
    def solve(
        self,
        batch: int,
        theta: _Array,
        y: _Array,
        nu: _Array | None = None,
        mu: _Array | None = None,
    ) -> ArgminSolved: ...
    def at(
        self,
        batch: int,
        theta: _Array,
        y: _Array,
        nu: _Array | None = None,
        mu: _Array | None = None,
    ) -> ArgminSolved: ...

@final
class ArgminSolved:
    @property
    def y(self) -> _Array: ...
    @property
    def nu(self) -> _Array: ...
    @property
    def mu(self) -> _Array: ...
    @property
    def all_solved(self) -> bool: ...
    @property
    def reports(self) -> dict[str, Any]: ...
    def vjp(
        self, dy: _Array | None = None, dnu: _Array | None = None, dmu: _Array | None = None
    ) -> _Array: ...
    def jvp(self, dtheta: _Array) -> tuple[_Array, _Array, _Array]: ...

@final
class Solver:
    def __new__(
        cls,
        n: int,
        m: int,
        p_pattern: _Pattern,
        a_pattern: _Pattern,
        cones: list[tuple[Any, ...]],
        settings: dict[str, Any] | None = None,
    ) -> Solver: ...
    def explain(self) -> str: ...
    def forward(
        self,
        batch: int,
        p: _Array,
        q: _Array,
        a: _Array,
        b: _Array,
        start: tuple[_Array, _Array, _Array] | None = None,
        differentiable: bool = True,
    ) -> Solved: ...
    def tape_at(
        self,
        batch: int,
        p: _Array,
        q: _Array,
        a: _Array,
        b: _Array,
        point: tuple[_Array, _Array, _Array],
    ) -> Solved: ...
    def conditions(
        self,
        batch: int,
        p: _Array,
        q: _Array,
        a: _Array,
        b: _Array,
        x: _Array,
        z: _Array | None = None,
        s: _Array | None = None,
    ) -> list[_Table]: ...

@final
class Solved:
    @property
    def x(self) -> _Array: ...
    @property
    def z(self) -> _Array: ...
    @property
    def s(self) -> _Array: ...
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        dx: _Array | None = None,
        dz: _Array | None = None,
        ds: _Array | None = None,
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> tuple[_Array, _Array, _Array, _Array]: ...
    def jvp(
        self,
        dp: _Array | None = None,
        dq: _Array | None = None,
        da: _Array | None = None,
        db: _Array | None = None,
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> tuple[_Array, _Array, _Array]: ...
    def value_gradient(
        self, weights: _Array, on_failure: _OnFailure | None = None
    ) -> tuple[_Array, _Array, _Array, _Array]: ...

@final
class Layer:
    def __new__(
        cls,
        n: int,
        m: int,
        p_pattern: _Pattern,
        a_pattern: _Pattern,
        cones: list[tuple[Any, ...]],
        maps: Sequence[_Map],
        parameters: list[tuple[str, int]],
        outputs: list[_Output],
        maximize: bool = False,
        settings: dict[str, Any] | None = None,
        constraints: list[tuple[str, list[int]]] | None = None,
    ) -> Layer: ...
    def with_settings(self, settings: dict[str, Any] | None) -> Layer: ...
    def maps(
        self,
    ) -> tuple[
        list[tuple[Any, ...]],
        Sequence[_Map],
        list[tuple[bool, _Map]],
        tuple[str, float, int] | None,
    ]: ...
    def explain(self) -> str: ...
    @property
    def sizes(self) -> tuple[int, int, int, int, int]: ...
    def conditions_at(
        self, parameters: Sequence[_Array], values: Sequence[_Array]
    ) -> list[_Table]: ...
    def forward(
        self,
        batch: int,
        parameters: Sequence[_Array],
        start: LayerSolved | None = None,
        differentiable: bool = True,
    ) -> LayerSolved: ...
    def relaxed(self, norm: str, weight: float) -> Layer: ...
    def relaxed_constraints(self) -> list[tuple[str, int]]: ...
    @property
    def flat_tape_len(self) -> int: ...
    def restore(
        self, batch: int, flat_tape: _Array, parameters: Sequence[_Array]
    ) -> LayerSolved: ...

def compile_model(
    expressions: list[tuple[Any, ...]],
    constraints: list[tuple[Any, ...]],
    objective: int,
    maximize: bool,
    parameters: list[int],
    outputs: list[tuple[str, bool, list[int], NDArray[np.int64], _Array]],
    settings: dict[str, Any] | None = None,
) -> Layer: ...

@final
class LayerSolved:
    @property
    def outputs(self) -> list[_Array]: ...
    @property
    def batch(self) -> int: ...
    def flat_tape(self) -> _Array: ...
    def without_tape(self) -> LayerSolved: ...
    @property
    def objective(self) -> _Array: ...
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        cotangents: Sequence[_Array | None],
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> list[_Array]: ...
    def jvp(
        self,
        tangents: Sequence[_Array | None],
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> list[_Array]: ...
    def vjp_tangent(
        self,
        cotangents: Sequence[_Array | None],
        changes: Sequence[_Array | None],
        tangents: Sequence[_Array | None],
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> list[_Array]: ...
    def value_gradient(
        self, weights: _Array, on_failure: _OnFailure | None = None
    ) -> list[_Array]: ...

@final
class DeviceSolver:
    @staticmethod
    def of_layer(layer: Layer, card: int | None) -> DeviceSolver: ...
    @staticmethod
    def of_qp(qp: Qp, card: int | None) -> DeviceSolver: ...
    @staticmethod
    def lengths_of_layer(layer: Layer) -> tuple[tuple[int, ...], int, int, int, int, int]: ...
    @staticmethod
    def lengths_of_qp(qp: Qp) -> tuple[tuple[int, ...], int, int, int, int, int]: ...
    @property
    def lengths(self) -> tuple[tuple[int, ...], int, int, int, int, int]: ...
    def scratch_len(self, of: Literal["solve", "smooth", "vjp", "jvp"], batch: int) -> int: ...
    def check_memory(self, batch: int, has_tape: bool, free: int | None) -> None: ...
    def solve(self, stream: int, of: Any, start: _Point | None, scratch: int) -> None: ...
    def solve_nearby(self, stream: int, of: Any, start: _Point, scratch: int) -> None: ...
    def gradients(
        self, stream: int, of: Any, adjoint: Sequence[int], gradients: Sequence[int]
    ) -> None: ...
    def smooth(
        self,
        stream: int,
        of: Any,
        mu: float,
        point: Sequence[int],
        tape: int,
        reached: int,
        scratch: int,
    ) -> None: ...
    @staticmethod
    def check_reached(reached: _Array) -> None: ...
    def vjp(
        self,
        stream: int,
        of: Any,
        cotangent: _Point,
        adjoint: Sequence[int],
        linear: int,
        gradients: Sequence[int],
        scratch: int,
    ) -> None: ...
    def jvp(
        self,
        stream: int,
        of: Any,
        change: Sequence[tuple[int, bool] | None],
        tangent: _Point,
        linear: int,
        scratch: int,
    ) -> None: ...
    def reports(self, numbers: _Array, p_is_shared: bool) -> DeviceReports: ...
    def warn_of(self, numbers: _Array, reports: DeviceReports) -> None: ...

@final
class DeviceReports:
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def check_derivative(self, on_failure: _OnFailure) -> None: ...

@final
class Qp:
    def __new__(
        cls,
        n: int,
        equalities: int,
        inequalities: int,
        settings: dict[str, Any] | None = None,
        symmetry_tolerance: float | None = None,
    ) -> Qp: ...
    def explain(self) -> str: ...
    def forward(
        self,
        batch: int,
        Q: _Array,
        p: _Array,
        G: _Array | None = None,
        h: _Array | None = None,
        A: _Array | None = None,
        b: _Array | None = None,
        start: QpSolved | None = None,
        differentiable: bool = True,
    ) -> QpSolved: ...
    @property
    def flat_tape_len(self) -> int: ...
    def restore(
        self,
        batch: int,
        flat_tape: _Array,
        Q: _Array,
        p: _Array,
        G: _Array | None = None,
        h: _Array | None = None,
        A: _Array | None = None,
        b: _Array | None = None,
    ) -> QpSolved: ...
    def conditions(
        self,
        batch: int,
        Q: _Array,
        p: _Array,
        G: _Array | None,
        h: _Array | None,
        A: _Array | None,
        b: _Array | None,
        z: _Array,
        nu: _Array | None = None,
        lam: _Array | None = None,
    ) -> list[_Table]: ...

@final
class QpSolved:
    @property
    def z(self) -> _Array: ...
    @property
    def nu(self) -> _Array: ...
    @property
    def lam(self) -> _Array: ...
    @property
    def slacks(self) -> _Array: ...
    @property
    def batch(self) -> int: ...
    def flat_tape(self) -> _Array: ...
    def without_tape(self) -> QpSolved: ...
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        dz: _Array | None = None,
        dnu: _Array | None = None,
        dlam: _Array | None = None,
        dslacks: _Array | None = None,
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> list[_Array | None]: ...
    def jvp(
        self,
        dQ: _Array | None = None,
        dp: _Array | None = None,
        dG: _Array | None = None,
        dh: _Array | None = None,
        dA: _Array | None = None,
        db: _Array | None = None,
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> tuple[_Array, _Array, _Array, _Array]: ...
    def vjp_tangent(
        self,
        cotangents: Sequence[_Array | None],
        changes: Sequence[_Array | None],
        tangents: Sequence[_Array | None],
        mode: _Mode | None = None,
        on_failure: _OnFailure | None = None,
        method: _Method | None = None,
    ) -> list[_Array | None]: ...
