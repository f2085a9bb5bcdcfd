"""Single calls timed in turn, so that what else the machine does is the same for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def least(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The least time of each call, in microseconds."""
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: 1e6 * value for name, value in best.items()}
