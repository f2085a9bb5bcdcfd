"""`solve`, `Solver` and `Solution`: batches of conic programs on numpy and scipy data.

A program is

    minimize    1/2 x'Px + q'x
    subject to  Ax + s = b,  s in K

with duals z in the dual cone K*, Px + q + A'z = 0 and s'z = 0. K is a product of cones that take
the rows of A from the top.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _core, _options
from ._errors import raise_failures
from ._matrix import (
    Matrix,
    Value,
    batch_of,
    check_cones,
    check_finite,
    doubles,
    has_values,
    numbers,
    owned,
    size_of,
    vector,
)


@dataclasses.dataclass(frozen=True)
class Info:
    """Diagnostics of a `Solution`: a number each, or an array of shape (batch,).

    Residuals are relative, see the conventions. `condition` is an estimate for the derivative's
    system in scaled variables; `unique` is False where that system is singular; `weakly_active`
    counts constraints with slack and dual both nearly zero.
    """

    iterations: Any
    polish_steps: Any
    factorizations: Any
    warm_started: Any
    objective: Any
    residual: Any
    primal_residual: Any
    dual_residual: Any
    gap: Any
    weakly_active: Any
    condition: Any
    unique: Any
    degenerate: Any
    """True where there is no solution, a weakly active constraint, or more than one solution:
    the derivative is defined there but should not be taken at face value."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def asdict(self) -> dict[str, Any]:
        """All fields by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Solution:
    """Solutions of a program or of a batch of programs, and their derivatives.

    Attributes:
        x: primal solution, shape (n,) or (batch, n).
        z: dual solution, shape (m,) or (batch, m).
        s: slacks, shape (m,) or (batch, m).
        status: one of "solved", "primal_infeasible", "dual_infeasible", "iteration_limit",
            "time_limit", "numerical_trouble"; a list of them for a batch. Where it is
            "primal_infeasible", z is a certificate (A'z = 0, b'z = -1), where "dual_infeasible", x
            and s are one (Px = 0, Ax + s = 0, q'x = -1).
        info: diagnostics, see `Info`.

    A copy or an unpickled solution rebuilds what its derivatives need at its point when the first
    of them is asked for; they agree with those of the original to rounding.
    """

    x: np.ndarray
    z: np.ndarray
    s: np.ndarray

    def __init__(
        self,
        solver: Solver,
        values: dict[str, Value | None],
        arguments: tuple,
        solved: Any,
        tape: bool,
    ):
        self._solver = solver
        self._batch = batch_of(values)
        self._is_single = is_single(values["P"])
        self._forms = {name: None if v is None else v.form for name, v in values.items()}
        # Copies, because what was given may change before a derivative needs it.
        size, *arrays = arguments
        self._arguments = (size, *(a.copy() for a in arrays))
        says = [v.is_single for v in values.values() if v is not None and v.is_single is not None]
        self._dtype = np.dtype(np.float32 if says and all(says) else np.float64)
        self._point = (solved.x, solved.z, solved.s)
        self._solved = solved
        self._tape = solved if tape else None
        self.x, self.z, self.s = (self._out(v) for v in self._point)

    @functools.cached_property
    def _reports(self) -> dict[str, np.ndarray]:
        return dict(self._solved.reports)

    @functools.cached_property
    def status(self) -> str | list[str]:
        """One of "solved", "primal_infeasible", "dual_infeasible", "iteration_limit", "time_limit",
        "numerical_trouble"; a list of them for a batch.
        """
        names = [_core.STATUS[code] for code in self._reports["status"].tolist()]
        return names if self._batch is not None else names[0]

    @functools.cached_property
    def info(self) -> Info:
        """Diagnostics."""
        r = {name: value.copy() for name, value in self._reports.items()}
        solved = r["status"] == 0
        r["degenerate"] = ~solved | (r["weakly_active"] > 0) | ~r["unique"].astype(bool)
        r = {name: r[name] for name in Info.__dataclass_fields__}
        if self._batch is None:
            r = {name: value[0] for name, value in r.items()}
        return Info(**r)

    def _out(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the core in the dtype, and with the batch axis, of the input."""
        rows = rows if self._batch is not None else rows[0]
        return rows.astype(self._dtype, copy=False)

    @property
    def solved(self) -> Any:
        """Whether the status is "solved": a bool, or an array of shape (batch,)."""
        solved = self._reports["status"] == 0
        return solved if self._batch is not None else bool(solved[0])

    def __repr__(self) -> str:
        n, m = self._solver.n, self._solver.m
        if self._batch is None:
            return f"Solution(status={self.status!r}, n={n}, m={m})"
        count = int(np.count_nonzero(self.solved))
        return f"Solution({count} of {self._batch} solved, n={n}, m={m})"

    @staticmethod
    def _how(mode: Any, on_failure: Any, method: Any) -> dict[str, Any]:
        return {
            "mode": _options.derivative(mode),
            "on_failure": _options.on_failure(on_failure),
            "method": _options.method(method),
        }

    def _differentiable(self, on_failure: str) -> Any:
        if on_failure == "raise":
            raise_failures(self._reports)
        if self._tape is None:
            # A NaN or an infinity of an instance without a solution is no point to measure.
            x, z, s = (np.where(np.isfinite(v), v, 0.0) for v in self._point)
            s = np.where(np.isposinf(self._point[2]), np.inf, s)
            self._tape = self._solver._core_for(self._is_single).tape_at(
                *self._arguments, (x, z, s)
            )
        return self._tape

    def _rows(self, name: str, value: Any, length: int) -> np.ndarray | None:
        if value is None:
            return None
        array = numbers(name, value)
        batch = 1 if self._batch is None else self._batch
        shapes = [(length,)] if self._batch is None else [(batch, length), (length,)]
        if array.shape not in shapes:
            wanted = " or ".join(str(shape) for shape in shapes)
            raise ValueError(f"{name}: expected shape {wanted}, found {array.shape}")
        return doubles(np.broadcast_to(array, (batch, length)))

    def _wrapped(self, gradients: tuple) -> tuple:
        solver, forms = self._solver, self._forms
        dp, dq, da, db = gradients
        out = []
        for matrix, name, gradient in ((solver._P, "P", dp), (solver._A, "A", da)):
            if matrix is None:
                out.append(None)
            else:
                out.append(matrix.wrap(matrix.from_core(gradient), forms[name], self._dtype))
        dq, db = (g.astype(self._dtype, copy=False) for g in (dq, db))
        return out[0], dq, out[1], db

    def vjp(
        self,
        dx: Any = None,
        dz: Any = None,
        ds: Any = None,
        *,
        mode: Any = "exact",
        on_failure: str = "raise",
        method: Any = "direct",
    ) -> tuple:
        """Gradient of a scalar in P, q, A, b, given its gradient in x, z, s (the adjoint).

        Args:
            dx, dz, ds: gradients in x, z, s, of their shapes; None for zero. For a batch also
                without the batch axis, then the same for all.
            mode: "exact"; ("smoothed", mu), the derivative of the central path at s_i z_i = mu; or
                ("lpgd", tau), finite steps of length tau.
            on_failure: what the derivative of samples without a solution is: "raise" a
                SolverError, "nan", or "zero".
            method: "direct", or ("lsqr", tolerance, max_iterations).

        Returns:
            (dP, dq, dA, db), each of the type, format and shape of its argument; None where P or A
            was None. Of what a batch shares, the sum over the batch. dP is symmetric: the change
            of the scalar is the sum of dP_ij times the change of P_ij over all i, j.

        Raises:
            ValueError: wrong shapes or options. SolverError: see on_failure.
        """
        n, m = self._solver.n, self._solver.m
        if dx is None and dz is None and ds is None:
            raise ValueError("vjp: give at least one of dx, dz, ds")
        rows = [
            self._rows(name, value, k)
            for name, value, k in (("dx", dx, n), ("dz", dz, m), ("ds", ds, m))
        ]
        how = self._how(mode, on_failure, method)
        return self._wrapped(self._differentiable(on_failure).vjp(*rows, **how))

    def jvp(
        self,
        dP: Any = None,
        dq: Any = None,
        dA: Any = None,
        db: Any = None,
        *,
        mode: Any = "exact",
        on_failure: str = "raise",
        method: Any = "direct",
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Change of x, z, s along a change of P, q, A, b (the tangent).

        Args:
            dP, dq, dA, db: changes, in any form that `Solver.solve` takes for the argument; None
                for zero. dP must be symmetric. For a batch, with or without the batch axis.
            mode, on_failure, method: as in `vjp`.

        Returns:
            (dx, dz, ds), of the shapes of x, z, s.

        Raises:
            ValueError: wrong shapes or options. SolverError: see on_failure.
        """
        solver = self._solver
        read: dict[str, Value | None] = {"dP": None, "dq": None, "dA": None, "db": None}
        for name, value, matrix in (("dP", dP, solver._P), ("dA", dA, solver._A)):
            if value is not None:
                if matrix is None:
                    raise ValueError(f"{name}: the program has no {name[1:]}")
                read[name] = matrix.read(value, name)
        for name, value, k in (("dq", dq, solver.n), ("db", db, solver.m)):
            if value is not None:
                read[name] = vector(name, value, k)
                check_finite(name, read[name].data)
        if all(v is None for v in read.values()):
            raise ValueError("jvp: give at least one of dP, dq, dA, db")
        batch = batch_of(read)
        if batch is not None and batch != self._batch:
            found = "no batch" if self._batch is None else f"a batch of {self._batch}"
            raise ValueError(f"jvp: the changes have a batch of {batch}, the solution has {found}")
        how = self._how(mode, on_failure, method)
        tangents = solver._core_values({name[1:]: value for name, value in read.items()}, False)
        out = self._differentiable(on_failure).jvp(*tangents, **how)
        return tuple(self._out(v) for v in out)

    def value_gradient(self, weights: Any = None, *, on_failure: str = "raise") -> tuple:
        """Gradient of the optimal value (of its weighted sum over a batch) in P, q, A, b.

        Args:
            weights: a number, or shape (batch,); 1 by default.
            on_failure: as in `vjp`.

        Returns:
            (dP, dq, dA, db) as in `vjp`.
        """
        batch = 1 if self._batch is None else self._batch
        array = numbers("weights", 1.0 if weights is None else weights)
        if array.shape not in ((), (batch,)):
            raise ValueError(f"weights: expected a number or shape ({batch},), found {array.shape}")
        rows = doubles(np.broadcast_to(array, (batch,)))
        on_failure = _options.on_failure(on_failure)
        tape = self._differentiable(on_failure)
        return self._wrapped(tape.value_gradient(rows, on_failure=on_failure))

    def __getstate__(self) -> dict:
        _ = self._reports
        return {**self.__dict__, "_tape": None, "_solved": None}

    def __deepcopy__(self, memo: dict) -> Solution:
        # Solver, arguments and tape never change, so the copy shares them.
        copied = object.__new__(Solution)
        copied.__dict__.update(self.__dict__)
        copied._point = tuple(v.copy() for v in self._point)
        copied.x, copied.z, copied.s = (copied._out(v) for v in copied._point)
        copied.__dict__.pop("info", None)
        return copied


def is_single(value: Value | None) -> bool:
    """Whether a matrix was given in single precision."""
    return value is not None and bool(value.is_single)


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
            (relative to the largest entry of P: 1e-10, for a P of single precision 1e-5), engine
            ("auto", "lanes", "sparse"; "matrix_free" has no factorization: only `at`, with
            derivatives by "lsqr").
        n: number of variables; needed only where P and A are both None.

    Raises:
        ValueError: shapes, cones or settings that do not fit. TypeError: an unknown setting.

    A solver never changes: threads may share it, copies and pickles solve alike.
    """

    def __init__(self, P: Any, A: Any, cones: Sequence, *, n: int | None = None, **settings: Any):
        if P is None and A is None and n is None:
            raise ValueError(
                "P and A are both None, so the number of variables is unknown; give it as n"
            )
        self.cones, rows = check_cones(cones)
        self.settings = _options.solver_options(settings, strict=True).settings
        self._P = None if P is None else Matrix("P", P, None, symmetric=True)
        self._A = None if A is None else Matrix("A", A, None, symmetric=False)
        known = self._A if self._A is not None else self._P
        self.n: int = size_of(n, "n", "number of variables") if known is None else known.shape[1]
        self.m: int = 0 if self._A is None else self._A.shape[0]
        if self._P is not None and self._P.shape[0] != self.n:
            raise ValueError(
                f"P is for {self._P.shape[0]} variables and A for {self.n}: their numbers of "
                f"columns must be equal"
            )
        if n is not None and n != self.n:
            raise ValueError(f"n is {n}, but P and A are for {self.n} variables")
        if sum(rows) != self.m:
            raise ValueError(
                f"the cones take {sum(rows)} rows and A has {self.m}: {self._describe(rows)}"
            )
        self._may_be_infinite = np.repeat([c[0] == "nonnegative" for c in self.cones], rows)
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
            settings = {**self.settings, "convexity_tolerance": _options.SINGLE}
            self._forgiving = self._build(settings)
        return self._forgiving

    def _build(self, settings: dict[str, Any]) -> Any:
        empty = (np.zeros(self.n + 1, np.int64), np.zeros(0, np.int64))
        p = empty if self._P is None else self._P.core_pattern
        a = empty if self._A is None else self._A.core_pattern
        return _core.Solver(self.n, self.m, p, a, self.cones, settings)

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
        values["q"] = vector("q", q, self.n)
        values["b"] = vector("b", b, self.m)
        if self.m == 0 and values["b"].batch is None:
            values["b"] = values["b"]._replace(is_single=None)
        check_finite("q", values["q"].data)
        check_finite("b", values["b"].data, self._may_be_infinite)
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
            solved = start._reports["status"] == 0
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
            b: shape (m,) or (batch, m). +inf in a nonnegative row removes the row. None where
                m = 0.
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
            solution is no error, see `Solution.status`.
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
        b: shape (m,) or (batch, m).
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
