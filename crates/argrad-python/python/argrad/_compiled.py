"""A problem compiled for the core, and the checks of what is passed to it."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from argrad import _attributes, _core, _options

# How many sets of solver settings a compiled problem keeps a core layer for.
_KEPT_LAYERS = 8


class Parameter(NamedTuple):
    """A parameter of the layer, in the order in which its user passes values."""

    name: str
    shape: tuple[int, ...]
    positive: bool
    """A geometric program takes its logarithm."""
    attributes: tuple[_attributes.Attribute, ...] = ()
    """What is checked of its values."""

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


class Input(NamedTuple):
    """A vector that the core takes: a parameter, or its logarithm."""

    parameter: int
    log: bool


class Output(NamedTuple):
    """A value that the layer returns."""

    name: str
    shape: tuple[int, ...]
    exp: bool
    """The core returns its logarithm (a variable of a geometric program)."""
    dual: bool

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


class ParameterTypeError(TypeError, AttributeError):
    """A value passed for a parameter is not an array.

    Also an AttributeError, which is what cvxpylayers raises in this place.
    """


class Compiled:
    """A CVXPY problem as a layer of the core. Immutable, shareable between threads, picklable.

    `parameters` and `outputs` describe what the user passes and gets. `inputs` lists the vectors
    that a core layer takes, in order: each the row-major entries of a parameter or of its
    logarithm, (size,) if shared by the batch or (batch, size). A core layer returns one
    (batch, size) array an output; where `Output.exp` is set, of its logarithm. With
    `log_objective`, the objective that it reports is the logarithm of the user's. `program` is what
    `_core.Layer` takes (maps that CVXPY made) or `_core.compile_model` (a problem in argrad's
    language); of the former `untranslated` says why.
    """

    def __init__(
        self,
        parameters: tuple[Parameter, ...],
        inputs: tuple[Input, ...],
        outputs: tuple[Output, ...],
        log_objective: bool,
        program: dict[str, Any],
        settings: Mapping[str, Any],
        untranslated: str | None = None,
    ) -> None:
        self.parameters = parameters
        self.inputs = inputs
        self.outputs = outputs
        self.log_objective = log_objective
        self.program = program
        self.untranslated = untranslated
        is_translated = "maps" not in program
        # A parametric P may come in single precision, where zero eigenvalues round below zero. A
        # constant one is positive semidefinite by the rules of argrad's own language.
        may_round = is_translated or len(program["maps"][0][1]) > 0
        self.settings = {
            **({"convexity_tolerance": _options.SINGLE} if may_round else {}),
            **settings,
        }
        make = _core.compile_model if is_translated else _core.Layer
        self._default = make(**program, settings=self.settings)
        self._lock = threading.Lock()
        self._layers: OrderedDict[tuple, _core.Layer] = OrderedDict()

    def layer(
        self, settings: Mapping[str, Any] | None = None, *, single: bool = False
    ) -> _core.Layer:
        """The core layer with the settings of construction, overridden by `settings`; what neither
        says is chosen for parameters of single precision where `single`.

        The last few are kept. Raises TypeError or ValueError for a bad setting.
        """
        if not settings and not single:
            return self._default
        rounding = _options.SINGLE_SETTINGS if single else {}
        merged = {**rounding, **self.settings, **(settings or {})}
        key = tuple(sorted(merged.items()))
        with self._lock:
            layer = self._layers.get(key)
            if layer is not None:
                self._layers.move_to_end(key)
                return layer
        layer = self._default.with_settings(merged)
        with self._lock:
            layer = self._layers.setdefault(key, layer)
            while len(self._layers) > _KEPT_LAYERS:
                self._layers.popitem(last=False)
        return layer

    def __deepcopy__(self, memo: dict) -> Compiled:
        return self

    def __reduce__(self) -> tuple:
        state = (self.parameters, self.inputs, self.outputs, self.log_objective, self.program)
        return (Compiled, (*state, self.settings, self.untranslated))

    def __repr__(self) -> str:
        columns, rows, *_ = self._default.sizes
        return (
            f"Compiled({len(self.parameters)} parameters, {len(self.outputs)} outputs, "
            f"{columns} variables, {rows} rows)"
        )

    def explain(self) -> str:
        """How the problem was compiled and how it is solved, as a few lines of text."""
        columns, rows, p_entries, a_entries, derived = self._default.sizes
        if "maps" in self.program:
            how = f"canonicalized by CVXPY: {self.untranslated}"
        else:
            how = (
                f"compiled by argrad's own language: {len(self.program['expressions'])} expressions"
            )
        numbers = sum(parameter.size for parameter in self.parameters)
        lines = [
            how,
            f"{len(self.parameters)} parameters with {numbers} numbers"
            + (f", from which {derived} more are computed for each sample" if derived else ""),
            f"P has {p_entries} entries, A {a_entries}",
            self._default.explain(),
        ]
        return "\n".join(lines)

    def batch_of(
        self, values: Sequence[Any], noun: str = "an array"
    ) -> tuple[int | None, tuple[bool, ...]]:
        """Checks the shapes of `values`, of which each is to be `noun`, and finds the batch size.

        Each value has the shape of its parameter, or that with one leading batch dimension; batched
        and unbatched ones mix. Returns the batch size (None if no value is batched) and which
        values are batched. Raises ValueError in the words of cvxpylayers, and ParameterTypeError
        for something without a shape.
        """
        parameters = self.parameters
        if len(values) != len(parameters):
            raise ValueError(
                "A tensor must be provided for each CVXPY parameter; "
                f"received {len(values)} tensors, expected {len(parameters)}"
            )
        batch = None
        consistent = True
        batched = []
        for i, (value, parameter) in enumerate(zip(values, parameters, strict=True)):
            try:
                shape = tuple(value.shape)
            except AttributeError:
                raise ParameterTypeError(
                    f"parameter {i} ({parameter.name}) must be {noun} of shape "
                    f"{parameter.shape}; found {type(value).__name__}"
                ) from None
            expected = parameter.shape
            if shape == expected:
                batched.append(False)
            elif shape[1:] == expected and len(shape) == len(expected) + 1:
                batched.append(True)
                consistent = consistent and batch in (None, shape[0])
                batch = shape[0]
            else:
                raise _shape_error(i, shape, expected)
        if not consistent:
            sizes = [int(v.shape[0]) if b else 0 for v, b in zip(values, batched, strict=True)]
            raise ValueError(
                "Inconsistent batch sizes. Expected all batched parameters to have "
                f"the same batch size, but got: {sizes}"
            )
        return batch, tuple(batched)

    def check_attributes(self, arrays: Sequence[np.ndarray], single: bool) -> list[np.ndarray]:
        """The values, those that are out of bounds by a rounding on them.

        Raises ValueError if they break what the attributes of their parameter promise, at the
        rounding of single precision where `single`.
        """
        found = list(arrays)
        for i, (array, parameter) in enumerate(zip(arrays, self.parameters, strict=True)):
            if parameter.attributes:
                place = f"parameter {i} ({parameter.name})"
                batched = array.ndim > len(parameter.shape)
                found[i] = _attributes.checked(place, parameter.attributes, array, single, batched)
        return found

    def check_values(self, arrays: Sequence[np.ndarray], batched: Sequence[bool]) -> None:
        """Raises ValueError if an entry of a parameter is NaN or infinite, or not positive where a
        geometric program takes its logarithm: names the parameter and the index of the entry."""
        for i, (array, parameter) in enumerate(zip(arrays, self.parameters, strict=True)):
            bad = ~np.isfinite(array)
            wanted = "finite"
            if parameter.positive and not bad.any():
                bad = array <= 0.0
                wanted = "positive (the problem is a geometric program)"
            if not bad.any():
                continue
            index = tuple(int(k) for k in np.argwhere(bad)[0])
            where = ""
            if batched[i]:
                where, index = f" of sample {index[0]}", index[1:]
            place = f"entry {index}{where}" if index else f"the value{where}"
            full = np.argwhere(bad)[0]
            raise ValueError(
                f"parameter {i} ({parameter.name}) must be {wanted}; {place} is "
                f"{array[tuple(full)]}"
            )


def _shape_error(i: int, shape: tuple[int, ...], expected: tuple[int, ...]) -> ValueError:
    """What is wrong with a shape, in the words of cvxpylayers."""
    if len(shape) == len(expected):
        return ValueError(
            f"Invalid parameter shape for parameter {i}. Expected: {expected}, Got: {shape}"
        )
    if len(shape) == len(expected) + 1:
        inner = ", ".join(map(str, expected))
        return ValueError(
            f"Invalid parameter shape for parameter {i}. "
            f"Expected batched shape: (batch_size, {inner}), Got: {shape}"
        )
    return ValueError(
        f"Invalid parameter dimensionality for parameter {i}. "
        f"Expected {len(expected)} or {len(expected) + 1} dimensions, "
        f"Got: {len(shape)} dimensions"
    )
