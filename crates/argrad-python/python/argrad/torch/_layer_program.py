"""A solved batch of a compiled CVXPY problem, in the user's parameters and variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from argrad import _core
from argrad._compiled import Compiled, Output
from argrad._policy import Policy
from argrad.torch._call import Arrays, Solution, check_second
from argrad.torch._device_programs import layer_on_device, layer_tape_len
from argrad.torch._device_solved import DeviceProgram


class _LayerSolution:
    """A solved batch of a compiled problem, in the user's parameters and variables."""

    __slots__ = (
        "_compiled",
        "_exponentials",
        "_logged",
        "_named",
        "_policy",
        "_shapes",
        "core",
        "outputs",
    )

    def __init__(
        self,
        core: _core.LayerSolved,
        compiled: Compiled,
        shapes: Sequence[Output],
        arrays: Sequence[np.ndarray],
        policy: Policy,
    ) -> None:
        self.core = core
        self._compiled = compiled
        self._named = shapes
        self._policy = policy
        self._shapes = [array.shape for array in arrays]
        # Copies: the caller may overwrite what he passed and what he gets.
        self._logged = {i.parameter: arrays[i.parameter].copy() for i in compiled.inputs if i.log}
        outputs = []
        exponentials: list[np.ndarray | None] = []
        for value, output in zip(core.outputs, shapes, strict=True):
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
        found = self.core.vjp(self._to_core(cotangents), *self._policy.derivative_options)
        return self._to_parameters(found)

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        found = self._core_jvp(tangents)
        return [
            value if factor is None else value * factor
            for value, factor in zip(found, self._exponentials, strict=True)
        ]

    def vjp_tangent(
        self,
        cotangents: Sequence[np.ndarray | None],
        changes: Sequence[np.ndarray | None],
        tangents: Sequence[np.ndarray | None],
    ) -> Arrays:
        check_second(self._policy)
        options = self._policy.derivative_options
        asked, moved = self._to_core(cotangents), self._to_core(changes)
        if any(factor is not None for factor in self._exponentials):
            self._add_changes_of_exponentials(moved, asked, self._core_jvp(tangents))
        found = self.core.vjp_tangent(asked, moved, self._core_tangents(tangents), *options)
        grads = self._to_parameters(found)
        if self._logged:
            # The factor 1 / p that the chain rule has for log p moves too.
            for grad, (number, log) in zip(
                self.core.vjp(asked, *options), self._compiled.inputs, strict=True
            ):
                tangent, known = tangents[number], grads[number]
                if log and tangent is not None and known is not None:
                    grad = grad.reshape(self._shapes[number])
                    grads[number] = known - grad * tangent / self._logged[number] ** 2
        return grads

    def flat_tape(self) -> np.ndarray:
        return self.core.flat_tape()

    def _to_core(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        """Cotangents of what the core returns, from those of the outputs."""
        asked = []
        for value, factor, output in zip(cotangents, self._exponentials, self._named, strict=True):
            if value is not None:
                value = value if factor is None else value * factor
                value = np.ascontiguousarray(value).reshape(len(value), output.size)
            asked.append(value)
        return asked

    def _add_changes_of_exponentials(
        self, moved: Arrays, asked: Arrays, along: Sequence[np.ndarray]
    ) -> None:
        """Adds to `moved` that the factor exp(u) in `asked`, the cotangents of u, moves with u,
        `along` this tangent."""
        for k, factor in enumerate(self._exponentials):
            own, known = asked[k], moved[k]
            if factor is not None and own is not None:
                change = own * along[k].reshape(own.shape)
                moved[k] = change if known is None else known + change

    def _to_parameters(self, found: Sequence[np.ndarray]) -> Arrays:
        """Gradients of the parameters, from those of what the core takes."""
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

    def _core_tangents(self, tangents: Sequence[np.ndarray | None]) -> Arrays:
        """Tangents of what the core takes."""
        asked = []
        for number, log in self._compiled.inputs:
            tangent = tangents[number]
            if tangent is not None:
                tangent = tangent / self._logged[number] if log else tangent
                tangent = rows(tangent, self._compiled.parameters[number])
            asked.append(tangent)
        return asked

    def _core_jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """Tangents of what the core returns, in the shapes of the outputs."""
        found = self.core.jvp(self._core_tangents(tangents), *self._policy.derivative_options)
        return [
            value.reshape(len(value), *output.shape)
            for value, output in zip(found, self._named, strict=True)
        ]


def rows(array: np.ndarray, parameter: Any) -> np.ndarray:
    """A parameter's array as the core takes it: (size,), or (batch, size)."""
    if array.ndim == len(parameter.shape):
        return np.ascontiguousarray(array).reshape(parameter.size)
    return np.ascontiguousarray(array).reshape(len(array), parameter.size)


class LayerProgram:
    """A compiled problem with one set of solver settings; `more` are outputs that its core has
    beside those of the problem."""

    __slots__ = ("_outputs", "arguments", "compiled", "core", "results", "single")

    def __init__(
        self,
        compiled: Compiled,
        core: _core.Layer,
        single: bool = False,
        more: Sequence[Output] = (),
    ) -> None:
        self.compiled = compiled
        self._outputs = (*compiled.outputs, *more)
        self.core = core
        self.single = single
        self.arguments = [p.shape for p in compiled.parameters]
        self.results = [o.shape for o in self._outputs]

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        compiled = self.compiled
        # No parameter is ever absent.
        given = [array for array in arrays if array is not None]
        given = compiled.check_attributes(given, self.single)
        values = self._values(given)
        if not isinstance(start, _core.LayerSolved) or start.batch != batch:
            start = None
        try:
            solved = self.core.forward(batch, values, start=start, differentiable=differentiable)
        except ValueError:
            batched = [
                a.ndim > len(p.shape) for a, p in zip(given, compiled.parameters, strict=True)
            ]
            compiled.check_values(given, batched)
            raise
        return _LayerSolution(solved, compiled, self._outputs, given, policy)

    def on_device(self, device: torch.device) -> DeviceProgram:
        """The same on a device. Raises `NotOnDevice` or `DeviceError`."""
        return layer_on_device(self.core, self.compiled, self.single, self._outputs, device)

    def device_tape_len(self) -> int:
        """Numbers of one sample in a tape there. Raises `NotOnDevice`."""
        return layer_tape_len(self.core, self.compiled)

    @property
    def tape_len(self) -> int:
        """Numbers of one sample in a flat tape."""
        return self.core.flat_tape_len

    def restore(self, batch: int, arrays: Arrays, tape: np.ndarray, policy: Policy) -> Solution:
        """The solution that left a flat tape, (batch, tape_len), at the parameters that it was
        solved at."""
        given = [array for array in arrays if array is not None]
        given = self.compiled.check_attributes(given, self.single)
        solved = self.core.restore(batch, tape, self._values(given))
        return _LayerSolution(solved, self.compiled, self._outputs, given, policy)

    def _values(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the core takes, from the parameters."""
        values = []
        for number, log in self.compiled.inputs:
            value = rows(given[number], self.compiled.parameters[number])
            if log:
                with np.errstate(divide="ignore", invalid="ignore"):
                    value = np.log(value)
            values.append(value)
        return values
