"""Derivatives that are not accurate are said so: by a warning, once."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
import torch

import argrad
from argrad import _options
from argrad.torch import CvxpyLayer, qp


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(_options, "_warned", set())


def chain(**options):
    """A layer whose linear system takes LSQR many iterations: a long second difference."""
    x, b = cp.Variable(40), cp.Parameter(40)
    smooth = 1e3 * cp.sum_squares(cp.diff(x, 2)) + cp.sum_squares(x - b)
    return CvxpyLayer(cp.Problem(cp.Minimize(smooth)), [b], [x], **options)


def gradient(layer):
    b = torch.linspace(-1.0, 2.0, 40, dtype=torch.float64).square().requires_grad_()
    (x,) = layer(b)
    x[3].backward()
    return b.grad


def test_an_iteration_that_ends_early_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("error", argrad.SolverWarning)
        exact = gradient(chain())
    with pytest.warns(argrad.SolverWarning, match="1 of 1 samples .* sample 0.*LSQR stopped"):
        short = gradient(chain(method=("lsqr", 1e-14, 3)))
    assert (short - exact).abs().max() > 1e-3 * exact.abs().max()
    with warnings.catch_warnings():
        # Once in a process.
        warnings.simplefilter("error", argrad.SolverWarning)
        gradient(chain(method=("lsqr", 1e-14, 3)))


def test_a_system_that_has_lost_its_digits_is_named():
    eps = 1e-11
    nearly_singular = np.array([[1.0, 1.0], [1.0, 1.0 + eps]])
    quadratic = torch.tensor(np.stack([np.eye(2), nearly_singular])).requires_grad_()
    linear = torch.tensor([1.0, 1.0], dtype=torch.float64)
    z = qp(quadratic, linear)
    with pytest.warns(argrad.SolverWarning, match="1 of 2 samples .* of sample 1 is so ill"):
        z.sum().backward()
    assert quadratic.grad.isfinite().all()


def test_what_is_accurate_is_not_warned_of():
    quadratic = torch.eye(3, dtype=torch.float64).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error", argrad.SolverWarning)
        qp(quadratic, torch.ones(3, dtype=torch.float64)).sum().backward()
