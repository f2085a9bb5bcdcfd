"""NVIDIA cards: what has to be there before the core can compile kernels for one."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
from pathlib import Path


@functools.cache
def load_compiler() -> Path | None:
    """Loads the run-time compiler that came with PyTorch or JAX, which lies in no place where the
    system looks: once it is loaded, the core finds it by its name. Returns where it was; None for
    nowhere, as with a CUDA of the system's, which needs none of this."""
    spec = importlib.util.find_spec("nvidia")
    places = [] if spec is None else spec.submodule_search_locations or []
    for place in places:
        for file in sorted(Path(place).glob("*/lib/libnvrtc.so.*"), reverse=True):
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(file))
                return file
    return None
