"""A compiled CVXPY problem over the user's arrays: logarithms in, exponentials out.

Shared by the front ends that call the core from a host callback (JAX, TensorFlow).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from argrad import _core, _options
from argrad._attributes import Attribute
from argrad._compiled import Compiled, Input, Output, Parameter
from argrad._errors import failed
from argrad._policy import Policy, settings_key, status_codes


class _Solved(NamedTuple):
    batch: int
    core: _core.LayerSolved
    values: list[np.ndarray]
    outputs: list[np.ndarray]


@dataclass(frozen=True)
class CvxpyProgram:
    """A layer with its settings and options. Equal where the compiled problem is the same object.

    Values have the shapes of the parameters, with a leading batch axis or not; outputs and their
    tangents and cotangents those of the variables, with a leading batch axis.
    """

    compiled: Compiled
    settings: tuple[tuple[str, Any], ...]
    policy: Policy
    elastic: _options.Elastic | None = None
    """With it this is the relaxed program (`argrad::model::Layer::relaxed`): its last output is the
    violation, row by row."""

    def __repr__(self) -> str:
        return f"CvxpyProgram({self.compiled!r})"

    @property
    def inputs(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameters."""
        return tuple(parameter.shape for parameter in self.compiled.parameters)

    @property
    def outputs(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the variables."""
        return tuple(output.shape for output in self.all_outputs)

    @functools.cached_property
    def all_outputs(self) -> tuple[Output, ...]:
        """The variables, and last the violation of a relaxed program."""
        if self.elastic is None:
            return self.compiled.outputs
        rows = sum(count for _, count in self.relaxed_constraints)
        return (*self.compiled.outputs, Output("violation", (rows,), False, False))

    @functools.cached_property
    def relaxed_constraints(self) -> list[tuple[str, int]]:
        """Whose rows a relaxed program may violate, and how many each has."""
        return self.compiled.layer(dict(self.settings)).relaxed_constraints()

    def _flat(self, at: int, value: np.ndarray) -> np.ndarray:
        """A value of parameter `at`, or its tangent, as (size,) or (batch, size)."""
        parameter = self.compiled.parameters[at]
        lead = value.shape[: value.ndim - len(parameter.shape)]
        return value.reshape((*lead, parameter.size))

    def _explain(self, values: list[np.ndarray]) -> None:
        """Raises ValueError naming the entry of a parameter that is not finite or not positive."""
        parameters = self.compiled.parameters
        each = [v.ndim > len(p.shape) for v, p in zip(values, parameters, strict=True)]
        self.compiled.check_values(values, each)

    @functools.cached_property
    def core_layer(self) -> _core.Layer:
        """What solves it."""
        layer = self.compiled.layer(dict(self.settings))
        return layer if self.elastic is None else layer.relaxed(*self.elastic[1:])

    @property
    def flat_tape_len(self) -> int:
        """Numbers of one sample in a flat tape."""
        return self.core_layer.flat_tape_len

    def _vectors(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """What the core layer takes."""
        vectors = []
        for at, log in self.compiled.inputs:
            if log and not np.all(values[at] > 0.0):
                self._explain(values)
            vectors.append(self._flat(at, np.log(values[at]) if log else values[at]))
        return vectors

    def forward(self, batch: int, values: list[np.ndarray], differentiable: bool) -> _Solved:
        """Solves; raises ValueError for bad values, SolverError as the policy says."""
        values = self.compiled.check_attributes(values, False)
        vectors = self._vectors(values)
        try:
            core = self.core_layer.forward(batch, vectors, differentiable=differentiable)
        except ValueError:
            self._explain(values)
            raise
        self.policy.check(core)
        return self._solved(batch, core, values)

    def restore(self, batch: int, values: list[np.ndarray], flat_tape: np.ndarray) -> _Solved:
        """The result of a differentiable `forward` at these values, from its flat tape."""
        values = self.compiled.check_attributes(values, False)
        core = self.core_layer.restore(batch, flat_tape, self._vectors(values))
        return self._solved(batch, core, values)

    def flat_tape(self, solved: _Solved) -> np.ndarray:
        """The flat tape of a differentiable result."""
        return solved.core.flat_tape()

    def _solved(self, batch: int, core: _core.LayerSolved, values: list[np.ndarray]) -> _Solved:
        with np.errstate(over="ignore"):  # where there is no solution
            outputs = [
                np.exp(array) if output.exp else array
                for array, output in zip(core.outputs, self.all_outputs, strict=True)
            ]
        return _Solved(batch, core, values, outputs)

    def _slopes(self, solved: _Solved) -> list[np.ndarray | None]:
        """The derivatives of the exponentials among the outputs; zero without a solution."""
        slopes: list[np.ndarray | None] = []
        for value, output in zip(solved.outputs, self.all_outputs, strict=True):
            if output.exp and not solved.core.all_solved:
                value = np.array(value)
                value[np.flatnonzero(failed(solved.core.reports))] = 0.0
            slopes.append(value if output.exp else None)
        return slopes

    def results(self, solved: _Solved) -> tuple[list[np.ndarray], np.ndarray]:
        """The outputs and the status codes."""
        outputs = self.policy.mask(solved.outputs, solved.core)
        shaped = [
            array.reshape((solved.batch, *shape))
            for array, shape in zip(outputs, self.outputs, strict=True)
        ]
        return shaped, status_codes(solved.core, solved.batch)

    def _moved(self, solved: _Solved, tangents: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """Tangents of what the core layer takes; None is zero."""
        vectors: list[np.ndarray | None] = []
        for at, log in self.compiled.inputs:
            tangent = tangents[at]
            if tangent is not None:
                if log:
                    tangent = tangent / solved.values[at]
                tangent = self._flat(at, tangent)
            vectors.append(tangent)
        return vectors

    def _weights(
        self, solved: _Solved, cotangents: list[np.ndarray | None]
    ) -> list[np.ndarray | None]:
        """Cotangents of what the core layer returns; None is zero."""
        weights: list[np.ndarray | None] = []
        for cotangent, slope, output in zip(
            cotangents, self._slopes(solved), self.all_outputs, strict=True
        ):
            if cotangent is not None:
                cotangent = np.ascontiguousarray(cotangent.reshape((solved.batch, output.size)))
                if slope is not None:
                    cotangent = cotangent * slope
            weights.append(cotangent)
        return weights

    def _of_values(
        self, solved: _Solved, gradients: list[np.ndarray], wanted: tuple[bool, ...]
    ) -> list[np.ndarray | None]:
        """From gradients of what the core layer takes to those of the wanted values."""
        totals: list[np.ndarray | None] = [
            np.zeros_like(value) if want else None
            for value, want in zip(solved.values, wanted, strict=True)
        ]
        for (at, log), gradient in zip(self.compiled.inputs, gradients, strict=True):
            total, value = totals[at], solved.values[at]
            if total is not None:
                gradient = gradient.reshape(value.shape)
                total += gradient / value if log else gradient
        return totals

    def tangents(self, solved: _Solved, tangents: list[np.ndarray | None]) -> list[np.ndarray]:
        """Tangents of all outputs; None is zero."""
        vectors = self._moved(solved, tangents)
        results = solved.core.jvp(vectors, *self.policy.derivative_options)
        return [
            (out if slope is None else out * slope).reshape((solved.batch, *shape))
            for out, slope, shape in zip(results, self._slopes(solved), self.outputs, strict=True)
        ]

    def cotangents(
        self,
        solved: _Solved,
        cotangents: list[np.ndarray | None],
        wanted: tuple[bool, ...],
    ) -> list[np.ndarray | None]:
        """Cotangents of the wanted values, each of the shape of its value; None is zero."""
        weights = self._weights(solved, cotangents)
        gradients = solved.core.vjp(weights, *self.policy.derivative_options)
        return self._of_values(solved, gradients, wanted)

    def second(
        self,
        solved: _Solved,
        cotangents: list[np.ndarray | None],
        tangents: list[np.ndarray | None],
        wanted: tuple[bool, ...],
    ) -> list[np.ndarray | None]:
        """How `cotangents` changes along the tangents of the values: with u(theta) the vectors of
        the core and g their gradient, by u'dg + u''(g, dtheta), where the cotangents of outputs
        that are exponentials change too."""
        vectors, slopes = self._moved(solved, tangents), self._slopes(solved)
        weights = self._weights(solved, cotangents)
        changes: list[np.ndarray | None] = [None] * len(weights)
        if any(slope is not None for slope in slopes):
            moved = solved.core.jvp(vectors, *self.policy.derivative_options)
            changes = [
                None if slope is None or weight is None else weight * move
                for weight, slope, move in zip(weights, slopes, moved, strict=True)
            ]
        options = self.policy.derivative_options
        found = solved.core.vjp_tangent(weights, changes, vectors, *options)
        totals = self._of_values(solved, found, wanted)
        if any(log for _, log in self.compiled.inputs):
            gradients = solved.core.vjp(weights, *options)
            for (at, log), gradient in zip(self.compiled.inputs, gradients, strict=True):
                total, tangent, value = totals[at], tangents[at], solved.values[at]
                if log and total is not None and tangent is not None:
                    total -= gradient.reshape(value.shape) * tangent / value**2
        return totals

    def register(self, key: int) -> None:
        """Makes it known to the handlers of XLA under this key."""
        compiled = self.compiled
        _core.ffi_register_layer(
            key,
            self.core_layer,
            compiled.inputs,
            [parameter.size for parameter in compiled.parameters],
            [output.exp for output in self.all_outputs],
            any(parameter.attributes for parameter in compiled.parameters),
            self.policy.derivative_options,
            self,
        )

    def _shaped(self, values: list[np.ndarray], each: list[bool]) -> list[np.ndarray]:
        """Values that came as vectors."""
        shapes = zip(values, self.inputs, each, strict=True)
        return [value.reshape((*((-1,) if own else ()), *shape)) for value, shape, own in shapes]

    def prepare(self, values: list[np.ndarray], each: list[bool]) -> list[np.ndarray]:
        """The values as they are to be solved, checked by the parameters' attributes."""
        checked = self.compiled.check_attributes(self._shaped(values, each), False)
        return [value.reshape(-1) for value in checked]

    def explain(self, values: list[np.ndarray], each: list[bool]) -> None:
        """Raises what is to be said of values that the core does not take, where it says less."""
        self._explain(self._shaped(values, each))

    kind = "cvxpy"

    def description(self) -> list[Any]:
        """What it is made of, see `argrad._description`."""
        own = [self.settings, tuple(self.policy), self.elastic]
        return [*self.compiled.__reduce__()[1], *own]

    @classmethod
    def from_description(cls, *fields: Any) -> CvxpyProgram:
        """The program that described itself so."""
        parameters, inputs, outputs, log_objective, program, settings, untranslated = fields[:7]
        own, policy, elastic = fields[7:]
        compiled = Compiled(
            tuple(
                Parameter(name, shape, positive, tuple(Attribute(*one) for one in attributes))
                for name, shape, positive, attributes in parameters
            ),
            tuple(Input(*one) for one in inputs),
            tuple(Output(*one) for one in outputs),
            log_objective,
            program,
            settings,
            untranslated,
        )
        return cls(compiled, own, Policy(*policy), elastic)


class CvxpyFunction:
    """What the layers of these front ends are made of: a compiled problem and options.

    The arguments are described at the layers.
    """

    def __init__(
        self,
        problem: Any,
        parameters: Sequence[Any],
        variables: Sequence[Any],
        solver: Any = None,
        gp: bool = False,
        verbose: bool = False,
        canon_backend: str | None = None,
        solver_args: Mapping[str, Any] | None = None,
        *,
        derivative: _options.Derivative = "exact",
        method: _options.Method = "direct",
        on_failure: _options.OnFailure = "raise",
        check_attributes: bool = True,
    ) -> None:
        from argrad._compile import compile_problem  # needs cvxpy, which exports do not

        options = _options.solver_options(solver_args)
        self._compiled = compile_problem(
            problem,
            parameters,
            variables,
            gp=gp,
            solver_options=options.settings,
            canon_backend=canon_backend,
            verbose=verbose,
            check_attributes=check_attributes,
        )
        self._policy = Policy(
            _options.derivative(derivative),
            _options.on_failure(on_failure),
            _options.method(method),
            options.limited,
        )

    def _program(self, solver_args: Mapping[str, Any] | None) -> CvxpyProgram:
        """The program of one call, with its settings over those of construction."""
        options = _options.solver_options(solver_args)
        policy = self._policy._replace(limited=self._policy.limited or options.limited)
        return CvxpyProgram(self._compiled, settings_key(options.settings), policy)

    def explain(self) -> str:
        """How the problem was compiled (by argrad's own language, or by CVXPY and why), its sizes,
        the engine that solves it and the memory that it needs, as a few lines of text."""
        return self._compiled.explain()

    def __repr__(self) -> str:
        return f"CvxpyLayer({self._compiled!r})"
