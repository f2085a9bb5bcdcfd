"""What an entrant is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from ..cases import Case


class Unsupported(Exception):
    """The library has no way to solve this case; the message says why."""


class Run(Protocol):
    """A case, ready to be solved again and again."""

    def forward(self) -> None:
        """Solves, keeping what backward needs."""

    def backward(self) -> None:
        """Differentiates the last solution: gradients by every argument, for the cotangent."""

    def results(self) -> dict:
        """`solution` (batch, ...), `gradients` by name (empty without any), `failed` indices."""


class Entrant(Protocol):
    """A library, in its own process."""

    #: Whether it has derivatives.
    differentiates: bool

    def version(self) -> str:
        """Of the library."""

    def variants(self, case: Case) -> list[str]:
        """Settings worth trying in this case, the default first.

        Raises:
            Unsupported: there are none.
        """

    def prepare(self, case: Case, variant: str) -> Run:
        """The case in the library's own form."""

    def builder(self, case: Case) -> Callable[[], object] | None:
        """A function that constructs the layer of a case anew, or None where there is no such step.

        What it closes over, a CVXPY problem that was never compiled, serves for one call.
        """


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class TorchRun:
    """A run through torch: a function of leaf tensors, differentiated by autograd.

    Args:
        call: the tensors to the solution, (batch, ...).
        arguments: numbers by name; each becomes a leaf that requires a gradient.
        cotangent: of the solution.
        failed: indices of the samples that the library gave up in the last call.
        device: where the tensors are; on "cuda" each pass ends when the card is done.
    """

    def __init__(
        self,
        call: Callable[[dict], object],
        arguments: dict[str, np.ndarray],
        cotangent: np.ndarray,
        failed: Callable[[], Iterable[int]] = tuple,
        device: str = "cpu",
    ) -> None:
        import torch

        self._grad = torch.autograd.grad
        self._call, self._failed = call, failed
        self._is_on_card = device == "cuda"
        self._wait = torch.cuda.synchronize if self._is_on_card else lambda: None
        self.leaves = {
            name: torch.tensor(value, dtype=torch.float64, device=device, requires_grad=True)
            for name, value in arguments.items()
        }
        self._inputs = tuple(self.leaves.values())
        self._cotangent = torch.tensor(cotangent, dtype=torch.float64, device=device)
        self._solution = self._gradients = None

    def forward(self) -> None:
        """Solves."""
        if self._is_on_card:
            # Its memory is short, and a training has let go of the last gradients, too.
            self._solution = self._gradients = None
        self._solution = self._call(self.leaves)
        self._wait()

    def backward(self) -> None:
        """Differentiates."""
        self._gradients = self._grad(self._solution, self._inputs, self._cotangent)
        self._wait()

    def results(self) -> dict:
        """As arrays."""
        gradients = (gradient.cpu().numpy() for gradient in self._gradients)
        return {
            "solution": self._solution.detach().cpu().numpy(),
            "gradients": dict(zip(self.leaves, gradients, strict=True)),
            "failed": list(self._failed()),
        }


def with_batch(tensors: dict, case: Case) -> dict:
    """The same with shared arguments expanded to the batch, so that autograd sums over it."""
    return {
        name: value.expand(case.batch, *value.shape) if name in case.shared else value
        for name, value in tensors.items()
    }


def qp_only(case: Case) -> None:
    """Refuses everything that is not a quadratic program.

    Raises:
        Unsupported: the case is a cone program.
    """
    if case.form != "qp":
        raise Unsupported("solves quadratic programs only")


#: Variables of a dense program beyond which some libraries take minutes for a call.
_MINUTES = 200


def quick_only(case: Case) -> None:
    """Refuses large dense programs, for libraries that take minutes there.

    Raises:
        Unsupported: the case is such a program.
    """
    if case.form == "qp" and case.cotangent.shape[1] > _MINUTES:
        raise Unsupported("takes minutes for a call of this size")
