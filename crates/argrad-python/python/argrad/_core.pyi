"""The extension module. All arrays are float64 in C order unless said otherwise."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Pattern = tuple[Indices, Indices]
Map = tuple[Indices, Indices, Array, Array]
Output = tuple[str, Literal["x", "z"], int, Indices, Indices, Array, Array]
Mode = Literal["exact"] | tuple[Literal["smoothed", "lpgd"], float]
OnFailure = Literal["raise", "nan", "zero"]
Method = Literal["direct"] | tuple[Literal["lsqr"], float, int]

STATUS: tuple[str, ...]
__version__: str

def held_tapes() -> int: ...

class SolverError(RuntimeError):
    indices: list[int]
    statuses: list[str]

class Solver:
    def __init__(
        self,
        n: int,
        m: int,
        p_pattern: Pattern,
        a_pattern: Pattern,
        cones: list[tuple[Any, ...]],
        settings: dict[str, Any] | None = None,
    ) -> None: ...
    def forward(
        self,
        batch: int,
        p: Array,
        q: Array,
        a: Array,
        b: Array,
        start: tuple[Array, Array, Array] | None = None,
        differentiable: bool = True,
    ) -> Solved: ...
    def tape_at(
        self,
        batch: int,
        p: Array,
        q: Array,
        a: Array,
        b: Array,
        point: tuple[Array, Array, Array],
    ) -> Solved: ...

class Solved:
    x: Array
    z: Array
    s: Array
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        dx: Array | None = None,
        dz: Array | None = None,
        ds: Array | None = None,
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> tuple[Array, Array, Array, Array]: ...
    def jvp(
        self,
        dp: Array | None = None,
        dq: Array | None = None,
        da: Array | None = None,
        db: Array | None = None,
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> tuple[Array, Array, Array]: ...
    def value_gradient(
        self, weights: Array, on_failure: OnFailure | None = None
    ) -> tuple[Array, Array, Array, Array]: ...

class Layer:
    def __init__(
        self,
        n: int,
        m: int,
        p_pattern: Pattern,
        a_pattern: Pattern,
        cones: list[tuple[Any, ...]],
        maps: Sequence[Map],
        parameters: list[tuple[str, int]],
        outputs: list[Output],
        maximize: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> None: ...
    def forward(
        self,
        batch: int,
        parameters: Sequence[Array],
        start: LayerSolved | None = None,
        differentiable: bool = True,
    ) -> LayerSolved: ...

class LayerSolved:
    @property
    def outputs(self) -> list[Array]: ...
    @property
    def batch(self) -> int: ...
    def without_tape(self) -> LayerSolved: ...
    @property
    def objective(self) -> Array: ...
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        cotangents: Sequence[Array | None],
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> list[Array]: ...
    def jvp(
        self,
        tangents: Sequence[Array | None],
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> list[Array]: ...
    def value_gradient(
        self, weights: Array, on_failure: OnFailure | None = None
    ) -> list[Array]: ...

class Qp:
    def __init__(
        self,
        n: int,
        equalities: int,
        inequalities: int,
        settings: dict[str, Any] | None = None,
        symmetry_tolerance: float | None = None,
    ) -> None: ...
    def forward(
        self,
        batch: int,
        Q: Array,
        p: Array,
        G: Array | None = None,
        h: Array | None = None,
        A: Array | None = None,
        b: Array | None = None,
        start: QpSolved | None = None,
        differentiable: bool = True,
    ) -> QpSolved: ...

class QpSolved:
    @property
    def z(self) -> Array: ...
    @property
    def nu(self) -> Array: ...
    @property
    def lam(self) -> Array: ...
    @property
    def slacks(self) -> Array: ...
    @property
    def batch(self) -> int: ...
    def without_tape(self) -> QpSolved: ...
    @property
    def reports(self) -> dict[str, NDArray[Any]]: ...
    @property
    def all_solved(self) -> bool: ...
    def vjp(
        self,
        dz: Array | None = None,
        dnu: Array | None = None,
        dlam: Array | None = None,
        dslacks: Array | None = None,
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> list[Array | None]: ...
    def jvp(
        self,
        dQ: Array | None = None,
        dp: Array | None = None,
        dG: Array | None = None,
        dh: Array | None = None,
        dA: Array | None = None,
        db: Array | None = None,
        mode: Mode | None = None,
        on_failure: OnFailure | None = None,
        method: Method | None = None,
    ) -> tuple[Array, Array, Array, Array]: ...
