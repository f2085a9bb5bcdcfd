"""Data of single precision, and solutions that miss the tolerance by a little."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
import torch

import argrad
from argrad import _options
from argrad.torch import CvxpyLayer


def transport(n):
    """Optimal transport: costs and both marginals are parameters."""
    cost, a, b = cp.Parameter((n, n)), cp.Parameter(n), cp.Parameter(n)
    plan = cp.Variable((n, n), nonneg=True)
    problem = cp.Problem(
        cp.Minimize(cp.sum(cp.multiply(cost, plan))),
        [cp.sum(plan, 1) == a, cp.sum(plan, 0) == b],
    )
    return CvxpyLayer(problem, parameters=[cost, a, b], variables=[plan])


def test_marginals_of_single_precision_need_not_add_up_exactly():
    layer = transport(12)
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(12, 12, generator=generator)
    a, b = (torch.softmax(torch.randn(8, 12, generator=generator), 1) for _ in range(2))
    a.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", argrad.SolverWarning)
        (plan,) = layer(cost, a, b)
    assert plan.dtype is torch.float32
    assert (plan.sum(2) - a).abs().max() < 1e-6 and (plan.sum(1) - b).abs().max() < 1e-6
    (plan * cost).sum().backward()
    assert a.grad.isfinite().all()


def test_rows_that_contradict_each_other_by_a_rounding(monkeypatch):
    monkeypatch.setattr(_options, "_warned", set())
    x, b = cp.Variable(2), cp.Parameter(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [np.ones((2, 2)) @ x == b])
    layer = CvxpyLayer(problem, parameters=[b], variables=[x])
    with pytest.warns(argrad.SolverWarning, match="1 of 1 samples almost solved"):
        (found,) = layer(torch.tensor([1.0, 1.0 + 1e-7], dtype=torch.float64))
    assert layer.info["status"].tolist() == ["almost_solved"]
    np.testing.assert_allclose(found.numpy(), 0.5, atol=1e-7)
    strict = {"reduced_tolerance": 1e-12}
    with pytest.raises(argrad.SolverError):
        layer(torch.tensor([1.0, 1.0 + 1e-7], dtype=torch.float64), solver_args=strict)
    with pytest.raises(argrad.SolverError, match="infeasible"):
        layer(torch.tensor([1.0, 2.0], dtype=torch.float64))
