"""What does not fit into memory is an error that names it; the process goes on."""

import subprocess
import sys
import textwrap

import cvxpy as cp
import numpy as np
import pytest

import argrad
from argrad import _memory
from argrad._canonical import compile_problem
from argrad._canonical.memory import check_products


def run_limited(megabytes, code):
    """Runs code in a process whose address space may grow by so much; returns what it prints."""
    limit = f"""
        import resource
        import numpy as np, scipy.sparse as sp, cvxpy as cp
        import argrad
        from argrad._canonical import compile_problem

        pages = int(open("/proc/self/statm").read().split()[0])
        size = pages * resource.getpagesize() + {megabytes} * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    """
    text = textwrap.dedent(limit) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout


def least_squares(rows, inner, columns):
    P, X = cp.Parameter((rows, inner), name="P"), cp.Variable((inner, columns), name="X")
    return cp.Problem(cp.Minimize(cp.sum_squares(P @ X - 1))), P, X


class TestMaps:
    def test_a_product_is_refused_before_it_is_written_out(self):
        problem, P, X = least_squares(20_000, 20_000, 20_000)
        expected = (
            r"P @ X of shapes \(20000, 20000\) and .* 8,000,000,000,000 coefficients.* 192 TB"
        )
        with pytest.raises(argrad.MemoryLimitError, match=expected):
            compile_problem(problem, [P], [X])

    @pytest.mark.parametrize(
        "make",
        [
            lambda: cp.Parameter((40_000, 40_000)) @ cp.Variable((40_000, 40_000)),
            lambda: cp.Variable((40_000, 40_000)) @ cp.Parameter((40_000, 40_000)),
            lambda: cp.Parameter((40_000, 40_000), symmetric=True) @ cp.Variable((40_000, 40_000)),
        ],
    )
    def test_either_side(self, make):
        with pytest.raises(MemoryError):
            check_products(cp.Problem(cp.Minimize(0), [make() == 0]))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: cp.Parameter((40_000, 40_000), diag=True) @ cp.Variable((40_000, 40_000)),
            lambda: cp.Parameter((40_000, 10)) @ cp.Variable(10),
            lambda: cp.trace(cp.Parameter((40_000, 40_000)) @ cp.Variable((40_000, 40_000))),
            lambda: cp.Parameter((40_000, 10)) @ cp.Parameter((10, 40_000)),
        ],
    )
    def test_what_may_be_small_is_not_refused(self, make):
        check_products(cp.Problem(cp.Minimize(0), [make() == 0]))

    @pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
    def test_a_process_with_little_memory_goes_on(self):
        printed = run_limited(
            500,
            """
            P, X = cp.Parameter((300, 300), name="P"), cp.Variable((300, 300), name="X")
            problem = cp.Problem(cp.Minimize(cp.sum_squares(P @ X - 1)))
            try:
                compile_problem(problem, [P], [X])
            except argrad.MemoryLimitError as error:
                print(error)
            p, x = cp.Parameter(3), cp.Variable(3)
            compile_problem(cp.Problem(cp.Minimize(cp.sum_squares(x - p))), [p], [x])
            print("goes on")
            """,
        )
        assert "the product P @ X of shapes (300, 300) and (300, 300)" in printed
        assert "648 MB" in printed and "more than the limit of" in printed and "goes on" in printed

    def test_a_map_that_only_canonicalization_shows(self, monkeypatch):
        # A row of 10 copies of 20 products: 200 coefficients, of 120 bytes.
        p, x = cp.Parameter(20), cp.Variable(20)
        rows = np.ones((10, 1)) @ cp.reshape(cp.multiply(p, x), (1, 20), order="C")
        problem = cp.Problem(cp.Minimize(cp.sum_squares(rows)))
        monkeypatch.setattr(_memory, "limit", lambda: 20_000)
        expected = r"the map from the parameters to .* has \d+ coefficients and would take"
        with pytest.raises(argrad.MemoryLimitError, match=expected):
            compile_problem(problem, [p], [x])
        monkeypatch.setattr(_memory, "limit", lambda: None)
        compile_problem(problem, [p], [x])


def test_the_limit_is_known():
    most = _memory.limit()
    assert most is not None and most > 10**7
    _memory.check("nothing", 0, "do nothing")
    with pytest.raises(
        argrad.MemoryLimitError, match=r"it would take 1,000,000 TB, more .*; ask for less"
    ):
        _memory.check("it", 10**18, "ask for less")


def test_memory_limits_are_memory_errors():
    assert issubclass(argrad.MemoryLimitError, MemoryError)
