"""NVIDIA cards: what has to be there before the core can compile kernels for one, and what these
say."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
from pathlib import Path

from argrad._core import STATUS

REPORTED = [
    STATUS.index(name)
    for name in (
        "solved",
        "almost_solved",
        "primal_infeasible",
        "dual_infeasible",
        "iteration_limit",
        "numerical_trouble",
    )
]
"""Numbers in `argrad.STATUS` of the statuses of a report, of which the first two are solutions."""


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
