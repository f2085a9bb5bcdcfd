"""Batches that are solved where their tensors are, on a card, and their derivatives.

The core launches kernels by address, on the stream that is current in PyTorch; all memory is
PyTorch's.
"""

from __future__ import annotations

import contextlib
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

Tensors = list[torch.Tensor | None]


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


class Batch(NamedTuple):
    """A batch by addresses, as the core takes it."""

    batch: int
    values: list[tuple[int, bool]]
    point: tuple[int, ...]
    report: int
    tape: int


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
            self.solver.check_memory(batch, differentiable, _free_bytes(device))
            # The caller may overwrite what he passed.
            copy = differentiable and self.keeps_arguments
            lengths = self.lengths if differentiable else self.lengths[:-1]
            parts = [empty(device, batch, length) for length in lengths]
            solved = Solved(self, device, batch, _doubles(tensors, copy), parts)
            scratch = empty(device, self.solver.scratch_len("solve", batch))
            points = start.point if isinstance(start, Summary) else []
            alike = zip(points, solved.point, strict=False)
            is_warm = points and all(a.shape == b.shape and a.device == b.device for a, b in alike)
            self.solver.solve(
                _stream(device),
                solved.addresses(),
                _addresses(points) if is_warm else None,
                scratch.data_ptr(),
            )
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
        self._values = [value.contiguous() for value in values]
        self._shared = [value.dim() == 1 for value in values]
        *self.point, self._report = parts[:4]
        self._tape = parts[4] if len(parts) > 4 else None
        is_fine = torch.stack([*self._vectors.fine, *self._maps.fine]).all()
        self.reading = Reading(program.solver, self._report, constant, is_fine, self._shared[0])

    @property
    def sample_len(self) -> int:
        return self._program.tape_len + sum(self._program.solver.lengths[0])

    @functools.cached_property
    def outputs(self) -> list[torch.Tensor]:
        return self._program.outputs(self.point)

    def addresses(self) -> Batch:
        """Where it is."""
        values = zip(self._values, self._shared, strict=True)
        return Batch(
            self.batch,
            [(value.data_ptr(), shared) for value, shared in values],
            _addresses(self.point),
            *_addresses([self._report, self._tape]),
        )

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
        return Summary(self.batch, self.point, self.reading, self._program.sign)

    def has_status(self, status: int) -> torch.Tensor:
        return self._report[:, 0] == REPORTED.index(status)

    def masked(self, rows: torch.Tensor) -> torch.Tensor:
        # Solved and almost solved are the first two statuses.
        lost = self._report[:, 0] > 1.5
        return rows.masked_fill(lost.reshape(-1, *(1,) * (rows.dim() - 1)), torch.nan)

    def tape(self) -> torch.Tensor:
        assert self._tape is not None
        return torch.cat([*self.point, self._report, self._tape], -1)

    def samples(self, places: torch.Tensor) -> Solved:
        leaves = [None if leaf is None else leaf.index_select(0, places) for leaf in self._leaves]
        return self._program.restore(len(places), leaves, self.tape().index_select(0, places))

    def vjp(self, cotangents: Sequence[torch.Tensor | None], policy: Policy) -> Tensors:
        self._check_derivative(policy.on_failure)
        solver, device = self._program.solver, self.device
        with current(device), torch.no_grad():
            of, _kept = self._at(policy.derivative)
            of_x, of_z = self._to_point(cotangents)
            _, x, z, _, _, linear = solver.lengths
            adjoint = [empty(device, self.batch, length) for length in (x, z)]
            said = empty(device, self.batch, linear)
            gradients = [torch.empty_like(value) for value in self._values]
            scratch = empty(device, solver.scratch_len("vjp", self.batch))
            solver.vjp(
                _stream(device),
                of,
                (*_addresses([of_x, of_z]), 0),
                _addresses(adjoint),
                said.data_ptr(),
                _addresses(gradients),
                scratch.data_ptr(),
            )
            self._warn_of(said, policy)
            grads = self._vectors.back(self._maps.back(gradients), self._leaves)
        if policy.on_failure == "nan":
            ranked = zip(grads, self._program.ranks, strict=True)
            grads = [
                self.masked(grad) if grad is not None and grad.dim() > rank else grad
                for grad, rank in ranked
            ]
        return grads

    def jvp(self, tangents: Sequence[torch.Tensor | None], policy: Policy) -> list[torch.Tensor]:
        self._check_derivative(policy.on_failure)
        solver, device = self._program.solver, self.device
        with current(device), torch.no_grad():
            of, _kept = self._at(policy.derivative)
            moved = self._vectors.along(_doubles(tangents, False))
            change = [None if one is None else one.contiguous() for one in self._maps.along(moved)]
            point = [torch.empty_like(part) for part in self.point]
            said = empty(device, self.batch, solver.lengths[-1])
            scratch = empty(device, solver.scratch_len("jvp", self.batch))
            solver.jvp(
                _stream(device),
                of,
                [None if one is None else (one.data_ptr(), one.dim() == 1) for one in change],
                _addresses(point),
                said.data_ptr(),
                scratch.data_ptr(),
            )
            self._warn_of(said, policy)
            found = []
            outputs = zip(
                self._program.shapes, self._program.maps.outputs, self._factors(), strict=True
            )
            for (shape, _), (dual, output), factor in outputs:
                tangent = output.linear([point[1 if dual else 0]])
                if tangent is None:
                    found.append(point[0].new_zeros((self.batch, *shape)))
                    continue
                tangent = tangent.reshape(self.batch, *shape)
                found.append(tangent if factor is None else tangent * factor)
        return [self.masked(one) for one in found] if policy.on_failure == "nan" else found

    def _at(self, derivative: _options.Derivative) -> tuple[Batch, Tensors]:
        """What is differentiated: the solutions, or points of the central path, with the tensors
        that hold these. Raises `SolverError` where such a point was not reached."""
        of = self.addresses()
        if isinstance(derivative, str):
            return of, []
        solver, device, mu = self._program.solver, self.device, derivative[1]
        _, x, z, _, tape, _ = solver.lengths
        parts = [empty(device, self.batch, length) for length in (x, z, tape)]
        reached = empty(device, self.batch)
        scratch = empty(device, solver.scratch_len("smooth", self.batch))
        of_x, of_z, of_tape = _addresses(parts)
        solver.smooth(
            _stream(device), of, mu, (of_x, of_z), of_tape, reached.data_ptr(), scratch.data_ptr()
        )
        if not is_capturing(device):
            solver.check_reached(reached.numpy(force=True))
        return of._replace(point=(of_x, of_z, of.point[2]), tape=of_tape), [*parts]

    def _check_derivative(self, on_failure: _options.OnFailure) -> None:
        if not is_capturing(self.device):
            self.reading.reports.check_derivative(on_failure)

    def _warn_of(self, said: torch.Tensor, policy: Policy) -> None:
        """Warns where the linear solves make a derivative doubtful, which waits for them."""
        if policy.derivative == "exact" and not is_capturing(self.device):
            self._program.solver.warn_of(said.numpy(force=True), self.reading.reports)

    def _factors(self) -> Tensors:
        """Of outputs that are exponentials: their derivatives, which are they themselves."""
        shapes = self._program.shapes
        if not any(is_log for _, is_log in shapes):
            return [None] * len(shapes)
        # Not those of `outputs`: the caller may overwrite what he gets.
        outputs = zip(self._program.outputs(self.point), shapes, strict=True)
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


def device_of(tensors: Sequence[torch.Tensor | None]) -> torch.device:
    """Where tensors are."""
    return next(t.device for t in tensors if t is not None)


def is_capturing(device: torch.device) -> bool:
    """Whether what is queued goes into a CUDA graph, so that nothing can be waited for."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def card_of(device: torch.device) -> int | None:
    """The number of a card, as the core takes it; None for the host."""
    return None if device.type == "cpu" else device.index


def current(device: torch.device) -> Any:
    """Makes a card the current one, and the one that was so again: the core does the former."""
    return contextlib.nullcontext() if device.type == "cpu" else torch.cuda.device(device)


def empty(device: torch.device, *shape: int) -> torch.Tensor:
    """Room for so many numbers."""
    return torch.empty(shape, dtype=torch.float64, device=device)


def _stream(device: torch.device) -> int:
    return 0 if device.type == "cpu" else torch.cuda.current_stream(device).cuda_stream


def _free_bytes(device: torch.device) -> int | None:
    """Bytes that PyTorch can have on a device; None where the core is to say."""
    if device.type == "cpu":
        return None
    if is_capturing(device):
        return 2**63
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + held


def _addresses(tensors: Sequence[torch.Tensor | None]) -> tuple[int, ...]:
    """Where tensors begin; zero for None."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)
