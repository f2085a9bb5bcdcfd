"""The primitives where their arrays are on a card: in a compiled function XLA calls the core with
P, q, A, b on the card, which queues its kernels on XLA's stream; the maps before and after are
XLA's own work. Outside of jit a primitive is compiled by itself.

The flat tape of a solve on a card is x, z, s, the report and the tape of each sample. Where a
process has cards, a tape is as long as the longer of the two, so that a traced function goes either
way. What a card does not serve goes to the CPU by a call back into Python, with one warning.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from argrad import _core, _options
from argrad._card import REPORTED, load_compiler
from argrad._programs import Flags, Program, Shape
from argrad.jax import _ffi
from argrad.jax._arguments import lead, spread
from argrad.jax._device_programs import DeviceProgram, on_device, take

_on_host = False
"""Whether the host is taken for a card; in tests only."""


@contextlib.contextmanager
def use_host_kernels() -> Iterator[None]:
    """Within, arrays on the CPU go the way of those on a card, through the kernels compiled for the
    host. For tests: raises `DeviceError` where the extension was built without them."""
    global _on_host
    _core.DeviceSolver.of_qp(_core.Qp(1, 0, 0), None)
    before, _on_host = _on_host, True
    _forget()
    try:
        yield
    finally:
        _on_host = before
        _forget()


def _forget() -> None:
    jax.clear_caches()
    _served.cache_clear()


# What is served.


@functools.cache
def _card() -> int | None:
    """The number of a card that JAX has, if there is one."""
    try:
        devices = jax.local_devices(backend="cuda")
    except RuntimeError:
        return None
    number = devices[0].local_hardware_id if devices else None
    return None if number is None else int(number)


def has_cards() -> bool:
    """Whether arrays can be on a card."""
    return _on_host or _card() is not None


def takes_host_for_card() -> bool:
    """Whether the host is taken for a card, in tests."""
    return _on_host


@functools.lru_cache(maxsize=256)
def _served(program: Any) -> DeviceProgram | str:
    """The program on a card, or why there is none."""
    policy = program.policy
    if policy.method != "direct":
        return f"method={policy.method!r} is not served on a card"
    try:
        return on_device(program)
    except _core.NotOnDevice as error:
        return str(error)


@functools.lru_cache(maxsize=256)
def _trouble(program: Any, on_host: bool) -> str:
    """What keeps a program that is served from the card; empty for nothing."""
    if not on_host:
        load_compiler()
    try:
        if on_host:
            _register_host()
        elif not _ffi.is_available():
            return f"jax {jax.__version__} does not take argrad's handlers"
        take(program, None if on_host else _card())
    except (_core.NotOnDevice, _core.DeviceError) as error:
        return str(error)
    return ""


@functools.cache
def _register_host() -> None:
    for name, handler in _core.ffi_device_handlers(True).items():
        jax.ffi.register_ffi_target(name, handler, platform="cpu")


def tape_len(program: Program) -> int:
    """Numbers of one sample in a flat tape, in this process."""
    own = program.flat_tape_len
    if not has_cards():
        return own
    served = _served(program)
    return own if isinstance(served, str) else max(own, sum(served.row_parts))


def served(program: Program) -> DeviceProgram | None:
    """The program on a card, None where the CPU is to solve it, which is warned of once."""
    found = _served(program)
    reason = found if isinstance(found, str) else _trouble(program, _on_host)
    if not reason:
        assert not isinstance(found, str)
        return found
    _options.warn_once(
        "device",
        f"arrays on a CUDA device are solved on the CPU, with copies there and back: {reason}. "
        "Where that is meant, compute on jax.devices('cpu')[0]",
        UserWarning,
    )
    return None


def are_on_card(arrays: Sequence[Any]) -> bool:
    """Whether an array is on a card."""
    if _on_host or not has_cards():
        return _on_host
    on = (array.devices() for array in arrays if isinstance(array, jax.Array))
    return any("cuda" in device.client.platform_version for own in on for device in own)


def evaluate(compiled: Callable[..., Any], arrays: Sequence[Any]) -> list[jax.Array]:
    """What a compiled primitive returns, outside of jit: exceptions arrive as on the CPU."""
    try:
        return list(jax.block_until_ready(compiled(*arrays)))
    except jax.errors.JaxRuntimeError as error:
        raised = _core.ffi_take_exception(str(error))
        if raised is None:
            raise
    raise raised


# The primitives, as functions that XLA compiles for a card. Their arguments are those of `_host`.


def _each(numbers: Sequence[jax.Array]) -> str:
    return _ffi.flags(tuple(one.ndim > 1 for one in numbers))


def _call(name: str, shapes: Sequence[Shape], *arrays: Any, **attributes: Any) -> list[jax.Array]:
    results = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
    return list(jax.ffi.ffi_call(name, results)(*arrays, **attributes))


def _outputs(own: DeviceProgram, x: jax.Array, z: jax.Array) -> list[jax.Array]:
    """Outputs at a solution, (batch, *shape)."""
    found = []
    for (shape, is_log), (dual, output) in zip(own.shapes, own.maps.outputs, strict=True):
        value = output([z if dual else x])
        value = jnp.broadcast_to(value, (len(x), math.prod(shape))).reshape((len(x), *shape))
        found.append(jnp.exp(value) if is_log else value)
    return found


def _masked(rows: jax.Array, lost: jax.Array) -> jax.Array:
    """Rows, one a sample, with NaN for those that have no solution."""
    return jnp.where(lost.reshape((len(rows), *(1,) * (rows.ndim - 1))), jnp.nan, rows)


def _step_of(program: Program) -> float | None:
    """The step of ``("lpgd", tau)``; None for another derivative."""
    derivative = program.policy.derivative
    return float(derivative[1]) if derivative[0] == "lpgd" else None


def _marks(program: Program) -> bool:
    """Whether samples without a solution become NaN."""
    return program.policy.derivative_options[1] == "nan"


def solve(
    *arrays: Any,
    own: DeviceProgram,
    export: bool,
    program: Program,
    batch: int | None,
    each: Flags,
    differentiable: bool,
    dtype: np.dtype,
) -> list[jax.Array]:
    """Outputs, status codes, and the flat tape where it is to be differentiable."""
    count = 1 if batch is None else batch
    with jax.enable_x64(True):
        vectors, fine = own.vectors([array.astype(jnp.float64) for array in arrays])
        numbers, finite = own.maps.program(vectors)
        is_fine = jnp.stack([*fine, *finite]).all().astype(jnp.int32)
        parts = own.row_parts if differentiable else own.row_parts[:-1]
        solved = _call(
            "argrad_device_solve",
            [(count, length) for length in parts],
            *numbers,
            is_fine,
            *(array if array.dtype == jnp.float64 else array.astype(dtype) for array in arrays),
            **_ffi.attributes(program, batch, export),
            each=_each(numbers),
            value_each=_ffi.flags(each),
        )
        x, z, _, report, *_ = solved
        status = report[:, 0]
        outputs = _outputs(own, x, z)
        if _marks(program):
            outputs = [_masked(output, status > 1.5) for output in outputs]
        codes = jnp.asarray(REPORTED, jnp.int32)[
            jnp.minimum(status, len(REPORTED) - 1).astype(jnp.int32)
        ]
        results = [output.astype(dtype) for output in outputs] + [codes]
        if differentiable:
            row = jnp.concatenate(solved, -1)
            row = jnp.pad(row, ((0, 0), (0, tape_len(program) - row.shape[-1])))
            bits = jax.lax.bitcast_convert_type(row, jnp.uint32)
            results.append(bits.reshape((count, 2 * row.shape[-1])))
        return [result.reshape((*lead(batch), *result.shape[1:])) for result in results]


class _Solved:
    """A solved batch, with what its derivatives take."""

    def __init__(
        self,
        own: DeviceProgram,
        values: Sequence[jax.Array],
        bits: jax.Array,
        program: Program,
        batch: int | None,
        export: bool,
    ) -> None:
        self.own, self.program = own, program
        self.count = 1 if batch is None else batch
        self.leaves = [value.astype(jnp.float64) for value in values]
        self.numbers = self.of(self.leaves)
        row = jax.lax.bitcast_convert_type(
            bits.reshape((self.count, tape_len(program), 2)), jnp.float64
        )
        ends = np.cumsum([0, *own.row_parts])
        self.parts = [row[:, a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.lost = self.parts[3][:, 0] > 1.5
        self.factors = self._factors()
        self.attributes = _ffi.attributes(program, batch, export)

    def of(self, leaves: Sequence[jax.Array]) -> list[jax.Array]:
        """P, q, A, b at values."""
        vectors, _ = self.own.vectors(leaves)
        numbers, _ = self.own.maps.program(vectors)
        return numbers

    def _factors(self) -> list[jax.Array | None]:
        """Of outputs that are exponentials: their derivatives, zero without a solution."""
        if not any(is_log for _, is_log in self.own.shapes):
            return [None] * len(self.own.shapes)
        outputs = _outputs(self.own, self.parts[0], self.parts[1])
        found: list[jax.Array | None] = []
        for output, (_, is_log) in zip(outputs, self.own.shapes, strict=True):
            lost = self.lost.reshape((self.count, *(1,) * (output.ndim - 1)))
            found.append(jnp.where(lost, 0.0, output) if is_log else None)
        return found

    def call(self, name: str, shapes: Sequence[Shape], given: Sequence[Any]) -> list[jax.Array]:
        """Results of a handler along what is given."""
        arrays = [one for one in given if one is not None]
        flags = _ffi.flags(tuple(one is not None for one in given))
        each = _each(self.numbers)
        return _call(
            name,
            shapes,
            *self.numbers,
            *self.parts,
            *arrays,
            **self.attributes,
            each=each,
            given=flags,
        )


class _Sides(NamedTuple):
    """A batch solved at both sides of its values, over 2 tau: as in PyTorch, `_device_numbers`."""

    middle: list[jax.Array]
    """x and z halfway between the two, zero for samples that are lost."""
    difference: list[jax.Array]
    """Of x and z, over 2 tau."""
    lost: jax.Array
    """Samples without a solution at the values or at one of the sides."""


def _sides(solved: _Solved, tau: float, moved: Callable[[float], list[jax.Array]]) -> _Sides:
    """The batch with the values that `moved` makes of a step, tau and -tau."""
    _, x, z, report, _, _ = solved.own.lengths
    shapes = [(solved.count, length) for length in (x, z, z, report)]

    def nearby(step: float) -> list[jax.Array]:
        numbers = moved(step)
        start = solved.parts[:4]
        each = _each(numbers)
        return _call(
            "argrad_device_nearby", shapes, *numbers, *start, **solved.attributes, each=each
        )

    up, down = nearby(tau), nearby(-tau)
    lost = solved.lost | (up[3][:, 0] > 1.5) | (down[3][:, 0] > 1.5)
    pairs = list(zip(up[:2], down[:2], strict=True))
    middle = [jnp.where(lost[:, None], 0.0, 0.5 * (a + b)) for a, b in pairs]
    difference = [jnp.where(lost[:, None], 0.0, (a - b) * (0.5 / tau)) for a, b in pairs]
    return _Sides(middle, difference, lost)


def _lpgd_cotangents(
    solved: _Solved, tau: float, of_x: jax.Array | None, of_z: jax.Array | None
) -> tuple[list[jax.Array], jax.Array]:
    """Gradients of P, q, A, b, and samples that have none."""

    def moved(step: float) -> list[jax.Array]:
        p, q, a, b = solved.numbers
        q = q if of_x is None else q + step * of_x
        return [p, q, a, b if of_z is None else b - step * of_z]

    middle, difference, lost = _sides(solved, tau, moved)
    gradients = _call(
        "argrad_device_gradients",
        [number.shape for number in solved.numbers],
        *solved.numbers,
        *middle,
        *(-part for part in difference),
        **solved.attributes,
        each=_each(solved.numbers),
    )
    return gradients, lost


def _lpgd_tangents(
    solved: _Solved, tau: float, changes: Sequence[jax.Array]
) -> tuple[list[jax.Array], jax.Array]:
    """Tangents of x and z, and samples that have none."""

    def moved(step: float) -> list[jax.Array]:
        pairs = zip(solved.numbers, changes, strict=True)
        return [number + step * change for number, change in pairs]

    _, difference, lost = _sides(solved, tau, moved)
    return difference, lost


def _each_row(
    extra: int | None, rows: list[jax.Array], one: Callable[[list[jax.Array]], list[jax.Array]]
) -> list[jax.Array]:
    """Right-hand side by right-hand side, with the same factorization."""
    if extra is None:
        return one(rows)
    return list(jax.lax.map(lambda own: tuple(one(list(own))), tuple(rows)))


def tangents(
    *arrays: Any,
    own: DeviceProgram,
    export: bool,
    program: Program,
    batch: int | None,
    each: Flags,
    extra: int | None,
    given: Flags,
    dtype: np.dtype,
) -> list[jax.Array]:
    """Tangents of the outputs. Arrays are the values, the flat tape, and the tangents given."""
    k = len(program.inputs)
    with jax.enable_x64(True):
        solved = _Solved(own, arrays[:k], arrays[k], program, batch, export)
        _, x, z, *_ = own.lengths
        tau = _step_of(program)

        def one(rows: list[jax.Array]) -> list[jax.Array]:
            moved = [
                jnp.zeros_like(leaf) if row is None else row.astype(jnp.float64)
                for leaf, row in zip(solved.leaves, spread(given, rows), strict=True)
            ]
            _, changes = jax.jvp(solved.of, (solved.leaves,), (moved,))
            if tau is None:
                shapes = [(solved.count, x), (solved.count, z)]
                point = solved.call("argrad_device_tangents", shapes, changes)
                lost = solved.lost
            else:
                point, lost = _lpgd_tangents(solved, tau, changes)
            found = []
            outputs = zip(own.shapes, own.maps.outputs, solved.factors, strict=True)
            for (shape, _), (dual, output), factor in outputs:
                tangent = output.linear([point[1 if dual else 0]])
                if tangent is None:
                    tangent = jnp.zeros((solved.count, math.prod(shape)))
                tangent = tangent.reshape((solved.count, *shape))
                tangent = tangent if factor is None else tangent * factor
                tangent = _masked(tangent, lost) if _marks(program) else tangent
                found.append(tangent.astype(dtype).reshape((*lead(batch), *shape)))
            return found

        return _each_row(extra, list(arrays[k + 1 :]), one)


def cotangents(
    *arrays: Any,
    own: DeviceProgram,
    export: bool,
    program: Program,
    batch: int | None,
    each: Flags,
    extra: int | None,
    given: Flags,
    wanted: Flags,
    dtype: np.dtype,
) -> list[jax.Array]:
    """Cotangents of the wanted values. Arrays are the values, the flat tape, and those given."""
    k = len(program.inputs)
    with jax.enable_x64(True):
        solved = _Solved(own, arrays[:k], arrays[k], program, batch, export)
        tau = _step_of(program)

        def one(rows: list[jax.Array]) -> list[jax.Array]:
            point = _to_point(solved, spread(given, rows))
            if tau is None:
                shapes = [number.shape for number in solved.numbers]
                gradients = solved.call("argrad_device_cotangents", shapes, point)
                lost = solved.lost
            else:
                gradients, lost = _lpgd_cotangents(solved, tau, *point)
            _, back = jax.vjp(solved.of, solved.leaves)
            (grads,) = back(gradients)
            found = []
            for grad, is_each, want in zip(grads, each, wanted, strict=True):
                if want:
                    marked = is_each and _marks(program)
                    found.append((_masked(grad, lost) if marked else grad).astype(dtype))
            return found

        return _each_row(extra, list(arrays[k + 1 :]), one)


def _to_point(solved: _Solved, rows: Sequence[jax.Array | None]) -> list[jax.Array | None]:
    """Cotangents of x and z, from those of the outputs; None for zero."""
    own = solved.own
    found: list[jax.Array | None] = [None, None]
    outputs = zip(rows, own.shapes, own.maps.outputs, solved.factors, strict=True)
    for row, (shape, _), (dual, output), factor in outputs:
        if row is None:
            continue
        row = row.astype(jnp.float64).reshape((solved.count, *shape))
        row = row if factor is None else row * factor
        part = output.transposed(row.reshape((solved.count, math.prod(shape))))
        known = found[dual]
        found[dual] = part if known is None else known + part
    return found
