"""ARGRAD as a solver of CVXPY: statuses, duals, statistics, options, warm start."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

cp = pytest.importorskip("cvxpy")

from argrad.cvxpy import ARGRAD  # noqa: E402


def random_problem(seed, n=5):
    """One problem over all cones with a unique solution; returns it with its constraints."""
    rng = np.random.default_rng(seed)
    x, X = cp.Variable(n), cp.Variable((2, 2), symmetric=True)
    u, t = cp.Variable(3), cp.Variable()
    constraints = [
        cp.sum(x) == 1,
        x >= -0.5,
        cp.SOC(2.0 + x[0], x[1:3]),
        X >> 0.1 * np.eye(2) + x[0] * np.array([[0.0, 1.0], [1.0, 0.0]]),
        cp.ExpCone(x[2], 1 + 0 * x[2], u[0]),
        cp.PowCone3D(u[1], u[2], x[3], 0.3),
        cp.PowConeND(u, t, np.array([0.2, 0.5, 0.3])),
    ]
    objective = (
        cp.sum_squares(x - rng.normal(size=n))
        + cp.trace(X)
        + 2 * cp.sum(u)
        - t
        + rng.normal() * x[4]
    )
    return cp.Problem(cp.Minimize(objective), constraints)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # of the other solver
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("use_quad_obj", [True, False])
def test_value_variables_and_duals_agree_with_another_solver(seed, use_quad_obj):
    ours, theirs = random_problem(seed), random_problem(seed)
    ours.solve(solver=ARGRAD(), use_quad_obj=use_quad_obj)
    tight = dict(tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    theirs.solve(solver=cp.CLARABEL, use_quad_obj=use_quad_obj, **tight)
    assert ours.status == cp.OPTIMAL
    assert ours.value == pytest.approx(theirs.value, abs=1e-8)
    for a, b in zip(ours.variables(), theirs.variables(), strict=True):
        np.testing.assert_allclose(a.value, b.value, atol=2e-5)
    for a, b in zip(ours.constraints, theirs.constraints, strict=True):
        for found, expected in zip(a.dual_variables, b.dual_variables, strict=True):
            np.testing.assert_allclose(found.value, expected.value, atol=5e-5)


def test_duals_are_sensitivities():
    # d(value)/d(right-hand side) = -dual for <= and ==, for minimization.
    def value(e, problem_only=False):
        x = cp.Variable(2)
        constraints = [x[0] + 2 * x[1] == 1 + e[0], x[0] <= 0.1 + e[1], x[1] >= 0.2 + e[2]]
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - [3, 1])), constraints)
        problem.solve(solver=ARGRAD())
        return problem if problem_only else problem.value

    problem = value(np.zeros(3), problem_only=True)
    h = 1e-5
    for i, (constraint, sign) in enumerate(zip(problem.constraints, (-1, -1, 1), strict=True)):
        e = h * np.eye(3)[i]
        slope = (value(e) - value(-e)) / (2 * h)
        assert sign * constraint.dual_value == pytest.approx(slope, abs=1e-6)


def test_maximization_flips_value_and_not_duals():
    x = cp.Variable()
    bound = x <= 2
    problem = cp.Problem(cp.Maximize(3 * x), [bound])
    assert problem.solve(solver=ARGRAD()) == pytest.approx(6)
    assert bound.dual_value == pytest.approx(3)


def test_infeasible_and_unbounded():
    x = cp.Variable(2)
    infeasible = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1, cp.sum(x) <= 1])
    assert infeasible.solve(solver=ARGRAD()) == np.inf
    assert infeasible.status == cp.INFEASIBLE and x.value is None
    y = infeasible.constraints[0].dual_value, infeasible.constraints[1].dual_value
    np.testing.assert_allclose(y[0], y[1] * np.ones(2), atol=1e-7)
    unbounded = cp.Problem(cp.Maximize(cp.sum(x)), [x >= 0])
    assert unbounded.solve(solver=ARGRAD()) == np.inf
    assert unbounded.status == cp.UNBOUNDED


def test_limits_are_a_status():
    problem = random_problem(0)
    with pytest.warns(UserWarning, match="inaccurate"):
        problem.solve(solver=ARGRAD(), max_iterations=2, max_polish_steps=0)
    assert problem.status == cp.USER_LIMIT
    with pytest.warns(UserWarning, match="inaccurate"):
        random_problem(0).solve(solver=ARGRAD(time_limit=1e-9))


def test_solver_stats():
    problem = random_problem(1)
    problem.solve(solver=ARGRAD())
    stats = problem.solver_stats
    assert stats.solver_name == "ARGRAD"
    assert stats.num_iters > 0 and stats.solve_time > 0 and stats.setup_time > 0
    assert stats.extra_stats["residual"] <= 1e-9
    assert stats.extra_stats["status"] == "solved" and stats.extra_stats["unique"] is True


def test_verbose_prints_a_line(capsys):
    problem = random_problem(1)
    problem.solve(solver=ARGRAD())
    assert capsys.readouterr().out == ""
    problem.solve(solver=ARGRAD(), verbose=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("argrad:")]
    assert len(lines) == 1
    assert "argrad: solved, objective" in lines[0] and "iterations" in lines[0]


def test_settings():
    problem = random_problem(2)
    with pytest.raises(TypeError, match="unknown solver setting 'eps'; settings are tolerance"):
        problem.solve(solver=ARGRAD(), eps=1e-3)
    with pytest.raises(TypeError, match="unknown solver setting 'max_iters'"):
        ARGRAD(max_iters=3)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        problem.solve(solver=ARGRAD(), tolerance=-1.0)
    # A keyword of the call wins over one of the constructor.
    problem.solve(solver=ARGRAD(max_iterations=1), max_iterations=100)
    assert problem.status == cp.OPTIMAL


def test_warm_start():
    x, c = cp.Variable(4), cp.Parameter(4, value=[1.0, -2.0, 3.0, 0.5])
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)), [cp.norm(x) <= 2, x[0] >= 0])
    solver = ARGRAD()
    warm = []
    for shift, kwargs in (
        (0, {}),
        (1e-7, {}),
        (1e-7, {"warm_start": False}),
        (1e-7, {"tolerance": 1e-8}),
    ):
        c.value = np.array([1.0, -2.0, 3.0, 0.5]) + shift
        problem.solve(solver=solver, **kwargs)
        warm.append(problem.solver_stats.extra_stats["warm_started"])
        np.testing.assert_allclose(x.value, 2 * c.value / np.linalg.norm(c.value), atol=1e-9)
    # No start; the last one; none wanted; other settings.
    assert warm == [False, True, False, False]


def test_warm_start_after_the_structure_changed():
    x = cp.Variable(2)
    solver = ARGRAD()
    p = cp.Parameter((2, 2))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - [1, 2])), [p @ x <= 1])
    for value in (np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]]), np.zeros((2, 2)), np.eye(2)):
        p.value = value
        problem.solve(solver=solver, ignore_dpp=True)
        expected = cp.Problem(problem.objective, [value @ x <= 1])
        found = x.value
        expected.solve(solver=ARGRAD())
        np.testing.assert_allclose(found, x.value, atol=1e-10)


def test_after_a_failure_the_next_solve_starts_cold():
    x, b = cp.Variable(), cp.Parameter()
    problem = cp.Problem(cp.Minimize(cp.square(x)), [x >= b, x <= 1])
    for value, status in ((2.0, cp.INFEASIBLE), (0.5, cp.OPTIMAL)):
        b.value = value
        problem.solve(solver=ARGRAD())
        assert problem.status == status
    assert x.value == pytest.approx(0.5)


def test_problems_of_unusual_shape():
    x = cp.Variable(3)
    # Nothing but constants.
    assert cp.Problem(cp.Minimize(3)).solve(solver=ARGRAD()) == 3
    # No constraints.
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1) + 2))
    assert problem.solve(solver=ARGRAD()) == pytest.approx(2)
    np.testing.assert_allclose(x.value, 1)
    # Nothing to minimize.
    problem = cp.Problem(cp.Minimize(0), [x == [1, 2, 3]])
    assert problem.solve(solver=ARGRAD()) == 0
    np.testing.assert_allclose(x.value, [1, 2, 3])
    # A row without entries, consistent and not.
    zero = np.zeros((1, 3))
    assert cp.Problem(cp.Minimize(cp.sum_squares(x)), [zero @ x <= 1]).solve(solver=ARGRAD()) == (
        pytest.approx(0)
    )
    inconsistent = cp.Problem(cp.Minimize(cp.sum_squares(x)), [zero @ x <= -1])
    inconsistent.solve(solver=ARGRAD())
    assert inconsistent.status == cp.INFEASIBLE
    # Constraints of size zero.
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [x[:0] >= 1, x[0] >= 1])
    assert problem.solve(solver=ARGRAD()) == pytest.approx(1)


def test_mixed_integer_is_refused():
    x = cp.Variable(2, integer=True)
    with pytest.raises(cp.SolverError, match="mixed-integer"):
        cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0.5]).solve(solver=ARGRAD())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"nonneg": True}, [0, 0, 2]),
        ({"nonpos": True}, [-2, -1, 0]),
        ({"bounds": [-1, 1]}, [-1, -1, 1]),
        ({"bounds": [-np.inf, np.array([0.5, 1, 1.5])]}, [-2, -1, 1.5]),
        ({"bounds": [np.array([0.5, -1, 3]), np.inf]}, [0.5, -1, 3]),
        ({"bounds": [np.array([0.5, -3, -3]), np.array([0.5, 3, 3])]}, [0.5, -1, 2]),
    ],
)
def test_bounds_of_variables(attributes, expected):
    x = cp.Variable(3, **attributes)
    constraint = cp.sum(x) <= 10
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - [-2, -1, 2])), [constraint])
    data, _, _ = problem.get_problem_data(ARGRAD())
    assert data["n_ineq"] == 1
    problem.solve(solver=ARGRAD())
    np.testing.assert_allclose(x.value, expected, atol=1e-9)
    assert constraint.dual_value == pytest.approx(0, abs=1e-9)


def test_bounds_that_leave_nothing():
    x = cp.Variable(2, bounds=[np.array([0, 0]), np.array([1, 1])])
    problem = cp.Problem(cp.Minimize(cp.sum(x)), [cp.sum(x) >= 3])
    problem.solve(solver=ARGRAD())
    assert problem.status == cp.INFEASIBLE


def test_parametric_bounds():
    upper = cp.Parameter(2)
    x = cp.Variable(2, bounds=[None, upper])
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 5)))
    for value in ([1.0, 7.0], [2.0, 3.0]):
        upper.value = np.array(value)
        problem.solve(solver=ARGRAD())
        np.testing.assert_allclose(x.value, np.minimum(value, 5), atol=1e-9)


def test_semidefinite_complex_and_geometric():
    rng = np.random.default_rng(0)
    C = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    C = C + C.conj().T
    X = cp.Variable((3, 3), hermitian=True)
    problem = cp.Problem(cp.Minimize(cp.real(cp.trace(C @ X))), [X >> 0, cp.real(cp.trace(X)) == 1])
    least = np.linalg.eigvalsh(C)[0]
    assert problem.solve(solver=ARGRAD()) == pytest.approx(least, abs=1e-8)
    Y = cp.Variable((3, 3), PSD=True)
    problem = cp.Problem(cp.Minimize(cp.trace(np.real(C) @ Y)), [cp.trace(Y) == 1])
    assert problem.solve(solver=ARGRAD()) == pytest.approx(
        np.linalg.eigvalsh(np.real(C))[0], abs=1e-8
    )
    x, y = cp.Variable(pos=True), cp.Variable(pos=True)
    problem = cp.Problem(cp.Minimize(x / y + y), [x >= 4])
    problem.solve(solver=ARGRAD(), gp=True)
    np.testing.assert_allclose([x.value, y.value], [4, 2], rtol=1e-6)


def test_exponential_cones_of_a_matrix():
    rng = np.random.default_rng(1)
    data, labels = rng.normal(size=(20, 3)), np.sign(rng.normal(size=20))
    w = cp.Variable(3)
    loss = cp.sum(cp.logistic(-cp.multiply(labels, data @ w))) + 0.5 * cp.sum_squares(w)
    cp.Problem(cp.Minimize(loss)).solve(solver=ARGRAD())
    p = 1 / (1 + np.exp(labels * (data @ w.value)))
    np.testing.assert_allclose(w.value, data.T @ (labels * p), atol=1e-8)


def test_pickle_of_a_solved_problem():
    problem = random_problem(4)
    value = problem.solve(solver=ARGRAD())
    other = pickle.loads(pickle.dumps(problem))
    assert other.solve(solver=ARGRAD()) == value
    assert not other.solver_stats.extra_stats["warm_started"]


def test_copies_and_threads():
    solver = ARGRAD(tolerance=1e-8)
    for other in (copy.deepcopy(solver), pickle.loads(pickle.dumps(solver))):
        assert other.settings == {"tolerance": 1e-8}
        random_problem(3).solve(solver=other)
    expected = [random_problem(seed).solve(solver=solver) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: random_problem(seed).solve(solver=solver), range(4)))
    assert found == expected


def test_objectives_that_are_not_convex():
    x = cp.Variable(2)
    assumed = cp.quad_form(x, -np.eye(2), assume_PSD=True)
    with pytest.raises(cp.SolverError, match="positive semidefinite"):
        cp.Problem(cp.Minimize(assumed)).solve(solver=ARGRAD())
    # What CVXPY takes for zero is taken for zero.
    barely = np.diag([-0.9e-10, 10.0])
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, barely)), [x == [1, 2]])
    assert problem.solve(solver=ARGRAD()) == pytest.approx(40)


def test_exponents_that_add_up_to_nearly_one():
    x, t = cp.Variable(3), cp.Variable()
    cone = cp.PowConeND(x, t, np.array([0.2, 0.5, 0.3 + 1e-8]))
    problem = cp.Problem(cp.Maximize(t), [cone, cp.sum(x) == 1])
    assert problem.solve(solver=ARGRAD()) == pytest.approx(0.2**0.2 * 0.5**0.5 * 0.3**0.3, abs=1e-7)


def test_known_by_name():
    x, s = cp.Variable(3), cp.Variable(nonneg=True)
    problem = cp.Problem(
        cp.Minimize(cp.perspective(cp.sum_squares(x), s)), [cp.sum(x) == 3, s <= 2]
    )
    # The perspective of |x|^2 is |x|^2 / s.
    for solver in ("ARGRAD", ARGRAD()):
        assert problem.solve(solver=solver) == pytest.approx(1.5, abs=1e-7)
        assert problem.solver_stats.solver_name == "ARGRAD"


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("concave", [cp.sqrt, cp.log, lambda x: cp.power(x, 0.3)])
def test_unbounded_along_a_curve_is_not_called_optimal_nor_a_limit(n, concave):
    x = cp.Variable(n)
    problem = cp.Problem(cp.Maximize(cp.sum(concave(x))))
    try:
        problem.solve(solver=ARGRAD())
    except cp.SolverError as error:
        assert "ray that was not found" in str(error)  # noqa: PT017 (either end is right)
    else:
        assert problem.status in ("unbounded", "optimal_inaccurate")
