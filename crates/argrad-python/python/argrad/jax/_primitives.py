"""Three JAX primitives: a solve, its tangents, and its cotangents.

A front end describes what it solves as a `Program` over numpy arrays. `solve` puts it into a JAX
program; jit, vmap, jvp, transposition, scan, checkpoint follow from their rules:

- `solve_p` maps values to outputs. Its tangents are `tangents_p` of the tangents of the values.
- `tangents_p` is linear in the tangents; transposed it is `cotangents_p`, and the reverse.
- vmap over values is a batch of solves. vmap over tangents or cotangents alone is several
  right-hand sides for the factorization at hand. No rule solves in a loop.

On the host, arrays come and go as numpy arrays. Outside of jit the host code is called directly,
so that its exceptions arrive unchanged.

The rules of vmap are in `_vmap`.

A primitive's batch is None, or a size B. An argument is then *each*, with a leading axis of
length B, or *shared*, without. `extra` is None, or a number E of right-hand sides: a leading axis
of length E of all tangents or cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

from argrad._programs import Flags, Program, Shape
from argrad.jax import _host
from argrad.jax._host import lead

# Shapes of results.


def _solve_shapes(
    *, program: Program, batch: int | None, dtype: np.dtype, **_: Any
) -> list[tuple[Shape, np.dtype]]:
    results = [((*lead(batch), *shape), dtype) for shape in program.outputs]
    return [*results, (lead(batch), np.dtype(np.int32))]


def _tangent_shapes(
    *, program: Program, batch: int | None, extra: int | None, dtype: np.dtype, **_: Any
) -> list[tuple[Shape, np.dtype]]:
    return [((*lead(extra), *lead(batch), *shape), dtype) for shape in program.outputs]


def _cotangent_shapes(
    *,
    program: Program,
    batch: int | None,
    each: Flags,
    extra: int | None,
    wanted: Flags,
    dtype: np.dtype,
    **_: Any,
) -> list[tuple[Shape, np.dtype]]:
    return [
        ((*lead(extra), *(lead(batch) if own else ()), *shape), dtype)
        for shape, own, want in zip(program.inputs, each, wanted, strict=True)
        if want
    ]


def _primitive(name: str, host: Callable[..., Any], shapes: Callable[..., Any]) -> Primitive:
    primitive = Primitive(name)
    primitive.multiple_results = True

    def evaluate(*arrays: Any, **params: Any) -> list[jax.Array]:
        results = host(*arrays, **params)
        device = next(
            (a.sharding for a in arrays if isinstance(a, jax.Array) and a.committed), None
        )
        if device is None or len(device.device_set) > 1:
            return [jnp.asarray(result) for result in results]
        return [jax.device_put(result, next(iter(device.device_set))) for result in results]

    def abstract(*avals: Any, **params: Any) -> list[Any]:
        return [jax.core.ShapedArray(shape, dtype) for shape, dtype in shapes(**params)]

    def lower(ctx: Any, *operands: Any, **params: Any) -> Any:
        results, _, _ = mlir.emit_python_callback(
            ctx,
            lambda *arrays: host(*arrays, **params),
            None,
            list(operands),
            ctx.avals_in,
            ctx.avals_out,
            has_side_effect=False,
            returns_token=False,
        )
        return results

    primitive.def_impl(evaluate)
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(primitive, lower)
    return primitive


solve_p = _primitive("argrad_solve", _host.solve, _solve_shapes)
tangents_p = _primitive("argrad_tangents", _host.tangents, _tangent_shapes)
cotangents_p = _primitive("argrad_cotangents", _host.cotangents, _cotangent_shapes)


def working_arrays(values: Sequence[Any]) -> tuple[list[Any], np.dtype]:
    """The values as arrays of one dtype, that of the results: theirs, promoted; floating."""
    # Conversions that change nothing still cost in JAX, so they are not asked for.
    arrays = [v if isinstance(v, jax.Array) else jnp.asarray(v) for v in values]
    dtypes = {array.dtype for array in arrays}
    dtype = dtypes.pop() if len(dtypes) == 1 else jnp.result_type(*(arrays or [jnp.zeros(())]))
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"arguments must be real; found {dtype}")
    if not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.result_type(float)
    dtype = np.dtype(dtype)
    return [array if array.dtype == dtype else array.astype(dtype) for array in arrays], dtype


def solve(
    program: Program, batch: int | None, values: Sequence[Any], dtype: np.dtype
) -> tuple[list[jax.Array], jax.Array]:
    """The outputs of `program` at `values`, and the status codes.

    Arguments:
        program: what to solve.
        batch: None, or the batch size B.
        values: arrays of dtype `dtype` and of the program's shapes; with a batch, each of them
            with a leading axis of length B or without.
        dtype: dtype of the outputs and of all derivatives.

    Returns:
        The outputs, with a leading axis of length B where there is a batch, and an int32 array of
        shape () or (B,) of codes into `argrad.STATUS`.
    """
    each = tuple(
        jnp.ndim(value) > len(shape) for value, shape in zip(values, program.inputs, strict=True)
    )
    results = solve_p.bind(
        *values, program=program, batch=batch, each=each, differentiable=False, dtype=dtype
    )
    return results[:-1], results[-1]


# Derivatives.


def _solve_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    params["differentiable"] = True
    results = solve_p.bind(*primals, **params)
    given = tuple(not isinstance(tangent, ad.Zero) for tangent in tangents)
    # The status is an operand so that no tangent is computed before the solve has left its tape.
    linear = tangents_p.bind(
        *primals,
        results[-1],
        *(tangent for tangent, flag in zip(tangents, given, strict=True) if flag),
        program=params["program"],
        batch=params["batch"],
        each=params["each"],
        extra=None,
        given=given,
        dtype=params["dtype"],
    )
    status = ad.Zero(jax.typeof(results[-1]).to_tangent_aval())
    return results, [*linear, status]


def _linear_jvp(primitive: Primitive) -> Callable[..., Any]:
    def rule(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
        k = len(params["program"].inputs)
        if any(not isinstance(tangent, ad.Zero) for tangent in tangents[:k]):
            raise NotImplementedError(
                "argrad: second derivatives of a solution are not available; found a derivative "
                "of a derivative of a layer (jax.hessian, grad of grad, or a jvp within a "
                "differentiated function). Use first derivatives, or take the inner one at "
                "jax.lax.stop_gradient of its arguments."
            )
        rows = [ad.instantiate_zeros(tangent) for tangent in tangents[k + 1 :]]
        results = primitive.bind(*primals, **params)
        return results, primitive.bind(*primals[: k + 1], *rows, **params)

    return rule


ad.primitive_jvps[solve_p] = _solve_jvp
ad.primitive_jvps[tangents_p] = _linear_jvp(tangents_p)
ad.primitive_jvps[cotangents_p] = _linear_jvp(cotangents_p)


def _transpose_tangents(cotangents: Any, *operands: Any, **params: Any) -> list[Any]:
    k = len(params["program"].inputs)
    given = tuple(not isinstance(cotangent, ad.Zero) for cotangent in cotangents)
    gradients = cotangents_p.bind(
        *operands[: k + 1],
        *(cotangent for cotangent, flag in zip(cotangents, given, strict=True) if flag),
        **{**params, "given": given, "wanted": params["given"]},
    )
    return [None] * (k + 1) + list(gradients)


def _transpose_cotangents(tangents: Any, *operands: Any, **params: Any) -> list[Any]:
    k = len(params["program"].inputs)
    flags = iter(not isinstance(tangent, ad.Zero) for tangent in tangents)
    given = tuple(want and next(flags) for want in params["wanted"])
    rest = {key: value for key, value in params.items() if key != "wanted"}
    outputs = tangents_p.bind(
        *operands[: k + 1],
        *(tangent for tangent in tangents if not isinstance(tangent, ad.Zero)),
        **{**rest, "given": given},
    )
    chosen = [out for out, flag in zip(outputs, params["given"], strict=True) if flag]
    return [None] * (k + 1) + chosen


ad.primitive_transposes[tangents_p] = _transpose_tangents
ad.primitive_transposes[cotangents_p] = _transpose_cotangents
