"""The process of one entrant: does what the race asks through a pipe, one request at a time."""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
import warnings

from . import cases, entrants
from .entrants.base import Unsupported, cores

#: Seconds of a run above which it needs no warming up.
_SLOW = 3.0


def serve(name: str, connection) -> None:
    """Answers requests until the pipe is closed.

    A request is a tuple: what, then its arguments. The answer is ("ok", value), ("unsupported",
    reason) or ("failed", reason).
    """
    # Libraries print; the race's table goes to standard output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    worker = _Worker(name)
    while True:
        try:
            what, *arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = "ok", getattr(worker, what)(*arguments)
        except Unsupported as reason:
            answer = "unsupported", str(reason)
        except Exception as error:
            if os.environ.get("BENCH_PEERS_TRACE"):
                traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            answer = "failed", f"{type(error).__name__}: {lines[0]}"[:160]
        connection.send(answer)


class _Worker:
    """What can be asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._entrant = self._case = self._run = None

    def start(self) -> str:
        """Loads the library; its version."""
        self._entrant = entrants.load(self._name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(cores())
        return self._entrant.version()

    def variants(self, case: str, quick: bool) -> list[str]:
        """Settings worth trying."""
        self._run, self._case = None, cases.build(case, quick)
        return self._entrant.variants(self._case)

    def differentiates(self) -> bool:
        """Whether the library has derivatives."""
        return self._entrant.differentiates

    def prepare(self, variant: str) -> tuple[dict, float]:
        """Gets the current case ready and runs it; what it found and the seconds of a run.

        What is fast runs twice: the first run warms up.
        """
        self._run = None
        gc.collect()
        self._run = self._entrant.prepare(self._case, variant)
        seconds = sum(self._once())
        if seconds < _SLOW:
            seconds = sum(self._once())
        return self._run.results(), seconds

    def measure(self, repeats: int, warm: bool) -> list[tuple[float, float]]:
        """Seconds of forward and of backward, `repeats` times; first once untimed if `warm`."""
        gc.collect()
        gc.disable()
        try:
            if warm:
                self._once()
            return [self._once() for _ in range(repeats)]
        finally:
            gc.enable()

    def _once(self) -> tuple[float, float]:
        start = time.perf_counter()
        self._run.forward()
        middle = time.perf_counter()
        self._run.backward()
        return middle - start, time.perf_counter() - middle

    def construct(self, case: str, quick: bool) -> float | None:
        """Seconds to construct the layer of a case; None where there is no such step."""
        build = self._entrant.builder(cases.build(case, quick))
        if build is None:
            return None
        gc.collect()
        start = time.perf_counter()
        layer = build()
        seconds = time.perf_counter() - start
        del layer
        return seconds
