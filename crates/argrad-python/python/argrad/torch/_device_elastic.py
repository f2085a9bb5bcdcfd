"""Infeasible samples, solved with violated constraints, where their tensors are: what `_elastic` is
on the CPU.

Samples that are infeasible, and no others, are solved again. While a CUDA graph is captured nobody
can look which these are; then all are, and what is not wanted is not taken.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from argrad._elastic import constraint_rows
from argrad._errors import INFEASIBLE, raise_failures
from argrad._policy import Policy
from argrad.torch._device_memory import device_of, is_capturing
from argrad.torch._device_numbers import Tensors
from argrad.torch._device_solved import DeviceSolution, OnDevice, Summary

Given = Sequence[torch.Tensor | None]


def lenient(policy: Policy) -> Policy:
    """The policy of both programs: what is infeasible there is no failure yet."""
    return policy if policy.on_failure == "nan" else policy._replace(on_failure="zero")


class ElasticOnDevice:
    """A program and its relaxed one on a device; of a tape of both, see `ElasticProgram`.

    `shapes` are those of the arguments of one sample, None for those that the relaxed program has
    not.
    """

    def __init__(
        self,
        base: OnDevice,
        relaxed: OnDevice,
        shapes: Sequence[tuple[int, ...] | None],
        norm: str,
        constraints: Sequence[tuple[str, int]],
        with_violation: bool,
    ) -> None:
        self.base, self.relaxed = base, relaxed
        self.shapes = shapes
        self.norm, self.constraints = norm, constraints
        self.with_violation = with_violation
        self.tape_len = 1 + base.tape_len + relaxed.tape_len

    def solve(
        self, batch: int, tensors: Given, differentiable: bool, start: Any = None
    ) -> ElasticSolved:
        base = self.base.solve(batch, tensors, differentiable, start)
        again, relaxed = self._again(base.has_status(INFEASIBLE)), None
        if again is not None:
            rows = self.rows(tensors, again.places)
            relaxed = self.relaxed.solve(len(again.places), rows, differentiable)
        return ElasticSolved(self, tensors, base, again, relaxed)

    def restore(self, batch: int, tensors: Given, tape: torch.Tensor) -> ElasticSolved:
        flag, own, more = tape.split([1, self.base.tape_len, self.relaxed.tape_len], -1)
        base = self.base.restore(batch, tensors, own)
        again, relaxed = self._again(flag[:, 0] != 0.0), None
        if again is not None:
            rows, more = self.rows(tensors, again.places), more.index_select(0, again.places)
            relaxed = self.relaxed.restore(len(again.places), rows, more)
        return ElasticSolved(self, tensors, base, again, relaxed)

    def rows(self, tensors: Given, places: torch.Tensor) -> Tensors:
        """What the relaxed program takes of arguments, or of their tangents, for samples."""
        return [
            t if t is None or t.dim() == len(shape) else t.detach().index_select(0, places)
            for t, shape in zip(tensors, self.shapes, strict=True)
            if shape is not None
        ]

    def size_of(self, violation: torch.Tensor) -> torch.Tensor:
        """The violation of each sample as a number, in the norm."""
        return violation.abs().sum(-1) if self.norm == "l1" else violation.square().sum(-1).sqrt()

    def _again(self, lost: torch.Tensor) -> _Again | None:
        """Which samples are solved again; None for none."""
        if is_capturing(lost.device):
            return _Again(torch.arange(len(lost), device=lost.device), lost)
        places = lost.nonzero()[:, 0]
        return _Again(places, None) if len(places) else None


class _Again(NamedTuple):
    """Samples that are solved again."""

    places: torch.Tensor
    lost: torch.Tensor | None
    """Which of them are infeasible; None for all."""

    def replaced(self, rows: torch.Tensor, better: torch.Tensor) -> torch.Tensor:
        """Rows, one a sample, with other ones for those that are infeasible."""
        if self.lost is not None:
            lost = self.lost.reshape(-1, *(1,) * (better.dim() - 1))
            return torch.where(lost, better, rows)
        return rows.index_copy(0, self.places, better)

    def asked(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents of the samples; zero for those that are not infeasible."""
        own = cotangents.detach().double().index_select(0, self.places)
        if self.lost is None:
            return own
        return own.masked_fill(~self.lost.reshape(-1, *(1,) * (own.dim() - 1)), 0.0)


class ElasticSolved:
    """A solved batch on a device, some samples of which violate their constraints."""

    def __init__(
        self,
        program: ElasticOnDevice,
        tensors: Given,
        base: DeviceSolution,
        again: _Again | None,
        relaxed: DeviceSolution | None,
    ) -> None:
        self.device, self.batch = device_of(tensors), base.batch
        self._program, self._tensors = program, tensors
        self._base, self._again, self._relaxed = base, again, relaxed

    @functools.cached_property
    def outputs(self) -> list[torch.Tensor]:
        outputs = list(self._base.outputs)
        if self._again is not None and self._relaxed is not None:
            pairs = zip(outputs, self._relaxed.outputs[:-1], strict=True)
            outputs = [self._again.replaced(one, other) for one, other in pairs]
        if self._program.with_violation:
            outputs.append(self._program.size_of(self._violation))
        return outputs

    @functools.cached_property
    def _violation(self) -> torch.Tensor:
        """Row by row, (batch, rows)."""
        rows = sum(count for _, count in self._program.constraints)
        found = torch.zeros((self.batch, rows), dtype=torch.float64, device=self.device)
        if self._again is not None and self._relaxed is not None:
            found = self._again.replaced(found, self._relaxed.outputs[-1])
        return found

    @property
    def sample_len(self) -> int:
        return self._base.sample_len + self._program.relaxed.tape_len

    @property
    def is_fine(self) -> bool:
        return self._base.is_fine and (self._relaxed is None or self._relaxed.is_fine)

    @property
    def core(self) -> Summary:
        return self._base.core

    @property
    def reports(self) -> Mapping[str, np.ndarray]:
        # Of violated samples, those of their relaxed programs.
        reports = dict(self._base.reports)
        if self._again is not None and self._relaxed is not None:
            lost = self._again.places.numpy(force=True)
            for name, better in self._relaxed.reports.items():
                reports[name] = np.array(reports[name])
                reports[name][lost] = better
        return reports

    @property
    def all_solved(self) -> bool:
        return self._base.all_solved or not self.reports["status"].any()

    def sizes(self) -> np.ndarray:
        """The size of each sample's violation."""
        return self._program.size_of(self._violation).numpy(force=True)

    def violations(self) -> dict[str, np.ndarray]:
        """The size of each sample's violation by constraint, in the order of the constraints; one
        that has the name of another gets a number."""
        size_of, rows = self._program.size_of, constraint_rows(self._program.constraints)
        return {
            name: size_of(self._violation[:, own]).numpy(force=True) for name, own in rows.items()
        }

    def has_status(self, status: int) -> torch.Tensor:
        found = self._base.has_status(status)
        if self._again is not None and self._relaxed is not None:
            found = self._again.replaced(found, self._relaxed.has_status(status))
        return found

    def masked(self, rows: torch.Tensor) -> torch.Tensor:
        found = self._base.masked(rows)
        if self._again is not None and self._relaxed is not None:
            better = self._relaxed.masked(rows.index_select(0, self._again.places))
            found = self._again.replaced(found, better)
        return found

    def tape(self) -> torch.Tensor:
        more = torch.zeros(
            (self.batch, 1 + self._program.relaxed.tape_len),
            dtype=torch.float64,
            device=self.device,
        )
        if self._again is not None and self._relaxed is not None:
            own = self._relaxed.tape()
            more = self._again.replaced(more, torch.cat([torch.ones_like(own[:, :1]), own], -1))
        flag, more = more[:, :1], more[:, 1:]
        return torch.cat([flag, self._base.tape(), more], -1)

    def samples(self, places: torch.Tensor) -> ElasticSolved:
        tensors = [None if t is None else t.detach().index_select(0, places) for t in self._tensors]
        return self._program.restore(len(places), tensors, self.tape().index_select(0, places))

    def vjp(self, cotangents: Given, policy: Policy) -> Tensors:
        self._check(policy)
        own = cotangents[:-1] if self._program.with_violation else cotangents
        grads = self._base.vjp(own, lenient(policy))
        again, relaxed = self._again, self._relaxed
        if again is None or relaxed is None:
            return grads
        asked: Tensors = [None if c is None else again.asked(c) for c in own]
        size = cotangents[-1] if self._program.with_violation else None
        along = None if size is None else again.asked(size).unsqueeze(-1) * self._direction(again)
        better = iter(relaxed.vjp([*asked, along], lenient(policy)))
        joined: Tensors = []
        for grad, shape in zip(grads, self._program.shapes, strict=True):
            other = None if shape is None else next(better)
            if grad is None or other is None or shape is None:
                joined.append(grad)
            elif grad.dim() == len(shape):
                joined.append(grad + other)
            else:
                joined.append(again.replaced(grad, other))
        return joined

    def jvp(self, tangents: Given, policy: Policy) -> list[torch.Tensor]:
        self._check(policy)
        found = self._base.jvp(tangents, lenient(policy))
        size = torch.zeros(self.batch, dtype=torch.float64, device=self.device)
        again, relaxed = self._again, self._relaxed
        if again is not None and relaxed is not None:
            rows = self._program.rows(tangents, again.places)
            *better, along = relaxed.jvp(rows, lenient(policy))
            pairs = zip(found, better, strict=True)
            found = [again.replaced(one, other) for one, other in pairs]
            size = again.replaced(size, (self._direction(again) * along).sum(-1))
        return [*found, size] if self._program.with_violation else found

    def _check(self, policy: Policy) -> None:
        """Raises if a sample without any solution has no derivative."""
        if policy.on_failure == "raise" and not is_capturing(self.device) and not self.all_solved:
            raise_failures(self.reports)

    def _direction(self, again: _Again) -> torch.Tensor:
        """The gradient of the size of the violation, of the samples that are solved again."""
        violation = self._violation.index_select(0, again.places)
        if self._program.norm == "l1":
            return violation.sign()
        size = self._program.size_of(violation).unsqueeze(-1)
        return violation / torch.where(size > 0.0, size, 1.0)
