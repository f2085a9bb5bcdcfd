"""What does not fit into memory is an error that names it; the process goes on."""

import subprocess
import sys
import textwrap

import cvxpy as cp
import numpy as np
import pytest

import argrad
from argrad import _core, _memory
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


# A semidefinite block, whose entries are all tied together, in each front end.
SEMIDEFINITE = """
    def standard_form(side, **settings):
        rows = side * (side + 1) // 2
        q, A = np.ones(rows), -sp.eye_array(rows)
        argrad.solve(None, q, A, np.zeros(rows), [("psd_triangle", side)], **settings)

    def problem(side):
        X, p = cp.Variable((side, side), PSD=True), cp.Parameter(value=1.0)
        return cp.Problem(cp.Minimize(cp.trace(X) + p * X[0, 1]), [cp.trace(X) == 1]), p, X

    def torch_layer(side, **settings):
        from argrad.torch import CvxpyLayer

        program, p, X = problem(side)
        CvxpyLayer(program, [p], [X], solver_args=settings)

    def cvxpy_solver(side, **settings):
        from argrad.cvxpy import ARGRAD

        problem(side)[0].solve(solver=ARGRAD(), **settings)

    def report(solve, *arguments, **settings):
        try:
            solve(*arguments, **settings)
        except argrad.MemoryLimitError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
class TestPrograms:
    @pytest.mark.parametrize("solve", ["standard_form", "torch_layer", "cvxpy_solver"])
    @pytest.mark.parametrize(
        ("limit", "expected"),
        [
            (10**9, "the limit of 1.0 GB; split the program, or raise memory_limit"),
            # With a limit above what any machine has, it is the system that refuses.
            (10**15, "the system gives; split the program"),
        ],
    )
    def test_a_large_semidefinite_block(self, solve, limit, expected):
        call = f"    report({solve}, 250, memory_limit={limit})"
        printed = run_limited(8000, SEMIDEFINITE + call)
        assert "PsdTriangle(250) (31375 rows)" in printed, printed
        assert f"would take 49.2 GB, more than {expected}" in printed, printed

    def test_what_cvxpy_cannot_allocate(self):
        printed = run_limited(
            8000,
            """
            C = cp.Parameter((250, 250), symmetric=True)
            X = cp.Variable((250, 250), PSD=True)
            try:
                compile_problem(cp.Problem(cp.Minimize(cp.trace(C @ X))), [C], [X])
            except argrad.MemoryLimitError as error:
                print(error)
            """,
        )
        assert "CVXPY" in printed and "Unable to allocate" in printed, printed
        assert "make the largest constraint or parameter smaller" in printed


class TestBatches:
    def test_a_batch_is_refused_before_it_is_allocated(self):
        x, p = cp.Variable(2), cp.Parameter(2)
        compiled = compile_problem(cp.Problem(cp.Minimize(cp.sum_squares(x - p))), [p], [x])
        solver = _core.Qp(2, 0, 1)
        one, vector = np.ones(1), np.ones(2)
        for differentiable in (True, False):
            for solve in (
                lambda batch, **how: compiled.layer().forward(batch, [vector], **how),
                lambda batch, **how: solver.forward(
                    batch, np.eye(2), vector, np.ones((1, 2)), one, **how
                ),
            ):
                with pytest.raises(argrad.MemoryLimitError, match="of a batch of 1\\d+ samples"):
                    solve(10**13, differentiable=differentiable)
                solve(3, differentiable=differentiable)

    def test_the_limit_is_a_setting(self):
        solver = argrad.Solver(
            np.eye(20), np.eye(20), [("nonnegative", 20)], memory_limit=2_000_000
        )
        q = np.ones((2000, 20))
        with pytest.raises(argrad.MemoryLimitError, match="the tape .* limit of 2.0 MB; .* batch"):
            solver.solve(q=q, b=np.ones(20))
        solver.solve(q=q, b=np.ones(20), differentiable=False)
        with pytest.raises(argrad.MemoryLimitError, match="the solutions of a batch of 9000 "):
            solver.solve(q=np.ones((9000, 20)), b=np.ones(20), differentiable=False)


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
        with pytest.raises(argrad.MemoryLimitError, match="more than the limit of 10000 bytes"):
            compile_problem(problem, [p], [x], solver_options={"memory_limit": 10_000})
        compile_problem(problem, [p], [x], solver_options={"memory_limit": 10**9})
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
