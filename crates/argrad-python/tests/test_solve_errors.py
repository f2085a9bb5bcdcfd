"""Malformed input: each error names the argument, what was expected and what was found."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

import argrad

I2 = np.eye(2)
NN = [("nonnegative", 2)]


def refuses(pattern, call, kind=ValueError):
    with pytest.raises(kind, match=pattern):
        call()


@pytest.mark.parametrize(
    ("cones", "pattern"),
    [
        ("nonnegative", r"cones: expected a list of tuples .*found 'nonnegative'"),
        ({"nonnegative": 2}, "cones: expected a list of tuples"),
        (None, "cones: expected a list of tuples"),
        ([("nonnegative",)], r"cones\[0\]: expected \('nonnegative', number of rows\), found"),
        ([("nonnegative", 1), ("soc", 1)], r"cones\[1\]: unknown cone 'soc'; known are zero, nonn"),
        (["nonnegative"], r"cones\[0\]: expected one of .*found 'nonnegative'"),
        ([("nonnegative", 2.0)], r"cones\[0\]: expected an integer \(number of rows\), found 2.0"),
        ([("nonnegative", True)], r"cones\[0\]: expected an integer"),
        ([("nonnegative", -2)], r"cones\[0\]: expected at least 0 .*found -2"),
        ([("power", 1.5)], r"cones\[0\]: expected an exponent between 0 and 1, found 1.5"),
        ([("power", 1.0)], r"cones\[0\]: expected an exponent below 1"),
        ([("power", "x")], r"cones\[0\]: expected an exponent, found 'x'"),
        (
            [("generalized_power", [0.5, 0.2], 1)],
            r"add up to 1, found \[0.5, 0.2\] with the sum 0.7",
        ),
        ([("generalized_power", 0.5, 1)], r"cones\[0\]: expected a list of exponents, found 0.5"),
        ([("generalized_power", [0.5, 0.5], 0)], "norm_dim of at least 1, found 0"),
        (
            [("generalized_power", [0.5, 0.5])],
            r"expected \('generalized_power', exponents, norm_dim",
        ),
        ([("nonnegative", 3)], "the cones take 3 rows and A has 2: nonnegative 3"),
        ([("zero", 1), ("exponential", 1)], "take 4 rows and A has 2: zero 1, exponential 3"),
        ([], "the cones take 0 rows and A has 2: no cones"),
    ],
)
def test_cones(cones, pattern):
    refuses(pattern, lambda: argrad.solve(I2, [0, 0], I2, [1, 1], cones))


def test_asymmetric_p_names_the_entry():
    P = np.array([[1.0, 2.0], [0.5, 3.0]])
    pattern = (
        r"P must be symmetric, but P\[0, 1\] is 2.0 and P\[1, 0\] is 0.5; give \(P \+ P.T\) / 2"
    )
    for given in (P, P.tolist(), sp.csr_array(P), sp.csc_array(P), sp.coo_matrix(P)):
        refuses(pattern, lambda given=given: argrad.solve(given, [0, 0], None, None, []))
    refuses(
        r"P\[1, 0, 1\] is 2.0 and P\[1, 1, 0\] is 0.5",
        lambda: argrad.solve(np.stack([I2, P]), [0, 0], None, None, []),
    )
    refuses(
        r"P\[1\] must be symmetric, but P\[1\]\[0, 1\] is 2.0",
        lambda: argrad.solve([sp.csc_array(I2), sp.csc_array(P)], [0, 0], None, None, []),
    )
    refuses(
        r"P\[0, 1\] is 2.0 and P\[1, 0\] is 0.0; .*if P holds one triangle, both triangles",
        lambda: argrad.solve(sp.triu(sp.csc_array([[1.0, 2], [2, 9]])), [0, 0], None, None, []),
    )
    refuses("dP must be symmetric", lambda: argrad.solve(I2, [0, 0], None, None, []).jvp(dP=P))


def test_rounding_of_p_is_averaged():
    P = np.array([[2.0, 1.0], [1.0 + 1e-13, 3.0]])
    np.testing.assert_allclose(argrad.solve(P, [1, 1], None, None, []).x, [-0.4, -0.2], atol=1e-12)
    single = np.array([[2.0, 1.0], [1.0 + 2e-7, 3.0]], np.float32)
    assert single[0, 1] != single[1, 0]
    assert argrad.solve(single, [1, 1], None, None, []).solved


def test_p_that_is_not_convex():
    refuses("negative eigenvalue", lambda: argrad.solve(-I2, [0, 0], I2, [1, 1], NN))


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (
            lambda: argrad.solve(I2, [0, 0, 0], I2, [1, 1], NN),
            r"q: expected shape \(2,\) or \(batch",
        ),
        (
            lambda: argrad.solve(I2, [0, 0], np.ones((2, 3)), [1, 1], NN),
            r"P is for 2 variables and A for 3: .*; A has shape \(2, 3\)$",
        ),
        (
            lambda: argrad.solve(np.eye(3), [0, 0, 0], np.ones((3, 2)), [1, 1], NN),
            r"P is for 3 variables and A for 2: .* shape \(3, 2\); did you mean its transpose\?",
        ),
        (lambda: argrad.solve(I2, 0.0, I2, [1, 1], NN), r"q: expected shape .*found \(\)"),
        (lambda: argrad.solve(I2, [0, 0], I2, [1], NN), r"b: expected shape \(2,\) .*found \(1,\)"),
        (lambda: argrad.solve(I2, [0, 0], I2, None, NN), r"b is missing, expected shape \(2,\)"),
        (lambda: argrad.solve(I2, None, I2, [1, 1], NN), r"q is missing, expected shape \(2,\)"),
        (
            lambda: argrad.solve(np.eye(3), [0, 0], I2, [1, 1], NN),
            "P is for 3 variables and A for 2",
        ),
        (lambda: argrad.solve(np.ones((2, 3)), [0, 0], I2, [1, 1], NN), r"square matrix.*\(2, 3\)"),
        (lambda: argrad.solve([1.0, 2.0], [0, 0], I2, [1, 1], NN), r"P: expected a matrix.*\(2,\)"),
        (
            lambda: argrad.solve(I2 * 1j, [0, 0], I2, [1, 1], NN),
            "P: expected real numbers.*complex",
        ),
        (lambda: argrad.solve(I2, ["a", "b"], I2, [1, 1], NN), "q: expected real numbers"),
        (lambda: argrad.solve(I2, [[0], [0, 1]], I2, [1, 1], NN), "q: cannot be read as an array"),
        (lambda: argrad.Solver(None, None, []), "P and A are both None"),
        (lambda: argrad.Solver(I2, None, [], n=3), "n is 3, but P and A are for 2 variables"),
        (lambda: argrad.Solver([I2, np.eye(3)], None, []), r"shapes \(2, 2\) and \(3, 3\)"),
        (
            lambda: argrad.solve(I2, np.zeros((3, 2)), I2, np.zeros((4, 2)), NN),
            "batch sizes differ: q has 3, b has 4; give one size",
        ),
    ],
)
def test_shapes(call, pattern):
    refuses(pattern, call)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(bad):
    name = str(bad)
    q = np.zeros((3, 2))
    q[2, 1] = bad
    refuses(rf"q\[2, 1\] is {name}, expected a finite", lambda: argrad.solve(I2, q, I2, [1, 1], NN))
    refuses(rf"q\[1\] is {name}", lambda: argrad.solve(I2, q[2], I2, [1, 1], NN))
    matrix = np.array([[1.0, bad], [bad, 1.0]])
    for given in (matrix, sp.csc_array(matrix), sp.csr_array(matrix)):
        refuses(
            rf"P\[(0, 1|1, 0)\] is {name}", lambda g=given: argrad.solve(g, [0, 0], I2, [1, 1], NN)
        )
    A = np.stack([I2, [[0, 0], [bad, 0]]])
    refuses(rf"A\[1, 1, 0\] is {name}", lambda: argrad.solve(I2, [0, 0], A, [1, 1], NN))
    refuses(rf"b\[0\] is {name}", lambda: argrad.solve(I2, [0, 0], I2, [bad, 1], [("zero", 2)]))
    if bad != np.inf:
        refuses(
            rf"b\[0\] is {name}, expected a finite number \(or \+inf in a nonnegative row",
            lambda: argrad.solve(I2, [0, 0], I2, [bad, 1], NN),
        )


def test_patterns():
    diagonal = sp.csc_array(np.diag([1.0, 2.0, 3.0]))
    solver = argrad.Solver(diagonal, sp.csr_array([[1.0, 0.0, 2.0]]), [("zero", 1)])
    q, b = np.zeros(3), np.zeros(1)
    full = np.eye(3) + 0.1
    for given in (sp.csc_array(full), np.stack([full, full])):
        refuses(r"P\[\d, \d\] is not in the pattern of P", lambda g=given: solver.solve(g, q, b=b))
    refuses(
        r"A\[0, 1\] is not in the pattern of A", lambda: solver.solve(None, q, np.ones((1, 3)), b)
    )
    refuses(
        r"P: shape \(3, 3\) is that of a matrix and also that of a batch of 3 times 3 values",
        lambda: solver.solve(np.eye(3), q, b=b),
    )
    refuses(
        r"P: expected a matrix of shape \(3, 3\).*found shape \(4,\)",
        lambda: solver.solve(np.ones(4), q, b=b),
    )
    refuses(
        r"P: expected shape \(3, 3\), found \(2, 2\)", lambda: solver.solve(sp.identity(2), q, b=b)
    )
    refuses(
        r"A\[0\]: expected a matrix",
        lambda: solver.solve(None, q, [np.tile([1.0, 0.0, 1.0], (2, 1, 1))], b),
    )
    no_p = argrad.Solver(None, I2, NN)
    refuses("P: the solver was built with P=None", lambda: no_p.solve(I2, [0, 0], b=[1, 1]))


def test_settings():
    refuses(
        "unknown solver setting 'eps'; settings are tolerance",
        lambda: argrad.Solver(I2, I2, NN, eps=1),
        TypeError,
    )
    refuses("tolerance must be positive", lambda: argrad.Solver(I2, I2, NN, tolerance=-1.0))
    refuses("engine must be one of", lambda: argrad.Solver(I2, I2, NN, engine="gpu"))
    refuses(
        "max_iterations must be a whole number",
        lambda: argrad.Solver(I2, I2, NN, max_iterations=1.5),
        TypeError,
    )


def test_derivative_arguments():
    solution = argrad.solve(I2, [-1, -2], I2, [1, 1], NN)
    batch = argrad.solve(I2, -np.ones((3, 2)), I2, [1, 1], NN)
    refuses("give at least one of dx, dz, ds", solution.vjp)
    refuses("give at least one of dP, dq, dA, db", solution.jvp)
    refuses(r"dx: expected shape \(2,\), found \(3,\)", lambda: solution.vjp(np.ones(3)))
    refuses(r"dx: expected shape \(2,\), found \(1, 2\)", lambda: solution.vjp(np.ones((1, 2))))
    refuses(r"dz: expected shape \(3, 2\) or \(2,\)", lambda: batch.vjp(None, np.ones((2, 2))))
    refuses(
        "the changes have a batch of 4, the solution has a batch of 3",
        lambda: batch.jvp(dq=np.ones((4, 2))),
    )
    refuses("has no batch", lambda: solution.jvp(dq=np.ones((4, 2))))
    refuses("dA: expected a matrix", lambda: solution.jvp(dA=np.ones((3, 3))))
    refuses(r"dq\[0\] is nan", lambda: solution.jvp(dq=[np.nan, 0]))
    refuses('derivative must be "exact"', lambda: solution.vjp([1, 1], mode="wrong"))
    refuses('on_failure must be "raise"', lambda: solution.vjp([1, 1], on_failure="wrong"))
    refuses('method must be "direct"', lambda: solution.vjp([1, 1], method="cg"))
    refuses(r"weights: expected a number or shape \(3,\)", lambda: batch.value_gradient([1.0, 2.0]))
    without = argrad.solve(None, [1, 2], -I2, [0, 0], NN)
    refuses("dP: the program has no P", lambda: without.jvp(dP=I2))


def test_warm_start_arguments():
    solver = argrad.Solver(I2, I2, NN)

    def solve(start, q=(0, 0)):
        return lambda: solver.solve(q=q, b=[1, 1], warm_start=start)

    refuses(r"warm_start: expected a Solution or a tuple \(x, z, s\)", solve(np.zeros(2)))
    refuses(
        r"warm_start, z: expected shape \(2,\) or \(1, 2\), found \(3,\)",
        solve(([0, 0], [0, 0, 0], [1, 1])),
    )
    refuses(r"warm_start, x\[1\] is nan", solve(([0, np.nan], [0, 0], [1, 1])))
    three = solver.solve(q=np.zeros((3, 2)), b=[1, 1])
    refuses(
        r"warm_start, x: expected shape \(2,\) or \(2, 2\), found \(3, 2\)",
        solve(three, np.zeros((2, 2))),
    )


def test_messages_are_one_line():
    with pytest.raises(ValueError) as error:
        argrad.solve(np.array([[1.0, 2.0], [0.5, 3.0]]), [0, 0], None, None, [])
    assert re.fullmatch(r"[^\n]+", str(error.value))


@pytest.mark.parametrize("factor", [1.0, -3.0, 1e-5])
def test_two_equalities_that_contradict_each_other_are_named(factor):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 8))
    a[4] = factor * a[1]
    b = a @ rng.normal(size=8)
    b[1], b[4] = 1.0, factor * 1.25
    solution = argrad.solve(np.eye(8), np.zeros(8), a, b, [("zero", 6)])
    assert solution.status == "primal_infeasible"
    with pytest.raises(argrad.SolverError, match="rows 1 and 4 ask for 1 and 1.25 of the same"):
        solution.vjp(np.ones(8))


def test_other_contradictions_name_no_rows():
    # The sum of the first two rows is the third, and x >= 2 contradicts x <= 1.
    sums = argrad.solve(
        np.eye(2), np.zeros(2), [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1.0, 1.0, 3.0], [("zero", 3)]
    )
    bounds = argrad.solve([[1.0]], np.zeros(1), [[1.0], [-1.0]], [1.0, -2.0], [("nonnegative", 2)])
    for solution in (sums, bounds):
        with pytest.raises(argrad.SolverError) as error:
            solution.vjp(np.ones(solution.x.shape))
        assert "infeasible" in str(error.value) and "rows" not in str(error.value)
