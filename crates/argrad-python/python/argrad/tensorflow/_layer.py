"""CVXPY problems as layers over TensorFlow tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from argrad._cvxpy_program import CvxpyFunction, CvxpyProgram
from argrad._programs import bits_of, double, recall, solve

# The flat tape where nobody can ask for a derivative.
_NO_BITS = np.zeros((0, 0), np.uint32)


class CvxpyLayer(CvxpyFunction):
    """A parametrized CVXPY problem as a differentiable TensorFlow function.

    Works eagerly and in `tf.function` (not with `jit_compile=True`), under `tf.GradientTape`; not
    twice differentiable. A layer has no state that a call changes: it can be shared by threads,
    pickled and copied. In `tf.vectorized_map`, TensorFlow falls back to a loop; pass a batch
    instead.

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
        on_failure: what becomes of a sample without a solution. "raise": `argrad.SolverError`
            (in `tf.function`, a `tf.errors.OpError` that quotes it); "nan": its outputs and
            gradients are NaN; "zero": its gradients are zero.
        check_attributes: check at every call what the parameters' attributes promise: signs,
            bounds, semidefiniteness.

    Raises:
        ValueError: the problem is not DCP with its parameters held fixed, or the lists do not
            match it.
    """

    def __call__(
        self, *params: Any, solver_args: Mapping[str, Any] | None = None
    ) -> tuple[tf.Tensor, ...]:
        """Solves the problem for the given values of its parameters.

        Arguments:
            *params: a floating tensor for each parameter, of its shape or with one leading batch
                axis, all of one dtype. The gradient of one without that axis is the sum over the
                batch. In `tf.function` the batch size may be unknown, the rank may not.
            solver_args: settings that replace those of the constructor for this call.

        Returns:
            One tensor for each variable, of its shape, with a leading batch axis if any parameter
            has one. The dtype is that of the parameters; the solve is in double precision.

        Raises:
            ValueError: wrong number or shape of parameters, or a value that is not finite.
            TypeError: parameters that are not floating, or not of one dtype.
            argrad.SolverError: a sample has no solution, and `on_failure` is "raise".
        """
        return self._solve(params, solver_args)[:-1]

    def with_status(
        self, *params: Any, solver_args: Mapping[str, Any] | None = None
    ) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
        """The outputs of a call, and the status of each sample.

        For layers with `on_failure` "nan" or "zero". The status is an int32 tensor of shape () or
        (batch,): 0 for solved, else an index into
        ("solved", "primal_infeasible", "dual_infeasible", "iteration_limit", "time_limit",
        "numerical_trouble", "almost_solved").
        """
        *outputs, status = self._solve(params, solver_args)
        return tuple(outputs), status

    def _solve(
        self, params: Sequence[Any], solver_args: Mapping[str, Any] | None
    ) -> tuple[tf.Tensor, ...]:
        tensors = [tf.convert_to_tensor(value) for value in params]
        batched, batch = self._check(tensors)
        dtype = tensors[0].dtype if tensors else tf.float32
        program = self._program(solver_args)
        return tuple(_Call(program, dtype, batched, batch)(*tensors))

    def _check(self, tensors: list[tf.Tensor]) -> tuple[bool, int | None]:
        """Whether there is a batch axis, and its length as far as it is known now."""
        parameters = self._compiled.parameters
        for at, tensor in enumerate(tensors):
            name = parameters[at].name if at < len(parameters) else "none"
            if not tensor.dtype.is_floating:
                raise TypeError(
                    f"parameter {at} ({name}) must be floating; found {tensor.dtype.name}"
                )
            if tensor.dtype != tensors[0].dtype:
                raise TypeError(
                    f"parameters must have one dtype; found {tensors[0].dtype.name} for parameter "
                    f"0 and {tensor.dtype.name} for parameter {at} ({name})"
                )
            if tensor.shape.rank is None:
                raise ValueError(
                    f"parameter {at} ({name}) must have a known rank; found a tensor of unknown "
                    "rank; use tf.ensure_shape or an input_signature"
                )
        if len(tensors) != len(parameters) or all(t.shape.is_fully_defined() for t in tensors):
            batch, _ = self._compiled.batch_of(tensors, "a tensor")
            return batch is not None, batch
        # What is unknown now is checked when the numbers are there.
        pairs = list(zip(tensors, parameters, strict=True))
        return any(t.shape.rank > len(p.shape) for t, p in pairs), None


try:
    from tensorflow.python.eager import record as _record
except ImportError:
    _record = None


def _is_watched(tensors: Sequence[tf.Tensor]) -> bool:
    """Whether a gradient tape watches one of these tensors, outside of graphs. TensorFlow has no
    public way to ask; where the private one is gone, every call counts as watched."""
    return _record is None or bool(_record.should_record_backprop(list(tensors)))


class _Call:
    """One call, or one place in a graph: the solve, its gradient, and the refusal of a second.

    A solution keeps what its derivative needs only where one can be asked for: outside of graphs
    where a gradient tape watches, in a graph where its gradient is part of it.
    """

    def __init__(
        self, program: CvxpyProgram, dtype: tf.DType, batched: bool, batch: int | None
    ) -> None:
        self._program = program
        self._dtype = dtype
        self._lead = (batch,) if batched else ()
        self._differentiable = False

    def __call__(self, *tensors: tf.Tensor) -> list[tf.Tensor]:
        self._differentiable = tf.executing_eagerly() and _is_watched(tensors)
        return tf.custom_gradient(self._solve)(*tensors)

    def _solve(self, *tensors: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., Any]]:
        program = self._program

        def forward(*arrays: Any) -> list[np.ndarray]:
            batch, lead = self._batch(arrays)
            solved = solve(program, batch, arrays, self._differentiable)
            outputs, status = program.results(solved)
            shaped = [
                self._cast(out, (*lead, *shape))
                for out, shape in zip(outputs, program.outputs, strict=True)
            ]
            bits = bits_of(program, solved) if self._differentiable else _NO_BITS
            return [*shaped, np.asarray(status, np.int32).reshape(lead), bits]

        def backward(*arrays: Any) -> list[np.ndarray]:
            k = len(tensors)
            values, bits, rows = arrays[:k], arrays[k], arrays[k + 1 :]
            batch, _ = self._batch(values)
            solved = recall(program, batch, values, bits)
            cotangents: list[np.ndarray | None] = [
                double(value).reshape((batch, *shape))
                for value, shape in zip(rows, program.outputs, strict=True)
            ]
            found = program.cotangents(solved, cotangents, (True,) * len(tensors))
            return [
                self._cast(gradient, np.shape(value))
                for gradient, value in zip(found, values, strict=True)
                if gradient is not None
            ]

        shapes = [(*self._lead, *shape) for shape in program.outputs]
        shapes += [self._lead, (None, None)]
        dtypes = [self._dtype] * len(program.outputs) + [tf.int32, tf.uint32]
        *outputs, bits = _on_host(forward, tensors, dtypes, shapes)

        def gradient(*cotangents: tf.Tensor) -> list[tf.Tensor]:
            self._differentiable = True
            operands = [*tensors, bits, *cotangents[:-1]]
            return _only_once(backward, operands, [self._dtype] * len(tensors), tensors)

        return outputs, gradient

    def _batch(self, arrays: Sequence[Any]) -> tuple[int, tuple[int, ...]]:
        """The number of samples, and the leading axis of the results."""
        batch, _ = self._program.compiled.batch_of(arrays)
        return (1, ()) if batch is None else (batch, (batch,))

    def _cast(self, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        return np.reshape(array, shape).astype(self._dtype.as_numpy_dtype, copy=False)


def _on_host(
    function: Callable[..., list[np.ndarray]],
    tensors: Sequence[tf.Tensor],
    dtypes: Sequence[tf.DType],
    shapes: Sequence[Any],
) -> list[tf.Tensor]:
    """Calls a function of numpy arrays: at once, or where the graph is run."""
    if tf.executing_eagerly():
        return [tf.constant(one) for one in function(*(t.numpy() for t in tensors))]
    results = tf.numpy_function(function, tensors, dtypes, stateful=False)
    for result, shape in zip(results, shapes, strict=True):
        result.set_shape(shape)
    return list(results)


def _only_once(
    function: Callable[..., list[np.ndarray]],
    operands: Sequence[tf.Tensor],
    dtypes: Sequence[tf.DType],
    like: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """A derivative, which has no derivative."""

    @tf.custom_gradient
    def first(*operands: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., Any]]:
        def second(*_: tf.Tensor) -> Any:
            raise NotImplementedError(
                "argrad: second derivatives of a solution are not available; found a gradient of "
                "a gradient of a layer. Use first derivatives, or tf.stop_gradient around the "
                "inner one."
            )

        return _on_host(function, operands, dtypes, [t.shape for t in like]), second

    return first(*operands)
