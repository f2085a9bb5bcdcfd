"""Batches of programs whose numbers are on a device: P, q, A, b, solutions, tapes; and derivatives
of the ones by the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch

from argrad import _core, _options
from argrad._policy import Policy
from argrad.torch._device_memory import (
    addresses_of,
    empty,
    is_capturing,
    stream_of,
)

Tensors = list[torch.Tensor | None]
_Entry = Literal["solve", "smooth", "vjp", "jvp"]
_NO_SOLUTION = 1.5
"""Solved and almost solved are the first two statuses of a report."""


class Batch(NamedTuple):
    """A batch by addresses, as the core takes it."""

    batch: int
    values: list[tuple[int, bool]]
    point: tuple[int, ...]
    report: int
    tape: int


class Derived(NamedTuple):
    """Derivatives of a batch."""

    parts: list[torch.Tensor]
    """Of P, q, A, b, or of x, z, s."""
    said: torch.Tensor | None
    """How the linear solves went, where there were some."""
    lost: torch.Tensor
    """Samples that have none."""


class SolvedNumbers:
    """A batch of programs by their numbers, which is solved, or is to be.

    `values` are P, q, A, b, each (len,) where the batch shares it, else (batch, len); `parts` x, z,
    s, the report and, for derivatives, the tape, (batch, len) each.
    """

    def __init__(
        self,
        solver: _core.DeviceSolver,
        batch: int,
        values: Sequence[torch.Tensor],
        parts: Sequence[torch.Tensor],
    ) -> None:
        self._solver, self._batch = solver, batch
        self._values = [value.contiguous() for value in values]
        *self.point, self.report = parts[:4]
        self.tape = parts[4] if len(parts) > 4 else None
        self._device = self.report.device

    @property
    def p_is_shared(self) -> bool:
        return self._values[0].dim() == 1

    @property
    def lost(self) -> torch.Tensor:
        """Samples without a solution."""
        return self.report[:, 0] > _NO_SOLUTION

    def _addresses(self) -> Batch:
        """Where it is."""
        return Batch(
            self._batch,
            [(value.data_ptr(), value.dim() == 1) for value in self._values],
            addresses_of(self.point),
            *addresses_of([self.report, self.tape]),
        )

    def _scratch(self, entry: _Entry) -> torch.Tensor:
        return empty(self._device, self._solver.scratch_len(entry, self._batch))

    def solve(self, start: Sequence[torch.Tensor]) -> None:
        """Queues the solve, from points where there are some of the same size and place."""
        alike = zip(start, self.point, strict=False)
        scratch = self._scratch("solve")
        is_warm = start and all(a.shape == b.shape and a.device == b.device for a, b in alike)
        self._solver.solve(
            stream_of(self._device),
            self._addresses(),
            addresses_of(start) if is_warm else None,
            scratch.data_ptr(),
        )

    def vjp(self, of_x: torch.Tensor | None, of_z: torch.Tensor | None, policy: Policy) -> Derived:
        """Gradients of P, q, A, b, from cotangents of x and z."""
        gradients = [torch.empty_like(value) for value in self._values]
        derivative = policy.derivative
        if derivative[0] == "lpgd":
            return self._lpgd_vjp(of_x, of_z, float(derivative[1]), policy, gradients)
        of, _kept = self._at(derivative)
        _, x, z, _, _, linear = self._solver.lengths
        adjoint = [empty(self._device, self._batch, length) for length in (x, z)]
        said = empty(self._device, self._batch, linear)
        scratch = self._scratch("vjp")
        self._solver.vjp(
            stream_of(self._device),
            of,
            (*addresses_of([of_x, of_z]), 0),
            addresses_of(adjoint),
            said.data_ptr(),
            addresses_of(gradients),
            scratch.data_ptr(),
        )
        return Derived(gradients, said if derivative == "exact" else None, self.lost)

    def jvp(self, change: Sequence[torch.Tensor | None], policy: Policy) -> Derived:
        """Tangents of x, z, s, from those of P, q, A, b."""
        derivative = policy.derivative
        if derivative[0] == "lpgd":
            return self._lpgd_jvp(change, float(derivative[1]), policy)
        of, _kept = self._at(derivative)
        change = [None if one is None else one.contiguous() for one in change]
        point = [torch.empty_like(part) for part in self.point]
        said = empty(self._device, self._batch, self._solver.lengths[-1])
        scratch = self._scratch("jvp")
        self._solver.jvp(
            stream_of(self._device),
            of,
            [None if one is None else (one.data_ptr(), one.dim() == 1) for one in change],
            addresses_of(point),
            said.data_ptr(),
            scratch.data_ptr(),
        )
        return Derived(point, said if derivative == "exact" else None, self.lost)

    def _at(self, derivative: _options.Derivative) -> tuple[Batch, Tensors]:
        """What is differentiated: the solutions, or points of the central path, with the tensors
        that hold these. Raises `SolverError` where such a point was not reached."""
        of = self._addresses()
        if isinstance(derivative, str):
            return of, []
        solver, device, mu = self._solver, self._device, derivative[1]
        _, x, z, _, tape, _ = solver.lengths
        parts = [empty(device, self._batch, length) for length in (x, z, tape)]
        reached = empty(device, self._batch)
        scratch = self._scratch("smooth")
        of_x, of_z, of_tape = addresses_of(parts)
        solver.smooth(
            stream_of(device), of, mu, (of_x, of_z), of_tape, reached.data_ptr(), scratch.data_ptr()
        )
        if not is_capturing(device):
            solver.check_reached(reached.numpy(force=True))
        return of._replace(point=(of_x, of_z, of.point[2]), tape=of_tape), [*parts]

    def _lpgd_vjp(
        self,
        of_x: torch.Tensor | None,
        of_z: torch.Tensor | None,
        tau: float,
        policy: Policy,
        gradients: list[torch.Tensor],
    ) -> Derived:
        """The difference of gradients at both sides, where q is shifted by tau times the cotangent
        of x and b by that of z: what follows from adjoints at the middle of the two solutions, that
        are their difference over 2 tau (`argrad_gpu::Tape::vjp`)."""

        def moved(step: float) -> Tensors:
            _, q, _, b = self._values
            return [
                None,
                None if of_x is None else q + step * of_x,
                None,
                None if of_z is None else b - step * of_z,
            ]

        middle, difference, lost = self._sides(tau, moved, policy)
        adjoint = [-part for part in difference[:2]]
        of = self._addresses()._replace(point=(*addresses_of(middle[:2]), 0))
        stream = stream_of(self._device)
        self._solver.gradients(stream, of, addresses_of(adjoint), addresses_of(gradients))
        return Derived(gradients, None, lost)

    def _lpgd_jvp(
        self, change: Sequence[torch.Tensor | None], tau: float, policy: Policy
    ) -> Derived:
        """The difference of the solutions at both sides of the change, over 2 tau."""

        def moved(step: float) -> Tensors:
            pairs = zip(self._values, change, strict=True)
            return [None if one is None else value + step * one for value, one in pairs]

        _, difference, lost = self._sides(tau, moved, policy)
        return Derived(difference, None, lost)

    def _sides(
        self, tau: float, moved: Callable[[float], Tensors], policy: Policy
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """The batch solved with the values that `moved` makes of a step, tau and -tau, where those
        that it leaves are its own: x, z, s halfway, their difference over 2 tau, both zero for
        samples that are lost here or there, and which these are."""
        up, down = (self._nearby(moved(step), policy) for step in (tau, -tau))
        lost = self.lost | up.lost | down.lost
        middle, difference = [], []
        for above, below in zip(up.point, down.point, strict=True):
            # Zero also where both are infinite: the slack of a removed row.
            quotient = torch.where(above == below, 0.0, (above - below) * (0.5 / tau))
            middle.append((0.5 * (above + below)).masked_fill(lost[:, None], 0.0))
            difference.append(quotient.masked_fill(lost[:, None], 0.0))
        return middle, difference, lost

    def _nearby(self, moved: Tensors, policy: Policy) -> SolvedNumbers:
        """The batch with other values, from its own solutions where that works."""
        pairs = zip(self._values, moved, strict=True)
        values = [own if other is None else other for own, other in pairs]
        parts = [torch.empty_like(part) for part in (*self.point, self.report)]
        found = SolvedNumbers(self._solver, self._batch, values, parts)
        scratch = self._scratch("solve")
        self._solver.solve_nearby(
            stream_of(self._device),
            found._addresses(),
            addresses_of(self.point),
            scratch.data_ptr(),
        )
        if policy.on_failure == "raise" and not is_capturing(self._device):
            rows = found.report.numpy(force=True)
            self._solver.reports(rows, found.p_is_shared).check_derivative("raise")
        return found
