"""Derivatives of `Solution` against finite differences, each other, and their conventions."""

import numpy as np
import pytest
import scipy.sparse as sp
from solve_programs import CONES, dense, difference, program, random_symmetric

import argrad

N = 7


def directions(rng, m):
    return (
        random_symmetric(rng, N),
        rng.normal(size=N),
        rng.normal(size=(m, N)),
        rng.normal(size=m),
    )


@pytest.mark.parametrize("name", CONES)
def test_jvp_matches_finite_differences(name):
    values = program(CONES[name], N, seed=11)
    rng = np.random.default_rng(1)
    solver = argrad.Solver(values[0], values[2], CONES[name])
    change = directions(rng, solver.m)

    def at(t):
        solution = solver.solve(*(v + t * d for v, d in zip(values, change, strict=True)))
        assert solution.status == "solved"
        return solution.x, solution.z, solution.s

    tangent = solver.solve(*values).jvp(*change)
    for found, expected in zip(tangent, difference(at), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", CONES)
def test_vjp_is_the_adjoint_of_jvp(name):
    values = program(CONES[name], N, seed=12)
    rng = np.random.default_rng(2)
    solution = argrad.solve(*values, CONES[name])
    change = directions(rng, solution.z.size)
    cotangent = [rng.normal(size=v.shape) for v in (solution.x, solution.z, solution.s)]
    tangent = solution.jvp(*change)
    gradient = solution.vjp(*cotangent)
    forward = sum(np.vdot(c, t) for c, t in zip(cotangent, tangent, strict=True))
    backward = sum(np.vdot(g, d) for g, d in zip(gradient, change, strict=True))
    scale = sum(
        np.linalg.norm(c) * np.linalg.norm(t) for c, t in zip(cotangent, tangent, strict=True)
    )
    assert abs(forward - backward) <= 1e-10 * scale


@pytest.mark.parametrize("name", CONES)
def test_vjp_matches_finite_differences_of_every_entry(name):
    values = program(CONES[name], N, seed=13)
    rng = np.random.default_rng(3)
    solver = argrad.Solver(values[0], values[2], CONES[name])
    solution = solver.solve(*values)
    weights = [rng.normal(size=v.shape) for v in (solution.x, solution.z, solution.s)]
    gradient = solution.vjp(*weights)

    def loss_along(change):
        def at(t):
            moved = solver.solve(*(v + t * d for v, d in zip(values, change, strict=True)))
            point = (moved.x, moved.z, moved.s)
            return (np.array(sum(w @ v for w, v in zip(weights, point, strict=True))),)

        return difference(at)[0]

    zero = [np.zeros_like(v) for v in values]
    for which in range(4):
        for entry in list(np.ndindex(values[which].shape))[::5]:
            change = [z.copy() for z in zero]
            change[which][entry] += 1.0
            if which == 0 and entry[0] != entry[1]:
                change[0][entry[::-1]] += 1.0
            expected = loss_along(change)
            found = np.vdot(gradient[which], change[which])
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_gradient_of_p_is_symmetric():
    values = program(CONES["mixed"], N, seed=14)
    dP, *_ = argrad.solve(*values, CONES["mixed"]).vjp(np.ones(N))
    np.testing.assert_array_equal(dP, dP.T)


def test_gradients_of_the_unconstrained_quadratic():
    # x = -P^-1 q, so for the loss w'x: dq = -P^-1 w and dP = -(l x' + x l') / 2 with l = P^-1 w.
    rng = np.random.default_rng(4)
    P = random_symmetric(rng, 4) + 10 * np.eye(4)
    q, w = rng.normal(size=4), rng.normal(size=4)
    solution = argrad.solve(P, q, None, None, [])
    dP, dq, dA, db = solution.vjp(w)
    adjoint = np.linalg.solve(P, w)
    np.testing.assert_allclose(dq, -adjoint, atol=1e-13)
    expected = -(np.outer(adjoint, solution.x) + np.outer(solution.x, adjoint)) / 2
    np.testing.assert_allclose(dP, expected, atol=1e-13)
    assert dA is None


@pytest.mark.parametrize("name", CONES)
def test_value_gradient_is_the_envelope(name):
    values = program(CONES[name], N, seed=15)
    solution = argrad.solve(*values, CONES[name])
    x, z = solution.x, solution.z
    dP, dq, dA, db = solution.value_gradient()
    np.testing.assert_allclose(dP, np.outer(x, x) / 2, atol=1e-9)
    np.testing.assert_allclose(dq, x, atol=1e-9)
    np.testing.assert_allclose(dA, np.outer(z, x), atol=1e-9)
    np.testing.assert_allclose(db, -z, atol=1e-9)
    np.testing.assert_allclose(solution.value_gradient(2.5)[1], 2.5 * dq, rtol=1e-14)


FORMATS = ["csr", "csc", "coo", "dok", "lil", "bsr"]


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("fmt", FORMATS)
def test_sparse_gradients_have_the_format_and_agree_with_dense(fmt, kind):
    P, q, A, b = program(CONES["nonnegative"], N, seed=16, density=0.5)
    given = kind(P).asformat(fmt), kind(A).asformat(fmt)
    solution = argrad.solve(given[0], q, given[1], b, CONES["nonnegative"])
    reference = argrad.solve(P, q, A, b, CONES["nonnegative"])
    np.testing.assert_allclose(solution.x, reference.x, atol=1e-12)
    w = np.arange(1.0, N + 1)
    dP, dq, dA, db = solution.vjp(w)
    expected = reference.vjp(w)
    for found, matrix, full in ((dP, given[0], expected[0]), (dA, given[1], expected[2])):
        assert type(found) is type(matrix)
        assert found.shape == matrix.shape
        np.testing.assert_allclose(
            found.toarray(), np.where(dense(matrix) != 0, full, 0), atol=1e-11
        )
    np.testing.assert_allclose(dq, expected[1], atol=1e-11)
    np.testing.assert_allclose(db, expected[3], atol=1e-11)


def test_explicit_zeros_have_gradients():
    P = sp.csc_array(([2.0, 0.0, 0.0, 1.0], ([0, 0, 1, 1], [0, 1, 0, 1])), shape=(2, 2))
    solution = argrad.solve(P, [1.0, 1.0], None, None, [])
    dP, *_ = solution.vjp([1.0, 1.0])
    assert dP.nnz == 4
    # x = (-1/2, -1), l = (1/2, 1).
    np.testing.assert_allclose(dP.toarray(), [[0.25, 0.5], [0.5, 1.0]], atol=1e-14)


def test_pattern_with_one_stored_zero_is_made_symmetric():
    P = sp.csr_array(([2.0, 0.0, 1.0], ([0, 0, 1], [0, 1, 1])), shape=(2, 2))
    dP, *_ = argrad.solve(P, [1.0, 1.0], None, None, []).vjp([1.0, 1.0])
    np.testing.assert_allclose(dP.toarray(), [[0.25, 0.5], [0.5, 1.0]], atol=1e-14)


def test_unsorted_and_duplicate_entries_are_read():
    P = sp.csr_matrix(
        (np.array([0.5, 2.0, 0.5, 1.0, 3.0]), np.array([1, 0, 1, 0, 1]), np.array([0, 3, 5])),
        shape=(2, 2),
    )
    before = P.data.copy()
    solution = argrad.solve(P, [1.0, 2.0], None, None, [])
    np.testing.assert_allclose(solution.x, -np.linalg.solve([[2, 1], [1, 3]], [1, 2]), atol=1e-14)
    np.testing.assert_array_equal(P.data, before)
    assert P.nnz == 5


def test_jvp_takes_what_solve_takes():
    P, q, A, b = program(CONES["nonnegative"], N, seed=17, density=0.6)
    solver = argrad.Solver(sp.csr_array(P), sp.csc_array(A), CONES["nonnegative"])
    solution = solver.solve(q=q, b=b)
    expected = solution.jvp(dP=P, dA=A)
    for dP, dA in (
        (sp.coo_array(P), sp.lil_array(A)),
        (sp.csr_array(P).data, sp.csc_array(A).data),
        (P.tolist(), A.tolist()),
    ):
        for found, other in zip(solution.jvp(dP=dP, dA=dA), expected, strict=True):
            np.testing.assert_allclose(found, other, atol=1e-12)


def test_modes():
    # Degenerate at 0: min 1/2 x^2 + q x, x >= 0. The central path at mu has x - mu/x + q = 0.
    solution = argrad.solve([[1.0]], [0.0], [[-1.0]], [0.0], [("nonnegative", 1)])
    mu = 1e-2
    smoothed = solution.jvp(dq=[1.0], mode=("smoothed", mu))[0]
    np.testing.assert_allclose(smoothed, -0.5, atol=1e-8)
    assert solution.vjp([1.0], mode=("smoothed", mu))[1] == pytest.approx(-0.5, abs=1e-8)
    # x = max(-q, 0) - q tau...: the finite step from q = -1 in the interior is exact.
    inner = argrad.solve([[1.0]], [-1.0], [[-1.0]], [0.0], [("nonnegative", 1)])
    np.testing.assert_allclose(inner.vjp([1.0], mode=("lpgd", 1e-3))[1], -1.0, rtol=2e-3)


def test_lsqr_agrees_with_direct():
    values = program(CONES["mixed"], N, seed=18)
    solution = argrad.solve(*values, CONES["mixed"])
    direct = solution.vjp(np.ones(N), np.ones(solution.z.size))
    iterative = solution.vjp(np.ones(N), np.ones(solution.z.size), method=("lsqr", 1e-13, 10_000))
    for a, b in zip(direct, iterative, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_derivative_at_a_point_found_elsewhere():
    values = program(CONES["mixed"], N, seed=19)
    solver = argrad.Solver(values[0], values[2], CONES["mixed"])
    solution = solver.solve(*values)
    elsewhere = solver.at((solution.x, solution.z, solution.s), *values)
    assert elsewhere.status == "solved"
    for a, b in zip(solution.vjp(np.ones(N)), elsewhere.vjp(np.ones(N)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)
    wrong = solver.at((solution.x + 1, solution.z, solution.s), *values)
    assert wrong.status != "solved"
    with pytest.raises(argrad.SolverError):
        wrong.vjp(np.ones(N))


def test_matrix_free_derivative():
    values = program(CONES["mixed"], N, seed=22)
    solution = argrad.solve(*values, CONES["mixed"])
    solver = argrad.Solver(values[0], values[2], CONES["mixed"], engine="matrix_free")
    with pytest.raises(ValueError, match="an engine that can solve"):
        solver.solve(*values)
    found = solver.at(solution, *values).vjp(np.ones(N), method=("lsqr", 1e-13, 5000))
    for a, b in zip(found, solution.vjp(np.ones(N)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_without_differentiable_the_tape_comes_later():
    values = program(CONES["mixed"], N, seed=20)
    kept = argrad.solve(*values, CONES["mixed"])
    later = argrad.solve(*values, CONES["mixed"], differentiable=False)
    np.testing.assert_array_equal(kept.x, later.x)
    for a, b in zip(kept.vjp(np.ones(N)), later.vjp(np.ones(N)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_changing_the_input_afterwards_changes_nothing():
    values = program(CONES["nonnegative"], N, seed=21)
    expected = argrad.solve(*values, CONES["nonnegative"]).vjp(np.ones(N))
    for differentiable in (True, False):
        given = [v.copy() for v in values]
        solution = argrad.solve(*given, CONES["nonnegative"], differentiable=differentiable)
        for v in given:
            v[...] = np.nan
        for a, b in zip(solution.vjp(np.ones(N)), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10)
