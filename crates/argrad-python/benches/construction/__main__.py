"""What it takes to construct a layer: time and memory, against cvxpylayers.

    ../../.venv/bin/python -m construction [--repeat 5] [--only relu ...]      (in benches/)

Each line is measured in a process of its own, in which a small layer was made before. "time" is the
processor time of one construction, the best of some, each of a problem made anew; "memory" is how
far the peak of the resident memory rises in the first (Linux only).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cvxpy as cp

from construction.problems import LAYERS

LIBRARIES = {"argrad": "argrad.torch", "cvxpylayers": "cvxpylayers.torch"}


def peak() -> float:
    """The peak of the resident memory, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(library: str, name: str, repeat: int) -> dict[str, float]:
    """Time in milliseconds and memory in MB of one construction, in this process."""
    module = __import__(LIBRARIES[library], fromlist=["CvxpyLayer"])
    p, x = cp.Parameter(2), cp.Variable(2)
    small = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.exp(x) <= 2, cp.norm2(x) <= 3])
    module.CvxpyLayer(small, [p], [x])
    (build,) = (layer for layer in LAYERS if layer.__name__ == name)
    before, times, memory = peak(), [], 0.0
    for _ in range(repeat):
        problem, given, variables = build()
        start = time.process_time()
        module.CvxpyLayer(problem, [parameter for parameter, _ in given], variables)
        times.append(time.process_time() - start)
        memory = memory or max(peak() - before, 0.1)
    return {"time": 1e3 * min(times), "memory": memory}


def in_process(library: str, name: str, repeat: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    call = [sys.executable, "-W", "ignore", "-m", "construction", "--repeat", str(repeat)]
    done = subprocess.run(
        [*call, "--worker", library, name],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode != 0:
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints a table."""
    names = [layer.__name__ for layer in LAYERS]
    parser = argparse.ArgumentParser(description="Time and memory of constructing layers.")
    parser.add_argument("--repeat", type=int, default=5, help="constructions of each layer")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="LAYER")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(measure(*given.worker, given.repeat)))
        return
    print(f"{'layer':28} {'argrad':>18} {'cvxpylayers':>18} {'times':>7} {'memory':>7}")
    speed, memory = [], []
    for name in given.only:
        own, peer = (in_process(library, name, given.repeat) for library in LIBRARIES)
        row = f"{name:28}"
        for found in (own, peer):
            text = f"{found['time']:8.1f} ms {found['memory']:4.1f} MB" if found else "failed"
            row += f" {text:>18}"
        if own and peer:
            speed.append(peer["time"] / own["time"])
            memory.append(own["memory"] / peer["memory"])
            row += f" {speed[-1]:6.1f}x {memory[-1]:7.2f}"
        print(row, flush=True)
    if speed:
        medians = f"{statistics.median(speed):6.1f}x {statistics.median(memory):7.2f}"
        print(f"{'median':28} {'':18} {'':18} {medians}")


if __name__ == "__main__":
    main()
