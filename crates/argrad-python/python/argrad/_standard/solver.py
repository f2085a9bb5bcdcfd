"""Programs of one structure, analysed once and solved in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from argrad import _conditions, _core, _options
from argrad._errors import failed
from argrad._shapes import transpose_hint
from argrad._standard.cones import check_cones, size_of
from argrad._standard.matrix import Matrix, has_values
from argrad._standard.solution import Solution
from argrad._standard.values import (
    Value,
    batch_of,
    check_finite,
    doubles,
    is_single,
    numbers,
    owned,
    vector,
)


class Solver:
    """Programs of one structure (patterns of P and A, cones), analysed once, solved in batches.

    Args:
        P: symmetric positive semidefinite matrix with both triangles, shape (n, n): scipy sparse of
            any format, or dense; or a list of such, or an array (batch, n, n). None for zero. Its
            pattern is that of the structure (a list: all of them together; explicit zeros
            count; dense: every entry), its values are the default of `solve`. A matrix of booleans
            is a pattern without values.
        A: matrix of shape (m, n), given as P is. None where there are no constraints.
        cones: list of tuples that take the rows of A from the top: ("zero", k),
            ("nonnegative", k), ("second_order", k), ("psd_triangle", side), ("exponential", count),
            ("power", alpha), ("generalized_power", alphas, norm_dim).
        settings: tolerance (1e-9), infeasibility_tolerance (1e-8), max_iterations (100), time_limit
            (seconds, None), max_polish_steps (10), check_convexity (True), convexity_tolerance
            (relative to the largest entry of P: 1e-10, for a P of single precision 1e-5),
            memory_limit (bytes that a call may take; None, the default, is the memory of the
            machine), share_matrices (True: batches of quadratic programs that share P and A are
            solved by one inverse), chordal_decomposition (True: the way to the solution leads
            through the cliques of large sparse semidefinite matrices), engine ("auto", "lanes",
            "sparse"; "matrix_free" has no factorization: only `at`, with derivatives by "lsqr").
        n: number of variables; needed only where P and A are both None.

    Raises:
        ValueError: shapes, cones or settings that do not fit. TypeError: an unknown setting.
        argrad.MemoryLimitError: a program whose factors would not fit into memory.

    A solver never changes: threads may share it, copies and pickles solve alike.
    """

    def __init__(self, P: Any, A: Any, cones: Sequence, *, n: int | None = None, **settings: Any):
        if P is None and A is None and n is None:
            raise ValueError(
                "P and A are both None, so the number of variables is unknown; give it as n"
            )
        self.cones, rows = check_cones(cones)
        self.settings = _options.solver_options(settings, strict=True).settings
        self._P = None if P is None else Matrix("P", P, symmetric=True)
        self._A = None if A is None else Matrix("A", A, symmetric=False)
        known = self._A if self._A is not None else self._P
        self.n: int = size_of(n, "n", "number of variables") if known is None else known.shape[1]
        self.m: int = 0 if self._A is None else self._A.shape[0]
        if self._P is not None and self._A is not None and self._P.shape[0] != self.n:
            columns, shape = self._P.shape[1], self._A.shape
            raise ValueError(
                f"P is for {columns} variables and A for {self.n}: their numbers of columns must "
                f"be equal; A has shape {shape}{transpose_hint(shape, sum(rows), columns)}"
            )
        if n is not None and n != self.n:
            raise ValueError(f"n is {n}, but P and A are for {self.n} variables")
        if sum(rows) != self.m:
            raise ValueError(
                f"the cones take {sum(rows)} rows and A has {self.m}: {self._describe(rows)}"
            )
        self._may_be_infinite = np.repeat([c[0] == "nonnegative" for c in self.cones], rows)
        self._is_equality = np.repeat([c[0] == "zero" for c in self.cones], rows)
        self._defaults = {
            name: owned(matrix.read(given)) if matrix is not None and has_values(given) else None
            for name, matrix, given in (("P", self._P, P), ("A", self._A, A))
        }
        self._core = self._build(self.settings)
        self._forgiving: Any = None

    def _describe(self, rows: list[int]) -> str:
        parts = [f"{cone[0]} {taken}" for cone, taken in zip(self.cones, rows, strict=True)]
        return ", ".join(parts) if parts else "no cones"

    def _core_for(self, single: bool) -> Any:
        """The core's solver; for a P of single precision one that forgives its rounding."""
        if not single or "convexity_tolerance" in self.settings:
            return self._core
        if self._forgiving is None:
            settings = {**_options.SINGLE_SETTINGS, **self.settings}
            self._forgiving = self._build(settings)
        return self._forgiving

    def _build(self, settings: dict[str, Any]) -> Any:
        empty = (np.zeros(self.n + 1, np.int64), np.zeros(0, np.int64))
        p = empty if self._P is None else self._P.core_pattern
        a = empty if self._A is None else self._A.core_pattern
        return _core.Solver(self.n, self.m, p, a, self.cones, settings)

    def explain(self) -> str:
        """How programs of this structure are solved, as text: the engine, the cones that are
        eliminated by the inverse of their block, the linear system, and the memory it takes.

        All of it follows from the structure and the settings.
        """
        return self._core.explain()

    def __repr__(self) -> str:
        return f"Solver(n={self.n}, m={self.m}, cones={self.cones!r})"

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        del state["_core"], state["_forgiving"]
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._core = self._build(self.settings)
        self._forgiving = None

    def __deepcopy__(self, memo: dict) -> Solver:
        copied = object.__new__(Solver)
        copied.__dict__.update(self.__dict__)
        return copied

    def __copy__(self) -> Solver:
        return self.__deepcopy__({})

    def _read(self, P: Any, q: Any, A: Any, b: Any) -> tuple[dict[str, Value | None], int | None]:
        values: dict[str, Value | None] = {}
        for name, matrix, given in (("P", self._P, P), ("A", self._A, A)):
            if given is not None:
                if matrix is None:
                    raise ValueError(f"{name}: the solver was built with {name}=None")
                values[name] = matrix.read(given)
            elif matrix is not None and self._defaults[name] is None:
                raise ValueError(
                    f"{name} is missing: the solver was built from a pattern without values"
                )
            else:
                values[name] = self._defaults[name]
        if q is None:
            raise ValueError(f"q is missing, expected shape ({self.n},) or (batch, {self.n})")
        if b is None:
            if self.m > 0:
                raise ValueError(f"b is missing, expected shape ({self.m},) or (batch, {self.m})")
            b = np.zeros(0)
        linear, right = vector("q", q, self.n), vector("b", b, self.m)
        if self.m == 0 and right.batch is None:
            right = right._replace(is_single=None)
        check_finite("q", linear.data)
        check_finite("b", right.data, self._may_be_infinite)
        values |= {"q": linear, "b": right}
        return values, batch_of(values)

    def _core_values(self, values: dict[str, Value | None], filled: bool = True) -> tuple:
        """P, q, A, b as the core takes them; where there are none, nothing or None."""
        absent = np.zeros(0) if filled else None
        p, q, a, b = (values[name] for name in ("P", "q", "A", "b"))
        return (
            absent if p is None else p.data,
            None if q is None else q.data,
            absent if a is None else a.data,
            None if b is None else b.data,
        )

    def _start(self, start: Any, batch: int) -> tuple | None:
        if start is None:
            return None
        if isinstance(start, Solution):
            solved = ~failed(start._reports)
            # What is no solution is no start: zeros are refused by the residual at once.
            start = tuple(np.where(solved[:, None], v, 0.0) for v in start._point)
            if len(solved) == 1 and batch != 1:
                start = tuple(v[0] for v in start)
        elif not isinstance(start, (tuple, list)) or len(start) != 3:
            raise ValueError(
                f"warm_start: expected a Solution or a tuple (x, z, s), found {type(start)}"
            )
        out = []
        for name, value, k in zip("xzs", start, (self.n, self.m, self.m), strict=True):
            where = f"warm_start, {name}"
            array = numbers(where, value)
            if array.shape not in ((k,), (batch, k)):
                raise ValueError(
                    f"{where}: expected shape ({k},) or ({batch}, {k}), found {array.shape}"
                )
            check_finite(where, array, self._may_be_infinite if name == "s" else None)
            out.append(doubles(np.broadcast_to(array, (batch, k))))
        return tuple(out)

    def solve(
        self,
        P: Any = None,
        q: Any = None,
        A: Any = None,
        b: Any = None,
        *,
        warm_start: Solution | tuple | None = None,
        differentiable: bool = True,
    ) -> Solution:
        """Solves a program, or a batch of programs.

        Args:
            P, A: matrices on the solver's pattern: scipy sparse or dense; for a batch a list of
                them, an array (batch, rows, columns), or values of shape (batch, nnz) in the order
                of `.data` of the matrix that the solver was built with (row-major if it
                was dense; CSC with sorted rows if it was neither CSR nor CSC). Values of shape
                (nnz,), and a single matrix, are shared by the batch. None: those that the solver
                was built with.
            q: shape (n,) or (batch, n).
            b: shape (m,) or (batch, m). From 1e19 on, and +inf, an entry in a nonnegative row is
                no constraint: the row gets z = 0 and s = inf. None where m = 0.
            warm_start: an earlier Solution, or (x, z, s), with or without batch axis. It is
                accepted where Newton steps from it reach a proven residual; other samples are
                solved from scratch.
            differentiable: False saves the memory that derivatives need; they are then
                prepared at the solution when one is asked for.

        Returns:
            A Solution: with a batch axis if any argument has one. float32 if the floating arrays
            among the arguments are float32; computed in double in any case.

        Raises:
            ValueError: an argument that is malformed, by name and entry. A program without a
            solution is not an error, see `Solution.status`.
        """
        values, batch = self._read(P, q, A, b)
        size = 1 if batch is None else batch
        start = self._start(warm_start, size)
        arguments = (size, *self._core_values(values))
        core = self._core_for(is_single(values["P"]))
        solved = core.forward(*arguments, start=start, differentiable=differentiable)
        return Solution(self, values, arguments, solved, differentiable)

    def at(
        self,
        point: Solution | tuple,
        P: Any = None,
        q: Any = None,
        A: Any = None,
        b: Any = None,
    ) -> Solution:
        """A `Solution` at a point found elsewhere, for its derivatives; nothing is solved.

        Args:
            point: (x, z, s) or a Solution, with or without batch axis.
            P, q, A, b: the program, as in `solve`.

        Returns:
            A Solution whose point is `point`; its status is "solved" where the residual is below
            the tolerance. Whether a solution is unique is not examined.
        """
        values, batch = self._read(P, q, A, b)
        size = 1 if batch is None else batch
        start = self._start(point, size)
        if start is None:
            raise ValueError("point: expected a Solution or a tuple (x, z, s), found None")
        arguments = (size, *self._core_values(values))
        solved = self._core_for(is_single(values["P"])).tape_at(*arguments, start)
        return Solution(self, values, arguments, solved, True)

    def conditions(
        self,
        x: Any,
        z: Any = None,
        s: Any = None,
        *,
        P: Any = None,
        q: Any = None,
        A: Any = None,
        b: Any = None,
    ) -> _conditions.KktConditions | list[_conditions.KktConditions]:
        """The KKT conditions at a point of any solver: each of the four, by cone.

        Args:
            x: shape (n,), or (batch, n).
            z: multipliers, (m,) or (batch, m); None: those that fit x best by least squares.
            s: slacks, (m,) or (batch, m); None: b - Ax.
            P, q, A, b: the program, as in `solve`.

        Returns:
            A `KktConditions`; a list of them where an argument has a batch axis. A point that is
            not finite is no error: its residuals are NaN.

        Raises:
            ValueError: an argument that is malformed.

            >>> import argrad, numpy as np
            >>> solver = argrad.Solver(np.eye(2), np.ones((1, 2)), [("nonnegative", 1)])
            >>> found = solver.conditions([0.0, 0.0], q=[-1.0, -1.0], b=[1.0])
            >>> found.is_optimal(1e-6), found.worst().condition
            (False, 'stationarity')
        """
        values, batch = self._read(P, q, A, b)
        given = {"x": (x, self.n), "z": (z, self.m), "s": (s, self.m)}
        arrays = {
            name: (None if value is None else numbers(name, value), k)
            for name, (value, k) in given.items()
        }
        for array, _ in arrays.values():
            if array is not None and array.ndim == 2 and batch is None:
                batch = array.shape[0]
        size = 1 if batch is None else batch
        point = []
        for name, (array, k) in arrays.items():
            if array is not None and array.shape not in ((k,), (size, k)):
                raise ValueError(
                    f"{name}: expected shape ({k},) or ({size}, {k}), found {array.shape}"
                )
            point.append(None if array is None else doubles(np.broadcast_to(array, (size, k))))
        found = _conditions.read(
            self._core_for(is_single(values["P"])).conditions(
                size, *self._core_values(values), *point
            )
        )
        return found if batch is not None else found[0]


def solve(
    P: Any,
    q: Any,
    A: Any,
    b: Any,
    cones: Sequence,
    *,
    warm_start: Solution | tuple | None = None,
    differentiable: bool = True,
    **settings: Any,
) -> Solution:
    """Solves minimize 1/2 x'Px + q'x subject to Ax + s = b, s in K; or a batch of such programs.

    Builds a `Solver` and solves once. Keep a `Solver` to solve more programs of the same
    structure: its analysis is then done once.

    Args:
        P: symmetric, both triangles, (n, n): sparse or dense, a list of matrices, or (batch, n, n).
            None for zero.
        q: shape (n,) or (batch, n).
        A: shape (m, n), given as P is. None without constraints.
        b: shape (m,) or (batch, m). From 1e19 on, and +inf, an entry in a nonnegative row is no
            constraint: the row gets z = 0 and s = inf.
        cones: the cones of the rows of A from the top, see `Solver`.
        warm_start, differentiable: see `Solver.solve`.
        settings: see `Solver`.

    Returns:
        A Solution.

    Raises:
        ValueError: an argument that is malformed. TypeError: an unknown setting.
    """
    n = None
    if P is None and A is None:
        shape = numbers("q", q).shape
        if not shape:
            raise ValueError("q: expected shape (n,) or (batch, n), found a number")
        n = shape[-1]
    solver = Solver(P, A, cones, n=n, **settings)
    return solver.solve(q=q, b=b, warm_start=warm_start, differentiable=differentiable)
