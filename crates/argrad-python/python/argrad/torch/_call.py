"""One call of a layer: what is solved, and tensors to arrays and back."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from argrad._core import STATUS
from argrad._options import Device
from argrad._policy import Policy

Arrays = list[np.ndarray | None]


class Solution(Protocol):
    """A solved batch with its derivatives, in numpy. Arrays have a leading batch dimension, those
    of arguments that were shared by the batch excepted."""

    outputs: list[np.ndarray]

    @property
    def reports(self) -> Mapping[str, np.ndarray]:
        """Diagnostics, one array a name."""
        ...

    @property
    def all_solved(self) -> bool:
        """Whether every sample is solved."""
        ...

    def vjp(self, cotangents: Sequence[np.ndarray | None]) -> Arrays:
        """Gradients of the arguments; of shared ones, summed over the batch."""
        ...

    def jvp(self, tangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """Tangents of the outputs."""
        ...

    def vjp_tangent(
        self,
        cotangents: Sequence[np.ndarray | None],
        changes: Sequence[np.ndarray | None],
        tangents: Sequence[np.ndarray | None],
    ) -> Arrays:
        """How `vjp` changes along changes of the cotangents and tangents of the arguments."""
        ...

    def flat_tape(self) -> np.ndarray:
        """What `Program.restore` makes the solution of again, (batch, tape_len)."""
        ...


class Program(Protocol):
    """A family of convex programs that differ in numbers only."""

    @property
    def arguments(self) -> Sequence[tuple[int, ...] | None]:
        """Shapes of the arguments of one sample; None for an absent one."""
        ...

    @property
    def results(self) -> Sequence[tuple[int, ...]]:
        """Shapes of the outputs of one sample."""
        ...

    def solve(
        self,
        batch: int,
        arrays: Arrays,
        policy: Policy,
        start: Any,
        differentiable: bool,
    ) -> Solution:
        """Solves a batch; an argument without batch dimension is shared. Without a derivative
        unless `differentiable`: then the solution holds no tape."""
        ...

    def on_device(self, device: torch.device) -> Any:
        """The same on a device. Raises `NotOnDevice` or `DeviceError`."""
        ...

    def device_tape_len(self) -> int:
        """Numbers of one sample in a tape there. Raises `NotOnDevice`."""
        ...

    @property
    def tape_len(self) -> int:
        """Numbers of one sample in a flat tape."""
        ...

    def restore(self, batch: int, arrays: Arrays, tape: np.ndarray, policy: Policy) -> Solution:
        """The solution that left a flat tape, at the arguments that it was solved at."""
        ...


class SecondDerivative(RuntimeError):
    """A derivative was asked for that a layer does not have: a third one, or a second one of
    another kind than ``"exact"``."""


THIRD = (
    "argrad layers can be differentiated twice: third derivatives are not available. Detach the "
    "second derivative, or compare second derivatives at two points"
)


SECOND = "a derivative of a derivative"
"""What a card does not serve, in words."""


def check_second(policy: Policy) -> None:
    """Raises `SecondDerivative` if the kind of derivative that was chosen has no derivative."""
    if policy.derivative != "exact" or policy.method != "direct":
        raise SecondDerivative(
            'second derivatives are those of derivative="exact" with method="direct"; found '
            f"derivative={policy.derivative!r}, method={policy.method!r}"
        )


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """The numbers of a tensor as a float64 array in C order; a view where possible."""
    if tensor.dtype is not torch.float64:
        tensor = tensor.detach().double()
    if not tensor.is_contiguous():
        tensor = tensor.detach().contiguous()
    # Detached, on the CPU: one call takes less time than one for each.
    return tensor.numpy(force=True)


def optional_array(tensor: torch.Tensor | None) -> np.ndarray | None:
    """`to_array`, passing None."""
    return None if tensor is None else to_array(tensor)


def to_tensor(array: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """An array, or a number that numpy made of one, as a tensor of the dtype and device of
    `like`."""
    tensor = torch.from_numpy(np.asarray(array))
    if like.dtype is torch.float64 and like.is_cpu:
        return tensor
    return tensor.to(device=like.device, dtype=like.dtype)


class Call:
    """One call of a layer: its program, its policy, and the solves that it led to.

    `differentiable` says whether anything can ask for a derivative; if not, no tape is made.
    `device` says where it is to be solved.
    """

    __slots__ = (
        "_lock",
        "device",
        "differentiable",
        "like",
        "observe",
        "policy",
        "program",
        "solutions",
        "start",
    )

    def __init__(
        self,
        program: Program,
        policy: Policy,
        like: torch.Tensor,
        start: Any = None,
        observe: Callable[[Any], None] | None = None,
        device: Device = "cpu",
    ) -> None:
        self.program = program
        self.policy = policy
        self.like = like
        self.start = start
        self.observe = observe
        self.device = device
        self.solutions: dict[int, Any] = {}
        self.differentiable = True
        self._lock = threading.Lock()

    def solve(self, batch: int, arrays: Arrays) -> Solution:
        """Solves, reports to whoever observes, and does what is to be done about failures."""
        solution = self.program.solve(batch, arrays, self.policy, self.start, self.differentiable)
        self.report(solution)
        if not solution.all_solved:
            solution.outputs = self.policy.mask(solution.outputs, solution)
        return solution

    def report(self, solution: Any) -> None:
        """Shows a solution to whoever observes; raises or warns where a sample has none."""
        if self.observe is not None:
            self.observe(solution)
        if not solution.all_solved:
            self.policy.check(solution)

    def keep(self, solution: Any) -> int:
        """Files a solution; returns its number."""
        with self._lock:
            number = len(self.solutions)
            self.solutions[number] = solution
        return number


def to_results(call: Call, solution: Solution, batch: int | None) -> tuple[torch.Tensor, ...]:
    """The outputs of a solution as tensors, without batch dimension where there was none."""
    outputs = solution.outputs
    if batch is None:
        outputs = [output[0, ...] for output in outputs]
    return tuple(to_tensor(output, call.like) for output in outputs)


def device_results(
    call: Call, outputs: Sequence[torch.Tensor], batch: int | None
) -> tuple[torch.Tensor, ...]:
    """The same of outputs that are tensors where they are wanted."""
    rows = outputs if batch is not None else [output[0, ...] for output in outputs]
    return tuple(row.to(call.like.dtype) for row in rows)


def opaque(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, as a call into which torch.compile does not look."""
    disable = getattr(torch, "_disable_dynamo", None)
    return disable(function) if disable is not None else torch.compiler.disable(function)


def unseen(function: Callable[..., Any]) -> Callable[..., Any]:
    """`opaque(function)` where the compiler has been imported, else `function` itself: `opaque`
    would import it. For what the compiler cannot look into, as functions under transforms."""
    hidden = opaque(function)

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        return hidden(*args) if "torch._dynamo" in sys.modules else function(*args)

    return run


def constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which torch.compile calls when it makes a graph, and whose result it keeps: what
    `torch.compiler.assume_constant_result` says, which would import the compiler."""
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def named_reports(reports: Mapping[str, Any]) -> dict[str, Any]:
    """Reports with names of statuses instead of their numbers."""
    named = dict(reports)
    named["status"] = np.array(STATUS)[named["status"]]
    return named
