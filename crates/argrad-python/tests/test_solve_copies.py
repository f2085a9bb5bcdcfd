"""Pickles, copies, threads and interrupts."""

import copy
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from solve_programs import CONES, program

import argrad

N = 6
MIXED = CONES["mixed"]


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("duplicate", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("sparse", [False, True])
def test_solver_copies_solve_alike(duplicate, sparse):
    P, q, A, b = program(MIXED, N, seed=40)
    given = (sp.csr_array(P), sp.csc_array(A)) if sparse else (P, A)
    solver = argrad.Solver(*given, MIXED, tolerance=1e-8)
    other = duplicate(solver)
    assert other is not solver and repr(other) == repr(solver)
    assert other.settings == {"tolerance": 1e-8}
    np.testing.assert_array_equal(other.solve(q=q, b=b).x, solver.solve(q=q, b=b).x)


@pytest.mark.parametrize("duplicate", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_solution_copies_have_derivatives(duplicate, dtype):
    P, q, A, b = (v.astype(dtype) for v in program(MIXED, N, seed=41))
    solution = argrad.solve(P, np.stack([q, 1.5 * q]), A, b, MIXED)
    other = duplicate(solution)
    assert other.status == solution.status and repr(other) == repr(solution)
    for name in "xzs":
        np.testing.assert_array_equal(getattr(other, name), getattr(solution, name))
        assert getattr(other, name).dtype == dtype
    np.testing.assert_array_equal(other.info.iterations, solution.info.iterations)
    for found, expected in zip(other.vjp(np.ones(N)), solution.vjp(np.ones(N)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    again = other._solver.solve(
        P, q, A, b, warm_start=through_pickle(solution._solver.solve(P, q, A, b))
    )
    assert again.info.warm_started


def test_copies_of_failed_solutions():
    bounds = np.array([[1.0, 1.0], [-1.0, -1.0]])
    solution = argrad.solve([[1.0]], [-5.0], [[1.0], [-1.0]], bounds, [("nonnegative", 2)])
    other = through_pickle(solution)
    assert other.status == ["solved", "primal_infeasible"]
    with pytest.raises(argrad.SolverError, match="sample 1: primal infeasible"):
        other.vjp([1.0])
    expected = solution.vjp([1.0], on_failure="nan")[3]
    np.testing.assert_allclose(other.vjp([1.0], on_failure="nan")[3], expected, atol=1e-12)


def test_copy_of_a_solution_with_a_removed_row():
    solution = argrad.solve(np.eye(2), [-1.0, -2.0], np.eye(2), [np.inf, 0.5], [("nonnegative", 2)])
    other = through_pickle(solution)
    np.testing.assert_allclose(other.vjp([1.0, 1.0])[3], [0.0, 1.0], atol=1e-12)


def test_deepcopy_has_its_own_arrays():
    P, q, A, b = program(MIXED, N, seed=42)
    solution = argrad.solve(P, q, A, b, MIXED)
    other = copy.deepcopy(solution)
    other.x[:] = 0
    assert solution.x.any()


def test_threads_share_a_solver():
    P, q, A, b = program(MIXED, N, seed=43)
    solver = argrad.Solver(P, A, MIXED)
    rng = np.random.default_rng(0)
    batches = [q + 0.1 * rng.normal(size=(7, N)) for _ in range(24)]
    w = rng.normal(size=N)

    def work(batch):
        solution = solver.solve(q=batch, b=b)
        return solution.x, solution.vjp(w)[1], solution.jvp(dq=w)[0]

    expected = [work(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, batches))
    for one, other in zip(found, expected, strict=True):
        for a, c in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, c)


def test_threads_share_a_solution():
    P, q, A, b = program(MIXED, N, seed=44)
    solution = through_pickle(argrad.solve(P, q, A, b, MIXED))
    cotangents = np.random.default_rng(1).normal(size=(32, N))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda w: solution.vjp(w)[1], cotangents))
    for gradient, w in zip(found, cotangents, strict=True):
        np.testing.assert_array_equal(gradient, solution.vjp(w)[1])


# A process started in the background ignores SIGINT.
HEEDING = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
"""

LONG = """
import numpy as np
import argrad

rng = np.random.default_rng(0)
n, batch = 120, 50000
A = rng.normal(size=(n, n))
q = rng.normal(size=(batch, n))
# With the matrices shared, fast machines need not a second.
solver = argrad.Solver(np.eye(n), A, [("nonnegative", n)], share_matrices=False)
print("begin", flush=True)
try:
    # Without derivatives, whose memory for this batch is gigabytes.
    solver.solve(q=q, b=np.ones(n), differentiable=False)
except KeyboardInterrupt:
    # The solver is still good.
    assert solver.solve(q=q[0], b=np.ones(n)).status == "solved"
    print("interrupted", flush=True)
    raise
print("end", flush=True)
"""


LONG_DERIVATIVE = """
import numpy as np
import argrad

rng = np.random.default_rng(0)
n = 1000
A = rng.normal(size=(n, n))
solution = argrad.solve(np.eye(n), rng.normal(size=n), A, np.ones(n), [("nonnegative", n)])
print("begin", flush=True)
try:
    # A goal that cannot be met.
    solution.vjp(np.ones(n), method=("lsqr", 1e-300, 10**12))
except KeyboardInterrupt:
    assert np.isfinite(solution.vjp(np.ones(n))[1]).all()
    print("interrupted", flush=True)
    raise
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
@pytest.mark.parametrize("program", [LONG, LONG_DERIVATIVE], ids=["solve", "derivative"])
def test_interrupt_ends_long_work(program):
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "begin\n"
        time.sleep(1.0)
        assert process.poll() is None, "too short to interrupt"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - sent < 10
    finally:
        process.kill()
    assert out == "interrupted\n"
    assert "KeyboardInterrupt" in err
    assert process.returncode != 0
