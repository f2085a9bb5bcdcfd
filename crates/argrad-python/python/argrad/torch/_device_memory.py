"""Memory, streams and addresses on a device: all memory is PyTorch's, and the core launches its
kernels on the stream that is current there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch


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


def stream_of(device: torch.device) -> int:
    return 0 if device.type == "cpu" else torch.cuda.current_stream(device).cuda_stream


def free_bytes(device: torch.device) -> int | None:
    """Bytes that PyTorch can have on a device; None where the core is to say."""
    if device.type == "cpu":
        return None
    if is_capturing(device):
        return 2**63
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + held


def addresses_of(tensors: Sequence[torch.Tensor | None]) -> tuple[int, ...]:
    """Where tensors begin; zero for None."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)
