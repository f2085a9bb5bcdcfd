"""Which calls are solved where their tensors are, on a card.

Whatever a card does not serve goes the CPU's way, which also says what is wrong with values that
are malformed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from argrad import _core, _options
from argrad._card import load_compiler
from argrad.torch._call import Call, Solution, optional_array
from argrad.torch._device_memory import current, is_capturing
from argrad.torch._device_solved import DeviceSolution, OnDevice

_on_host = False
"""Whether tensors on the CPU are taken for tensors on a card; in tests only."""

DIFFER = (
    "a value is so near to what is not allowed that the card and the CPU differ about it: whether "
    'a matrix is symmetric or semidefinite, or a number finite; use device="cpu"'
)
"""What is said of a batch that a card refuses and the CPU takes, where that cannot go on there."""

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


def takes_host_for_card() -> bool:
    """Whether tensors on the CPU are taken for tensors on a card, in tests."""
    return _on_host


def solve_on_device(
    call: Call, batch: int, tensors: Sequence[torch.Tensor | None]
) -> DeviceSolution | None:
    """Solves a batch where its tensors are; None where the CPU is to solve it, which ``"auto"``
    warns of once if the tensors are on a card, or is to say what is wrong with it.

    Raises `NotOnDevice`, `DeviceError` or ValueError where ``device="cuda"`` cannot be had.
    """
    program = device_program(call, next((t.device for t in tensors if t is not None), None))
    if program is None:
        return None
    solved = program.solve(batch, tensors, call.differentiable, call.start)
    if not is_capturing(solved.device):
        if not solved.is_fine:
            return None
        call.report(solved)
        if solved.all_solved:
            return solved
    if call.policy.on_failure == "nan":
        solved.outputs = [solved.masked(output) for output in solved.outputs]
    return solved


def solve_on_host(
    call: Call, batch: int, tensors: Sequence[torch.Tensor | None], asked: str
) -> Solution:
    """Solves a batch on the CPU that was solved on a device, for what is asked of it that a card
    does not serve. Raises `NotOnDevice` where it was asked to stay there."""
    said = f"{asked} is not served on a card"
    if call.device == "cuda":
        raise _core.NotOnDevice(said)
    fall_back(said)
    arrays = [optional_array(tensor) for tensor in tensors]
    return call.program.solve(batch, arrays, call.policy, None, True)


def device_program(call: Call, device: torch.device | None) -> OnDevice | None:
    """The program of a call on the device of its tensors, None where the CPU is to solve it. Raises
    as `solve_on_device` does."""
    if call.device == "cpu":
        return None
    if device is None or device.type != ("cpu" if _on_host else "cuda"):
        if call.device == "cuda":
            _no_tensors_on_a_card(call, device)
        return None
    try:
        return _found(call, device)
    except (_core.NotOnDevice, _core.DeviceError) as error:
        if call.device == "cuda":
            raise
        fall_back(str(error))
    return None


def tape_len(call: Call, device: torch.device) -> int | None:
    """Numbers of a sample in a tape that is on the device of the tensors, whoever solves; None
    where it is on the CPU. That depends on the call only, not on what happens to a card, so it may
    be said in a graph, and kept with it."""
    if call.device == "cpu" or device.type != ("cpu" if _on_host else "cuda"):
        return None
    if _unserved(call):
        return None
    try:
        return max(call.program.tape_len, call.program.device_tape_len())
    except _core.NotOnDevice:
        return None


def fall_back(reason: str) -> None:
    """Warns once that tensors on a card are solved on the CPU."""
    _options.warn_once(
        "device",
        f"tensors on a CUDA device are solved on the CPU, with copies there and back: {reason}. "
        'device="cuda" makes this an error, device="cpu" is the same without this warning',
        UserWarning,
    )


def _no_tensors_on_a_card(call: Call, device: torch.device | None) -> None:
    """Raises what is wrong where a card is asked for and tensors are not on one."""
    if not torch.cuda.is_available():
        # What is missing: a driver, most of the time.
        card = torch.device("cuda", 0)
        call.program.on_device(card)
    raise ValueError(
        'device="cuda" takes tensors on a CUDA device; found '
        + ("no tensors" if device is None else f"tensors on {device}: move them by tensor.cuda()")
    )


def _found(call: Call, device: torch.device) -> OnDevice:
    """The program of a call on a device. Raises `NotOnDevice` with what a card does not serve."""
    said = _unserved(call)
    if said:
        raise _core.NotOnDevice(f"{said} is not served on a card")
    if device in _failures:
        raise _core.DeviceError(_failures[device])
    try:
        if device.type != "cpu":
            load_compiler()
        with current(device):
            return call.program.on_device(device)
    except _core.DeviceError as error:
        _failures[device] = str(error)
        raise


def _unserved(call: Call) -> str:
    """What of the options of a call a card does not serve; empty for nothing."""
    policy = call.policy
    for is_asked, said in (
        (policy.method != "direct", f"method={policy.method!r}"),
        (torch.version.hip is not None, "PyTorch for ROCm"),
    ):
        if is_asked:
            return said
    return ""
