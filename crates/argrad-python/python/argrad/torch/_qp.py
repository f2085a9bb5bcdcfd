"""Quadratic programs over tensors: the function `qp`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, overload

import numpy as np
import torch

from argrad import _core, _options
from argrad._policy import Policy, settings_key
from argrad._shapes import transpose_hint
from argrad.torch._call import Arrays, Call, Solution, check_second, opaque
from argrad.torch._function import evaluate

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of the standard library from Python 3.11 on

NAMES = ("Q", "p", "G", "h", "A", "b")
_EXACT = Policy("exact", "raise", "direct", False)


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


class _QpProgram:
    """All quadratic programs of one size, with one set of solver settings."""

    __slots__ = ("arguments", "core", "duals", "results")

    def __init__(self, core: _core.Qp, n: int, equalities: int, inequalities: int, duals: bool):
        self.core = core
        self.duals = duals
        k, e = inequalities, equalities
        with_inequalities = ((k, n), (k,)) if k else (None, None)
        with_equalities = ((e, n), (e,)) if e else (None, None)
        self.arguments = ((n, n), (n,), *with_inequalities, *with_equalities)
        self.results = ((n,), (e,), (k,)) if duals else ((n,),)

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        if start is not None and start.batch != batch:
            start = None
        Q, p, G, h, A, b = arrays
        assert Q is not None and p is not None
        solved = self.core.forward(
            batch, Q, p, G, h, A, b, start=start, differentiable=differentiable
        )
        return _QpSolution(solved, self.duals, policy)


@functools.lru_cache(maxsize=128)
def core_qp(n: int, equalities: int, inequalities: int, settings: tuple, single: bool) -> _core.Qp:
    """The core's solver for a size and settings, `single` for numbers of single precision."""
    if single:
        chosen = {**_options.SINGLE_SETTINGS, **dict(settings)}
        return _core.Qp(n, equalities, inequalities, chosen, _options.SINGLE)
    return _core.Qp(n, equalities, inequalities, dict(settings))


class _Plan(NamedTuple):
    """What the shapes of a call say."""

    program: _QpProgram
    batch: int | None
    absent: tuple[bool, ...]


@functools.lru_cache(maxsize=512)
def plan_of(
    shapes: tuple[tuple[int, ...] | None, ...], settings: tuple, duals: bool, single: bool
) -> _Plan:
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
    program = _QpProgram(core, n, equalities, inequalities, duals)
    absent = (False, False, *(inequalities == 0,) * 2, *(equalities == 0,) * 2)
    return _Plan(program, sizes.pop() if sizes else None, absent)


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


def _no_tensor(arguments: Sequence[Any]) -> TypeError:
    """Names the first argument that is no tensor."""
    for name, found in zip(NAMES, arguments, strict=True):
        if found is not None and not isinstance(found, torch.Tensor):
            return TypeError(f"{name} must be a tensor; found {type(found).__name__}")
    raise AssertionError("all are tensors")


def check_tensors(tensors: Sequence[torch.Tensor | None]) -> None:
    """Raises TypeError or ValueError if dtypes or devices are not what a solve needs."""
    first = None
    for name, tensor in zip(NAMES, tensors, strict=True):
        if tensor is None or (tensor.numel() == 0 and tensor.dim() == 1):
            continue
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{name} must be float32 or float64; found {tensor.dtype}")
        if first is None:
            first = (name, tensor)
        elif tensor.dtype is not first[1].dtype:
            raise TypeError(
                "all arguments must have one dtype; found "
                f"{first[1].dtype} for {first[0]} and {tensor.dtype} for {name}"
            )
        elif tensor.device != first[1].device:
            raise ValueError(
                "all arguments must be on one device; found "
                f"{first[1].device} for {first[0]} and {tensor.device} for {name}"
            )


class _Options(TypedDict, total=False):
    """Keywords of `qp` that its type does not depend on."""

    derivative: _options.Derivative
    on_failure: _options.OnFailure
    method: _options.Method
    solver_args: Mapping[str, Any] | None


_Optional = torch.Tensor | None
_WithDuals = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@overload
def qp(
    Q: torch.Tensor,
    p: torch.Tensor,
    G: _Optional = None,
    h: _Optional = None,
    A: _Optional = None,
    b: _Optional = None,
    *,
    duals: Literal[False] = False,
    **options: Unpack[_Options],
) -> torch.Tensor: ...
@overload
def qp(
    Q: torch.Tensor,
    p: torch.Tensor,
    G: _Optional = None,
    h: _Optional = None,
    A: _Optional = None,
    b: _Optional = None,
    *,
    duals: Literal[True],
    **options: Unpack[_Options],
) -> _WithDuals: ...
@overload
def qp(
    Q: torch.Tensor,
    p: torch.Tensor,
    G: _Optional = None,
    h: _Optional = None,
    A: _Optional = None,
    b: _Optional = None,
    *,
    duals: bool,
    **options: Unpack[_Options],
) -> torch.Tensor | _WithDuals: ...
def qp(
    Q: torch.Tensor,
    p: torch.Tensor,
    G: torch.Tensor | None = None,
    h: torch.Tensor | None = None,
    A: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
    *,
    duals: bool = False,
    derivative: _options.Derivative = "exact",
    on_failure: _options.OnFailure = "raise",
    method: _options.Method = "direct",
    solver_args: Mapping[str, Any] | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Solves a batch of quadratic programs, differentiably in all arguments.

        minimize    1/2 z'Qz + p'z
        subject to  Gz <= h,  Az = b

    Arguments, in qpth's order; each may have one leading batch dimension, and batched and unbatched
    ones mix:

    - Q (n, n): symmetric positive semidefinite, and zero if you like; p (n,)
    - G (k, n), h (k,): inequalities; both None or empty if there are none. From 1e19 on, and +inf,
      an entry of h is no constraint: its row is left out, its dual is 0 and its slack infinite
    - A (e, n), b (e,): equalities; both None or empty if there are none
    - `duals`: also return nu (e,) and lam (k,), with Qz + p + A'nu + G'lam = 0 and lam >= 0
    - `derivative`: ``"exact"``, ``("smoothed", mu)`` (that of the central path at mu, in units of
      the objective) or ``("lpgd", tau)``
    - `on_failure`: for samples without a solution, ``"raise"`` an error that names them, or go on
      with ``"nan"`` (outputs and gradients) or ``"zero"`` (gradients; outputs are where the solver
      ended)
    - `method`: of the derivative's linear systems, ``"direct"`` or ``("lsqr", tolerance,
      max_iterations)``
    - `solver_args`: settings such as ``{"tolerance": 1e-10, "max_iterations": 50}``

    Returns z, or (z, nu, lam) with `duals`: with a leading batch dimension if any argument has one,
    in the arguments' dtype (float32 or float64, one for all; computed in double) and on their
    device (tensors of another device than the CPU are copied there and back). Gradients of
    arguments without batch dimension are summed over the batch; that of Q is symmetric. Zeros in
    matrices without batch dimension (a diagonal Q, bounds as G = -I) are left out of the work, and
    have gradients like all other entries. Forward
    mode (``torch.func.jvp``, ``jacfwd``), ``vmap``, ``jacrev`` work. Second derivatives (double
    backward, ``hessian``) are those of ``"exact"``; a sample that has none, because an inequality
    is active without a dual there or the solution is not unique, is treated as `on_failure` says.

    Raises ValueError for shapes, values (NaN is named by argument and place) and a Q that is not
    convex; TypeError for dtypes; `argrad.SolverError` for samples without a solution.
    """
    if torch.compiler.is_compiling():
        return _opaque_qp(Q, p, G, h, A, b, duals, derivative, on_failure, method, solver_args)
    return run_qp((Q, p, G, h, A, b), duals, derivative, on_failure, method, solver_args)


def run_qp(
    tensors: Sequence[torch.Tensor | None],
    duals: bool,
    derivative: Any,
    on_failure: Any,
    method: Any,
    solver_args: Mapping[str, Any] | None,
    start: Any = None,
    observe: Any = None,
) -> Any:
    """`qp`, with a solution to start from and someone who looks at the solution."""
    settings: tuple = ()
    limited = False
    if solver_args:
        chosen = _options.solver_options(solver_args)
        settings, limited = settings_key(chosen.settings), chosen.limited
    if derivative == "exact" and on_failure == "raise" and method == "direct" and not limited:
        policy = _EXACT
    else:
        policy = Policy(
            _options.derivative(derivative),
            _options.on_failure(on_failure),
            _options.method(method),
            limited,
        )
    shapes: list[tuple[int, ...] | None] = []
    # The usual case: float64 throughout, on the CPU.
    usual = True
    for tensor in tensors:
        if tensor is None:
            shapes.append(None)
            continue
        if type(tensor) is not torch.Tensor and not isinstance(tensor, torch.Tensor):
            raise _no_tensor(tensors)
        shapes.append(tensor.shape)
        usual = usual and tensor.dtype is torch.float64 and tensor.is_cpu
    like = tensors[1]
    single = like is not None and like.dtype is torch.float32
    plan = plan_of(tuple(shapes), settings, duals, single)
    assert like is not None
    if not usual:
        check_tensors(tensors)
    if plan.absent[2] or plan.absent[4]:
        tensors = [
            None if gone else tensor for tensor, gone in zip(tensors, plan.absent, strict=True)
        ]
    call = Call(plan.program, policy, like, start, observe)
    results = evaluate(call, tensors, plan.batch)
    return results if duals else results[0]


def _compiled_qp(Q: Any, p: Any, G: Any, h: Any, A: Any, b: Any, *rest: Any) -> Any:
    """`run_qp` with its tensors as arguments of their own."""
    return run_qp((Q, p, G, h, A, b), *rest)


_opaque_qp = opaque(_compiled_qp)
