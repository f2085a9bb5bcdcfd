"""Programs that are solved where their tensors are, on a card: which ones, and how.

The core launches kernels by address, on the stream that is current in PyTorch; all memory is
PyTorch's. Whatever a card does not serve goes the CPU's way, which also says what is wrong with
values that are malformed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from argrad import _core, _options
from argrad._card import load_compiler
from argrad._policy import Policy
from argrad.torch._call import Call
from argrad.torch._device_maps import Maps

Tensors = list[torch.Tensor | None]
Vectors = tuple[list[torch.Tensor], list[torch.Tensor]]

_on_host = False
"""Whether tensors on the CPU are taken for tensors on a card; in tests only."""

_failures: dict[torch.device, str] = {}
"""Cards that cannot be used, and why."""


@contextlib.contextmanager
def use_host_kernels() -> Iterator[None]:
    """Within, tensors on the CPU go the way of those on a card, through the kernels compiled for
    the host. For tests: raises `DeviceError` where the extension was built without them."""
    global _on_host
    _core.DeviceSolver.of_qp(_core.Qp(1, 0, 0), None)
    before, _on_host = _on_host, True
    try:
        yield
    finally:
        _on_host = before


class Batch(NamedTuple):
    """A batch by addresses, as the core takes it."""

    batch: int
    values: list[tuple[int, bool]]
    point: tuple[int, ...]
    report: int
    tape: int


class DeviceProgram:
    """A program on one device: its solver, and the functions around the solve.

    `vectors` takes the arguments, in double precision, to what the maps take, and says as tensors
    whether they are well-formed. `ranks` are the numbers of dimensions of the arguments of one
    sample, `shapes` the shapes of the outputs, each with whether the maps give its logarithm;
    `has_logarithms` says whether vectors are logarithms of arguments.
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

    def solve(
        self,
        batch: int,
        tensors: Sequence[torch.Tensor | None],
        differentiable: bool,
        start: Any = None,
    ) -> Solved:
        """Queues the solve of a batch; an argument without batch dimension is shared. It begins at
        the solutions of `start`, where that is a batch of as many programs of the same size on the
        same device."""
        device = next(t.device for t in tensors if t is not None)
        with _current(device):
            self.solver.check_memory(batch, differentiable, _free_bytes(device))
            # The caller may overwrite what he passed.
            copy = differentiable and self.keeps_arguments
            leaves: Tensors = [
                None if t is None else t.detach().to(torch.float64, copy=copy) for t in tensors
            ]
            with torch.set_grad_enabled(differentiable):
                if differentiable:
                    leaves = [None if t is None else t.detach().requires_grad_() for t in leaves]
                vectors, fine = self.vectors(leaves)
                program, finite = self.maps.program(vectors)
            is_fine = torch.stack([*fine, *finite]).all()
            solved = Solved(self, device, batch, leaves, program, is_fine, differentiable)
            scratch = _empty(device, self.solver.scratch_len("solve", batch))
            points = start.point if isinstance(start, Summary) else []
            alike = zip(points, solved.point, strict=False)
            is_warm = points and all(a.shape == b.shape and a.device == b.device for a, b in alike)
            self.solver.solve(
                _stream(device),
                solved.addresses(),
                _addresses(points) if is_warm else None,
                scratch.data_ptr(),
            )
            solved.take(self._outputs(solved.point))
        return solved

    def _outputs(self, point: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The outputs at a solution."""
        found = []
        for (shape, is_log), (dual, output) in zip(self.shapes, self.maps.outputs, strict=True):
            value = output([point[1 if dual else 0]])
            if value.dim() == 1:
                value = value.expand(len(point[0]), -1).clone()
            value = value.reshape(len(point[0]), *shape)
            found.append(value.exp() if is_log else value)
        return found


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
        self.report = report
        self._solver, self._p_is_shared = solver, p_is_shared
        self._constant, self._is_fine = constant, is_fine
        self._read: tuple[_core.DeviceReports, np.ndarray, bool] | None = None

    @property
    def is_read(self) -> bool:
        """Whether it has been waited for."""
        return self._read is not None

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
            parts = [self.report.flatten(), self._constant.flatten(), self._is_fine.reshape(1)]
            # In one piece.
            numbers = torch.cat([part.double() for part in parts]).numpy(force=True)
            count = self.report.numel()
            rows, is_fine = numbers[:count].reshape(self.report.shape), bool(numbers[-1])
            rows = np.ascontiguousarray(rows) if is_fine else np.zeros(rows.shape)
            reports = self._solver.reports(rows, self._p_is_shared)
            self._read = reports, numbers[count:-1], is_fine
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
        numbers: Sequence[torch.Tensor],
        is_fine: torch.Tensor,
        differentiable: bool,
    ) -> None:
        *values, constant = numbers
        _, x, z, report, tape, _ = program.solver.lengths
        self.device = device
        self._program, self._batch = program, batch
        # Part of a graph from the leaves to them.
        self._leaves, self._made = leaves, values
        self._values = [value.detach().contiguous() for value in values]
        self._shared = [value.dim() == 1 for value in values]
        self.point = [_empty(device, batch, length) for length in (x, z, z)]
        self._tape = _empty(device, batch, tape) if differentiable else None
        rows = _empty(device, batch, report)
        self.reading = Reading(program.solver, rows, constant.detach(), is_fine, self._shared[0])
        self.outputs: list[torch.Tensor] = []
        # Of outputs that are exponentials: copies, since the caller may overwrite what he gets.
        self._exponentials: Tensors = []

    def take(self, outputs: list[torch.Tensor]) -> None:
        """Keeps the outputs at the solution."""
        self.outputs = outputs
        pairs = zip(outputs, self._program.shapes, strict=True)
        self._exponentials = [output.clone() if is_log else None for output, (_, is_log) in pairs]

    def addresses(self) -> Batch:
        """Where it is."""
        values = zip(self._values, self._shared, strict=True)
        return Batch(
            self._batch,
            [(value.data_ptr(), shared) for value, shared in values],
            _addresses(self.point),
            self.reading.report.data_ptr(),
            0 if self._tape is None else self._tape.data_ptr(),
        )

    @property
    def reports(self) -> dict[str, np.ndarray]:
        return self.reading.reports.reports

    @property
    def all_solved(self) -> bool:
        return self.reading.reports.all_solved

    @property
    def core(self) -> Summary:
        """What modules keep of it."""
        return Summary(self._batch, self.point, self.reading, self._program.sign)

    def masked(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows, one a sample, with NaN for samples without a solution."""
        # Solved and almost solved are the first two statuses.
        lost = self.reading.report[:, 0] > 1.5
        return rows.masked_fill(lost.reshape(-1, *(1,) * (rows.dim() - 1)), torch.nan)

    def vjp(self, cotangents: Sequence[torch.Tensor | None], policy: Policy) -> Tensors:
        """Gradients of the arguments, in double precision; of shared ones, summed over the batch.
        Raises `SolverError` for samples that have none, unless `policy.on_failure` says
        otherwise."""
        on_failure = policy.on_failure
        self._check_derivative(on_failure)
        solver, device = self._program.solver, self.device
        with _current(device), torch.no_grad():
            of, _kept = self._at(policy.derivative)
            of_x, of_z = self._to_point(cotangents)
            _, x, z, _, _, linear = solver.lengths
            adjoint = [_empty(device, self._batch, length) for length in (x, z)]
            said = _empty(device, self._batch, linear)
            gradients = [torch.empty_like(value) for value in self._values]
            scratch = _empty(device, solver.scratch_len("vjp", self._batch))
            solver.vjp(
                _stream(device),
                of,
                (*_addresses([of_x, of_z]), 0),
                _addresses(adjoint),
                said.data_ptr(),
                _addresses(gradients),
                scratch.data_ptr(),
            )
            if policy.derivative == "exact":
                self._warn_of(said)
            grads = self._to_leaves(gradients)
        if on_failure == "nan":
            ranked = zip(grads, self._program.ranks, strict=True)
            grads = [
                self.masked(grad) if grad is not None and grad.dim() > rank else grad
                for grad, rank in ranked
            ]
        return grads

    def jvp(self, tangents: Sequence[torch.Tensor | None], policy: Policy) -> list[torch.Tensor]:
        """Tangents of the outputs, in double precision. Raises as `vjp` does."""
        on_failure = policy.on_failure
        self._check_derivative(on_failure)
        solver, device = self._program.solver, self.device
        with _current(device), torch.no_grad():
            of, _kept = self._at(policy.derivative)
            change = self._to_program(tangents)
            moved = [torch.empty_like(part) for part in self.point]
            said = _empty(device, self._batch, solver.lengths[-1])
            scratch = _empty(device, solver.scratch_len("jvp", self._batch))
            pairs = zip(change, self._shared, strict=True)
            solver.jvp(
                _stream(device),
                of,
                [None if one is None else (one.data_ptr(), shared) for one, shared in pairs],
                _addresses(moved),
                said.data_ptr(),
                scratch.data_ptr(),
            )
            if policy.derivative == "exact":
                self._warn_of(said)
            found = []
            outputs = zip(
                self._program.shapes, self._program.maps.outputs, self._exponentials, strict=True
            )
            for (shape, _), (dual, output), factor in outputs:
                tangent = output.linear([moved[1 if dual else 0]])
                if tangent is None:
                    found.append(moved[0].new_zeros((self._batch, *shape)))
                    continue
                tangent = tangent.reshape(self._batch, *shape)
                found.append(tangent if factor is None else tangent * factor)
        return [self.masked(one) for one in found] if on_failure == "nan" else found

    def _at(self, derivative: _options.Derivative) -> tuple[Batch, Tensors]:
        """What is differentiated: the solutions, or points of the central path, with the tensors
        that hold these. Raises `SolverError` where such a point was not reached."""
        of = self.addresses()
        if isinstance(derivative, str):
            return of, []
        solver, device, mu = self._program.solver, self.device, derivative[1]
        _, x, z, _, tape, _ = solver.lengths
        parts = [_empty(device, self._batch, length) for length in (x, z, tape)]
        reached = _empty(device, self._batch)
        scratch = _empty(device, solver.scratch_len("smooth", self._batch))
        of_x, of_z, of_tape = _addresses(parts)
        solver.smooth(
            _stream(device), of, mu, (of_x, of_z), of_tape, reached.data_ptr(), scratch.data_ptr()
        )
        if not is_capturing(device):
            solver.check_reached(reached.numpy(force=True))
        return of._replace(point=(of_x, of_z, of.point[2]), tape=of_tape), [*parts]

    def _check_derivative(self, on_failure: _options.OnFailure) -> None:
        if self.reading.is_read:
            self.reading.reports.check_derivative(on_failure)

    def _warn_of(self, said: torch.Tensor) -> None:
        """Warns where the linear solves make a derivative doubtful, which waits for them."""
        if self.reading.is_read and not is_capturing(self.device):
            self._program.solver.warn_of(said.numpy(force=True), self.reading.reports)

    def _to_point(self, cotangents: Sequence[torch.Tensor | None]) -> Tensors:
        """Cotangents of x and z, from those of the outputs; None for zero."""
        found: Tensors = [None, None]
        outputs = zip(
            cotangents,
            self._program.shapes,
            self._exponentials,
            self._program.maps.outputs,
            strict=True,
        )
        for cotangent, (shape, _), factor, (dual, output) in outputs:
            if cotangent is None:
                continue
            cotangent = cotangent.detach().double()
            cotangent = cotangent if factor is None else cotangent * factor
            part = output.transposed(cotangent.reshape(self._batch, math.prod(shape)))
            known = found[dual]
            found[dual] = part if known is None else known + part
        return [None if part is None else part.contiguous() for part in found]

    def _to_leaves(self, gradients: Sequence[torch.Tensor]) -> Tensors:
        """Gradients of the arguments, from those of the numbers of the program."""
        leaves = [leaf for leaf in self._leaves if leaf is not None]
        made = [(m, g) for m, g in zip(self._made, gradients, strict=True) if m.requires_grad]
        found: Sequence[Any] = [None] * len(leaves)
        if made:
            outputs, given = zip(*made, strict=True)
            found = torch.autograd.grad(
                outputs, leaves, given, retain_graph=True, allow_unused=True
            )
        pairs = zip(leaves, found, strict=True)
        grads = iter([torch.zeros_like(one) if grad is None else grad for one, grad in pairs])
        return [None if leaf is None else next(grads) for leaf in self._leaves]

    def _to_program(self, tangents: Sequence[torch.Tensor | None]) -> Tensors:
        """Tangents of the numbers of the program, from those of the arguments: the way back is
        linear in what it is given, and the way back from there is the way forth."""
        leaves, moved = [], []
        for leaf, tangent in zip(self._leaves, tangents, strict=True):
            if leaf is not None and tangent is not None:
                leaves.append(leaf)
                moved.append(tangent.detach().double())
        found: Tensors = [None] * len(self._made)
        for at, made in enumerate(self._made):
            if not made.requires_grad or not leaves:
                continue
            with torch.enable_grad():
                weights = torch.zeros_like(made, requires_grad=True)
                back = torch.autograd.grad(
                    made, leaves, weights, create_graph=True, allow_unused=True
                )
                used = [(b, t) for b, t in zip(back, moved, strict=True) if b is not None]
                if used:
                    total = torch.stack([(b * t).sum() for b, t in used]).sum()
                    (forth,) = torch.autograd.grad(total, weights)
                    found[at] = forth.contiguous()
        return found


def device_program(
    call: Call, tensors: Sequence[torch.Tensor | None], is_transformed: bool
) -> DeviceProgram | None:
    """The program of a call where its tensors are; None where the CPU is to solve it, which
    ``device="auto"`` warns of once if the tensors are on a card.

    Raises `NotOnDevice`, `DeviceError` or ValueError where ``device="cuda"`` cannot be had.
    """
    if call.device == "cpu":
        return None
    device = next((t.device for t in tensors if t is not None), None)
    if device is None or device.type != ("cpu" if _on_host else "cuda"):
        if call.device == "cuda":
            _no_tensors_on_a_card(call, device)
        return None
    try:
        return _found(call, device, is_transformed)
    except (_core.NotOnDevice, _core.DeviceError) as error:
        if call.device == "cuda":
            raise
        fall_back(str(error))
    return None


def fall_back(reason: str) -> None:
    """Warns once that tensors on a card are solved on the CPU."""
    _options.warn_once(
        "device",
        f"tensors on a CUDA device are solved on the CPU, with copies there and back: {reason}. "
        'device="cuda" makes this an error, device="cpu" is the same without this warning',
        UserWarning,
        stacklevel=6,
    )


def is_capturing(device: torch.device) -> bool:
    """Whether what is queued goes into a CUDA graph, so that nothing can be waited for."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _no_tensors_on_a_card(call: Call, device: torch.device | None) -> None:
    """Raises what is wrong where a card is asked for and tensors are not on one."""
    if not torch.cuda.is_available():
        # What is missing: a driver, most of the time.
        card = torch.device("cuda", 0)
        _serving(call)(card)
    raise ValueError(
        'device="cuda" takes tensors on a CUDA device; found '
        + ("no tensors" if device is None else f"tensors on {device}: move them by tensor.cuda()")
    )


def _found(call: Call, device: torch.device, is_transformed: bool) -> DeviceProgram:
    """The program of a call on a device. Raises `NotOnDevice` with what a card does not serve."""
    policy = call.policy
    for is_asked, said in (
        (is_transformed, "a call under a transform of torch.func"),
        (policy.derivative[0] == "lpgd", f"derivative={policy.derivative!r}"),
        (policy.method != "direct", f"method={policy.method!r}"),
        (torch.version.hip is not None, "PyTorch for ROCm"),
    ):
        if is_asked:
            raise _core.NotOnDevice(f"{said} is not served on a card")
    if device in _failures:
        raise _core.DeviceError(_failures[device])
    try:
        if device.type != "cpu":
            load_compiler()
        with _current(device):
            return _serving(call)(device)
    except _core.DeviceError as error:
        _failures[device] = str(error)
        raise


def _serving(call: Call) -> Callable[[torch.device], DeviceProgram]:
    """What makes the program of a call for a device."""
    make = getattr(call.program, "on_device", None)
    if make is None:
        raise _core.NotOnDevice('on_infeasible="elastic" is not served on a card')
    return make


def card_of(device: torch.device) -> int | None:
    """The number of a card, as the core takes it; None for the host."""
    return None if device.type == "cpu" else device.index


def _current(device: torch.device) -> Any:
    """Makes a card the current one, and the one that was so again: the core does the former."""
    return contextlib.nullcontext() if device.type == "cpu" else torch.cuda.device(device)


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


def _empty(device: torch.device, *shape: int) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.float64, device=device)


def _addresses(tensors: Sequence[torch.Tensor | None]) -> tuple[int, ...]:
    """Where tensors begin; zero for None."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)
