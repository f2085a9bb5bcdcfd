"""The programs of the front end on a device: what is checked of their arguments there, and how
arguments become vectors.

What fails a check here is looked at again on the CPU, which says what is wrong in its own words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch

from argrad import _core, _options
from argrad._attributes import Attribute, rounding_of, slack_of
from argrad._compiled import Compiled, Output
from argrad._maps import steps_of
from argrad._quadratic import quadratic
from argrad.torch._device_maps import Maps
from argrad.torch._device_memory import card_of
from argrad.torch._device_numbers import Tensors
from argrad.torch._device_solved import DeviceProgram, Vectors, parts_of

_ASYMMETRY = 1e-12
"""Largest difference of a matrix to its transpose, relative to its largest entry."""


@functools.lru_cache(maxsize=64)
def qp_on_device(
    core: _core.Qp,
    n: int,
    equalities: int,
    inequalities: int,
    duals: bool,
    single: bool,
    device: torch.device,
) -> DeviceProgram:
    """Quadratic programs of one size. Raises `NotOnDevice` or `DeviceError`."""
    solver = _core.DeviceSolver.of_qp(core, card_of(device))
    compiled = quadratic(n, equalities, inequalities, duals)
    maps = Maps(compiled.layer(), [p.size for p in compiled.parameters], device)
    vectors = _qp_vectors(_options.SINGLE if single else _ASYMMETRY)
    shapes = [(output.shape, False) for output in compiled.outputs]
    return DeviceProgram(solver, maps, vectors, (2, 1, 2, 1, 2, 1), shapes)


def qp_tape_len(core: _core.Qp) -> int:
    """Numbers of a sample in a tape, see `DeviceProgram.tape_len`, whether or not there is a
    card."""
    return sum(parts_of(_core.DeviceSolver.lengths_of_qp(core)))


def _qp_vectors(tolerance: float) -> Callable[[Tensors], Vectors]:
    def vectors(leaves: Tensors) -> Vectors:
        found, fine = [], []
        of: list[tuple[int, torch.Tensor | None]] = []
        for at, (name, leaf) in enumerate(zip("QpGhAb", leaves, strict=True)):
            if leaf is None:
                continue
            # From 1e19 on, an entry of h is no constraint.
            fine.append((leaf > -math.inf if name == "h" else torch.isfinite(leaf)).all())
            found.append(leaf.flatten(-2) if name in "QGA" else leaf)
            of.append((at, None))
        matrix = leaves[0]
        assert matrix is not None
        skew = (matrix - matrix.mT).abs().amax((-2, -1))
        fine.append((skew <= tolerance * matrix.abs().amax((-2, -1))).all())
        return Vectors(found, fine, of)

    return vectors


@functools.lru_cache(maxsize=64)
def layer_on_device(
    core: _core.Layer,
    compiled: Compiled,
    single: bool,
    outputs: tuple[Output, ...],
    device: torch.device,
) -> DeviceProgram:
    """A CVXPY problem with the settings of `core`, which has these outputs. Raises `NotOnDevice` or
    `DeviceError`."""
    solver = _core.DeviceSolver.of_layer(core, card_of(device))
    sizes = [compiled.parameters[number].size for number, _ in compiled.inputs]
    maps = Maps(core, sizes, device)
    ranks = [len(parameter.shape) for parameter in compiled.parameters]
    shapes = [(output.shape, output.exp) for output in outputs]
    maximize = bool(compiled.program.get("maximize", False))
    vectors = _layer_vectors(compiled, single, device)
    has_logarithms = any(is_log for _, is_log in compiled.inputs)
    return DeviceProgram(solver, maps, vectors, ranks, shapes, maximize, has_logarithms)


@functools.lru_cache(maxsize=64)
def layer_tape_len(core: _core.Layer, compiled: Compiled) -> int:
    """Numbers of a sample in a tape, whether or not there is a card. Raises `NotOnDevice`."""
    steps, *_ = core.maps()
    steps_of(steps, [compiled.parameters[number].size for number, _ in compiled.inputs])
    return sum(parts_of(_core.DeviceSolver.lengths_of_layer(core)))


def _layer_vectors(
    compiled: Compiled, single: bool, device: torch.device
) -> Callable[[Tensors], Vectors]:
    parameters = compiled.parameters
    promises = [[_Promise(a, single, device) for a in p.attributes] for p in parameters]

    def vectors(leaves: Tensors) -> Vectors:
        fine, given = [], []
        for leaf, parameter, promised in zip(leaves, parameters, promises, strict=True):
            assert leaf is not None
            fine.append(torch.isfinite(leaf).all())
            if parameter.positive:
                fine.append((leaf > 0.0).all())
            for promise in promised:
                fine.append(promise.holds(leaf))
                # What a rounding mends has the derivative that it would have without.
                leaf = promise.clipped(leaf)
            given.append(leaf)
        found, of = [], []
        for number, is_log in compiled.inputs:
            parameter, one = parameters[number], given[number]
            lead = one.shape[: one.dim() - len(parameter.shape)]
            vector = one.reshape(*lead, parameter.size)
            found.append(vector.log() if is_log else vector)
            of.append((number, one if is_log else None))
        return Vectors(found, fine, of)

    return vectors


class _Promise:
    """What an attribute of a parameter promises, looked at on a device."""

    def __init__(self, attribute: Attribute, single: bool, device: torch.device) -> None:
        self._rounding = rounding_of(single)
        self._sign = attribute.eigenvalues
        bounds = (attribute.lower, attribute.upper)
        self._lower, self._upper = (
            None if bound is None else torch.as_tensor(bound, dtype=torch.float64, device=device)
            for bound in bounds
        )

    def holds(self, numbers: torch.Tensor) -> torch.Tensor:
        """Whether it is kept, up to rounding; never true where it is not."""
        if numbers.numel() == 0:
            return numbers.new_ones((), dtype=torch.bool)
        slack = slack_of(numbers.abs().amax(), self._rounding)
        if self._sign:
            order = numbers.shape[-1]
            shift = (slack * order).clamp(min=torch.finfo(torch.float64).tiny)
            one = shift * torch.eye(order, dtype=torch.float64, device=numbers.device)
            moved = self._sign * 0.5 * (numbers + numbers.mT) + one
            return (torch.linalg.cholesky_ex(moved).info == 0).all()
        kept = numbers.new_ones((), dtype=torch.bool)
        if self._lower is not None:
            kept = kept & (numbers >= self._lower - slack).all()
        if self._upper is not None:
            kept = kept & (numbers <= self._upper + slack).all()
        return kept

    def clipped(self, numbers: torch.Tensor) -> torch.Tensor:
        """The numbers, those outside of bounds on them."""
        if self._lower is None and self._upper is None:
            return numbers
        return numbers.clamp(self._lower, self._upper)
