"""Minimizers of smooth problems in PyTorch, against closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch

from argrad import SolverError
from argrad.torch import SolverWarning, argmin

DOUBLE = {"dtype": torch.float64}


def circle(theta, y):
    return (y @ y - 1.0).reshape(1)


def distance(theta, y):
    return ((y - theta) ** 2).sum()


def points(count=3, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, n, generator=generator, **DOUBLE) * 2


def test_the_nearest_point_of_the_circle():
    theta = points().requires_grad_()
    y = argmin(distance, None, circle, theta, torch.ones(3, 2, **DOUBLE))
    norm = theta.norm(dim=1, keepdim=True)
    expected = theta / norm
    assert torch.allclose(y, expected, atol=1e-12)
    weights = points(seed=1)
    (got,) = torch.autograd.grad((weights * y).sum(), theta)
    (right,) = torch.autograd.grad((weights * expected).sum(), theta)
    assert torch.allclose(got, right, atol=1e-10)


def test_one_sample_without_batch_dimension_is_that_of_a_batch():
    theta = points()
    start = torch.ones(3, 2, **DOUBLE)
    together = argmin(distance, None, circle, theta, start)
    alone = argmin(distance, None, circle, theta[1], start[1])
    assert alone.shape == (2,)
    assert torch.equal(alone, together[1])


def rosenbrock(theta, y):
    a, b = theta["a"], theta["b"]
    return (a - y[0]) ** 2 + b[0] * (y[1] - y[0] ** 2) ** 2 + b[1] * y[2] ** 4 + y[2] * a


def inside(theta, y):
    return torch.stack([y[0] + y[1] - theta["limit"], -y[2] - 2.0])


def test_a_nonconvex_problem_with_inequalities_matches_finite_differences():
    def solve(a, b, limit):
        theta = {"a": a, "b": b, "limit": limit}
        return argmin(rosenbrock, inside, None, theta, torch.zeros(2, 3, **DOUBLE), full=True)

    a = torch.tensor([1.0, 0.7], **DOUBLE)
    b = torch.tensor([[10.0, 1.0], [5.0, 0.5]], **DOUBLE)
    limit = torch.tensor([1.2, 5.0], **DOUBLE)
    for leaf in (a, b, limit):
        leaf.requires_grad_()
    solution = solve(a, b, limit)
    assert solution.mu[0, 0] > 1e-3 and solution.mu[1, 0] == 0
    weights = points(2, 3, seed=2)
    scalar = (weights * solution.y).sum() + solution.mu[0, 0]
    scalar.backward()

    def at(a, b, limit):
        found = solve(a, b, limit)
        return float((weights * found.y).sum() + found.mu[0, 0])

    step = 1e-5
    for leaf in (a, b, limit):
        for place in np.ndindex(*leaf.shape):
            with torch.no_grad():
                kept = float(leaf[place])
                leaf[place] = kept + step
                above = at(a, b, limit)
                leaf[place] = kept - step
                below = at(a, b, limit)
                leaf[place] = kept
            assert math.isclose(leaf.grad[place], (above - below) / (2 * step), abs_tol=1e-7)


def test_a_solution_found_elsewhere_is_differentiated():
    theta = points().requires_grad_()
    exact = (theta / theta.norm(dim=1, keepdim=True)).detach()
    y = argmin(distance, None, circle, theta, exact, solved=True)
    assert torch.allclose(y, exact, atol=1e-14)
    y[:, 0].sum().backward()
    direct = theta.detach().clone().requires_grad_()
    argmin(distance, None, circle, direct, exact)[:, 0].sum().backward()
    assert torch.allclose(theta.grad, direct.grad, atol=1e-10)
    with pytest.raises(SolverError, match="sample 0: the given point does not satisfy the KKT"):
        argmin(distance, None, circle, theta, exact + 0.1, solved=True)


def test_samples_without_a_solution_are_named_and_harm_no_other():
    def impossible(theta, y):
        return torch.stack([y[0] - theta[0], theta[1] - y[0]])  # theta1 <= y0 <= theta0

    theta = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.5]], **DOUBLE, requires_grad=True)
    start = torch.zeros(3, 1, **DOUBLE)
    objective = lambda theta, y: ((y - 3.0) ** 2).sum()  # noqa: E731
    with pytest.raises(SolverError, match="1 of 3 samples not solved: sample 1") as caught:
        argmin(objective, impossible, None, theta, start)
    assert caught.value.indices == [1]
    assert caught.value.statuses == ["infeasible_stationary"]
    with pytest.warns(SolverWarning, match="sample 1"):
        y = argmin(objective, impossible, None, theta, start, on_failure="nan")
    assert torch.isnan(y[1]).all() and torch.allclose(y[[0, 2], 0], theta[[0, 2], 0].detach())
    y[[0, 2]].sum().backward()
    assert torch.allclose(theta.grad[[0, 2]], torch.tensor([[1.0, 0.0]] * 2, **DOUBLE), atol=1e-10)
    assert torch.isnan(theta.grad[1]).all()


def test_a_function_that_is_not_finite_is_named():
    objective = lambda theta, y: torch.log(y[0]) + theta[0] * y[0] ** 2  # noqa: E731
    theta = torch.tensor([[1.0]], **DOUBLE)
    with pytest.raises(SolverError, match="sample 0: .*f at the start is not a finite number"):
        argmin(objective, None, None, theta, torch.tensor([[-1.0]], **DOUBLE))


def test_single_precision():
    theta = points().float().requires_grad_()
    y = argmin(distance, None, circle, theta, torch.ones(3, 2))
    assert y.dtype is torch.float32
    y[:, 0].sum().backward()
    exact = theta.detach().double().requires_grad_()
    (exact / exact.norm(dim=1, keepdim=True))[:, 0].sum().backward()
    assert torch.allclose(theta.grad.double(), exact.grad, atol=1e-5)


def test_nothing_is_kept_where_nothing_is_differentiated():
    theta = points().requires_grad_()
    with torch.no_grad():
        assert not argmin(distance, None, circle, theta, torch.ones(3, 2, **DOUBLE)).requires_grad
    free = theta.detach()
    assert not argmin(distance, None, circle, free, torch.ones(3, 2, **DOUBLE)).requires_grad


def test_an_exception_of_a_function_reaches_the_caller():
    def objective(theta, y):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        argmin(objective, None, None, points(), torch.ones(3, 2, **DOUBLE))

    calls = []

    def later(theta, y):
        calls.append(1)
        if len(calls) > 3:
            raise ZeroDivisionError("later")
        return distance(theta, y)

    with pytest.raises(ZeroDivisionError, match="later"):
        argmin(later, None, None, points(), torch.ones(3, 2, **DOUBLE))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y0": [1.0, 2.0]}, TypeError, "y0 must be a tensor; found list"),
        ({"y0": torch.ones(3, 2)}, TypeError, "one dtype; found torch.float32 for y0"),
        ({"y0": torch.ones(4, 2, **DOUBLE)}, ValueError, "leading batch dimension of y0, 4"),
        ({"theta": "abc"}, TypeError, "theta must be an array"),
        ({"theta": (points(), 3.0)}, TypeError, r"theta\[1\] must be an array"),
        ({"f": lambda theta, y: y}, ValueError, "f must return one number"),
        ({"f": lambda theta, y: 3.0}, TypeError, "f must return a tensor; found float"),
        ({"h": lambda theta, y: y @ y}, ValueError, "h must return a vector"),
        ({"tolerance": -1.0}, ValueError, "tolerance"),
        ({"max_iterations": 0}, ValueError, "max_iterations"),
        ({"on_failure": "ignore"}, ValueError, "on_failure"),
    ],
)
def test_malformed_arguments_are_named(change, error, message):
    arguments = {"f": distance, "g": None, "h": circle, "theta": points()}
    arguments |= {"y0": torch.ones(3, 2, **DOUBLE)} | change
    with pytest.raises(error, match=message):
        argmin(**arguments)
