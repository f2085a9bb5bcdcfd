"""A solver for cvxpylayers >= 1.2: `CvxpyLayer(problem, ..., solver=interface())`.

`argrad.torch.CvxpyLayer` and `argrad.jax.CvxpyLayer` take the same problems, keep the maps from
parameters in compiled code, and are faster; this is for code that must keep cvxpylayers' layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from cvxpylayers.interfaces.base import SolverInterface

from . import _core, _options
from ._errors import failed, raise_failures
from .cvxpy import cones_of


def interface(
    *, derivative: Any = "exact", on_failure: str = "raise", method: Any = "direct", **settings: Any
) -> SolverInterface:
    """A `SolverInterface` for the argument `solver` of cvxpylayers' `CvxpyLayer`.

    Quadratic objectives are passed as they are, so `quad_form` may have a parametric matrix; a
    batch is solved at once; PSD duals come in the order that cvxpylayers unpacks. An
    inequality whose side is 1e19 or more is no constraint: its dual is 0 and its slack infinite.

    Args:
        derivative: "exact", ("smoothed", mu) or ("lpgd", tau).
        on_failure: samples without a solution: "raise" a SolverError that names them, or make
            their outputs and gradients "nan", or their gradients "zero".
        method: "direct", or ("lsqr", tolerance, max_iterations).
        settings: tolerance, infeasibility_tolerance, max_iterations, time_limit, max_polish_steps,
            check_convexity, memory_limit, engine. A call's `solver_args` may hold any of these
            names (and the three above); keys of other solvers are translated or ignored with a
            warning.

    Raises:
        TypeError, ValueError: an option that is unknown or out of range.
    """
    options = {"derivative": derivative, "on_failure": on_failure, "method": method, **settings}
    return ArgradInterface(_Options.read(options, strict=True))


class _Options(NamedTuple):
    """How to solve and how to differentiate."""

    settings: dict[str, Any]
    derivative: Any
    on_failure: str
    method: Any

    @classmethod
    def read(cls, given: dict[str, Any], strict: bool, default: _Options | None = None) -> _Options:
        base = default or cls({}, "exact", "raise", "direct")
        given = dict(given)
        read = base._replace(
            derivative=_options.derivative(given.pop("derivative", base.derivative)),
            on_failure=_options.on_failure(given.pop("on_failure", base.on_failure)),
            method=_options.method(given.pop("method", base.method)),
        )
        settings = _options.solver_options(given, strict=strict).settings
        return read._replace(settings={**base.settings, **settings})


class _Part:
    """Values of a slot of the core from values of cvxpylayers: `sign * given[places]`.

    A part that no parameter enters is shared by the batch; its gradient, which nothing can use, is
    zero.
    """

    def __init__(self, places: np.ndarray, sign: float, depends: np.ndarray):
        self.places = places
        self.sign = sign
        self.is_constant = not bool(depends[places].any())

    def read(self, given: np.ndarray) -> np.ndarray:
        rows = given[:1] if self.is_constant else given
        values = self.sign * rows[:, self.places]
        return values[0] if self.is_constant else values


def _depends(reduced: Any) -> np.ndarray:
    """Whether any parameter enters each row of a map (its last column is the constant)."""
    matrix = reduced.tocsc()[:, :-1].tocoo()
    depends = np.zeros(matrix.shape[0], bool)
    depends[matrix.row[matrix.data != 0]] = True
    return depends


class _Structure:
    """One layer's canonical problem, as cvxpylayers hands it over, and its solvers."""

    def __init__(self, ctx: Any):
        self.dims = ctx.cone_dims
        self.cones = [cone for cone in cones_of(self.dims) if cone[1] != 0]
        # Rows of `q` are those of the variables and the constant of the objective.
        self.n = n = ctx.q.shape[0] - 1
        self.q = _Part(np.arange(n), 1.0, _depends(ctx.q))
        self._read_a(ctx.reduced_A)
        self._read_p(ctx.reduced_P)
        self._psd_orders()
        self.solvers: dict[tuple, Any] = {}

    def _read_a(self, reduced: Any) -> None:
        """cvxpylayers has [-A, b] in compressed columns; entries of b that are not there are 0."""
        n = self.n
        if reduced.problem_data_index is None:
            rows, indptr, self.m = np.zeros(0, np.int64), np.zeros(n + 2, np.int64), 0
        else:
            rows, indptr, shape = reduced.problem_data_index
            self.m = int(shape[0])
        rows, indptr = np.asarray(rows, np.int64), np.asarray(indptr, np.int64)
        self.a_size = rows.size
        depends = _depends(reduced.reduced_mat) if rows.size else np.zeros(0, bool)
        columns = np.repeat(np.arange(n + 1), np.diff(indptr))
        order = np.lexsort((rows, columns))
        places = order[columns[order] < n]
        a_indptr = np.concatenate([[0], np.cumsum(np.bincount(columns[places], minlength=n))])
        self.a = _Part(places, -1.0, depends)
        self.a_pattern = (a_indptr.astype(np.int64), rows[places])
        b_places = order[columns[order] == n]
        self.b = _Part(b_places, 1.0, depends)
        self.b_rows = rows[b_places]

    def _read_p(self, reduced: Any) -> None:
        """The upper triangle of (P + P') / 2, each slot the mean of one or two entries of P."""
        n = self.n
        mapping = None if reduced is None else reduced.reduced_mat
        self.has_p = mapping is not None
        index = reduced.problem_data_index if self.has_p else None
        if index is None:
            rows, columns = np.zeros(0, np.int64), np.zeros(0, np.int64)
        else:
            rows = np.asarray(index[0], np.int64)
            columns = np.repeat(np.arange(n), np.diff(np.asarray(index[1])))
        self.p_size = rows.size
        low, high = np.minimum(rows, columns), np.maximum(rows, columns)
        keys, self.p_slot = np.unique(high * n + low, return_inverse=True)
        self.p_weight = np.where(rows == columns, 1.0, 0.5)
        counts = np.bincount(keys // max(n, 1), minlength=n)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.p_pattern = (indptr, (keys % max(n, 1)).astype(np.int64))
        self.p_is_constant = not (rows.size and bool(_depends(mapping).any()))

    def _psd_orders(self) -> None:
        """Rows of z in the order of cvxpylayers: lower triangles of PSD duals column by column."""
        parts = []
        start = self.dims.zero + self.dims.nonneg + int(sum(self.dims.soc))
        parts.append(np.arange(start))
        for side in self.dims.psd:
            rows, columns = np.triu_indices(int(side))
            parts.append(start + columns * (columns + 1) // 2 + rows)
            start += rows.size
        parts.append(np.arange(start, self.m))
        self.dual_order = np.concatenate(parts).astype(np.int64)

    def solver(self, settings: dict[str, Any]) -> Any:
        key = tuple(sorted(settings.items()))
        if key not in self.solvers:
            self.solvers[key] = _core.Solver(
                self.n, self.m, self.p_pattern, self.a_pattern, self.cones, settings
            )
        return self.solvers[key]

    def values(self, P: np.ndarray | None, q: np.ndarray, A: np.ndarray) -> tuple:
        """P, q, A, b for the core."""
        b_given = self.b.read(A)
        b = np.zeros((*b_given.shape[:-1], self.m))
        b[..., self.b_rows] = b_given
        return self._p_values(P), self.q.read(q), self.a.read(A), b

    def _p_values(self, P: np.ndarray | None) -> np.ndarray:
        size = self.p_pattern[1].size
        if P is None or size == 0:
            return np.zeros(size)
        given = (P[:1] if self.p_is_constant else P) * self.p_weight
        values = np.zeros((given.shape[0], size))
        np.add.at(values.T, self.p_slot, given.T)
        return values[0] if self.p_is_constant else values

    def gradients(self, batch: int, dp: Any, dq: Any, da: Any, db: Any) -> tuple:
        """(dP, dq, dA) in the layout of cvxpylayers."""
        out_p = None
        if self.has_p:
            out_p = np.zeros((batch, self.p_size))
            if not self.p_is_constant:
                out_p[:] = dp[:, self.p_slot] * self.p_weight
        # The constant of the objective does not move the solution.
        out_q = np.zeros((batch, self.n + 1))
        out_a = np.zeros((batch, self.a_size))
        for part, out, gradient in (
            (self.q, out_q, dq),
            (self.a, out_a, da),
            (self.b, out_a, db[..., self.b_rows]),
        ):
            if not part.is_constant:
                out[:, part.places] = part.sign * gradient
        return out_p, out_q, out_a

    def __getstate__(self) -> dict:
        return {**self.__dict__, "solvers": {}}


class _Saved(NamedTuple):
    """What the derivative of a call needs."""

    structure: _Structure
    options: _Options
    solved: Any
    batch: int


class ArgradInterface(SolverInterface):
    """See `interface`. One sample may serve several layers."""

    canon_solver = "CLARABEL"
    supports_quad_obj = True

    def __init__(self, options: _Options):
        self.options = options
        self._structures: list[_Structure] = []

    def setup(self, ctx: Any) -> None:
        """Takes the structure of a layer; called by its constructor."""
        self._structures.append(_Structure(ctx))
        if ctx.solver_ctx is None:
            # cvxpylayers' JAX layer calls a context where its torch layer calls the interface.
            ctx.solver_ctx = _JaxContext(self, ctx.cone_dims)

    def _structure(self, dims: Any) -> _Structure:
        for structure in self._structures:
            if structure.dims is dims:
                return structure
        raise RuntimeError(
            "argrad's interface does not know this problem: it is set up by CvxpyLayer(..., "
            "solver=interface()), which hands it the structure"
        )

    def _solve(
        self, P: Any, q: np.ndarray, A: np.ndarray, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple[np.ndarray, np.ndarray, _Saved | None]:
        structure = self._structure(dims)
        options = _Options.read(solver_args or {}, strict=False, default=self.options)
        batch = q.shape[0]
        values = (np.ascontiguousarray(v) for v in structure.values(P, q, A))
        solver = structure.solver(options.settings)
        solved = solver.forward(batch, *values, differentiable=bool(needs_grad))
        reports = solved.reports
        if options.on_failure == "raise":
            raise_failures(reports)
        x, z = solved.x, solved.z[:, structure.dual_order]
        if options.on_failure == "nan":
            lost = failed(reports)
            x, z = (np.where(lost[:, None], np.nan, v) for v in (x, z))
        saved = _Saved(structure, options, solved, batch) if needs_grad else None
        return x, z, saved

    def _derivative(self, dprimal: np.ndarray, ddual: np.ndarray, saved: _Saved) -> tuple:
        structure, options, solved, batch = saved
        dz = np.empty((batch, structure.m))
        dz[:, structure.dual_order] = ddual
        gradients = solved.vjp(
            np.ascontiguousarray(dprimal, np.float64),
            dz,
            mode=options.derivative,
            on_failure=options.on_failure,
            method=options.method,
        )
        return structure.gradients(batch, *gradients)

    # What cvxpylayers calls.

    def solve_numpy_batch(
        self, P: Any, q: Any, A: Any, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple:
        """Solves a batch of numpy arrays, batch first."""
        P, q, A = (None if v is None else np.asarray(v, np.float64) for v in (P, q, A))
        return self._solve(P, q, A, dims, solver_args, needs_grad)

    def derivative_numpy_batch(self, dprimal: Any, ddual: Any, saved_state: Any) -> tuple:
        """Gradients of a batch of numpy arrays, batch first."""
        if isinstance(saved_state, list):
            # The state of a call for a single problem comes wrapped.
            (saved_state,) = saved_state
        return self._derivative(np.asarray(dprimal), np.asarray(ddual), saved_state)

    def solve_torch_batch(
        self, P: Any, q: Any, A: Any, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple:
        """Solves a batch of torch tensors, batch first."""
        import torch

        like = {"dtype": q.dtype, "device": q.device}
        P, q, A = (None if v is None else v.detach().cpu().double().numpy() for v in (P, q, A))
        x, z, saved = self._solve(P, q, A, dims, solver_args, needs_grad)
        out = (torch.from_numpy(v).to(**like) for v in (x, z))
        return (*out, saved)

    def derivative_torch_batch(self, dprimal: Any, ddual: Any, saved_state: Any) -> tuple:
        """Gradients of a batch of torch tensors, batch first."""
        import torch

        like = {"dtype": dprimal.dtype, "device": dprimal.device}
        dprimal, ddual = (v.detach().cpu().double().numpy() for v in (dprimal, ddual))
        gradients = self._derivative(dprimal, ddual, saved_state)
        return tuple(None if g is None else torch.from_numpy(g).to(**like) for g in gradients)

    def solve_jax_batch(
        self, P: Any, q: Any, A: Any, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple:
        """Solves a batch of concrete JAX arrays, batch first."""
        import jax.numpy as jnp

        x, z, saved = self.solve_numpy_batch(P, q, A, dims, solver_args, needs_grad)
        return jnp.asarray(x, q.dtype), jnp.asarray(z, q.dtype), saved

    def derivative_jax_batch(self, dprimal: Any, ddual: Any, saved_state: Any) -> tuple:
        """Gradients of a batch of concrete JAX arrays, batch first."""
        import jax.numpy as jnp

        gradients = self.derivative_numpy_batch(dprimal, ddual, saved_state)
        return tuple(None if g is None else jnp.asarray(g, dprimal.dtype) for g in gradients)


class _JaxContext:
    """The solver context that cvxpylayers' JAX layer asks for its data."""

    def __init__(self, solver: ArgradInterface, dims: Any):
        self.solver = solver
        self.dims = dims

    def jax_to_data(self, P: Any, q: Any, A: Any) -> _JaxData:
        return _JaxData(self, P, q, A)


class _JaxData:
    """One call of cvxpylayers' JAX layer; its arrays have the batch last, or none."""

    def __init__(self, context: _JaxContext, P: Any, q: Any, A: Any):
        self.context = context
        self.is_batched = q.ndim == 2
        self.P, self.q, self.A = (v if v is None else self._first(v) for v in (P, q, A))

    def _first(self, array: Any) -> Any:
        return array.T if self.is_batched else array[None]

    def _last(self, array: Any) -> Any:
        return array if array is None else array.T if self.is_batched else array[0]

    def jax_solve(self, solver_args: dict | None = None) -> tuple:
        return self._solve(solver_args, True)

    def jax_solve_only(self, solver_args: dict | None = None) -> tuple:
        x, z, _ = self._solve(solver_args, False)
        return x, z

    def _solve(self, solver_args: dict | None, needs_grad: bool) -> tuple:
        solver, dims = self.context.solver, self.context.dims
        return solver.solve_jax_batch(self.P, self.q, self.A, dims, solver_args or {}, needs_grad)

    def jax_derivative(self, dprimal: Any, ddual: Any, saved: Any) -> tuple:
        gradients = self.context.solver.derivative_jax_batch(dprimal, ddual, saved)
        return tuple(self._last(g) for g in gradients)
