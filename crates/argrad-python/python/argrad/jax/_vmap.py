"""vmap of the primitives: a batch of solves, or several right-hand sides. Nothing loops.

In this file `n` is the length of the new axis and `dim` its position in an argument, or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import batching

from argrad._programs import Flags
from argrad.jax._arguments import spread
from argrad.jax._primitives import cotangents_p, second_p, solve_p, tangents_p


def _new_axis(args: Sequence[Any], dims: Sequence[int | None]) -> int:
    return next(jnp.shape(arg)[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)


def _front(arg: Any, dim: int | None, n: int) -> Any:
    """The argument with the new axis in front, repeated where it had none."""
    if dim is None:
        return jnp.broadcast_to(arg, (n, *jnp.shape(arg)))
    return jnp.moveaxis(arg, dim, 0)


def _enlarge(arg: Any, dim: int | None, n: int, batch: int | None, own: bool) -> Any:
    """The argument as an *each* argument of the batch n * B (n, where there was no batch)."""
    arg = _front(arg, dim, n)
    if batch is None:
        return arg
    shape = jnp.shape(arg)
    if own:
        return jnp.reshape(arg, (n * batch, *shape[2:]))
    arg = jnp.broadcast_to(arg[:, None], (n, batch, *shape[1:]))
    return jnp.reshape(arg, (n * batch, *shape[1:]))


def _batch_values(
    args: Sequence[Any],
    dims: Sequence[int | None],
    n: int,
    batch: int | None,
    each: Flags,
    force: Flags,
) -> tuple[list[Any], Flags]:
    """The values for a batch that the new axis has joined; shared ones stay so unless forced."""
    flags = tuple(
        dim is not None or own or must for dim, own, must in zip(dims, each, force, strict=True)
    )
    values = [
        _enlarge(arg, dim, n, batch, own) if flag else arg
        for arg, dim, own, flag in zip(args, dims, each, flags, strict=True)
    ]
    return values, flags


def _split(out: Any, axis: int, n: int, batch: int | None) -> Any:
    """Undoes the merging of axes: n * B at `axis` becomes n, B."""
    if batch is None:
        return out
    shape = jnp.shape(out)
    return jnp.reshape(out, (*shape[:axis], n, batch, *shape[axis + 1 :]))


def _total(n: int, batch: int | None) -> int:
    return n if batch is None else n * batch


def _solve_batch(args: Any, dims: Any, **params: Any) -> tuple[Any, Any]:
    n, batch, each = _new_axis(args, dims), params["batch"], params["each"]
    values, flags = _batch_values(args, dims, n, batch, each, (False,) * len(each))
    results = solve_p.bind(*values, **{**params, "batch": _total(n, batch), "each": flags})
    return [_split(result, 0, n, batch) for result in results], [0] * len(results)


def _tape(tape: Any, dim: int | None, n: int, batch: int | None) -> Any:
    """The flat tape of the batch that the new axis has joined."""
    return _enlarge(tape, dim, n, batch, batch is not None)


def _more_rows(
    primitive: Primitive, args: Any, dims: Any, n: int, k: int, params: dict[str, Any]
) -> tuple[Any, Any]:
    """Only tangents or cotangents have the new axis: it joins the right-hand sides."""
    extra = params["extra"]
    rows = []
    for arg, dim in zip(args[k + 1 :], dims[k + 1 :], strict=True):
        arg = _front(arg, dim, n)
        if extra is not None:
            arg = jnp.reshape(arg, (n * extra, *jnp.shape(arg)[2:]))
        rows.append(arg)
    results = primitive.bind(
        *args[: k + 1], *rows, **{**params, "extra": n if extra is None else n * extra}
    )
    return [_split(result, 0, n, extra) for result in results], [0] * len(results)


def _tangents_batch(args: Any, dims: Any, **params: Any) -> tuple[Any, Any]:
    n, k, batch = _new_axis(args, dims), len(params["program"].inputs), params["batch"]
    if all(dim is None for dim in dims[: k + 1]):
        return _more_rows(tangents_p, args, dims, n, k, params)
    axis = 0 if params["extra"] is None else 1
    rows = spread(params["given"], args[k + 1 :])
    row_dims = spread(params["given"], dims[k + 1 :])
    force = tuple(dim is not None for dim in row_dims)
    values, flags = _batch_values(args[:k], dims[:k], n, batch, params["each"], force)
    merged = []
    for row, dim, own, flag, given in zip(
        rows, row_dims, params["each"], flags, params["given"], strict=True
    ):
        if given:
            merged.append(_merge_row(row, dim, n, batch, own, axis) if flag else row)
    results = tangents_p.bind(
        *values,
        _tape(args[k], dims[k], n, batch),
        *merged,
        **{**params, "batch": _total(n, batch), "each": flags},
    )
    return [_split(result, axis, n, batch) for result in results], [axis] * len(results)


def _merge_row(row: Any, dim: int | None, n: int, batch: int | None, own: bool, axis: int) -> Any:
    """A tangent or cotangent whose axis n (and B) sits behind the axis of right-hand sides."""
    if axis == 0:
        return _enlarge(row, dim, n, batch, own)
    row = jnp.moveaxis(_front(row, dim, n), 0, 1)
    return jax.vmap(lambda one: _enlarge(one, 0, n, batch, own))(row)


def _cotangents_batch(args: Any, dims: Any, **params: Any) -> tuple[Any, Any]:
    n, k, batch = _new_axis(args, dims), len(params["program"].inputs), params["batch"]
    if all(dim is None for dim in dims[: k + 1]):
        return _more_rows(cotangents_p, args, dims, n, k, params)
    axis = 0 if params["extra"] is None else 1
    each, wanted = params["each"], params["wanted"]
    # A gradient that is asked for along the new axis cannot be summed over it.
    values, flags = _batch_values(args[:k], dims[:k], n, batch, each, wanted)
    rows = [
        _merge_row(row, dim, n, batch, batch is not None, axis)
        for row, dim in zip(args[k + 1 :], dims[k + 1 :], strict=True)
    ]
    results = cotangents_p.bind(
        *values,
        _tape(args[k], dims[k], n, batch),
        *rows,
        **{**params, "batch": _total(n, batch), "each": flags},
    )
    return _gradients(results, params, n, axis), [axis] * len(results)


def _gradients(results: Sequence[Any], params: dict[str, Any], n: int, axis: int) -> list[Any]:
    """Gradients for each sample of the enlarged batch as those of the original arguments: summed
    over the original batch where it shares them."""
    batch = params["batch"]
    owns = [own for own, want in zip(params["each"], params["wanted"], strict=True) if want]
    outputs = []
    for result, own in zip(results, owns, strict=True):
        result = _split(result, axis, n, batch)
        if batch is not None and not own:
            result = jnp.sum(result, axis=axis + 1)
        outputs.append(result)
    return outputs


def _second_batch(args: Any, dims: Any, **params: Any) -> tuple[Any, Any]:
    """Everything joins the batch: a factorization for each direction, which the solve would take
    many times."""
    n, k, batch = _new_axis(args, dims), len(params["program"].inputs), params["batch"]
    rest = k + 1 + sum(params["given"])
    moves = spread(params["moved"], args[rest:])
    move_dims = spread(params["moved"], dims[rest:])
    force = tuple(
        want or dim is not None for want, dim in zip(params["wanted"], move_dims, strict=True)
    )
    values, flags = _batch_values(args[:k], dims[:k], n, batch, params["each"], force)
    weights = [
        _enlarge(weight, dim, n, batch, batch is not None)
        for weight, dim in zip(args[k + 1 : rest], dims[k + 1 : rest], strict=True)
    ]
    merged = [
        _enlarge(move, dim, n, batch, own) if flag else move
        for move, dim, own, flag, moved in zip(
            moves, move_dims, params["each"], flags, params["moved"], strict=True
        )
        if moved
    ]
    results = second_p.bind(
        *values,
        _tape(args[k], dims[k], n, batch),
        *weights,
        *merged,
        **{**params, "batch": _total(n, batch), "each": flags},
    )
    return _gradients(results, params, n, 0), [0] * len(results)


batching.primitive_batchers[solve_p] = _solve_batch
batching.primitive_batchers[tangents_p] = _tangents_batch
batching.primitive_batchers[cotangents_p] = _cotangents_batch
batching.primitive_batchers[second_p] = _second_batch
