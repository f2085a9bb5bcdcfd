"""CVXPY problems as layers over JAX arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from argrad import _options
from argrad._cvxpy_program import CvxpyFunction
from argrad.jax import _elastic, _primitives


class CvxpyLayer(CvxpyFunction):
    """A parametrized CVXPY problem as a differentiable JAX function.

    Works under jit, vmap (a batch of solves, not a loop), grad, jvp, jacrev and jacfwd, hessian,
    scan, checkpoint, shard_map and `jax.export`; twice differentiable where the solution is smooth.
    Constructor, call and batching are those of `cvxpylayers.jax.CvxpyLayer`. A layer has no state
    that a call changes: it can be shared by threads, pickled and copied.

    Arguments:
        problem: a CVXPY problem that follows the rules of disciplined parametrized programming
            (`problem.is_dpp()`); parametric matrices in a `quad_form` of the objective are
            allowed. An inequality whose side is 1e19 or more (bring all that is constant to one
            side) is no constraint: its dual is 0 and its slack infinite.
        parameters: all parameters of the problem, in the order in which values will be passed.
        variables: what to return: variables of the problem, or dual variables of its constraints.
        solver: accepted for compatibility; the solver is argrad.
        gp: the problem is a geometric program (DGP).
        verbose: print how the problem was compiled, or what CVXPY does where it canonicalizes.
        canon_backend: "ARGRAD" takes a problem in argrad's own language or an error; the name of a
            backend of CVXPY has CVXPY canonicalize with that. By default CVXPY canonicalizes what
            has no counterpart in argrad's language; `explain` says which.
        solver_args: settings of the solver: tolerance, infeasibility_tolerance, max_iterations,
            time_limit, max_polish_steps, check_convexity, memory_limit (bytes), engine; common
            settings of other solvers are translated.
        derivative: "exact", ("smoothed", mu) or ("lpgd", tau).
        method: how the derivative's system is solved, "direct" or
            ("lsqr", tolerance, max_iterations).
        on_failure: what becomes of a sample without a solution. "raise": `argrad.SolverError`,
            which reaches the caller of a jitted function as the RuntimeError of that function;
            "nan": its outputs and gradients are NaN; "zero": its gradients are zero.
        check_attributes: check at every call what the parameters' attributes promise: signs,
            bounds, semidefiniteness.
        on_infeasible: what becomes of a sample whose constraints contradict each other. "fail":
            what `on_failure` says; "elastic": the point that violates the problem's constraints
            least, with its derivative; atoms and what defines them hold. ("elastic", norm, weight)
            chooses how violations are measured, "l2" or "l1", and how much more they count than the
            objective, in the units of the program ("elastic" is ("elastic", "l2", 1e4)). All other
            samples are bitwise what they are without it.

    Raises:
        ValueError: the problem is not DCP with its parameters held fixed, or the lists do not
            match it.
    """

    def __init__(
        self, *args: Any, on_infeasible: _options.OnInfeasible = "fail", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._elastic = _options.on_infeasible(on_infeasible)

    def __call__(
        self,
        *params: Any,
        solver_args: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        violation: _elastic.Violation = False,
    ) -> tuple[Any, ...]:
        """Solves the problem for the given values of its parameters.

        Arguments:
            *params: an array for each parameter, of its shape or with one leading batch axis. The
                gradient of one without that axis is the sum over the batch.
            solver_args: settings that replace those of the constructor for this call.
            warm_start: must be False: a JAX function keeps nothing from call to call.
            violation: for layers with on_infeasible="elastic". True: return last the size of each
                sample's violation, zero where it is feasible, of shape () or (batch,); "each": a
                dictionary of the same by constraint. With its gradient a network learns to be
                feasible.

        Returns:
            One array for each variable, of its shape, with a leading batch axis if any parameter
            has one, and last what `violation` asks for. The dtype is that of the parameters; the
            solve is in double precision.

        Raises:
            ValueError: wrong number or shape of parameters, or a value that is not finite.
            argrad.SolverError: a sample has no solution, and `on_failure` is "raise".
        """
        if warm_start:
            raise ValueError(
                "warm_start=True is only supported by argrad.torch.CvxpyLayer; a JAX function "
                "keeps nothing from call to call"
            )
        return tuple(self._solve(params, solver_args, violation)[0])

    def with_status(
        self, *params: Any, solver_args: Mapping[str, Any] | None = None
    ) -> tuple[tuple[jax.Array, ...], jax.Array]:
        """The outputs of a call, and the status of each sample, also under jit and vmap.

        For layers with `on_failure` "nan" or "zero". The status is an int32 array of shape () or
        (batch,): 0 for solved, else an index into
        ("solved", "primal_infeasible", "dual_infeasible", "iteration_limit", "time_limit",
        "numerical_trouble", "almost_solved").
        """
        outputs, status = self._solve(params, solver_args, False)
        return tuple(outputs), status

    def _solve(
        self,
        params: Sequence[Any],
        solver_args: Mapping[str, Any] | None,
        violation: _elastic.Violation,
    ) -> tuple[list[Any], jax.Array]:
        _elastic.check_violation(violation, self._elastic)
        batch, _ = self._compiled.batch_of(params)
        arrays, dtype = _primitives.working_arrays(params)
        program = self._program(solver_args)
        if self._elastic is None:
            return _primitives.solve(program, batch, arrays, dtype)
        settings, policy = program.settings, program.policy
        relaxed = _elastic.relaxed_program(self._compiled, settings, policy, self._elastic)
        own = dataclasses.replace(program, policy=policy._replace(is_elastic=True))
        both = _elastic.Elastic(own, relaxed)
        solved = _elastic.solve(both, batch, arrays, dtype)
        return [*solved.outputs, *both.sizes(violation, solved.violation)], solved.status
