"""CVXPY problems as layers over JAX arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from argrad._cvxpy_program import CvxpyFunction
from argrad.jax import _primitives


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

    Raises:
        ValueError: the problem is not DCP with its parameters held fixed, or the lists do not
            match it.
    """

    def __call__(
        self,
        *params: Any,
        solver_args: Mapping[str, Any] | None = None,
        warm_start: bool = False,
    ) -> tuple[jax.Array, ...]:
        """Solves the problem for the given values of its parameters.

        Arguments:
            *params: an array for each parameter, of its shape or with one leading batch axis. The
                gradient of one without that axis is the sum over the batch.
            solver_args: settings that replace those of the constructor for this call.
            warm_start: must be False: a JAX function keeps nothing from call to call.

        Returns:
            One array for each variable, of its shape, with a leading batch axis if any parameter
            has one. The dtype is that of the parameters; the solve is in double precision.

        Raises:
            ValueError: wrong number or shape of parameters, or a value that is not finite.
            argrad.SolverError: a sample has no solution, and `on_failure` is "raise".
        """
        if warm_start:
            raise ValueError(
                "warm_start=True is only supported by argrad.torch.CvxpyLayer; a JAX function "
                "keeps nothing from call to call"
            )
        return tuple(self._solve(params, solver_args)[0])

    def with_status(
        self, *params: Any, solver_args: Mapping[str, Any] | None = None
    ) -> tuple[tuple[jax.Array, ...], jax.Array]:
        """The outputs of a call, and the status of each sample, also under jit and vmap.

        For layers with `on_failure` "nan" or "zero". The status is an int32 array of shape () or
        (batch,): 0 for solved, else an index into
        ("solved", "primal_infeasible", "dual_infeasible", "iteration_limit", "time_limit",
        "numerical_trouble", "almost_solved").
        """
        outputs, status = self._solve(params, solver_args)
        return tuple(outputs), status

    def _solve(
        self, params: Sequence[Any], solver_args: Mapping[str, Any] | None
    ) -> tuple[list[jax.Array], jax.Array]:
        batch, _ = self._compiled.batch_of(params)
        arrays, dtype = _primitives.working_arrays(params)
        program = self._program(solver_args)
        return _primitives.solve(program, batch, arrays, dtype)
