"""NVIDIA's libraries, which come as Python packages.

Libraries look for others beside themselves, and the environment of the race has only those that
torch's, which it sees, has not. What is loaded already is found by its name, wherever it lies.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from pathlib import Path

#: Each after those that it needs.
_NAMES = (
    "cudart",
    "nvrtc",
    "nvJitLink",
    "cublasLt",
    "cublas",
    "cusparse",
    "cusolver",
    "cufft",
    "curand",
    "cupti",
    "cudnn",
    "nccl",
    "nvshmem_host",
)


def load() -> list[str]:
    """Loads what is there of them; their names. Those of the system need none of this."""
    spec = importlib.util.find_spec("nvidia")
    places = [] if spec is None else spec.submodule_search_locations or []
    loaded = []
    for name in _NAMES:
        for place in places:
            for file in sorted(Path(place).glob(f"*/lib/lib{name}.so.*")):
                with contextlib.suppress(OSError):
                    ctypes.CDLL(str(file))
                    loaded.append(file.name)
    return loaded
