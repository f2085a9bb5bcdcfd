"""The process of one entrant: does what the race asks through a pipe, one request at a time."""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
import warnings

from . import accuracy, cases, entrants, libraries
from .entrants.base import Unsupported, cores

#: Seconds of a run above which it needs no warming up.
_SLOW = 3.0


def serve(name: str, device: str, connection) -> None:
    """Answers requests until the pipe is closed.

    A request is a tuple: what, then its arguments. The answer is ("ok", value), ("unsupported",
    reason) or ("failed", reason).
    """
    # Libraries print; the race's table goes to standard output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    worker = _Worker(name, device)
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

    def __init__(self, name: str, device: str) -> None:
        self._name, self._device = name, device
        self._entrant = self._case = self._run = None

    def start(self) -> str:
        """Loads the library; its version."""
        if self._device == "cuda":
            libraries.load()
            # JAX takes three quarters of the card at once otherwise, and others are there too.
            os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self._entrant = entrants.load(self._name)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(cores())
        return self._entrant.version()

    def variants(self, case: str, quick: bool) -> list[str]:
        """Settings worth trying."""
        self._run = None
        if self._case is None or self._case.name != case:
            self._case = cases.build(case, quick, self._device)
        return self._entrant.variants(self._case)

    def differentiates(self) -> bool:
        """Whether the library has derivatives."""
        return self._entrant.differentiates

    def prepare(self, variant: str) -> float:
        """Gets the current case ready and runs it; the seconds of a run.

        What is fast runs twice: the first run warms up.
        """
        self._free()
        self._run = self._entrant.prepare(self._case, variant)
        seconds = sum(self._once())
        if seconds < _SLOW:
            seconds = sum(self._once())
        return seconds

    def compare(self, reference: accuracy.Exact) -> accuracy.Errors:
        """How far off the last run was. Here, because what it found may be gigabytes."""
        return accuracy.errors(self._case, reference, self._run.results())

    def release(self) -> bool:
        """Gives back what the case holds of a card; whether that was all."""
        self._case = None
        self._free()
        if "torch" in sys.modules:
            # Raises where a kernel went wrong, after which a process is of no use.
            sys.modules["torch"].cuda.synchronize()
        # JAX keeps it for itself.
        return "jax" not in sys.modules

    def _free(self) -> None:
        self._run = None
        gc.collect()
        if self._device == "cuda" and "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()

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
