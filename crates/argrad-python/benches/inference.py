"""What inference costs: time and memory of one call with and without derivatives, by front end.

    ../../.venv/bin/python benches/inference.py [--batch 1024] [--repeat 5] [--only torch.qp ...]

The programs have 60 variables and 120 dense inequalities that the batch shares; each sample has its
own linear term. Each line is measured in a process of its own. "memory" is how far the peak of the
resident memory rises in the first call, whose results are kept (Linux only); "tapes" is what is
still held then; "time" is the best of some calls.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from argrad import _core

VARIABLES, ROWS = 60, 120

Call = Callable[[], Any]


def data(batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear terms, one per sample, and the inequalities Gx <= h."""
    rng = np.random.default_rng(0)
    linear = rng.normal(size=(batch, VARIABLES))
    matrix = rng.normal(size=(ROWS, VARIABLES))
    return linear, matrix, np.ones(ROWS)


def problem() -> tuple[Any, Any, Any]:
    """The programs in CVXPY: problem, parameter, variable."""
    import cvxpy as cp

    _, matrix, right = data(1)
    x, linear = cp.Variable(VARIABLES), cp.Parameter(VARIABLES)
    objective = cp.Minimize(cp.sum_squares(x) / 2 + linear @ x)
    return cp.Problem(objective, [matrix @ x <= right]), linear, x


def standard_form(batch: int, differentiable: bool) -> Call:
    """`argrad.Solver`."""
    import argrad

    linear, matrix, right = data(batch)
    solver = argrad.Solver(np.eye(VARIABLES), matrix, [("nonnegative", ROWS)])
    return lambda: solver.solve(q=linear, b=right, differentiable=differentiable)


def torch_qp(batch: int, differentiable: bool) -> Call:
    """`argrad.torch.qp`, on a tensor that requires a gradient or does not."""
    import torch

    from argrad.torch import qp

    linear, matrix, right = (torch.from_numpy(array) for array in data(batch))
    linear.requires_grad_(differentiable)
    quadratic = torch.eye(VARIABLES, dtype=torch.float64)
    return lambda: qp(quadratic, linear, matrix, right)


def torch_layer(batch: int, differentiable: bool) -> Call:
    """`argrad.torch.CvxpyLayer`, with gradients enabled or under `torch.no_grad`."""
    import torch

    from argrad.torch import CvxpyLayer

    program, parameter, variable = problem()
    layer = CvxpyLayer(program, [parameter], [variable])
    linear = torch.from_numpy(data(batch)[0]).requires_grad_()

    def call() -> Any:
        with torch.set_grad_enabled(differentiable):
            return layer(linear)

    return call


def jax_qp(batch: int, differentiable: bool) -> Call:
    """`argrad.jax.qp`, under `jax.vjp` or called as it is."""
    import jax

    from argrad.jax import qp

    jax.config.update("jax_enable_x64", True)
    linear, matrix, right = (jax.numpy.asarray(array) for array in data(batch))
    quadratic = jax.numpy.eye(VARIABLES)

    def solve(linear: Any) -> Any:
        return qp(quadratic, linear, matrix, right)

    return lambda: jax.block_until_ready(
        jax.vjp(solve, linear) if differentiable else solve(linear)
    )


def tensorflow_layer(batch: int, differentiable: bool) -> Call:
    """`argrad.tensorflow.CvxpyLayer`, under a tape that watches or under none."""
    import tensorflow as tf

    from argrad.tensorflow import CvxpyLayer

    program, parameter, variable = problem()
    layer = CvxpyLayer(program, [parameter], [variable])
    linear = tf.constant(data(batch)[0])

    def call() -> Any:
        if not differentiable:
            return layer(linear)
        with tf.GradientTape() as tape:
            tape.watch(linear)
            return layer(linear), tape

    return call


CASES: dict[str, Callable[[int, bool], Call]] = {
    "argrad.Solver": standard_form,
    "torch.qp": torch_qp,
    "torch.CvxpyLayer": torch_layer,
    "jax.qp": jax_qp,
    "tensorflow.CvxpyLayer": tensorflow_layer,
}


def peak() -> int:
    """The peak of the resident memory in bytes, on Linux. (What getrusage says begins with the peak
    of the process that started this one.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def work(name: str, batch: int, differentiable: bool, repeat: int) -> dict[str, float]:
    """Measures in this process."""
    # What is loaded or compiled at the first call is not the call's.
    CASES[name](2, differentiable)()
    call = CASES[name](batch, differentiable)
    before = peak()
    tapes = _core.held_tapes()
    kept = call()
    tapes = _core.held_tapes() - tapes
    after = peak()
    del kept
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"bytes": after - before, "tapes": tapes, "seconds": min(seconds)}


def measure(name: str, batch: int, differentiable: bool, repeat: int) -> dict[str, float] | None:
    """Measures in a process of its own; None where the framework is not installed."""
    arguments = [name, str(batch), str(int(differentiable)), str(repeat)]
    command = [sys.executable, __file__, "--work", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if "ModuleNotFoundError" in done.stderr:
        return None
    done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    print(f"{options.batch} programs of {VARIABLES} variables and {ROWS} inequalities\n")
    print("| front end | call | time | memory | tapes |\n|---|---|---:|---:|---:|")
    for name in options.only:
        for differentiable in (True, False):
            found = measure(name, options.batch, differentiable, options.repeat)
            if found is None:
                continue
            call = "for training" if differentiable else "inference"
            time_, memory = 1e3 * found["seconds"], found["bytes"] / 1e6
            print(f"| {name} | {call} | {time_:.0f} ms | {memory:.0f} MB | {found['tapes']:.0f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        case, size, taped, times = sys.argv[2:]
        print(json.dumps(work(case, int(size), taped == "1", int(times))))
    else:
        main()
