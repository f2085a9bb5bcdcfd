"""Models of decisions against scipy, enumeration and each other; generators; the pool."""

import doctest
import importlib
import pickle
import pkgutil

import cvxpy as cp
import numpy as np
import pytest
import torch
from decision_paths import cheapest
from scipy.optimize import linprog

from argrad import SolverError
from argrad.torch import decision


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(decision.__path__)])
def test_examples_in_the_docstrings_run(name):
    module = importlib.import_module(f"argrad.torch.decision.{name}")
    assert doctest.testmod(module).failed == 0


def test_shortest_paths_are_the_cheapest_of_all():
    generator = torch.Generator().manual_seed(0)
    for grid in ((2, 2), (1, 4), (3, 4)):
        model = decision.shortest_path(grid)
        # Negative costs too: predictors make them.
        costs = torch.randn((50, model.num_cost), generator=generator, dtype=torch.float64)
        assert torch.allclose(model.solve(costs), cheapest(grid, costs), rtol=0, atol=1e-9)


def test_relaxed_knapsacks_are_those_of_highs():
    weights, _, values = decision.data.knapsack(20, 3, num_items=7, dim=2, deg=2, noise_width=0.5)
    model = decision.knapsack(weights, [12.0, 10.0])
    # Whole values tie; a little more decides.
    costs = torch.from_numpy(values).double()
    costs += 1e-3 * torch.rand(costs.shape, generator=torch.Generator().manual_seed(0))
    found = model.solve(costs)
    for cost, one in zip(costs.numpy(), found.numpy(), strict=True):
        judge = linprog(-cost, A_ub=weights, b_ub=[12.0, 10.0], bounds=(0, 1))
        assert np.abs(judge.x - one).max() < 1e-7
    assert torch.allclose(model.objective(costs, found), (costs * found).sum(1))


def test_a_portfolio_uses_its_risk_and_is_cvxpys():
    covariance, _, returns = decision.data.portfolio(5, 3, num_assets=8)
    model = decision.portfolio(covariance)
    costs = torch.from_numpy(returns).double()
    found = model.solve(costs)
    limit = 2.25 * covariance.mean()
    w, c = cp.Variable(8), cp.Parameter(8)
    risk = cp.quad_form(w, covariance) <= limit
    problem = cp.Problem(cp.Maximize(c @ w), [cp.sum(w) == 1, w >= 0, risk])
    read = decision.from_cvxpy(problem, c)
    assert torch.allclose(read.value_of(w, read.solve(costs)), found, rtol=0, atol=1e-7)
    for cost, one in zip(returns, found.numpy(), strict=True):
        c.value = cost.astype(np.float64)
        problem.solve(solver=cp.CLARABEL)
        assert abs(problem.value - cost @ one) < 1e-7
        assert one @ covariance @ one <= limit * (1 + 1e-7)


def test_a_cvxpy_model_has_the_objective_of_its_problem():
    x, y, c, known = cp.Variable((2, 2)), cp.Variable(), cp.Parameter(3), cp.Parameter(2)
    known.value = np.array([0.5, -1.0])
    mixed = cp.hstack([x[0, 0] + y, 2.0 * x[1, 0], x[0, 1] - x[1, 1]])
    rest = cp.sum_squares(x) + known @ x[0] + cp.abs(y) + 3.0
    for maximize in (False, True):
        objective = cp.Maximize(c @ mixed - rest) if maximize else cp.Minimize(c @ mixed + rest)
        problem = cp.Problem(objective, [x <= 1, x >= -1, y <= 2, y >= -2])
        model = decision.from_cvxpy(problem, c)
        costs = torch.randn((4, 3), generator=torch.Generator().manual_seed(1)).double()
        found = model.solve(costs)
        values = model.objective(costs, found)
        for at in range(4):
            c.value = costs[at].numpy()
            problem.solve(solver=cp.CLARABEL)
            assert float(values[at]) == pytest.approx(problem.value, abs=1e-6)
            assert np.allclose(model.value_of(x, found)[at], x.value, atol=1e-4)
        # Costs reach decisions through a matrix, and gradients come back through it.
        costs.requires_grad_(True)
        decision.SPOPlus(model, reduction="sum")(costs, costs.detach() + 1.0).backward()
        assert costs.grad.shape == (4, 3) and float(costs.grad.abs().min()) > 0.0


def test_what_cvxpy_cannot_give_is_refused():
    x, c, d = cp.Variable(2), cp.Parameter(2), cp.Parameter(2)
    with pytest.raises(ValueError, match="is no parameter of the problem"):
        decision.from_cvxpy(cp.Problem(cp.Minimize(c @ x), [x >= 0]), d)
    with pytest.raises(ValueError, match="has no value; assign one"):
        decision.from_cvxpy(cp.Problem(cp.Minimize(c @ x), [x >= d]), c)
    with pytest.raises(ValueError, match="the right-hand side of a constraint depends on it"):
        decision.from_cvxpy(cp.Problem(cp.Minimize(c @ x), [x >= c]), c)
    with pytest.raises(ValueError, match="expected a vector"):
        wide = cp.Parameter((1, 2))
        decision.from_cvxpy(cp.Problem(cp.Minimize(cp.sum(wide @ x)), [x >= 0]), wide)
    model = decision.from_cvxpy(cp.Problem(cp.Minimize(c @ x), [x >= 0]), c)
    with pytest.raises(ValueError, match="no variable of the problem"):
        model.value_of(cp.Variable(2), torch.zeros(1, 2))


def test_costs_of_some_variables_leave_the_others_known():
    # minimize c1 w1 + c2 w3 + 2 w2 over the simplex.
    simplex = (-np.eye(3), np.zeros(3), np.ones((1, 3)), [1.0])
    some = decision.ProgramModel.from_qp(None, *simplex, q=[0.0, 2.0, 0.0], costs=[0, 2])
    every = decision.ProgramModel.from_qp(None, *simplex)
    costs = torch.tensor([[3.0, 4.0], [1.0, 3.0], [5.0, 1.0]], dtype=torch.float64)
    full = torch.stack([costs[:, 0], torch.full((3,), 2.0), costs[:, 1]], 1)
    assert torch.equal(some.solve(costs), every.solve(full))
    assert some.num_cost == 2 and some.num_variables == 3
    assert torch.equal(
        some.objective(costs, some.solve(costs)), torch.tensor([2.0, 1.0, 1.0]).double()
    )
    matrix = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    by_matrix = decision.ProgramModel.from_qp(None, *simplex, q=[0.0, 2.0, 0.0], costs=matrix)
    assert torch.equal(by_matrix.solve(costs), some.solve(costs))


def test_a_callback_decides_integer_programs():
    # The binary knapsack by enumeration; the relaxation is worth at least as much.
    weights, capacity = np.array([3.0, 4.0, 5.0, 2.0]), 8.0
    every = np.array([[mask >> k & 1 for k in range(4)] for mask in range(16)], dtype=float)
    every = every[every @ weights <= capacity]
    model = decision.CallbackModel(
        lambda c: every[(c @ every.T).argmax(1)], num_cost=4, sense="maximize"
    )
    costs = torch.rand((20, 4), generator=torch.Generator().manual_seed(2)) + 0.5
    whole = model.objective(costs, model.solve(costs))
    relaxed = decision.knapsack(weights, capacity)
    assert bool((whole <= relaxed.objective(costs, relaxed.solve(costs)) + 1e-5).all())
    loss = decision.SPOPlus(model, reduction="none")
    predicted = torch.rand((20, 4), generator=torch.Generator().manual_seed(3)) + 0.5
    regrets = decision.decision_regret(model, predicted, costs)
    assert bool((loss(predicted, costs) >= regrets - 1e-5).all()) and float(regrets.max()) > 0.0


def test_what_a_callback_returns_is_checked():
    def unsolved(costs):
        found = np.ones_like(costs)
        found[1] = np.nan
        return found

    costs = torch.ones((3, 2))
    with pytest.raises(SolverError, match="for 1 of 3 samples, the first of them sample 1") as e:
        decision.CallbackModel(unsolved, 2).solve(costs)
    assert e.value.indices == [1]
    found = decision.CallbackModel(unsolved, 2, on_failure="nan").solve(costs)
    assert found.isnan().all(1).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"of shape \(3, 2\); found \(3,\)"):
        decision.CallbackModel(lambda c: c[:, 0], 2).solve(costs)


def test_a_model_pickles_and_solves_one_sample():
    model = pickle.loads(pickle.dumps(decision.shortest_path((3, 3))))
    cost = torch.arange(12, dtype=torch.float64)
    assert torch.equal(model.solve(cost), model.solve(cost.unsqueeze(0))[0])
    assert model.solve(cost.float()).dtype is torch.float32


# The cases of PyEPO's tests of its pool.
@pytest.mark.parametrize(
    ("updates", "size"),
    [
        ([[[1.0, 0.0], [0.0, 1.0]]], 2),
        ([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], 2),
        ([[[1.0, 0.0]], [[0.0, 1.0]]], 2),
        ([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]], 3),
        ([[[1.0, 0.0]], [[1.0 + 1e-6, 1e-6]]], 1),
        ([[[1.0, 0.0]], [[1.0, 1e-2], [1.0, 1e-2 + 1e-6], [float("nan"), 0.0]]], 2),
    ],
)
def test_a_pool_holds_each_decision_once(updates, size):
    model = decision.CallbackModel(lambda c: c, 2)
    pool = decision.SolutionPool(model, torch.tensor(updates[0]))
    for update in updates[1:]:
        pool.add(torch.tensor(update))
    assert len(pool) == size


def test_the_best_of_a_pool_is_by_objective_and_sense():
    costs = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    kept = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for sense, expected in (("minimize", kept), ("maximize", kept.flip(0))):
        model = decision.CallbackModel(lambda c: c, 3, sense=sense)
        pool = decision.SolutionPool(model, kept)
        assert torch.equal(pool.best(model.lift(costs)), expected)


# Sums of PyEPO's data for these arguments.
def test_generators_draw_the_data_of_pyepo():
    x, c = decision.data.shortest_path(32, 3, (3, 3), seed=42)
    assert x.sum() == pytest.approx(-4.865624430507321, rel=1e-12)
    assert c.sum(dtype=float) == pytest.approx(434.3736388683319, rel=1e-7)
    assert c[0, :4].tolist() == pytest.approx([0.9954843, 1.0437775, 0.9954843, 0.9445216])
    weights, x, c = decision.data.knapsack(20, 3, 7, dim=2, deg=2, noise_width=0.5, seed=42)
    assert (weights.sum(), x.sum()) == pytest.approx((74.31, -5.266828878365955), rel=1e-12)
    assert c.sum() == 643.0
    covariance, x, c = decision.data.portfolio(20, 3, 7, deg=2, noise_level=1.5, seed=42)
    assert covariance.sum() == pytest.approx(0.0016272913934696003, rel=1e-12)
    assert x.sum() == pytest.approx(-3.3916870537114727, rel=1e-12)
    assert c.sum(dtype=float) == pytest.approx(13.91046953946352, rel=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: decision.data.shortest_path(10, 3, (3, 3), deg=0), "deg must be an integer >= 1"),
        (lambda: decision.data.knapsack(10, 3, 4, deg=1.5), "deg must be an integer >= 1"),
        (lambda: decision.data.knapsack(10, 3, 4, noise_width=-0.1), "noise_width must be"),
        (lambda: decision.data.portfolio(10, 3, 4, noise_level=float("nan")), "noise_level must"),
        (lambda: decision.shortest_path((1, 1)), "at least two nodes"),
        (lambda: decision.shortest_path(5), "grid must be"),
        (lambda: decision.knapsack(np.ones((2, 3)), 1.0), "expected weights of shape"),
        (lambda: decision.portfolio(-np.eye(2)), "positive mean entry"),
        (lambda: decision.portfolio(np.array([[1.0, 2.0], [2.0, 1.0]])), "semidefinite"),
        (lambda: decision.ProgramModel(None, None, None, []), "without any numbers"),
        (lambda: decision.ProgramModel.from_qp(G=np.eye(2)), "h is None but G is not"),
        (
            lambda: decision.ProgramModel.from_qp(G=np.eye(2), h=np.ones(2), costs=[0, 0]),
            "named twice",
        ),
        (
            lambda: decision.ProgramModel.from_qp(G=np.eye(2), h=np.ones(2), costs=[2]),
            "integers from 0 to 1",
        ),
        (
            lambda: decision.ProgramModel.from_qp(G=np.eye(2), h=np.ones(2), sense="max"),
            "sense must be",
        ),
        (
            lambda: decision.DecisionDataset(
                decision.shortest_path((2, 2)), np.ones((3, 1)), np.ones((2, 4))
            ),
            "equally many samples; found 3 and 2",
        ),
    ],
)
def test_malformed_models_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
