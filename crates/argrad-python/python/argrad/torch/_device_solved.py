"""Batches that are solved where their tensors are, on a card, and their derivatives."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from argrad import _core, _options
from argrad._card import REPORTED
from argrad._policy import Policy
from argrad.torch._device_maps import Evaluated, Maps
from argrad.torch._device_memory import current, device_of, empty, free_bytes, is_capturing
from argrad.torch._device_numbers import SolvedNumbers, Tensors


class Vectors(NamedTuple):
    """Arguments as the maps take them."""

    vectors: list[torch.Tensor]
    fine: list[torch.Tensor]
    """Whether the arguments are well-formed."""
    of: list[tuple[int, torch.Tensor | None]]
    """Which argument each is, and what its tangents are divided by: the vector is a logarithm."""

    def along(self, tangents: Sequence[torch.Tensor | None]) -> Tensors:
        """Tangents of the vectors, from those of the arguments; None for zero."""
        found: Tensors = []
        for vector, (at, divisor) in zip(self.vectors, self.of, strict=True):
            tangent = tangents[at]
            if tangent is not None:
                tangent = tangent if divisor is None else tangent / divisor
                tangent = tangent.reshape(vector.shape)
            found.append(tangent)
        return found

    def back(
        self, cotangents: Sequence[torch.Tensor | None], leaves: Sequence[torch.Tensor | None]
    ) -> Tensors:
        """Cotangents of the arguments, from those of the vectors; None for absent ones."""
        found: Tensors = [None] * len(leaves)
        for cotangent, (at, divisor) in zip(cotangents, self.of, strict=True):
            leaf = leaves[at]
            if cotangent is None or leaf is None:
                continue
            cotangent = cotangent.reshape(leaf.shape)
            cotangent = cotangent if divisor is None else cotangent / divisor
            known = found[at]
            found[at] = cotangent if known is None else known + cotangent
        return [
            leaf if leaf is None else torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, found, strict=True)
        ]


class DeviceSolution(Protocol):
    """A batch that was solved on a device, with its derivatives there."""

    device: torch.device
    batch: int
    outputs: list[torch.Tensor]

    @property
    def sample_len(self) -> int:
        """Numbers that a sample has there, about."""
        ...

    @property
    def is_fine(self) -> bool:
        """Whether the arguments were well-formed; if not, nothing else here means anything. As all
        that is not a tensor it waits for the solve."""
        ...

    @property
    def reports(self) -> Mapping[str, np.ndarray]:
        """Diagnostics, one array a name."""
        ...

    @property
    def all_solved(self) -> bool:
        """Whether every sample is solved."""
        ...

    @property
    def core(self) -> Summary:
        """What modules keep of it."""
        ...

    def has_status(self, status: int) -> torch.Tensor:
        """Whether samples have a status, by its number in `argrad.STATUS`."""
        ...

    def masked(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows, one a sample, with NaN for samples without a solution."""
        ...

    def tape(self) -> torch.Tensor:
        """Numbers from which `OnDevice.restore` makes the solution again, (batch, tape_len)."""
        ...

    def samples(self, places: torch.Tensor) -> DeviceSolution:
        """Some samples, each as often as it is asked for, of a batch that shares no argument."""
        ...

    def vjp(self, cotangents: Sequence[torch.Tensor | None], policy: Policy) -> Tensors:
        """Gradients of the arguments, in double precision; of shared ones, summed over the batch.
        Raises `SolverError` for samples that have none, unless `policy.on_failure` says
        otherwise."""
        ...

    def jvp(self, tangents: Sequence[torch.Tensor | None], policy: Policy) -> list[torch.Tensor]:
        """Tangents of the outputs, in double precision. Raises as `vjp` does."""
        ...


class OnDevice(Protocol):
    """A program on one device."""

    @property
    def tape_len(self) -> int:
        """Numbers of a sample in a tape."""
        ...

    def solve(
        self,
        batch: int,
        tensors: Sequence[torch.Tensor | None],
        differentiable: bool,
        start: Any = None,
    ) -> DeviceSolution:
        """Queues the solve of a batch; an argument without batch dimension is shared. It begins at
        the solutions of `start`, where that is a batch of as many programs of the same size on the
        same device."""
        ...

    def restore(
        self, batch: int, tensors: Sequence[torch.Tensor | None], tape: torch.Tensor
    ) -> DeviceSolution:
        """What was solved at these tensors and left the tape, to be differentiated."""
        ...


class DeviceProgram:
    """A program on one device: its solver, and the functions around the solve.

    `vectors` takes the arguments, in double precision, to what the maps take. `ranks` are the
    numbers of dimensions of the arguments of one sample, `shapes` the shapes of the outputs, each
    with whether the maps give its logarithm; `has_logarithms` says whether vectors are logarithms
    of arguments.
    """

    def __init__(
        self,
        solver: _core.DeviceSolver,
        maps: Maps,
        vectors: Callable[[Tensors], Vectors],
        ranks: Sequence[int],
        shapes: Sequence[tuple[tuple[int, ...], bool]],
        maximize: bool = False,
        has_logarithms: bool = False,
    ) -> None:
        self.solver = solver
        self.maps = maps
        self.vectors = vectors
        self.ranks = ranks
        self.shapes = shapes
        self.sign = -1.0 if maximize else 1.0
        # For the way back.
        self.keeps_arguments = has_logarithms or maps.has_products

    @property
    def lengths(self) -> tuple[int, ...]:
        """Numbers of a sample that its derivatives need: x, z, s, the report, the tape."""
        return parts_of(self.solver.lengths)

    @property
    def tape_len(self) -> int:
        return sum(self.lengths)

    def solve(
        self,
        batch: int,
        tensors: Sequence[torch.Tensor | None],
        differentiable: bool,
        start: Any = None,
    ) -> Solved:
        device = device_of(tensors)
        with current(device):
            self.solver.check_memory(batch, differentiable, free_bytes(device))
            # The caller may overwrite what he passed.
            copy = differentiable and self.keeps_arguments
            lengths = self.lengths if differentiable else self.lengths[:-1]
            parts = [empty(device, batch, length) for length in lengths]
            solved = Solved(self, device, batch, _doubles(tensors, copy), parts)
            solved.numbers.solve(start.point if isinstance(start, Summary) else [])
        return solved

    def restore(
        self, batch: int, tensors: Sequence[torch.Tensor | None], tape: torch.Tensor
    ) -> Solved:
        device = device_of(tensors)
        with current(device):
            parts = [part.contiguous() for part in tape.split(self.lengths, -1)]
            return Solved(self, device, batch, _doubles(tensors, False), parts)

    def outputs(self, point: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The outputs at a solution."""
        found = []
        for (shape, is_log), (dual, output) in zip(self.shapes, self.maps.outputs, strict=True):
            value = output([point[1 if dual else 0]])
            if value.dim() == 1:
                value = value.expand(len(point[0]), -1).clone()
            value = value.reshape(len(point[0]), *shape)
            found.append(value.exp() if is_log else value)
        return found


def parts_of(lengths: tuple[Any, int, int, int, int, int]) -> tuple[int, ...]:
    """x, z, s, the report, the tape, of the lengths of a solver."""
    _, x, z, report, tape, _ = lengths
    return x, z, z, report, tape


def _doubles(tensors: Sequence[torch.Tensor | None], copy: bool) -> Tensors:
    return [None if t is None else t.detach().to(torch.float64, copy=copy) for t in tensors]


class Reading:
    """What a card said of a batch, read when it is asked for: that waits for the solve."""

    def __init__(
        self,
        solver: _core.DeviceSolver,
        report: torch.Tensor,
        constant: torch.Tensor,
        is_fine: torch.Tensor,
        p_is_shared: bool,
    ) -> None:
        self._solver, self._p_is_shared = solver, p_is_shared
        # Until it is read.
        self._parts: tuple[torch.Tensor, ...] = (report, constant, is_fine)
        self._read: tuple[_core.DeviceReports, np.ndarray, bool] | None = None

    @property
    def is_fine(self) -> bool:
        """Whether the arguments were well-formed; if not, nothing else here means anything. Raises
        ValueError for a matrix that is not convex."""
        return self._all()[2]

    @property
    def reports(self) -> _core.DeviceReports:
        return self._all()[0]

    @property
    def constant(self) -> np.ndarray:
        """Constants of the objective: one, or one a sample."""
        return self._all()[1]

    def _all(self) -> tuple[_core.DeviceReports, np.ndarray, bool]:
        if self._read is None:
            report, *_ = self._parts
            # In one piece.
            parts = [part.flatten().double() for part in self._parts]
            numbers = torch.cat(parts).numpy(force=True)
            count = report.numel()
            rows, is_fine = numbers[:count].reshape(report.shape), bool(numbers[-1])
            rows = np.ascontiguousarray(rows) if is_fine else np.zeros(rows.shape)
            reports = self._solver.reports(rows, self._p_is_shared)
            self._read, self._parts = (reports, numbers[count:-1], is_fine), ()
        return self._read


class Summary:
    """What modules keep of a batch that was solved on a device: `info` shows it, and warm starts
    begin there."""

    def __init__(
        self, batch: int, point: Sequence[torch.Tensor], reading: Reading, sign: float
    ) -> None:
        self.batch = batch
        self.point = point
        self._reading, self._sign = reading, sign

    def without_tape(self) -> Summary:
        return self

    @property
    def reports(self) -> dict[str, np.ndarray]:
        return self._reading.reports.reports

    @property
    def objective(self) -> np.ndarray:
        """Optimal values, (batch,)."""
        return self._sign * (self.reports["objective"] + self._reading.constant)


class Solved:
    """A solved batch on a device, with what its derivatives need there."""

    def __init__(
        self,
        program: DeviceProgram,
        device: torch.device,
        batch: int,
        leaves: Tensors,
        parts: Sequence[torch.Tensor],
    ) -> None:
        self.device = device
        self._program, self.batch, self._leaves = program, batch, leaves
        self._vectors = program.vectors(leaves)
        self._maps = Evaluated(program.maps, self._vectors.vectors)
        *values, constant = self._maps.numbers
        self.numbers = SolvedNumbers(program.solver, batch, values, parts)
        is_fine = torch.stack([*self._vectors.fine, *self._maps.fine]).all()
        report, p_is_shared = self.numbers.report, self.numbers.p_is_shared
        self.reading = Reading(program.solver, report, constant, is_fine, p_is_shared)

    @property
    def sample_len(self) -> int:
        return self._program.tape_len + sum(self._program.solver.lengths[0])

    @functools.cached_property
    def outputs(self) -> list[torch.Tensor]:
        return self._program.outputs(self.numbers.point)

    @property
    def is_fine(self) -> bool:
        return self.reading.is_fine

    @property
    def reports(self) -> dict[str, np.ndarray]:
        return self.reading.reports.reports

    @property
    def all_solved(self) -> bool:
        return self.reading.reports.all_solved

    @property
    def core(self) -> Summary:
        return Summary(self.batch, self.numbers.point, self.reading, self._program.sign)

    def has_status(self, status: int) -> torch.Tensor:
        return self.numbers.report[:, 0] == REPORTED.index(status)

    def masked(self, rows: torch.Tensor) -> torch.Tensor:
        return _marked(rows, self.numbers.lost)

    def tape(self) -> torch.Tensor:
        of = self.numbers
        assert of.tape is not None
        return torch.cat([*of.point, of.report, of.tape], -1)

    def samples(self, places: torch.Tensor) -> Solved:
        leaves = [None if leaf is None else leaf.index_select(0, places) for leaf in self._leaves]
        return self._program.restore(len(places), leaves, self.tape().index_select(0, places))

    def vjp(self, cotangents: Sequence[torch.Tensor | None], policy: Policy) -> Tensors:
        self._check_derivative(policy.on_failure)
        with current(self.device), torch.no_grad():
            of_x, of_z = self._to_point(cotangents)
            derived = self.numbers.vjp(of_x, of_z, policy)
            self._warn_of(derived.said)
            grads = self._vectors.back(self._maps.back(derived.parts), self._leaves)
        if policy.on_failure != "nan":
            return grads
        return [
            _marked(grad, derived.lost) if grad is not None and grad.dim() > rank else grad
            for grad, rank in zip(grads, self._program.ranks, strict=True)
        ]

    def jvp(self, tangents: Sequence[torch.Tensor | None], policy: Policy) -> list[torch.Tensor]:
        self._check_derivative(policy.on_failure)
        with current(self.device), torch.no_grad():
            moved = self._vectors.along(_doubles(tangents, False))
            derived = self.numbers.jvp(self._maps.along(moved), policy)
            self._warn_of(derived.said)
            x, z, _ = derived.parts
            found = []
            outputs = zip(
                self._program.shapes, self._program.maps.outputs, self._factors(), strict=True
            )
            for (shape, _), (dual, output), factor in outputs:
                tangent = output.linear([z if dual else x])
                if tangent is None:
                    found.append(x.new_zeros((self.batch, *shape)))
                    continue
                tangent = tangent.reshape(self.batch, *shape)
                found.append(tangent if factor is None else tangent * factor)
        if policy.on_failure != "nan":
            return found
        return [_marked(one, derived.lost) for one in found]

    def _check_derivative(self, on_failure: _options.OnFailure) -> None:
        if not is_capturing(self.device):
            self.reading.reports.check_derivative(on_failure)

    def _warn_of(self, said: torch.Tensor | None) -> None:
        """Warns where the linear solves make a derivative doubtful, which waits for them."""
        if said is not None and not is_capturing(self.device):
            self._program.solver.warn_of(said.numpy(force=True), self.reading.reports)

    def _factors(self) -> Tensors:
        """Of outputs that are exponentials: their derivatives, which are they themselves."""
        shapes = self._program.shapes
        if not any(is_log for _, is_log in shapes):
            return [None] * len(shapes)
        # Not those of `outputs`: the caller may overwrite what he gets.
        outputs = zip(self._program.outputs(self.numbers.point), shapes, strict=True)
        return [output if is_log else None for output, (_, is_log) in outputs]

    def _to_point(self, cotangents: Sequence[torch.Tensor | None]) -> Tensors:
        """Cotangents of x and z, from those of the outputs; None for zero."""
        found: Tensors = [None, None]
        outputs = zip(
            cotangents,
            self._program.shapes,
            self._factors(),
            self._program.maps.outputs,
            strict=True,
        )
        for cotangent, (shape, _), factor, (dual, output) in outputs:
            if cotangent is None:
                continue
            cotangent = cotangent.detach().double()
            cotangent = cotangent if factor is None else cotangent * factor
            part = output.transposed(cotangent.reshape(self.batch, math.prod(shape)))
            known = found[dual]
            found[dual] = part if known is None else known + part
        return [None if part is None else part.contiguous() for part in found]


def _marked(rows: torch.Tensor, lost: torch.Tensor) -> torch.Tensor:
    """Rows, one a sample, with NaN for some samples."""
    return rows.masked_fill(lost.reshape(-1, *(1,) * (rows.dim() - 1)), torch.nan)
