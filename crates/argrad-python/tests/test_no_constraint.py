"""From 1e19 on an entry of h, or of b in a nonnegative row, is no constraint, at every entry."""

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import argrad
import argrad.cvxpylayers
import argrad.jax
from argrad._core import Qp
from argrad.cvxpy import ARGRAD
from argrad.torch import CvxpyLayer, QpLayer, qp

jax.config.update("jax_enable_x64", True)

LIMIT = 1e19
BELOW = 9.99e18
P, G = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]])
Q_ = np.array([-2.0, -3.0])


def sides(value):
    """The first row binds, the second has this side."""
    return np.array([1.0, value])


@pytest.mark.parametrize("value", [LIMIT, 1e30, np.inf])
class TestNoConstraint:
    def test_standard_form(self, value):
        solution = argrad.solve(P, Q_, G, sides(value), [("nonnegative", 2)])
        np.testing.assert_allclose(solution.x, [1.0, 3.0], atol=1e-12)
        assert solution.s[1] == np.inf and solution.z[1] == 0.0
        *_, db = solution.vjp(dx=[1.0, 1.0])
        np.testing.assert_allclose(db, [1.0, 0.0], atol=1e-12)

    def test_the_slack_of_a_dense_program(self, value):
        solved = Qp(2, 0, 2).forward(1, P, Q_, G, sides(value))
        assert solved.slacks[0, 1] == np.inf and solved.lam[0, 1] == 0.0

    @pytest.mark.parametrize("kind", ["qp", "QpLayer"])
    def test_torch(self, value, kind):
        Q, p, rows, h = (torch.tensor(a) for a in (P, Q_, G, sides(value)))
        h.requires_grad_()
        if kind == "qp":
            z, _, lam = qp(Q, p, rows, h, duals=True)
        else:
            z, _, lam = QpLayer(2, 2, Q=Q, p=p, G=rows, duals=True)(h)
        torch.testing.assert_close(z.detach(), torch.tensor([1.0, 3.0], dtype=torch.float64))
        assert lam[1] == 0.0
        z.sum().backward()
        torch.testing.assert_close(h.grad, torch.tensor([1.0, 0.0], dtype=torch.float64))

    def test_jax(self, value):
        z = argrad.jax.qp(*(jnp.asarray(a) for a in (P, Q_, G, sides(value))))
        np.testing.assert_allclose(z, [1.0, 3.0], atol=1e-12)


class TestSinglePrecision:
    """float32 has no 1e19; the number next to it, a little less, is no constraint either."""

    single = np.array([1.0, LIMIT], np.float32)

    def test_the_number_is_below(self):
        assert float(self.single[1]) < LIMIT

    def test_standard_form(self):
        solution = argrad.solve(
            *(a.astype(np.float32) for a in (P, Q_, G)), self.single, [("nonnegative", 2)]
        )
        assert solution.s[1] == np.inf and solution.z[1] == 0.0

    def test_torch(self):
        Q, p, rows = (torch.tensor(a, dtype=torch.float32) for a in (P, Q_, G))
        z, _, lam = qp(Q, p, rows, torch.tensor(self.single), duals=True)
        torch.testing.assert_close(z, torch.tensor([1.0, 3.0]))
        assert lam[1] == 0.0
        program, x, h, rows = problem()
        layer = CvxpyLayer(program, [h], [x, rows.dual_variables[0]])
        found, dual = layer(torch.tensor(self.single))
        torch.testing.assert_close(found, torch.tensor([1.0, 3.0]))
        assert dual[1] == 0.0

    def test_jax(self):
        arguments = (jnp.asarray(a, jnp.float32) for a in (P, Q_, G, self.single))
        z, _, lam = argrad.jax.qp(*arguments, duals=True)
        np.testing.assert_allclose(z, [1.0, 3.0], rtol=1e-6)
        assert lam[1] == 0.0


def test_below_it_is_a_constraint():
    # Far too large to be solved to the tolerance, which is not what is asked here.
    solution = argrad.solve(P, Q_, G, sides(BELOW), [("nonnegative", 2)])
    assert np.isfinite(solution.s[1])
    assert np.isfinite(Qp(2, 0, 2).forward(1, P, Q_, G, sides(BELOW)).slacks[0, 1])


def problem():
    x, h = cp.Variable(2), cp.Parameter(2)
    rows = x <= h
    return cp.Problem(cp.Minimize(cp.sum_squares(x) / 2 + Q_ @ x), [rows]), x, h, rows


def test_cvxpy():
    program, x, h, rows = problem()
    h.value = sides(LIMIT)
    program.solve(solver=ARGRAD())
    np.testing.assert_allclose(x.value, [1.0, 3.0], atol=1e-9)
    assert rows.dual_value[1] == 0.0
    bounded = cp.Variable(2, bounds=[-np.inf, sides(LIMIT)])
    cp.Problem(cp.Minimize(cp.sum_squares(bounded) / 2 + Q_ @ bounded)).solve(solver=ARGRAD())
    np.testing.assert_allclose(bounded.value, [1.0, 3.0], atol=1e-9)


@pytest.mark.parametrize("layer", ["torch", "jax", "cvxpylayers"])
def test_layers(layer):
    program, x, h, rows = problem()
    arguments = (program, [h], [x, rows.dual_variables[0]])
    if layer == "jax":
        found, dual = argrad.jax.CvxpyLayer(*arguments)(jnp.asarray(sides(LIMIT)))
    elif layer == "torch":
        found, dual = CvxpyLayer(*arguments)(torch.tensor(sides(LIMIT)))
    else:
        import cvxpylayers.torch

        made = cvxpylayers.torch.CvxpyLayer(*arguments, solver=argrad.cvxpylayers.interface())
        found, dual = made(torch.tensor(sides(LIMIT)))
    np.testing.assert_allclose(found, [1.0, 3.0], atol=1e-9)
    assert dual[1] == 0.0
