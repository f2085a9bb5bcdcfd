"""CVXPY problems as PyTorch modules, with the interface of cvxpylayers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp
import numpy as np
import torch

from argrad import _core, _options
from argrad._canonical import compile_problem
from argrad._compiled import Compiled, ParameterTypeError
from argrad._policy import Policy
from argrad.torch._call import Arrays, Call, Solution, named_reports, opaque
from argrad.torch._function import evaluate


class _LayerSolution:
    """A solved batch of a compiled problem, in the user's parameters and variables."""

    __slots__ = ("_compiled", "_exponentials", "_logged", "_policy", "_shapes", "core", "outputs")

    def __init__(
        self,
        core: _core.LayerSolved,
        compiled: Compiled,
        arrays: Sequence[np.ndarray],
        policy: Policy,
    ) -> None:
        self.core = core
        self._compiled = compiled
        self._policy = policy
        self._shapes = [array.shape for array in arrays]
        # Copies: the caller may overwrite what he passed and what he gets.
        self._logged = {i.parameter: arrays[i.parameter].copy() for i in compiled.inputs if i.log}
        outputs = []
        exponentials: list[np.ndarray | None] = []
        for value, output in zip(core.outputs, compiled.outputs, strict=True):
            value = value.reshape(len(value), *output.shape)
            value = np.exp(value) if output.exp else value
            exponentials.append(value.copy() if output.exp else None)
            outputs.append(value)
        self.outputs = outputs
        self._exponentials = exponentials

    @property
    def reports(self) -> dict[str, np.ndarray]:
        return self.core.reports

    @property
    def all_solved(self) -> bool:
        return self.core.all_solved

    def vjp(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        asked = []
        for value, factor, output in zip(
            cotangents, self._exponentials, self._compiled.outputs, strict=True
        ):
            if value is not None:
                value = value if factor is None else value * factor
                value = np.ascontiguousarray(value).reshape(len(value), output.size)
            asked.append(value)
        found = self.core.vjp(asked, *self._policy.derivative_options)
        grads: Arrays = [None] * len(self._shapes)
        for grad, (number, log) in zip(found, self._compiled.inputs, strict=True):
            grad = grad.reshape(self._shapes[number])
            if log:
                grad = grad / self._logged[number]
            known = grads[number]
            grads[number] = grad if known is None else known + grad
        for number, shape in enumerate(self._shapes):
            if grads[number] is None:
                grads[number] = np.zeros(shape)
        return grads

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        asked = []
        for number, log in self._compiled.inputs:
            tangent = tangents[number]
            if tangent is not None:
                tangent = tangent / self._logged[number] if log else tangent
                tangent = _rows(tangent, self._compiled.parameters[number])
            asked.append(tangent)
        found = self.core.jvp(asked, *self._policy.derivative_options)
        results = []
        for value, factor, output in zip(
            found, self._exponentials, self._compiled.outputs, strict=True
        ):
            value = value.reshape(len(value), *output.shape)
            results.append(value if factor is None else value * factor)
        return results


def _rows(array: np.ndarray, parameter: Any) -> np.ndarray:
    """A parameter's array as the core takes it: (size,), or (batch, size)."""
    if array.ndim == len(parameter.shape):
        return np.ascontiguousarray(array).reshape(parameter.size)
    return np.ascontiguousarray(array).reshape(len(array), parameter.size)


class _LayerProgram:
    """A compiled problem with one set of solver settings."""

    __slots__ = ("arguments", "compiled", "core", "results", "single")

    def __init__(self, compiled: Compiled, core: _core.Layer, single: bool = False) -> None:
        self.compiled = compiled
        self.core = core
        self.single = single
        self.arguments = [p.shape for p in compiled.parameters]
        self.results = [o.shape for o in compiled.outputs]

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        compiled = self.compiled
        # No parameter is ever absent.
        given = [array for array in arrays if array is not None]
        given = compiled.check_attributes(given, self.single)
        values = []
        for number, log in compiled.inputs:
            value = _rows(given[number], compiled.parameters[number])
            if log:
                with np.errstate(divide="ignore", invalid="ignore"):
                    value = np.log(value)
            values.append(value)
        if start is not None and start.batch != batch:
            start = None
        try:
            solved = self.core.forward(batch, values, start=start, differentiable=differentiable)
        except ValueError:
            batched = [
                a.ndim > len(p.shape) for a, p in zip(given, compiled.parameters, strict=True)
            ]
            compiled.check_values(given, batched)
            raise
        return _LayerSolution(solved, compiled, given, policy)


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

    Where a batch has a sample without a solution, see `on_failure`. Second derivatives are refused
    with an error. The module has no state of its own besides the last solution; copies and
    pickles leave that out, and `state_dict` is empty.
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
    ) -> None:
        """Compiles the problem.

        - `problem`: follows the rules of disciplined parametrized programming; a parametric P in
          quad_form(x, P) of the objective is allowed
        - `parameters`: all parameters of the problem, in the order in which they will be passed.
          A symmetric or PSD parameter is passed as a full matrix M and means (M + M')/2, so its
          gradient is symmetric; of a diagonal or sparse one, the other entries are ignored and
          have gradient zero
        - `variables`: whose values to return: variables of the problem, and dual variables of its
          constraints (``constraint.dual_variables[0]``), which have CVXPY's signs
        - `solver`: accepted for compatibility; argrad solves, whatever the name
        - `gp`: the problem is a geometric program
        - `verbose`: print what CVXPY does while it compiles
        - `canon_backend`: CVXPY's backend for compiling
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

        Raises ValueError if the problem is not DPP, has boolean or integer variables, or the lists
        do not match it; NotImplementedError for complex variables.
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
        self._program = _LayerProgram(self._compiled, self._compiled.layer())
        self.warm_start = bool(warm_start)
        self._last: _core.LayerSolved | None = None

    def forward(
        self,
        *params: torch.Tensor,
        solver_args: Mapping[str, Any] | None = None,
        warm_start: bool | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Solves and returns one tensor for each of the layer's variables.

        Each of `params` has the shape of its parameter, or that with one leading batch dimension;
        batched and unbatched ones mix, and gradients of unbatched ones are summed over the batch.
        All have one dtype, float32 or float64, which is that of the results (all is computed in
        double), and one device; tensors of another device than the CPU are copied there and the
        results back. If any is batched, so are the results; a batch of 0 is allowed.

        `solver_args` override those of the constructor for this call. `warm_start` (default: that
        of the constructor) begins at the solution of the previous call where the batch sizes agree.

        Raises ValueError for numbers, shapes and values (NaN is named by parameter and entry),
        TypeError for dtypes, `argrad.SolverError` for samples without a solution.
        """
        if torch.compiler.is_compiling():
            return _opaque_forward(self, params, solver_args, warm_start)
        return self._forward(params, solver_args, warm_start)

    def _forward(
        self,
        params: Sequence[torch.Tensor],
        solver_args: Mapping[str, Any] | None,
        warm_start: bool | None,
    ) -> tuple[torch.Tensor, ...]:
        batch, _ = self._compiled.batch_of(params, "a tensor")
        like = self._check_tensors(params)
        program, policy = self._program, self._policy
        single = bool(params) and like.dtype is torch.float32
        chosen = _options.solver_options(solver_args)
        if single or chosen.settings:
            layer = self._compiled.layer(chosen.settings, single=single)
            program = _LayerProgram(self._compiled, layer, single)
        if solver_args and chosen.limited:
            policy = policy._replace(limited=True)
        warm = self.warm_start if warm_start is None else warm_start
        call = Call(program, policy, like, self._last if warm else None, self._observe)
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

    def _observe(self, solution: _LayerSolution) -> None:
        """Keeps the solution of a call, but not what its derivative needs."""
        self._last = solution.core.without_tape()

    @property
    def info(self) -> dict[str, np.ndarray] | None:
        """Reports on the last call, arrays with one entry per sample; None before the first.

        `status` holds names ("solved", "primal_infeasible", ...); `objective` is the value of the
        problem; `iterations`, `polish_steps`, `factorizations`, `warm_started`, `residual`,
        `primal_residual`, `dual_residual`, `gap`, `weakly_active` (number of constraints),
        `condition` (of the derivative's system), `unique_x` and `unique_z` (the primal and the dual
        solution, as far as can be told), `unique` (both).
        """
        last = self._last
        if last is None:
            return None
        objective = np.exp(last.objective) if self._compiled.log_objective else last.objective
        return {**named_reports(last.reports), "objective": objective}

    def extra_repr(self) -> str:
        inner = ", ".join(f"{p.name}: {p.shape}" for p in self._compiled.parameters)
        outer = ", ".join(f"{o.name}: {o.shape}" for o in self._compiled.outputs)
        return f"({inner}) -> ({outer})"

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_last": None}
        del state["_program"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._program = _LayerProgram(self._compiled, self._compiled.layer())


def _forward(layer: CvxpyLayer, *args: Any) -> tuple[torch.Tensor, ...]:
    """One call of a layer."""
    return layer._forward(*args)


_opaque_forward = opaque(_forward)
