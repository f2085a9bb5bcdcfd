"""The KKT conditions of points: of argrad, of other solvers, of nobody."""

import cvxpy as cp
import numpy as np
import pytest
import torch

import argrad
from argrad.torch import QpLayer, qp


def program(seed=0, batch=None):
    rng = np.random.default_rng(seed)
    n, k, e = 5, 6, 2
    factor = rng.standard_normal((n, n))
    A = rng.standard_normal((e + k, n))
    x = rng.standard_normal(n)
    b = A @ x + np.concatenate([np.zeros(e), rng.uniform(0.1, 1.0, k)])
    q = rng.standard_normal(n if batch is None else (batch, n))
    return factor @ factor.T, q, A, b, [("zero", e), ("nonnegative", k)]


def test_the_solution_of_solve_is_optimal():
    P, q, A, b, cones = program()
    found = argrad.solve(P, q, A, b, cones).conditions()
    assert isinstance(found, argrad.KktConditions)
    assert found.is_optimal(1e-11) and found.multipliers == "given"
    assert {row.condition for row in found.rows} == {
        "primal feasibility",
        "dual feasibility",
        "complementarity",
        "stationarity",
    }
    assert found.verdict.startswith("optimal to") and found.verdict in str(found)


def test_points_of_other_solvers_are_judged_with_and_without_multipliers():
    P, q, A, b, cones = program(1)
    x, e = cp.Variable(5), 2
    constraints = [A[:e] @ x == b[:e], A[e:] @ x <= b[e:]]
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, cp.psd_wrap(P)) / 2 + q @ x), constraints)
    problem.solve(solver=cp.CLARABEL)
    solver = argrad.Solver(P, A, cones)
    z = np.concatenate([c.dual_value for c in constraints])
    given = solver.conditions(x.value, z, q=q, b=b)
    assert given.is_optimal(1e-6) and given.multipliers == "given"
    fitted = solver.conditions(x.value, q=q, b=b)
    assert fitted.is_optimal(1e-6) and fitted.multipliers == "least squares"
    moved = solver.conditions(x.value + 0.1 * A[3], q=q, b=b)
    worst = moved.worst("primal feasibility")
    assert not moved.is_optimal(1e-3) and worst.absolute > 1e-3
    outside = A @ (x.value + 0.1 * A[3]) - b
    outside[:e] = np.abs(outside[:e])
    # Of the row that is worst relative to its own terms.
    at = worst.row if worst.constraint.startswith("equalities") else e + worst.row
    assert worst.absolute == pytest.approx(outside[at])


def test_a_batch_has_a_list_and_a_nan_harms_its_own_sample_only():
    P, q, A, b, cones = program(2, batch=3)
    solution = argrad.solve(P, q, A, b, cones)
    found = solution.conditions()
    assert len(found) == 3 and all(one.is_optimal(1e-11) for one in found)
    x = solution.x.copy()
    x[1, 0] = np.nan
    found = argrad.Solver(P, A, cones).conditions(x, solution.z, q=q, b=b)
    assert np.isnan(found[1].residual) and not found[1].is_optimal(1.0)
    assert found[0].is_optimal(1e-11) and found[2].is_optimal(1e-11)
    assert "no verdict" in found[1].verdict


def test_wrong_shapes_are_named():
    P, q, A, b, cones = program()
    solver = argrad.Solver(P, A, cones)
    with pytest.raises(ValueError, match=r"x: expected shape \(5,\) or \(1, 5\), found \(4,\)"):
        solver.conditions(np.zeros(4), q=q, b=b)
    with pytest.raises(ValueError, match="z: expected shape"):
        solver.conditions(np.zeros(5), np.zeros(3), q=q, b=b)


def test_quadratic_programs_of_tensors():
    P, q, A, b, _ = program(3, batch=4)
    Q, p, G, h, A, b = (torch.tensor(v) for v in (P, q, A[2:], b[2:], A[:2], b[:2]))
    layer = QpLayer(5, inequalities=6, equalities=2, Q=Q, G=G, h=h, A=A, b=b)
    z, nu, lam = qp(Q, p, G, h, A, b, duals=True)
    found = layer.conditions(z, p, nu=nu, lam=lam)
    assert len(found) == 4 and all(one.is_optimal(1e-10) for one in found)
    assert {row.constraint for row in found[0].rows} == {"Gz <= h", "Az = b", "z"}
    assert all(one.is_optimal(1e-8) for one in layer.conditions(z, p))
    assert not layer.conditions(z + 0.01, p)[0].is_optimal(1e-4)
    single = layer.float().conditions(z[0].float(), p[0].float())
    assert isinstance(single, argrad.KktConditions)
    with pytest.raises(ValueError, match="without"):
        layer.double().conditions(z, p, nu=nu)
    with pytest.raises(ValueError, match="z must have shape"):
        layer.conditions(z[:, :4], p)


def test_a_cvxpy_problem_is_judged_at_the_values_of_its_variables():
    x, limit = cp.Variable(3, name="x"), cp.Parameter(nonneg=True, value=1.0)
    budget = cp.sum(x) == 1
    ball = cp.norm(x - np.array([1.0, 0.2, -0.3])) <= limit
    objective = cp.sum_squares(x) + cp.norm1(x) - cp.sum(cp.log(x + 2))
    problem = cp.Problem(cp.Minimize(objective), [budget, ball, x >= -0.1])
    with pytest.raises(ValueError, match="variable x has no value"):
        argrad.conditions(problem)
    problem.solve(solver=cp.CLARABEL)
    found = argrad.conditions(problem)
    assert found.is_optimal(1e-4), str(found)
    assert str(budget) in {row.constraint for row in found.rows}
    good = x.value
    x.value = good + np.array([0.25, 0.0, 0.0])
    found = argrad.conditions(problem)
    worst = found.worst("primal feasibility")
    assert worst.constraint == str(budget) and worst.absolute == pytest.approx(0.25, abs=1e-6)
    assert found.verdict.startswith("infeasible by 2.5e-1")
    x.value = np.array([1.0, 1.0, -1.0])
    found = argrad.conditions(problem)
    rows = {row.constraint: row for row in found.rows if row.condition == "primal feasibility"}
    bound, norm = str(problem.constraints[2]), str(ball)
    assert rows[bound].absolute == pytest.approx(0.9, abs=1e-6) and rows[bound].row == 2
    distance = np.linalg.norm([0.0, 0.8, -0.7]) - 1.0
    assert rows[norm].absolute == pytest.approx(distance, abs=1e-6)
