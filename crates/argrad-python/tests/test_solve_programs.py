"""Solutions of programs with closed forms, and optimality on every cone."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from solve_programs import CONES, program, smat, svec

import argrad


def assert_optimal(solution, P, q, A, b, atol=1e-9):
    x, z, s = solution.x, solution.z, solution.s
    assert solution.status == "solved"
    np.testing.assert_allclose(P @ x + q + A.T @ z, 0, atol=atol)
    np.testing.assert_allclose(A @ x + s, b, atol=atol)
    assert abs(s @ z) <= atol


@pytest.mark.parametrize("name", CONES)
def test_solution_is_optimal(name):
    P, q, A, b = program(CONES[name], 8, seed=3)
    assert_optimal(argrad.solve(P, q, A, b, CONES[name]), P, q, A, b)


def test_projection_on_the_orthant():
    c = np.array([1.5, -2.0, 0.25, -0.125])
    solution = argrad.solve(np.eye(4), -c, -np.eye(4), np.zeros(4), [("nonnegative", 4)])
    np.testing.assert_allclose(solution.x, np.maximum(c, 0), atol=1e-14)
    np.testing.assert_allclose(solution.z, np.maximum(-c, 0), atol=1e-14)
    np.testing.assert_allclose(solution.s, solution.x, atol=1e-14)
    np.testing.assert_allclose(solution.info.objective, -0.5 * np.sum(np.maximum(c, 0) ** 2))


def test_equalities_solve_the_linear_system():
    rng = np.random.default_rng(0)
    P, q, A, b = program([("zero", 3)], 6, seed=1)
    kkt = np.block([[P, A.T], [A, np.zeros((3, 3))]])
    expected = np.linalg.solve(kkt, np.concatenate([-q, b]))
    solution = argrad.solve(P, q, A, b, [("zero", 3)])
    np.testing.assert_allclose(np.concatenate([solution.x, solution.z]), expected, atol=1e-12)
    cotangent = rng.normal(size=6)
    _, dq, _, _ = solution.vjp(cotangent)
    expected = -np.linalg.solve(kkt, np.concatenate([cotangent, np.zeros(3)]))[:6]
    np.testing.assert_allclose(dq, expected, atol=1e-12)


def test_no_constraints():
    P = np.array([[2.0, 1.0], [1.0, 3.0]])
    q = np.array([1.0, -2.0])
    for A, b in ((None, None), (np.zeros((0, 2)), np.zeros(0))):
        solution = argrad.solve(P, q, A, b, [])
        np.testing.assert_allclose(solution.x, -np.linalg.solve(P, q), atol=1e-14)
        assert solution.z.shape == solution.s.shape == (0,)
        dP, dq, dA, db = solution.vjp([1.0, 0.0])
        np.testing.assert_allclose(dq, -np.linalg.inv(P)[0], atol=1e-14)
        assert (dA is None) == (A is None)
        assert db.shape == (0,)


def test_nothing_at_all():
    solution = argrad.solve(None, np.zeros(3), None, None, [])
    assert solution.status == "solved"
    assert argrad.solve(None, np.ones(3), None, None, []).status == "dual_infeasible"


def test_linear_program_without_p():
    # The vertex of x + 2y <= 3, 2x + y <= 3 that maximizes 4x + 5y.
    A = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, 0.0], [0.0, -1.0]])
    q, b = np.array([-4.0, -5.0]), np.array([3.0, 3.0, 0.0, 0.0])
    solution = argrad.solve(None, q, A, b, [("nonnegative", 4)])
    np.testing.assert_allclose(solution.x, [1, 1], atol=1e-12)
    np.testing.assert_allclose(solution.z, [1, 2, 0, 0], atol=1e-12)
    dP, dq, dA, db = solution.vjp([1.0, 1.0])
    assert dP is None
    np.testing.assert_allclose(dq, 0, atol=1e-12)
    np.testing.assert_allclose(db, np.linalg.solve(A[:2].T, [1, 1]).tolist() + [0, 0], atol=1e-12)


def test_projection_on_a_ball():
    c = np.array([3.0, -4.0, 12.0])
    A = np.vstack([np.zeros(3), -np.eye(3)])
    b = np.array([2.0, 0, 0, 0])
    solution = argrad.solve(np.eye(3), -c, A, b, [("second_order", 4)])
    np.testing.assert_allclose(solution.x, c * (2 / 13), atol=1e-12)


def test_projection_on_semidefinite_matrices():
    rng = np.random.default_rng(5)
    C = rng.normal(size=(4, 4))
    C = C + C.T
    eigenvalues, vectors = np.linalg.eigh(C)
    expected = (vectors * np.maximum(eigenvalues, 0)) @ vectors.T
    k = svec(C).size
    solution = argrad.solve(
        sp.identity(k), -svec(C), -sp.identity(k), np.zeros(k), [("psd_triangle", 4)]
    )
    np.testing.assert_allclose(smat(solution.x), expected, atol=1e-11)
    np.testing.assert_allclose(smat(solution.z), expected - C, atol=1e-11)


def test_entropy_gives_softmax():
    y = np.array([0.3, -1.2, 2.0, 0.7])
    n = y.size
    # Variables (x, t) with (-t_i, x_i, 1) in the exponential cone, that is t_i >= x_i log x_i.
    A = np.zeros((1 + 3 * n, 2 * n))
    b = np.zeros(1 + 3 * n)
    A[0, :n] = b[0] = 1.0
    for i in range(n):
        A[1 + 3 * i, n + i] = 1.0
        A[2 + 3 * i, i] = -1.0
        b[3 + 3 * i] = 1.0
    q = np.concatenate([-y, np.ones(n)])
    solution = argrad.solve(None, q, A, b, [("zero", 1), ("exponential", n)])
    p = np.exp(y) / np.exp(y).sum()
    np.testing.assert_allclose(solution.x[:n], p, atol=1e-10)
    _, dq, _, _ = solution.vjp(np.concatenate([[1.0, 0, 0, 0], np.zeros(n)]))
    np.testing.assert_allclose(-dq[:n], p * ((np.arange(n) == 0) - p[0]), atol=1e-8)


@pytest.mark.parametrize("alphas", [[0.3, 0.7], [0.2, 0.5, 0.3]])
def test_weighted_geometric_mean(alphas):
    # Maximize prod x_i^alpha_i on the simplex: x = alpha.
    k = len(alphas)
    A = np.vstack([np.append(np.ones(k), 0.0), -np.eye(k + 1)])
    b = np.append(1.0, np.zeros(k + 1))
    q = np.append(np.zeros(k), -1.0)
    general = argrad.solve(None, q, A, b, [("zero", 1), ("generalized_power", alphas, 1)])
    np.testing.assert_allclose(general.x[:k], alphas, atol=1e-8)
    np.testing.assert_allclose(general.info.objective, -np.prod(np.power(alphas, alphas)))
    if k == 2:
        power = argrad.solve(None, q, A, b, [("zero", 1), ("power", alphas[0])])
        np.testing.assert_allclose(power.x, general.x, atol=1e-8)


def test_primal_infeasible_has_a_certificate():
    A = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    b = np.array([0.0, 0.0, -1.0])
    solution = argrad.solve(np.eye(2), np.zeros(2), A, b, [("nonnegative", 3)])
    assert solution.status == "primal_infeasible"
    assert not solution.solved
    np.testing.assert_allclose(A.T @ solution.z, 0, atol=1e-7)
    np.testing.assert_allclose(b @ solution.z, -1, atol=1e-12)
    assert (solution.z >= 0).all()


def test_dual_infeasible_has_a_direction():
    solution = argrad.solve(None, [-1.0, 0.0], -np.eye(2), np.zeros(2), [("nonnegative", 2)])
    assert solution.status == "dual_infeasible"
    np.testing.assert_allclose(solution.x[0], 1.0, atol=1e-7)


def test_infinite_side_removes_the_row():
    solution = argrad.solve(np.eye(2), [-1.0, -2.0], np.eye(2), [np.inf, 0.5], [("nonnegative", 2)])
    np.testing.assert_allclose(solution.x, [1.0, 0.5], atol=1e-14)
    assert solution.s[0] == np.inf and solution.z[0] == 0.0
    _, _, dA, db = solution.vjp([1.0, 1.0])
    np.testing.assert_allclose(db, [0.0, 1.0], atol=1e-14)
    np.testing.assert_allclose(dA[0], 0.0)


def test_cones_without_rows_and_numpy_sizes():
    cones = [("zero", 0), ("nonnegative", np.int64(2)), ("exponential", 0), ["psd_triangle", 0]]
    solution = argrad.solve(np.eye(2), [-1.0, 1.0], -np.eye(2), [0, 0], cones)
    np.testing.assert_allclose(solution.x, [1, 0], atol=1e-14)


def test_info_reports_numbers():
    P, q, A, b = program(CONES["mixed"], 8, seed=3)
    info = argrad.solve(P, q, A, b, CONES["mixed"]).info
    assert info.iterations > 0 and info.factorizations > 0
    assert info.residual == max(info.primal_residual, info.dual_residual, info.gap)
    assert info.residual <= 1e-9
    assert info.unique and not info.degenerate and not info.warm_started
    assert info.weakly_active == 0 and info.condition >= 1.0
    assert info["iterations"] == info.iterations == info.asdict()["iterations"]
    with pytest.raises(KeyError):
        info["nothing"]


def test_degenerate_solution_is_flagged():
    # min 1/2 x^2 with x >= 0: slack and dual are both 0.
    solution = argrad.solve([[1.0]], [0.0], [[-1.0]], [0.0], [("nonnegative", 1)])
    assert solution.info.weakly_active == 1 and solution.info.degenerate
    flat = argrad.solve([[0.0]], [0.0], [[-1.0]], [0.0], [("nonnegative", 1)])
    assert not flat.info.unique and flat.info.degenerate


def test_settings_reach_the_solver():
    P, q, A, b = program(CONES["mixed"], 8, seed=3)
    solution = argrad.solve(P, q, A, b, CONES["mixed"], max_iterations=1, max_polish_steps=0)
    assert solution.status == "iteration_limit"
    assert argrad.solve(P, q, A, b, CONES["mixed"], time_limit=1e-9).status == "time_limit"
    for engine in ("lanes", "sparse"):
        assert argrad.solve(P, q, A, b, CONES["mixed"], engine=engine).status == "solved"


def test_single_precision_p_is_convex_up_to_its_rounding():
    root = np.random.default_rng(5).standard_normal((12, 3)).astype(np.float32)
    # Of rank 3, and indefinite by the rounding of single precision.
    P = root @ root.T
    assert np.linalg.eigvalsh(P.astype(float)).min() < -1e-8
    q, A, b = np.ones(12, np.float32), -np.eye(12, dtype=np.float32), np.zeros(12, np.float32)
    cones = [("nonnegative", 12)]
    found = argrad.solve(P, q, A, b, cones)
    assert found.status == "solved"
    assert found.x.dtype == np.float32
    # Also where the solver was built with double precision, and where a copy is differentiated.
    solver = argrad.Solver(np.eye(12), A.astype(float), cones)
    again = pickle.loads(pickle.dumps(solver.solve(P=P, q=q, b=b)))
    assert again.status == "solved"
    assert again.vjp(np.ones(12))[1].shape == (12,)
    with pytest.raises(ValueError, match="negative eigenvalue"):
        argrad.solve(P, q, A, b, cones, convexity_tolerance=1e-12)


def test_a_large_semidefinite_program_is_explained_and_solved():
    # The relaxation of the largest cut of an even cycle is exact: every edge is cut.
    side = 60
    laplacian = 2 * np.eye(side) - np.roll(np.eye(side), 1, 0) - np.roll(np.eye(side), -1, 0)
    j = np.arange(side)
    rows = side * (side + 1) // 2
    A = sp.csc_matrix((-np.ones(side), (j * (j + 3) // 2, j)), (rows, side))
    solver = argrad.Solver(None, A, [("psd_triangle", side)])
    lines = solver.explain().splitlines()
    assert lines[0] == f"{side} variables, {rows} rows"
    assert lines[1].startswith("sparse engine")
    assert lines[2] == "cone 0, PsdTriangle(60): rows eliminated by the inverse of their block"
    assert lines[3].startswith("cone 0, PsdTriangle(60): sparse matrices, decomposed into cliques")
    assert lines[4].startswith(f"linear system of order {side}, ")
    assert lines[5].startswith("memory: ") and lines[5].endswith(" for each thread")
    solution = solver.solve(q=np.ones(side), b=-svec(laplacian / 4))
    assert solution.status == "solved"
    np.testing.assert_allclose(solution.x.sum(), side, rtol=1e-9)
