"""Quadratic programs over tensors: the function `qp`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, overload

import torch

from argrad import _options
from argrad._elastic import NO_VIOLATION
from argrad._policy import Policy, settings_key
from argrad.torch import _operator
from argrad.torch._call import Call, constant, opaque
from argrad.torch._function import evaluate
from argrad.torch._qp_program import NAMES, plan_of
from argrad.torch._relaxed import elastic_qp
from argrad.torch._targets import Target, observer_of, spec_of
from argrad.torch._transforms import composes

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of the standard library from Python 3.11 on

_EXACT = Policy("exact", "raise", "direct", False)


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
    on_infeasible: _options.OnInfeasible
    device: _options.Device


class QpOptions(NamedTuple):
    """Options of `qp`, as they were given."""

    duals: bool = False
    derivative: Any = "exact"
    on_failure: Any = "raise"
    method: Any = "direct"
    solver_args: Mapping[str, Any] | None = None
    on_infeasible: Any = "fail"
    violation: bool = False
    device: Any = "auto"


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
@overload
def qp(
    Q: torch.Tensor,
    p: torch.Tensor,
    G: _Optional = None,
    h: _Optional = None,
    A: _Optional = None,
    b: _Optional = None,
    *,
    duals: bool = False,
    violation: Literal[True],
    **options: Unpack[_Options],
) -> tuple[torch.Tensor, ...]: ...
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
    on_infeasible: _options.OnInfeasible = "fail",
    violation: bool = False,
    device: _options.Device = "auto",
) -> torch.Tensor | tuple[torch.Tensor, ...]:
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
    - `on_infeasible`: for samples whose constraints contradict each other, ``"fail"``, which is
      what `on_failure` says, or ``"elastic"``: the point that violates them least, with its
      derivative. ``("elastic", norm, weight)`` chooses how violations are measured, ``"l2"`` or
      ``"l1"``, and how much more they count than the objective, both in the units of the program
      (``"elastic"`` is ``("elastic", "l2", 1e4)``). All other samples are bitwise what they are
      without it
    - `violation`: also return, last, the size of each sample's violation, zero where it is
      feasible; with its gradient a network learns to be feasible
    - `device`: ``"auto"`` solves tensors on a CUDA device there, without a copy through the host,
      where the options are those that a card serves (all but ``"lsqr"``), else
      on the CPU with a warning; ``"cuda"`` raises an error instead, ``"cpu"`` always copies.
      docs/python.md says more

    Returns z, or (z, nu, lam) with `duals`: with a leading batch dimension if any argument has one,
    in the arguments' dtype (float32 or float64, one for all; computed in double) and on their
    device. Gradients of
    arguments without batch dimension are summed over the batch; that of Q is symmetric. Zeros in
    matrices without batch dimension (a diagonal Q, bounds as G = -I) are left out of the work, and
    have gradients like all other entries. Forward
    mode (``torch.func.jvp``, ``jacfwd``), ``vmap``, ``jacrev`` work. Second derivatives (double
    backward, ``hessian``) are those of ``"exact"``; a sample that has none, because an inequality
    is active without a dual there or the solution is not unique, is treated as `on_failure` says.

    Raises ValueError for shapes, values (NaN is named by argument and place) and a Q that is not
    convex; TypeError for dtypes; `argrad.SolverError` for samples without a solution.
    """
    options = QpOptions(
        duals, derivative, on_failure, method, solver_args, on_infeasible, violation, device
    )
    if torch.compiler.is_compiling():
        return compiled_qp((Q, p, G, h, A, b), options)
    return run_qp((Q, p, G, h, A, b), options)


def compiled_qp(
    tensors: Sequence[torch.Tensor | None],
    options: QpOptions,
    module: torch.nn.Module | None = None,
    warm: bool = False,
) -> Any:
    """`qp` in a graph that is being traced; `module` keeps the solution."""
    if not composes():
        # The operator does not compose with the derivatives of torch.func.
        return _opaque_qp(tensors, options, module, warm)
    check_tensors(tensors)
    present = tuple([tensor is not None for tensor in tensors])
    # One by one: what the compiler makes a constant of gets no named tuples.
    spec = _spec(
        present,
        options.duals,
        options.derivative,
        options.on_failure,
        options.method,
        options.solver_args,
        module,
        warm,
        options.on_infeasible,
        options.violation,
        options.device,
    )
    results = _operator.solve(spec, tensors)
    return results if options.duals or options.violation else results[0]


@constant
def _spec(
    present: tuple[bool, ...],
    duals: bool,
    derivative: Any,
    on_failure: Any,
    method: Any,
    solver_args: Mapping[str, Any] | None,
    module: torch.nn.Module | None,
    warm: bool,
    on_infeasible: Any = "fail",
    violation: bool = False,
    device: Any = "auto",
) -> str:
    """What the graph says of a call. Runs when the graph is made."""
    options = QpOptions(
        duals, derivative, on_failure, method, solver_args, on_infeasible, violation, device
    )
    policy, settings = _policy_of(options)
    observer = "" if module is None else observer_of(module)
    elastic = _elastic_of(options)
    how = (observer, warm, elastic, violation, _options.device(device))
    return spec_of(Target("qp", present, duals, settings, policy, *how))


def _policy_of(options: QpOptions) -> tuple[Policy, tuple]:
    """What to do about derivatives and failures, and the settings of the solver."""
    _, derivative, on_failure, method, solver_args, *_ = options
    settings: tuple = ()
    limited = False
    if solver_args:
        chosen = _options.solver_options(solver_args)
        settings, limited = settings_key(chosen.settings), chosen.limited
    if derivative == "exact" and on_failure == "raise" and method == "direct" and not limited:
        return _EXACT, settings
    policy = Policy(
        _options.derivative(derivative),
        _options.on_failure(on_failure),
        _options.method(method),
        limited,
    )
    return policy, settings


def run_qp(
    tensors: Sequence[torch.Tensor | None],
    options: QpOptions,
    module: Any = None,
    warm: bool = False,
) -> Any:
    """`qp`; `module` keeps the solution, and with `warm` the solve starts from the last one."""
    policy, settings = _policy_of(options)
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
    plan = plan_of(tuple(shapes), settings, options.duals, single)
    assert like is not None
    if not usual:
        check_tensors(tensors)
    if plan.absent[2] or plan.absent[4]:
        tensors = [
            None if gone else tensor for tensor, gone in zip(tensors, plan.absent, strict=True)
        ]
    program: Any = plan.program
    elastic = None
    if options.on_infeasible != "fail" or options.violation:
        elastic = _elastic_of(options)
    if elastic is not None:
        program = elastic_qp(program, settings, single, elastic, options.violation)
    start = module._last if warm else None
    device = options.device if options.device == "auto" else _options.device(options.device)
    observe = None if module is None else module._observe
    call = Call(program, policy, like, start, observe, device)
    results = evaluate(call, tensors, plan.batch)
    return results if options.duals or options.violation else results[0]


def _elastic_of(options: QpOptions) -> _options.Elastic | None:
    """How infeasible samples are relaxed. Raises ValueError where violations are asked for and
    none are allowed."""
    elastic = _options.on_infeasible(options.on_infeasible)
    if elastic is None and options.violation:
        raise ValueError(NO_VIOLATION)
    return elastic


_opaque_qp = opaque(run_qp)
