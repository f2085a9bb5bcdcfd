"""Four JAX primitives: a solve, its tangents, its cotangents, and how cotangents change.

A front end describes what it solves as a `Program` over numpy arrays. `solve` puts it into a JAX
program; jit, vmap, jvp, transposition, scan, checkpoint follow from their rules:

- `solve_p` maps values to outputs and, where it is differentiated, to a flat tape: an array from
  which the derivatives need no second solve. Its tangents are `tangents_p` of those of the values.
- `tangents_p` is linear in the tangents; transposed it is `cotangents_p`, and the reverse.
- `second_p` is the derivative of `cotangents_p` with respect to the values, linear in their
  tangents. For fixed cotangents c of the outputs x it is the Hessian of c'x, so it is its own
  transpose.
- vmap over values is a batch of solves. vmap over tangents or cotangents alone is several
  right-hand sides for the factorization at hand. No rule solves in a loop.

In a compiled function XLA calls the core itself, see `_ffi`, and `_device` for arrays on a card;
where it cannot, it calls back into Python (`_host`). Outside of jit the host code is called
directly, so that its exceptions arrive unchanged.

The rules of vmap are in `_vmap`.

A primitive's batch is None, or a size B. An argument is then *each*, with a leading axis of
length B, or *shared*, without; the flat tape is always each. `extra` is None, or a number E of
right-hand sides: a leading axis of length E of all tangents or cotangents.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir

from argrad._programs import Flags, Program, Shape
from argrad.jax import _device, _ffi, _host
from argrad.jax._arguments import lead

_NO_THIRD = (
    "argrad: third derivatives of a solution are not available; take the inner derivatives at "
    "jax.lax.stop_gradient of their arguments"
)
# What jax 0.8 does not ask.
_NO_TOKEN = {
    name: False
    for name in inspect.signature(mlir.emit_python_callback).parameters
    if name == "returns_token"
}

# Shapes of results.


def _solve_shapes(
    *, program: Program, batch: int | None, differentiable: bool, dtype: np.dtype, **_: Any
) -> list[tuple[Shape, np.dtype]]:
    results = [((*lead(batch), *shape), dtype) for shape in program.outputs]
    results.append((lead(batch), np.dtype(np.int32)))
    if differentiable:
        results.append(((*lead(batch), 2 * _device.tape_len(program)), np.dtype(np.uint32)))
    return results


def _tangent_shapes(
    *, program: Program, batch: int | None, extra: int | None, dtype: np.dtype, **_: Any
) -> list[tuple[Shape, np.dtype]]:
    return [((*lead(extra), *lead(batch), *shape), dtype) for shape in program.outputs]


def _cotangent_shapes(
    *,
    program: Program,
    batch: int | None,
    each: Flags,
    wanted: Flags,
    dtype: np.dtype,
    extra: int | None = None,
    **_: Any,
) -> list[tuple[Shape, np.dtype]]:
    return [
        ((*lead(extra), *(lead(batch) if own else ()), *shape), dtype)
        for shape, own, want in zip(program.inputs, each, wanted, strict=True)
        if want
    ]


def _attributes(params: dict[str, Any], export: bool) -> dict[str, Any]:
    """What the handlers of XLA are told of a call."""
    found = _ffi.attributes(params["program"], params["batch"], export)
    for name in ("each", "given", "wanted", "moved"):
        if name in params:
            found[name] = _ffi.flags(params[name])
    if "extra" in params:
        found["extra"] = _ffi.number(params["extra"])
    return found


class _Ways:
    """The ways that a primitive goes: outside of jit at once; in a compiled function by a handler
    of the CPU, by what it is on a card, or by way of Python."""

    def __init__(
        self,
        primitive: Primitive,
        host: Callable[..., Any],
        shapes: Callable[..., Any],
        device: Callable[..., Any] | None,
    ) -> None:
        self._name, self._bind = primitive.name, primitive.bind
        self._host, self._shapes, self._device = host, shapes, device
        self._compiled = functools.lru_cache(maxsize=256)(self._compile)

    def _compile(self, params: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
        return jax.jit(functools.partial(self._bind, **dict(params)))

    def evaluate(self, *arrays: Any, **params: Any) -> Sequence[jax.Array]:
        on_card = _device.are_on_card(arrays) and _device.served(params["program"]) is not None
        if on_card and self._device is not None:
            return _device.evaluate(self._compiled(tuple(sorted(params.items()))), arrays)
        results = self._host(*arrays, **params, **({"on_card": True} if on_card else {}))
        place = next((a.sharding for a in arrays if isinstance(a, jax.Array) and a.committed), None)
        if place is None or len(place.device_set) > 1:
            return [jnp.asarray(result) for result in results]
        return [jax.device_put(result, next(iter(place.device_set))) for result in results]

    def abstract(self, *avals: Any, **params: Any) -> list[Any]:
        return [jax.core.ShapedArray(shape, dtype) for shape, dtype in self._shapes(**params)]

    def call_back(self, ctx: Any, *operands: Any, **params: Any) -> Any:
        results, _, _ = mlir.emit_python_callback(
            ctx,
            lambda *arrays: self._host(*arrays, **params),
            None,
            list(operands),
            ctx.avals_in,
            ctx.avals_out,
            has_side_effect=False,
            **_NO_TOKEN,
        )
        return results

    def call_core(self, ctx: Any, *operands: Any, **params: Any) -> Any:
        if _device.takes_host_for_card():
            return self.call_card(ctx, *operands, **params)
        if not _ffi.serves(params["dtype"]):
            return self.call_back(ctx, *operands, **params)
        program = params["program"]
        attributes = _attributes(params, _ffi.is_export(ctx.module_context))
        if _device.tape_len(program) == program.flat_tape_len:
            return jax.ffi.ffi_lowering(self._name)(ctx, *operands, **attributes)
        trimmed = functools.partial(self._trimmed, attributes)
        return mlir.lower_fun(trimmed, multiple_results=True)(ctx, *operands, **params)

    def _trimmed(self, attributes: dict[str, Any], *arrays: Any, **params: Any) -> list[jax.Array]:
        """The call of a handler of the CPU in a process where flat tapes are longer than its
        own."""
        program = params["program"]
        k, own = len(program.inputs), 2 * program.flat_tape_len
        results = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in self._shapes(**params)]
        if not params.get("differentiable", False):
            if len(arrays) > k:
                arrays = (*arrays[:k], arrays[k][..., :own], *arrays[k + 1 :])
            return list(jax.ffi.ffi_call(self._name, results)(*arrays, **attributes))
        *rest, longer = results
        tape = jax.ShapeDtypeStruct((*longer.shape[:-1], own), longer.dtype)
        *found, bits = jax.ffi.ffi_call(self._name, [*rest, tape])(*arrays, **attributes)
        spare = [(0, 0)] * (bits.ndim - 1) + [(0, longer.shape[-1] - own)]
        return [*found, jnp.pad(bits, spare)]

    def call_card(self, ctx: Any, *operands: Any, **params: Any) -> Any:
        own = _device.served(params["program"])
        if own is None:
            return self.call_back(ctx, *operands, **params)
        if self._device is None:
            return self.call_back(ctx, *operands, **params, on_card=True)
        export = _ffi.is_export(ctx.module_context)
        on_card = functools.partial(self._device, own=own, export=export)
        return mlir.lower_fun(on_card, multiple_results=True)(ctx, *operands, **params)


def _primitive(
    name: str,
    host: Callable[..., Any],
    shapes: Callable[..., Any],
    device: Callable[..., Any] | None,
) -> Primitive:
    """A primitive by what it does on the host and, if it is there, on a card."""
    primitive = Primitive(name)
    primitive.multiple_results = True
    ways = _Ways(primitive, host, shapes, device)
    primitive.def_impl(ways.evaluate)
    primitive.def_abstract_eval(ways.abstract)
    mlir.register_lowering(primitive, ways.call_back)
    mlir.register_lowering(primitive, ways.call_core, platform="cpu")
    mlir.register_lowering(primitive, ways.call_card, platform="cuda")
    return primitive


solve_p = _primitive("argrad_solve", _host.solve, _solve_shapes, _device.solve)
tangents_p = _primitive("argrad_tangents", _host.tangents, _tangent_shapes, _device.tangents)
cotangents_p = _primitive(
    "argrad_cotangents", _host.cotangents, _cotangent_shapes, _device.cotangents
)
second_p = _primitive("argrad_second", _host.second, _cotangent_shapes, None)


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


def _are_given(parts: Sequence[Any]) -> Flags:
    return tuple(not isinstance(part, ad.Zero) for part in parts)


def _not_zero(parts: Sequence[Any]) -> list[Any]:
    return [part for part in parts if not isinstance(part, ad.Zero)]


def _zero_like(array: Any) -> ad.Zero:
    return ad.Zero(jax.typeof(array).to_tangent_aval())


def _solve_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    results = solve_p.bind(*primals, **{**params, "differentiable": True})
    linear = tangents_p.bind(
        *primals,
        results[-1],
        *_not_zero(tangents),
        program=params["program"],
        batch=params["batch"],
        each=params["each"],
        extra=None,
        given=_are_given(tangents),
        dtype=params["dtype"],
    )
    if not params["differentiable"]:
        results = results[:-1]
    return results, [*linear, *map(_zero_like, results[len(linear) :])]


def _tangents_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    k = len(params["program"].inputs)
    results = tangents_p.bind(*primals, **params)
    changes = _change_of_tangents(primals, tangents[:k], params)
    rows = tangents[k + 1 :]
    if any(_are_given(rows)):
        flags = iter(_are_given(rows))
        given = tuple(flag and next(flags) for flag in params["given"])
        linear = tangents_p.bind(*primals[: k + 1], *_not_zero(rows), **{**params, "given": given})
        changes = _sum(changes, linear)
    return results, changes or [_zero_like(result) for result in results]


def _change_of_tangents(primals: Any, moves: Any, params: dict[str, Any]) -> list[Any] | None:
    """How the results of `tangents_p` change along tangents of the values: x''(u, w) of the outputs
    x, for the tangents u that it has and `moves` w. An entry of that is u'Hw with the Hessian H of
    the entry, so it takes as many products with Hessians as there are outputs, all in one batch."""
    moved = _are_given(moves)
    if not any(moved):
        return None
    program, batch, k = params["program"], params["batch"], len(moved)
    sizes = [math.prod(shape) for shape in program.outputs]
    own = {key: params[key] for key in ("program", "batch", "dtype")}

    def each(array: Any, shape: Shape) -> Any:
        return jnp.broadcast_to(array, (*lead(batch), *shape))

    values = [each(v, shape) for v, shape in zip(primals[:k], program.inputs, strict=True)]
    along = [
        each(w, shape)
        for w, shape in zip(moves, program.inputs, strict=True)
        if not isinstance(w, ad.Zero)
    ]
    flags = (batch is not None,) * k

    def change(*rows: Any) -> list[Any]:
        def entry(weights: Any) -> Any:
            parts = jnp.split(weights, list(itertools.accumulate(sizes))[:-1])
            cotangents = [
                each(part.reshape(shape), shape)
                for part, shape in zip(parts, program.outputs, strict=True)
            ]
            found = second_p.bind(
                *values,
                primals[k],
                *cotangents,
                *along,
                **own,
                each=flags,
                given=(True,) * len(sizes),
                moved=moved,
                wanted=params["given"],
            )
            axes = 0 if batch is None else 1
            return sum(
                jnp.sum(row * one, axis=tuple(range(axes, one.ndim)))
                for row, one in zip(rows, found, strict=True)
            )

        entries = jax.vmap(entry)(jnp.eye(sum(sizes), dtype=params["dtype"]))
        columns = jnp.split(
            jnp.moveaxis(entries, 0, -1), list(itertools.accumulate(sizes))[:-1], -1
        )
        return [
            column.reshape((*lead(batch), *shape))
            for column, shape in zip(columns, program.outputs, strict=True)
        ]

    return (change if params["extra"] is None else jax.vmap(change))(*primals[k + 1 :])


def _sum(one: list[Any] | None, other: list[Any]) -> list[Any]:
    return other if one is None else [a + b for a, b in zip(one, other, strict=True)]


def _cotangents_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    k = len(params["program"].inputs)
    results = cotangents_p.bind(*primals, **params)
    changes = _change_along_values(primals, tangents[:k], params)
    rows = tangents[k + 1 :]
    if any(_are_given(rows)):
        flags = iter(_are_given(rows))
        given = tuple(flag and next(flags) for flag in params["given"])
        linear = cotangents_p.bind(
            *primals[: k + 1], *_not_zero(rows), **{**params, "given": given}
        )
        changes = _sum(changes, linear)
    return results, changes or [_zero_like(result) for result in results]


def _change_along_values(primals: Any, tangents: Any, params: dict[str, Any]) -> list[Any] | None:
    """How the results of `cotangents_p` change along tangents of the values."""
    moved = _are_given(tangents)
    if not any(moved):
        return None
    k = len(moved)
    own = {key: value for key, value in params.items() if key != "extra"}

    def change(*cotangents: Any) -> list[Any]:
        return second_p.bind(
            *primals[: k + 1], *cotangents, *_not_zero(tangents), **own, moved=moved
        )

    return (change if params["extra"] is None else jax.vmap(change))(*primals[k + 1 :])


def _second_jvp(primals: Any, tangents: Any, **params: Any) -> tuple[Any, Any]:
    raise NotImplementedError(_NO_THIRD)


ad.primitive_jvps[solve_p] = _solve_jvp
ad.primitive_jvps[tangents_p] = _tangents_jvp
ad.primitive_jvps[cotangents_p] = _cotangents_jvp
ad.primitive_jvps[second_p] = _second_jvp


def _transpose_tangents(cotangents: Any, *operands: Any, **params: Any) -> list[Any]:
    k = len(params["program"].inputs)
    gradients = cotangents_p.bind(
        *operands[: k + 1],
        *_not_zero(cotangents),
        **{**params, "given": _are_given(cotangents), "wanted": params["given"]},
    )
    return [None] * (k + 1) + list(gradients)


def _transpose_cotangents(tangents: Any, *operands: Any, **params: Any) -> list[Any]:
    k = len(params["program"].inputs)
    flags = iter(_are_given(tangents))
    given = tuple(want and next(flags) for want in params["wanted"])
    rest = {key: value for key, value in params.items() if key != "wanted"}
    outputs = tangents_p.bind(*operands[: k + 1], *_not_zero(tangents), **{**rest, "given": given})
    chosen = [out for out, flag in zip(outputs, params["given"], strict=True) if flag]
    return [None] * (k + 1) + chosen


def _transpose_second(tangents: Any, *operands: Any, **params: Any) -> list[Any]:
    fixed = len(params["program"].inputs) + 1 + sum(params["given"])
    flags = iter(_are_given(tangents))
    moved = tuple(want and next(flags) for want in params["wanted"])
    gradients = second_p.bind(
        *operands[:fixed],
        *_not_zero(tangents),
        **{**params, "moved": moved, "wanted": params["moved"]},
    )
    return [None] * fixed + list(gradients)


ad.primitive_transposes[tangents_p] = _transpose_tangents
ad.primitive_transposes[cotangents_p] = _transpose_cotangents
ad.primitive_transposes[second_p] = _transpose_second
