"""Quadratic programs over JAX arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from argrad import _core, _options
from argrad._policy import Policy, settings_key, status_codes
from argrad._programs import Flags, Shape
from argrad._quadratic import quadratic
from argrad._shapes import transpose_hint
from argrad.jax import _elastic, _primitives

_NAMES = ("Q", "p", "G", "h", "A", "b")


# Entries of Q may differ from their mirror images by so many roundings of the largest, where they
# come in single precision or less.
_ASYMMETRY = 1e3
# In double precision, relative to the largest entry; the core says so too.
_DOUBLE_ASYMMETRY = 1e-12


def _is_single(rounding: float) -> bool:
    """Whether data come in single precision or less."""
    return rounding > 1e-15


@functools.lru_cache(maxsize=64)
def _solver(
    n: int, equalities: int, inequalities: int, settings: tuple[Any, ...], rounding: float
) -> _core.Qp:
    if not _is_single(rounding):
        return _core.Qp(n, equalities, inequalities, dict(settings))
    chosen = {**_options.SINGLE_SETTINGS, **dict(settings)}
    return _core.Qp(n, equalities, inequalities, chosen, _ASYMMETRY * rounding)


@dataclass(frozen=True)
class QpProgram:
    """A dense quadratic program as the primitives see it; None stands for absent rows."""

    n: int
    inequalities: int
    equalities: int
    settings: tuple[Any, ...]
    policy: Policy
    duals: bool
    rounding: float

    def __repr__(self) -> str:
        return f"Qp(n={self.n}, inequalities={self.inequalities}, equalities={self.equalities})"

    @property
    def given(self) -> tuple[bool, ...]:
        g, a = self.inequalities > 0, self.equalities > 0
        return (True, True, g, g, a, a)

    @property
    def inputs(self) -> tuple[Shape, ...]:
        n, k, e = self.n, self.inequalities, self.equalities
        shapes = ((n, n), (n,), (k, n), (k,), (e, n), (e,))
        return tuple(s for s, given in zip(shapes, self.given, strict=True) if given)

    @property
    def outputs(self) -> tuple[Shape, ...]:
        return ((self.n,), (self.equalities,), (self.inequalities,))[: 3 if self.duals else 1]

    def _places(self, arrays: list[Any]) -> list[Any]:
        source = iter(arrays)
        return [next(source) if given else None for given in self.given]

    @property
    def core_layer(self) -> _core.Qp:
        """What solves it."""
        return _solver(self.n, self.equalities, self.inequalities, self.settings, self.rounding)

    @property
    def flat_tape_len(self) -> int:
        return self.core_layer.flat_tape_len

    def forward(self, batch: int, values: list[np.ndarray], differentiable: bool) -> _core.QpSolved:
        Q, p, G, h, A, b = self._places(values)
        try:
            solved = self.core_layer.forward(batch, Q, p, G, h, A, b, differentiable=differentiable)
        except ValueError:
            _check_symmetry(Q, self.rounding)
            raise
        self.policy.check(solved)
        return solved

    def restore(
        self, batch: int, values: list[np.ndarray], flat_tape: np.ndarray
    ) -> _core.QpSolved:
        return self.core_layer.restore(batch, flat_tape, *self._places(values))

    def flat_tape(self, solved: _core.QpSolved) -> np.ndarray:
        return solved.flat_tape()

    def results(self, solved: _core.QpSolved) -> tuple[list[np.ndarray], np.ndarray]:
        outputs = [solved.z, solved.nu, solved.lam][: len(self.outputs)]
        return self.policy.mask(outputs, solved), status_codes(solved, len(solved.z))

    def tangents(
        self, solved: _core.QpSolved, tangents: list[np.ndarray | None]
    ) -> list[np.ndarray]:
        dQ, dp, dG, dh, dA, db = self._places(tangents)
        outputs = solved.jvp(dQ, dp, dG, dh, dA, db, *self.policy.derivative_options)
        return list(outputs[: len(self.outputs)])

    def cotangents(
        self,
        solved: _core.QpSolved,
        cotangents: list[np.ndarray | None],
        wanted: Flags,
    ) -> list[np.ndarray | None]:
        dz, dnu, dlam = [*cotangents, None, None][:3]
        gradients = solved.vjp(dz, dnu, dlam, None, *self.policy.derivative_options)
        return [g for g, given in zip(gradients, self.given, strict=True) if given]

    def second(
        self,
        solved: _core.QpSolved,
        cotangents: list[np.ndarray | None],
        tangents: list[np.ndarray | None],
        wanted: Flags,
    ) -> list[np.ndarray | None]:
        given = [*cotangents, None, None, None][:4]
        options = self.policy.derivative_options
        changes = solved.vjp_tangent(given, [None] * 4, self._places(tangents), *options)
        return [change for change, given in zip(changes, self.given, strict=True) if given]

    def register(self, key: int) -> None:
        """Makes it known to the handlers of XLA under this key."""
        options = self.policy.derivative_options
        _core.ffi_register_qp(key, self.core_layer, len(self.outputs), options, self)

    kind = "qp"

    def description(self) -> list[Any]:
        """What it is made of, see `argrad._description`."""
        sizes = [self.n, self.inequalities, self.equalities]
        return [*sizes, self.settings, tuple(self.policy), self.duals, self.rounding]

    @classmethod
    def from_description(cls, *fields: Any) -> QpProgram:
        """The program that described itself so."""
        n, inequalities, equalities, settings, policy, duals, rounding = fields
        own = Policy(*policy)
        return cls(n, inequalities, equalities, settings, own, duals, rounding)

    @property
    def asymmetry(self) -> float:
        """By how much Q may differ from its transpose, relative to its largest entry."""
        return _ASYMMETRY * self.rounding if _is_single(self.rounding) else _DOUBLE_ASYMMETRY

    def explain(self, values: list[np.ndarray], each: list[bool]) -> None:
        """Raises what is to be said of values that the core does not take, where it says less."""
        Q = values[0].reshape((-1, self.n, self.n))
        _check_symmetry(Q if each[0] else Q[0], self.rounding)


def _check_symmetry(Q: np.ndarray, rounding: float) -> None:
    """Raises ValueError for a Q of single (or shorter) precision that is not symmetric."""
    if not _is_single(rounding) or Q.size == 0:
        return
    difference = np.abs(Q - np.swapaxes(Q, -1, -2))
    worst = float(np.max(difference, initial=0.0))
    if worst > _ASYMMETRY * rounding * float(np.max(np.abs(Q), initial=0.0)):
        where = [int(i) for i in np.unravel_index(int(np.argmax(difference)), Q.shape)]
        raise ValueError(
            f"Q must be symmetric; found entries that differ by {worst:.3e} at {where} and its "
            "mirror image; pass (Q + Q.T) / 2"
        )


def _rows(array: Any, rank: int) -> int:
    """Number of rows of a matrix (rank 2) or vector (rank 1); 0 for None and for shape (0,)."""
    shape = (0,) if array is None else jnp.shape(array)
    return 0 if shape == (0,) else shape[-rank] if len(shape) >= rank else 1


def _dimensions(arrays: dict[str, Any]) -> tuple[int, int, int, int | None]:
    """n, inequalities, equalities and the batch size of the arguments, checked."""
    n = jnp.shape(arrays["Q"])[-1] if jnp.ndim(arrays["Q"]) else 0
    rows: dict[str, int] = {}
    for matrix, vector in (("G", "h"), ("A", "b")):
        if (arrays[matrix] is None) != (arrays[vector] is None):
            absent = matrix if arrays[matrix] is None else vector
            raise ValueError(
                f"{matrix} and {vector} must both be given or both be None; found {absent}=None"
            )
        given = arrays[vector]
        rows[vector] = 0 if given is None or not jnp.ndim(given) else jnp.shape(given)[-1]
    k, e = rows["h"], rows["b"]
    shapes = {"Q": (n, n), "p": (n,), "G": (k, n), "h": (k,), "A": (e, n), "b": (e,)}
    batch: tuple[str, int] | None = None
    for name, array in arrays.items():
        if array is None:
            continue
        shape, expected = jnp.shape(array), shapes[name]
        lead = len(shape) - len(expected)
        if lead not in (0, 1) or shape[lead:] != expected:
            sizes = ", ".join(map(str, expected))
            hint = transpose_hint(shape, *expected) if len(expected) == 2 else ""
            raise ValueError(
                f"{name} must have shape ({sizes}{',' if len(expected) == 1 else ''}) or "
                f"(batch, {sizes}), where n = {n} is taken from Q and the number of rows from h "
                f"and b; found {shape}{hint}"
            )
        if lead:
            if batch is not None and batch[1] != shape[0]:
                raise ValueError(
                    f"batch sizes must agree; found {batch[1]} for {batch[0]} and {shape[0]} for "
                    f"{name}"
                )
            batch = batch or (name, shape[0])
    return n, k, e, None if batch is None else batch[1]


def qp(
    Q: Any,
    p: Any,
    G: Any = None,
    h: Any = None,
    A: Any = None,
    b: Any = None,
    *,
    duals: bool = False,
    derivative: _options.Derivative = "exact",
    method: _options.Method = "direct",
    on_failure: _options.OnFailure = "raise",
    on_infeasible: _options.OnInfeasible = "fail",
    violation: _elastic.Violation = False,
    solver_args: Mapping[str, Any] | None = None,
) -> Any:
    """Solves quadratic programs: minimize 1/2 z'Qz + p'z subject to Gz <= h, Az = b.

    Works under jit, vmap (a batch of solves, not a loop), grad, jvp, jacrev and jacfwd, hessian,
    scan, checkpoint, shard_map and `jax.export`; twice differentiable where the solution is smooth.
    Any argument may have a leading batch axis; arguments without it are shared by the batch, and
    their gradient is the sum over it.

    Arguments:
        Q: (n, n), symmetric positive semidefinite. Its gradient is symmetric.
        p: (n,).
        G: (k, n); None (or empty), like h, if there are no inequalities.
        h: (k,). From 1e19 on, and `inf`, an entry is no constraint: its row is left out, its dual
            is 0 and its slack infinite.
        A: (e, n); None (or empty), like b, if there are no equalities.
        b: (e,).
        duals: return (z, nu, lam), where Qz + p + A'nu + G'lam = 0 and lam >= 0.
        derivative: "exact", ("smoothed", mu) or ("lpgd", tau).
        method: "direct" or ("lsqr", tolerance, max_iterations).
        on_failure: what becomes of a program without a solution. "raise": `argrad.SolverError`,
            which reaches the caller of a jitted function as the RuntimeError of that function;
            "nan": its outputs and gradients are NaN; "zero": its gradients are zero.
        on_infeasible: what becomes of a program whose constraints contradict each other. "fail":
            what `on_failure` says; "elastic": the point that violates them least, with its
            derivative. ("elastic", norm, weight) chooses how violations are measured, "l2" or "l1",
            and how much more they count than the objective, in the units of the program ("elastic"
            is ("elastic", "l2", 1e4)). All other programs are bitwise what they are without it.
        violation: with "elastic", return last the size of each program's violation, zero where it
            is feasible, of shape () or (batch,); "each": a dictionary of the same by constraint
            ("Az = b", "Gz <= h").
        solver_args: settings of the solver, such as {"tolerance": 1e-8, "max_iterations": 50}.

    Returns:
        z of shape (n,), or (batch, n) if any argument has a batch axis; with `duals` (z, nu, lam),
        nu of shape (e,) and lam of shape (k,) or the same with a batch axis; with `violation` it
        comes last in a tuple. The dtype is that of the arguments; the solve is in double precision.

    Raises:
        ValueError: an argument has a wrong shape or value; the message names it.
        argrad.SolverError: a program has no solution, and `on_failure` is "raise".
    """
    arguments = dict(zip(_NAMES, (Q, p, G, h, A, b), strict=True))
    missing = [name for name in ("Q", "p") if arguments[name] is None]
    if missing:
        raise ValueError(f"{missing[0]} must be an array; found None")
    for matrix, vector in (("G", "h"), ("A", "b")):
        if _rows(arguments[matrix], 2) == 0 and _rows(arguments[vector], 1) == 0:
            arguments[matrix] = arguments[vector] = None
    given = [name for name, value in arguments.items() if value is not None]
    arrays, dtype = _primitives.working_arrays([arguments[name] for name in given])
    arguments.update(zip(given, arrays, strict=True))
    n, k, e, batch = _dimensions(arguments)
    options = _options.solver_options(solver_args)
    elastic = _options.on_infeasible(on_infeasible)
    _elastic.check_violation(violation, elastic)
    settings, rounding = settings_key(options.settings), float(jnp.finfo(dtype).eps)
    policy = Policy(
        _options.derivative(derivative),
        _options.on_failure(on_failure),
        _options.method(method),
        options.limited,
    )
    own = policy if elastic is None else policy._replace(is_elastic=True)
    program = QpProgram(n, k, e, settings, own, bool(duals), rounding)
    present = [v for v, used in zip(arguments.values(), program.given, strict=True) if used]
    if elastic is None:
        outputs, _ = _primitives.solve(program, batch, present, dtype)
    else:
        if _is_single(rounding):
            settings = settings_key({**_options.SINGLE_SETTINGS, **dict(settings)})
        compiled = quadratic(n, e, k, bool(duals))
        relaxed = _elastic.relaxed_program(compiled, settings, policy, elastic)
        both = _elastic.Elastic(program, relaxed)
        solved = _elastic.solve(both, batch, present, dtype)
        outputs = [*solved.outputs, *both.sizes(violation, solved.violation)]
    return tuple(outputs) if duals or violation else outputs[0]
