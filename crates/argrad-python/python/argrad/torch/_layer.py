"""CVXPY problems as PyTorch modules, with the interface of cvxpylayers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp
import numpy as np
import torch

from argrad import _core, _options
from argrad._compile import compile_problem
from argrad._compiled import ParameterTypeError
from argrad._elastic import NO_VIOLATION
from argrad._policy import Policy, settings_key
from argrad.torch import _operator
from argrad.torch._call import Call, constant, named_reports, opaque
from argrad.torch._device_solved import Summary
from argrad.torch._elastic import elastic_reports
from argrad.torch._function import evaluate
from argrad.torch._layer_program import LayerProgram
from argrad.torch._relaxed import elastic_layer
from argrad.torch._targets import Target, observer_of, problem_of, spec_of
from argrad.torch._transforms import composes


class CvxpyLayer(torch.nn.Module):
    """A CVXPY problem as a differentiable layer: parameters in, optimal values of variables out.

    The interface is that of cvxpylayers; the keyword-only arguments are additions.

        >>> x = cp.Variable(2)
        >>> A, b = cp.Parameter((3, 2)), cp.Parameter(3)
        >>> problem = cp.Problem(cp.Minimize(cp.sum_squares(A @ x - b)), [x >= 0])
        >>> layer = CvxpyLayer(problem, parameters=[A, b], variables=[x])
        >>> A_value = torch.randn(3, 2, requires_grad=True)
        >>> (solution,) = layer(A_value, torch.randn(3))
        >>> solution.sum().backward()

    An inequality whose side is 1e19 or more (bring all that is constant to one side) is no
    constraint: its dual is 0 and its slack infinite. Equalities know no such number.

    Where a batch has a sample without a solution, see `on_failure`, which also says what becomes
    of a second derivative (double backward, ``hessian``) where there is none: where a constraint is
    active without a dual, or the solution is not unique. The module has no state of its own besides
    the last solution; copies and pickles leave that out, and `state_dict` is empty.
    """

    def __init__(
        self,
        problem: cp.Problem,
        parameters: list[cp.Parameter],
        variables: list[cp.Variable],
        solver: Any = None,
        gp: bool = False,
        verbose: bool = False,
        canon_backend: str | None = None,
        solver_args: Mapping[str, Any] | None = None,
        *,
        derivative: _options.Derivative = "exact",
        on_failure: _options.OnFailure = "raise",
        method: _options.Method = "direct",
        warm_start: bool = False,
        check_attributes: bool = True,
        on_infeasible: _options.OnInfeasible = "fail",
        device: _options.Device = "auto",
    ) -> None:
        """Compiles the problem.

        - `problem`: follows the rules of DCP with its parameters held fixed; where CVXPY has to
          canonicalize it, those of disciplined parametrized programming
        - `parameters`: all parameters of the problem, in the order in which they will be passed.
          A symmetric or PSD parameter is passed as a full matrix M and means (M + M')/2, so its
          gradient is symmetric; of a diagonal or sparse one, the other entries are ignored and
          have gradient zero
        - `variables`: whose values to return: variables of the problem, and dual variables of its
          constraints (``constraint.dual_variables[0]``), which have CVXPY's signs
        - `solver`: accepted for compatibility; argrad solves, whatever the name
        - `gp`: the problem is a geometric program
        - `verbose`: print how the problem was compiled, or what CVXPY does where it canonicalizes
        - `canon_backend`: ``"ARGRAD"`` takes a problem in argrad's own language or an error; the
          name of a backend of CVXPY has CVXPY canonicalize with that. By default CVXPY
          canonicalizes what has no counterpart in argrad's language; `explain` says which
        - `solver_args`: default settings: `tolerance` (of relative residuals), `max_iterations`,
          `time_limit` (seconds), `infeasibility_tolerance`, `max_polish_steps`, `check_convexity`,
          `memory_limit` (bytes), `engine`; such keys of other solvers as eps and max_iters are
          translated, the rest is ignored with a warning
        - `derivative`: ``"exact"``, ``("smoothed", mu)`` (of the central path at mu, in units of
          the objective) or ``("lpgd", tau)``
        - `on_failure`: for samples without a solution, ``"raise"`` `argrad.SolverError` naming
          them, or go on with ``"nan"`` (outputs and gradients) or ``"zero"`` (gradients; outputs
          are where the solver ended). A sample that only reached a limit that `solver_args` set is
          returned as it is, with a warning; its derivative is an error
        - `method`: of the derivative's linear systems, ``"direct"`` or ``("lsqr", tolerance,
          max_iterations)``
        - `warm_start`: the default of calls
        - `check_attributes`: check the signs, bounds and semidefiniteness that the parameters'
          attributes promise at every call
        - `on_infeasible`: for samples whose constraints contradict each other, ``"fail"``, which is
          what `on_failure` says, or ``"elastic"``: the point that violates the problem's
          constraints least, with its derivative; atoms and what defines them hold. ``("elastic",
          norm, weight)`` chooses how violations are measured, ``"l2"`` or ``"l1"``, and how much
          more they count than the objective, both in the units of the program (``"elastic"`` is
          ``("elastic", "l2", 1e4)``). All other samples are bitwise what they are without it
        - `device`: ``"auto"`` solves tensors on a CUDA device there, without a copy through the
          host, where a card serves the program and the options, else on the CPU with a warning;
          ``"cuda"`` raises an error instead, ``"cpu"`` always copies. docs/python.md says more

        Raises ValueError if the problem is not DCP with its parameters held fixed, has boolean or
        integer variables, or the lists do not match it; NotImplementedError for complex variables.
        """
        super().__init__()
        chosen = _options.solver_options(solver_args)
        self._policy = Policy(
            _options.derivative(derivative),
            _options.on_failure(on_failure),
            _options.method(method),
            chosen.limited,
        )
        self._compiled = compile_problem(
            problem,
            parameters,
            variables,
            gp=gp,
            solver_options=chosen.settings,
            canon_backend=canon_backend,
            verbose=verbose,
            check_attributes=check_attributes,
        )
        self._program = LayerProgram(self._compiled, self._compiled.layer())
        self.warm_start = bool(warm_start)
        self._how_elastic = _options.on_infeasible(on_infeasible)
        self._device = _options.device(device)
        self._last: _core.LayerSolved | Summary | None = None
        self._elastic: dict[str, Any] | None = None

    def forward(
        self,
        *params: torch.Tensor,
        solver_args: Mapping[str, Any] | None = None,
        warm_start: bool | None = None,
        violation: bool = False,
    ) -> tuple[torch.Tensor, ...]:
        """Solves and returns one tensor for each of the layer's variables.

        Each of `params` has the shape of its parameter, or that with one leading batch dimension;
        batched and unbatched ones mix, and gradients of unbatched ones are summed over the batch.
        All have one dtype, float32 or float64, which is that of the results (all is computed in
        double), and one device, which is that of the results too. If any is batched, so are the
        results; a batch of 0 is allowed.

        `solver_args` override those of the constructor for this call. `warm_start` (default: that
        of the constructor) begins at the solution of the previous call where the batch sizes agree.

        With `violation`, a last tensor has the size of each sample's violation, zero where it is
        feasible, for layers with ``on_infeasible="elastic"``; with its gradient a network learns
        to be feasible.

        Raises ValueError for numbers, shapes and values (NaN is named by parameter and entry),
        TypeError for dtypes, `argrad.SolverError` for samples without a solution.
        """
        if torch.compiler.is_compiling():
            if not composes() or not params:
                # The operator does not compose with the derivatives of torch.func, and its outputs
                # are like its arguments.
                return _opaque_forward(self, params, solver_args, warm_start, violation)
            self._check_tensors(params)
            return _operator.solve(_spec(self, solver_args, warm_start, violation), params)
        return self._forward(params, solver_args, warm_start, violation)

    def _forward(
        self,
        params: Sequence[torch.Tensor],
        solver_args: Mapping[str, Any] | None,
        warm_start: bool | None,
        violation: bool,
    ) -> tuple[torch.Tensor, ...]:
        batch, _ = self._compiled.batch_of(params, "a tensor")
        like = self._check_tensors(params)
        program: Any = self._program
        policy = self._policy
        single = bool(params) and like.dtype is torch.float32
        chosen = _options.solver_options(solver_args)
        if single or chosen.settings:
            layer = self._compiled.layer(chosen.settings, single=single)
            program = LayerProgram(self._compiled, layer, single)
        if solver_args and chosen.limited:
            policy = policy._replace(limited=True)
        warm = self.warm_start if warm_start is None else warm_start
        if self._how_elastic is not None:
            key = settings_key(chosen.settings)
            program = elastic_layer(program, key, self._how_elastic, violation)
        elif violation:
            raise ValueError(NO_VIOLATION)
        start = self._last if warm else None
        call = Call(program, policy, like, start, self._observe, self._device)
        return evaluate(call, params, batch)

    def _check_tensors(self, params: Sequence[torch.Tensor]) -> torch.Tensor:
        """Raises TypeError or ValueError for types, dtypes and devices; returns one of `params`."""
        if not params:
            return torch.empty(0)
        first = params[0]
        for i, value in enumerate(params):
            if not isinstance(value, torch.Tensor):
                name = self._compiled.parameters[i].name
                raise ParameterTypeError(
                    f"parameter {i} ({name}) must be a tensor; found {type(value).__name__}"
                )
            dtype = value.dtype
            if dtype is not torch.float64 and dtype is not torch.float32:
                name = self._compiled.parameters[i].name
                raise TypeError(f"parameter {i} ({name}) must be float32 or float64; found {dtype}")
            if dtype is not first.dtype:
                raise TypeError(
                    "all parameters must have one dtype; found "
                    f"{first.dtype} for parameter 0 and {dtype} for parameter {i}"
                )
            if not (value.is_cpu and first.is_cpu) and value.device != first.device:
                raise ValueError(
                    "all parameters must be on one device; found "
                    f"{first.device} for parameter 0 and {value.device} for parameter {i}"
                )
        return first

    def _observe(self, solution: Any) -> None:
        """Keeps the solution of a call, but not what its derivative needs."""
        self._last = solution.core.without_tape()
        self._elastic = elastic_reports(solution)

    @property
    def info(self) -> dict[str, Any] | None:
        """Reports on the last call, arrays with one entry per sample; None before the first.

        `status` holds names ("solved", "primal_infeasible", ...); `objective` is the value of the
        problem; `iterations`, `polish_steps`, `factorizations`, `warm_started`, `residual`,
        `primal_residual`, `dual_residual`, `gap`, `weakly_active` (number of constraints),
        `condition` (of the derivative's system), `unique_x` and `unique_z` (the primal and the dual
        solution, as far as can be told), `unique` (both). With ``on_infeasible="elastic"`` also
        `violation`, the size of each sample's violation, and `violations`, a dictionary of the same
        by constraint; the other reports on a violated sample are those of its relaxed program.
        """
        last = self._last
        if last is None:
            return None
        objective = np.exp(last.objective) if self._compiled.log_objective else last.objective
        reports = last.reports if self._elastic is None else self._elastic
        return {**named_reports(reports), "objective": objective}

    def explain(self) -> str:
        """How the problem was compiled (by argrad's own language, or by CVXPY and why), its sizes,
        the engine that solves it and the memory that it needs, as a few lines of text."""
        return self._compiled.explain()

    def extra_repr(self) -> str:
        inner = ", ".join(f"{p.name}: {p.shape}" for p in self._compiled.parameters)
        outer = ", ".join(f"{o.name}: {o.shape}" for o in self._compiled.outputs)
        return f"({inner}) -> ({outer})"

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_last": None, "_elastic": None}
        state.pop("_observer", None)
        del state["_program"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._program = LayerProgram(self._compiled, self._compiled.layer())


@constant
def _spec(
    layer: CvxpyLayer,
    solver_args: Mapping[str, Any] | None,
    warm_start: bool | None,
    violation: bool,
) -> str:
    """What a graph says of a call. Runs when the graph is made."""
    chosen = _options.solver_options(solver_args)
    policy = layer._policy
    if solver_args and chosen.limited:
        policy = policy._replace(limited=True)
    warm = layer.warm_start if warm_start is None else warm_start
    settings = settings_key(chosen.settings)
    elastic = layer._how_elastic
    if violation and elastic is None:
        raise ValueError(NO_VIOLATION)
    problem, observer = problem_of(layer._compiled), observer_of(layer)
    how = (observer, warm, elastic, violation, layer._device)
    return spec_of(Target(problem, (), False, settings, policy, *how))


def _forward(layer: CvxpyLayer, *args: Any) -> tuple[torch.Tensor, ...]:
    """One call of a layer."""
    return layer._forward(*args)


_opaque_forward = opaque(_forward)
