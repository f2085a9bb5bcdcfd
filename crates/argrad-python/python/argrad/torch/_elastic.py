"""Infeasible samples, solved with violated constraints: `on_infeasible="elastic"`.

Every sample is solved as usual first. Those that are found infeasible, and no others, are solved
again by the relaxed program (`argrad::model::Layer::relaxed`); here the two are joined: outputs,
reports and derivatives. So feasible samples are bitwise what they are without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from argrad._elastic import constraint_rows
from argrad._errors import INFEASIBLE, raise_failures
from argrad._policy import Policy
from argrad.torch._call import Arrays, Program, Solution
from argrad.torch._device_elastic import ElasticOnDevice, ElasticSolved, lenient


class Relaxed(NamedTuple):
    """The relaxed program of a program."""

    program: Program
    """Takes the same arguments, those that are absent left out; its last output is the violation,
    row by row."""
    constraints: Sequence[tuple[str, int]]
    """Whose rows these are, and how many each has."""
    norm: str
    """``"l1"`` or ``"l2"``."""

    def size_of(self, violation: np.ndarray) -> np.ndarray:
        """The violation of each sample as a number, in the norm."""
        if self.norm == "l1":
            return np.abs(violation).sum(-1)
        return np.sqrt((violation * violation).sum(-1))


class ElasticProgram:
    """A program with its relaxed one. With `with_violation`, its last output is the size of each
    sample's violation, zero where it is feasible. A row of its flat tape says whether the sample
    was solved again, and has room for the tapes of both programs."""

    __slots__ = ("arguments", "base", "relaxed", "results", "tape_len", "with_violation")

    def __init__(self, base: Program, relaxed: Relaxed, with_violation: bool) -> None:
        self.base = base
        self.relaxed = relaxed
        self.with_violation = with_violation
        self.arguments = base.arguments
        self.results = (*base.results, ()) if with_violation else tuple(base.results)
        self.tape_len = 1 + base.tape_len + relaxed.program.tape_len

    def solve(
        self, batch: int, arrays: Arrays, policy: Policy, start: Any, differentiable: bool
    ) -> Solution:
        mild = lenient(policy)
        base = self.base.solve(batch, arrays, mild, start, differentiable)
        lost = np.zeros(0, np.int64)
        if not base.all_solved:
            lost = np.flatnonzero(base.reports["status"] == INFEASIBLE)
        relaxed = None
        if lost.size:
            rows = self.rows(arrays, lost)
            relaxed = self.relaxed.program.solve(lost.size, rows, mild, None, differentiable)
        return ElasticSolution(self, base, relaxed, lost, policy, batch)

    def restore(self, batch: int, arrays: Arrays, tape: np.ndarray, policy: Policy) -> Solution:
        mild = lenient(policy)
        lost = np.flatnonzero(tape[:, 0])
        end = 1 + self.base.tape_len
        base = self.base.restore(batch, arrays, np.ascontiguousarray(tape[:, 1:end]), mild)
        relaxed = None
        if lost.size:
            rows, own = self.rows(arrays, lost), np.ascontiguousarray(tape[lost, end:])
            relaxed = self.relaxed.program.restore(lost.size, rows, own, mild)
        return ElasticSolution(self, base, relaxed, lost, policy, batch)

    def rows(self, arrays: Sequence[np.ndarray | None], samples: np.ndarray) -> Arrays:
        """What the relaxed program takes of arguments, or of their tangents, for samples."""
        return [
            None if a is None else _taken(a, s, samples)
            for a, s in zip(arrays, self.arguments, strict=True)
            if s is not None
        ]

    def on_device(self, device: torch.device) -> ElasticOnDevice:
        """The same on a device. Raises `NotOnDevice` or `DeviceError`."""
        programs = self.base.on_device(device), self.relaxed.program.on_device(device)
        norm, constraints = self.relaxed.norm, self.relaxed.constraints
        return ElasticOnDevice(*programs, self.arguments, norm, constraints, self.with_violation)

    def device_tape_len(self) -> int:
        """Numbers of one sample in a tape there. Raises `NotOnDevice`."""
        return 1 + self.base.device_tape_len() + self.relaxed.program.device_tape_len()


def _taken(array: np.ndarray, shape: tuple[int, ...], samples: np.ndarray) -> np.ndarray:
    """The rows of samples; all of what is shared by the batch."""
    return array if array.ndim == len(shape) else array[samples]

    def device_tape_len(self) -> int:
        """Numbers of one sample in a tape there. Raises `NotOnDevice`."""
        return 1 + self.base.device_tape_len() + self.relaxed.program.device_tape_len()


class ElasticSolution:
    """A solved batch, some samples of which violate their constraints."""

    def __init__(
        self,
        program: ElasticProgram,
        base: Any,
        relaxed: Any,
        lost: np.ndarray,
        policy: Policy,
        batch: int,
    ) -> None:
        self._program = program
        self._base, self._relaxed = base, relaxed
        self._lost = lost
        self._policy = policy
        self._batch = batch
        self.core = base.core
        self._outputs = len(base.outputs)
        self.outputs = list(base.outputs)
        norm, rows = program.relaxed, sum(count for _, count in program.relaxed.constraints)
        self.violation = np.zeros((batch, rows))
        if relaxed is not None:
            self.violation[lost] = relaxed.outputs[-1]
            self.outputs = [
                _replaced(out, lost, better)
                for out, better in zip(self.outputs, relaxed.outputs[:-1], strict=True)
            ]
        self.size = norm.size_of(self.violation)
        if program.with_violation:
            self.outputs.append(self.size.copy())
        self.reports = self._joined_reports()

    @property
    def all_solved(self) -> bool:
        return self._base.all_solved or not self.reports["status"].any()

    def _joined_reports(self) -> dict[str, np.ndarray]:
        """Reports of the samples; of violated ones, those of their relaxed programs."""
        reports = dict(self._base.reports) if self._relaxed is not None else self._base.reports
        if self._relaxed is None:
            return reports
        for name, better in self._relaxed.reports.items():
            reports[name] = _replaced(reports[name], self._lost, better)
        return reports

    def sizes(self) -> np.ndarray:
        """The size of each sample's violation."""
        return self.size

    def violations(self) -> dict[str, np.ndarray]:
        """The size of each sample's violation by constraint, in the order of the constraints; one
        that has the name of another gets a number."""
        relaxed = self._program.relaxed
        rows = constraint_rows(relaxed.constraints)
        return {name: relaxed.size_of(self.violation[:, own]) for name, own in rows.items()}

    def vjp(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        self._check()
        grads = self._base.vjp(cotangents[: self._outputs])
        if self._relaxed is None:
            return grads
        asked = self._asked(cotangents)
        return self._joined_gradients(grads, self._relaxed.vjp(asked))

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        self._check()
        found = self._base.jvp(tangents)
        along = None
        if self._relaxed is not None:
            *better, along = self._relaxed.jvp(self._program.rows(tangents, self._lost))
            found = [
                _replaced(one, self._lost, other) for one, other in zip(found, better, strict=True)
            ]
        if self._program.with_violation:
            size = np.zeros(self._batch)
            if along is not None:
                size[self._lost] = (self._direction() * along).sum(-1)
            found.append(size)
        return found

    def vjp_tangent(
        self,
        cotangents: Sequence[np.ndarray | None],
        changes: Sequence[np.ndarray | None],
        tangents: Sequence[np.ndarray | None],
    ) -> Arrays:
        self._check()
        count = self._outputs
        grads = self._base.vjp_tangent(cotangents[:count], changes[:count], tangents)
        if self._relaxed is None:
            return grads
        rows = self._program.rows(tangents, self._lost)
        asked, moved = self._asked(cotangents), self._asked(changes)
        if self._program.with_violation and cotangents[-1] is not None:
            change = cotangents[-1][self._lost][:, np.newaxis] * self._turned(rows)
            known = moved[-1]
            moved[-1] = change if known is None else known + change
        return self._joined_gradients(grads, self._relaxed.vjp_tangent(asked, moved, rows))

    def flat_tape(self) -> np.ndarray:
        rows = np.zeros((self._batch, self._program.tape_len))
        rows[self._lost, 0] = 1.0
        end = 1 + self._program.base.tape_len
        rows[:, 1:end] = self._base.flat_tape()
        if self._relaxed is not None:
            rows[self._lost, end:] = self._relaxed.flat_tape()
        return rows

    def _check(self) -> None:
        """Raises if a sample without any solution has no derivative."""
        if self._policy.on_failure == "raise" and not self.all_solved:
            raise_failures(self.reports)

    def _asked(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        """Cotangents of the relaxed program's outputs, from those of the outputs."""
        asked: Arrays = [
            None if c is None else np.ascontiguousarray(c[self._lost])
            for c in cotangents[: self._outputs]
        ]
        size = cotangents[-1] if self._program.with_violation else None
        asked.append(None if size is None else size[self._lost][:, np.newaxis] * self._direction())
        return asked

    def _direction(self) -> np.ndarray:
        """The gradient of the size of the violation."""
        violation = self._relaxed.outputs[-1]
        if self._program.relaxed.norm == "l1":
            return np.sign(violation)
        size = self.size[self._lost][:, np.newaxis]
        return violation / np.where(size > 0.0, size, 1.0)

    def _turned(self, tangents: Sequence[np.ndarray | None]) -> np.ndarray:
        """How that gradient changes along tangents of the arguments."""
        along = self._relaxed.jvp(tangents)[-1]
        if self._program.relaxed.norm == "l1":
            return np.zeros_like(along)
        direction = self._direction()
        size = self.size[self._lost][:, np.newaxis]
        across = along - direction * (direction * along).sum(-1, keepdims=True)
        return across / np.where(size > 0.0, size, 1.0)

    def _joined_gradients(self, grads: Arrays, better: Arrays) -> Arrays:
        """Gradients of all samples: rows of each, and sums over both of what is shared."""
        joined: Arrays = []
        present = iter(better)
        for grad, shape in zip(grads, self._program.arguments, strict=True):
            other = None if shape is None else next(present)
            if grad is None or other is None or shape is None:
                joined.append(grad)
            elif grad.ndim == len(shape):
                joined.append(grad + other)
            else:
                joined.append(_replaced(grad, self._lost, other))
        return joined


def _replaced(rows: np.ndarray, samples: np.ndarray, better: np.ndarray) -> np.ndarray:
    """A copy of rows, with other ones for some samples."""
    rows = np.array(rows)
    rows[samples] = better
    return rows


def elastic_reports(solution: Any) -> dict[str, Any] | None:
    """Reports with the violations, in total and by constraint; None of another solution."""
    if not isinstance(solution, (ElasticSolution, ElasticSolved)):
        return None
    return {
        **solution.reports,
        "violation": solution.sizes(),
        "violations": solution.violations(),
    }
