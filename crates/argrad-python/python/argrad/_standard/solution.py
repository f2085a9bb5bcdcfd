"""What a solve returns: the solution, and its derivatives in the form of the arguments."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from argrad import _conditions, _core, _options
from argrad._errors import SOLVED, failed, raise_failures
from argrad._standard.info import Info
from argrad._standard.values import (
    Value,
    batch_of,
    check_finite,
    doubles,
    is_single,
    numbers,
    vector,
)

#: A row is named by a certificate whose z there is this share of the largest.
_NAMED = 1e-6

if TYPE_CHECKING:
    from argrad._standard.solver import Solver


class Solution:
    """Solutions of a program or of a batch of programs, and their derivatives.

    Attributes:
        x: primal solution, shape (n,) or (batch, n).
        z: dual solution, shape (m,) or (batch, m).
        s: slacks, shape (m,) or (batch, m).
        status: one of "solved", "primal_infeasible", "dual_infeasible", "iteration_limit",
            "time_limit", "numerical_trouble", "almost_solved"; a list of them for a batch. Where it
            is "primal_infeasible", z is a certificate (A'z = 0, b'z = -1), where "dual_infeasible",
            x and s are one (Px = 0, Ax + s = 0, q'x = -1).
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
        solved = r["status"] == SOLVED
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
        solved = ~failed(self._reports)
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
            raise_failures(self._reports, reason=self._contradiction)
        if self._tape is None:
            # A NaN or an infinity of a sample without a solution is no point to measure.
            x, z, s = (np.where(np.isfinite(v), v, 0.0) for v in self._point)
            s = np.where(np.isposinf(self._point[2]), np.inf, s)
            self._tape = self._solver._core_for(self._is_single).tape_at(
                *self._arguments, (x, z, s)
            )
        return self._tape

    def _contradiction(self, at: int) -> str:
        """Which two rows a sample is infeasible for, where its certificate names two: equalities of
        the same sum, up to a factor, that ask for different numbers.
        """
        z = self._point[1][at]
        sizes = np.abs(z)
        named = np.flatnonzero(sizes > _NAMED * np.max(sizes, initial=0.0))
        if (
            _core.STATUS[self._reports["status"][at]] != "primal_infeasible"
            or len(named) != 2
            or not self._solver._is_equality[named].all()
        ):
            return ""
        i, j = named
        b = np.broadcast_to(self._arguments[4], (len(self._point[1]), len(z)))[at]
        # A'z = 0 with two rows: row j is -z_i / z_j times row i.
        other = -b[j] * z[j] / z[i]
        return f": rows {i} and {j} ask for {b[i]:.15g} and {other:.15g} of the same sum"

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
        out: list[Any] = []
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
                change = vector(name, value, k)
                check_finite(name, change.data)
                read[name] = change
        if all(v is None for v in read.values()):
            raise ValueError("jvp: give at least one of dP, dq, dA, db")
        batch = batch_of(read)
        if batch is not None and batch != self._batch:
            found = "no batch" if self._batch is None else f"a batch of {self._batch}"
            raise ValueError(f"jvp: the changes have a batch of {batch}, the solution has {found}")
        how = self._how(mode, on_failure, method)
        tangents = solver._core_values({name[1:]: value for name, value in read.items()}, False)
        dx, dz, ds = self._differentiable(on_failure).jvp(*tangents, **how)
        return self._out(dx), self._out(dz), self._out(ds)

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

    def conditions(self) -> _conditions.KktConditions | list[_conditions.KktConditions]:
        """The KKT conditions at the point, measured anew; a list of them for a batch.

        >>> import argrad, numpy as np
        >>> found = argrad.solve(np.eye(1), [3.0], np.eye(1), [2.0], [("nonnegative", 1)])
        >>> found.conditions().is_optimal(1e-9)
        True
        """
        core = self._solver._core_for(self._is_single)
        found = _conditions.read(core.conditions(*self._arguments, *self._point))
        return found if self._batch is not None else found[0]

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
