"""Values that break what the attributes of their parameter promise are refused by name."""

import cvxpy as cp
import numpy as np
import pytest
import torch

from argrad.torch import CvxpyLayer


def scaled_max(**attributes):
    """`min z + |x - 1|^2, q max(x) <= z`, which is convex for q >= 0 only."""
    q, x, z = cp.Parameter(name="q", **attributes), cp.Variable(2), cp.Variable()
    problem = cp.Problem(cp.Minimize(z + cp.sum_squares(x - 1)), [q * cp.max(x) <= z, z >= -100])
    return problem, q, x


def test_a_sign_is_checked_by_sample():
    problem, q, x = scaled_max(nonneg=True)
    layer = CvxpyLayer(problem, parameters=[q], variables=[x])
    with pytest.raises(ValueError, match=r"parameter 0 \(q\) must be nonnegative.*sample 1.*-1\.0"):
        layer(torch.tensor([2.0, -1.0], dtype=torch.float64))
    layer(torch.tensor([2.0, -1e-17], dtype=torch.float64))  # rounding


def test_single_precision_has_its_own_rounding():
    lam, x = cp.Parameter(2, nonneg=True), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(lam @ cp.abs(x) + cp.sum_squares(x - 1)))
    layer = CvxpyLayer(problem, parameters=[lam], variables=[x])
    layer(torch.tensor([1.0, -1e-7], dtype=torch.float32))
    with pytest.raises(ValueError, match=r"entry \(1,\)"):
        layer(torch.tensor([1.0, -1e-7], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"entry \(1,\)"):
        layer(torch.tensor([1.0, -1e-3], dtype=torch.float32))


def test_bounds_and_nonpositive_values():
    a, b, x = cp.Parameter(nonpos=True), cp.Parameter(2, bounds=[-1, 2]), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - b) + a * cp.min(x)))
    layer = CvxpyLayer(problem, parameters=[a, b], variables=[x])
    one, half = torch.tensor(1.0), torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="parameter 0 .* nonpositive.*the value is 1"):
        layer(one, half)
    with pytest.raises(ValueError, match=r"parameter 1 .* within its bounds.*entry \(1,\) is 3"):
        layer(-one, torch.tensor([0.5, 3.0]))
    layer(-one, half)


def test_semidefinite_matrices():
    P, x = cp.Parameter((2, 2), PSD=True), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, P) - cp.sum(x)), [cp.abs(x) <= 1])
    layer = CvxpyLayer(problem, parameters=[P], variables=[x])
    good = np.array([[1.0, 1.0], [1.0, 1.0]])
    layer(torch.tensor(good))
    bad = torch.tensor(np.stack([good, [[1.0, 2.0], [2.0, 1.0]]]))
    with pytest.raises(ValueError, match="positive semidefinite.*sample 1 has the negative eigen"):
        layer(bad)


def test_the_check_can_be_turned_off():
    problem, q, x = scaled_max(nonneg=True)
    layer = CvxpyLayer(problem, parameters=[q], variables=[x], check_attributes=False)
    layer(torch.tensor(-1.0, dtype=torch.float64))
