"""Where no derivative can be asked for, no tape is made: its memory and its time are not spent."""

import sys
from pathlib import Path

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import argrad
import argrad.jax
from argrad._core import held_tapes
from argrad.cvxpy import ARGRAD
from argrad.torch import CvxpyLayer, QpLayer, qp

sys.path.append(str(Path(__file__).parents[1] / "benches"))

import inference  # noqa: E402

Q = torch.eye(3, dtype=torch.float64)
G, h = torch.ones(1, 3, dtype=torch.float64), torch.ones(1, dtype=torch.float64)


def projection():
    """A problem in CVXPY with its parameter and its variable."""
    p, x = cp.Parameter(3), cp.Variable(3)
    return cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.sum(x) <= 1]), p, x


def points(requires_grad=False):
    rows = [[1.0, 2.0, 0.5], [0.1, 0.2, 0.3]]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=requires_grad)


@pytest.fixture(params=["qp", "QpLayer", "CvxpyLayer"])
def solve(request):
    """A function of tensors that solves, of each kind; with it lives its layer."""
    if request.param == "qp":
        return lambda p: qp(Q, p, G, h)
    if request.param == "QpLayer":
        return QpLayer(3, inequalities=1, Q=Q, G=G, h=h)
    problem, p, x = projection()
    layer = CvxpyLayer(problem, [p], [x])
    return lambda p: layer(p)[0]


class TestTorch:
    def test_nothing_requires_a_gradient(self, solve):
        before = held_tapes()
        result = solve(points())
        assert not result.requires_grad and held_tapes() == before

    def test_no_grad(self, solve):
        p, before = points(requires_grad=True), held_tapes()
        with torch.no_grad():
            result = solve(p)
        assert not result.requires_grad and held_tapes() == before
        with torch.inference_mode():
            solve(p)
        assert held_tapes() == before

    def test_a_graph_holds_one_tape_and_the_layer_none(self, solve):
        p, before = points(requires_grad=True), held_tapes()
        result = solve(p)
        assert held_tapes() == before + 1
        result.sum().backward()
        del result
        assert held_tapes() == before

    def test_the_result_is_that_of_a_call_with_a_gradient(self, solve):
        torch.testing.assert_close(
            solve(points()), solve(points(requires_grad=True)).detach(), rtol=0, atol=0
        )

    def test_a_warm_start_needs_no_tape(self):
        layer = QpLayer(3, inequalities=1, Q=Q, G=G, h=h, warm_start=True)
        layer(points(requires_grad=True)).sum().backward()
        before = held_tapes()
        layer(points())
        assert layer.info["warm_started"].all() and held_tapes() == before

    def test_forward_mode_without_a_tangent(self, solve):
        before = held_tapes()
        with torch.autograd.forward_ad.dual_level():
            result = solve(points())
            assert held_tapes() == before
            dual = torch.autograd.forward_ad.make_dual(points(), torch.ones_like(points()))
            assert torch.autograd.forward_ad.unpack_dual(solve(dual)).tangent is not None
        del result


class TestTorchTransforms:
    def test_vmap_alone(self, solve):
        before = held_tapes()
        kept = torch.vmap(solve)(points())
        assert held_tapes() == before
        torch.testing.assert_close(kept, solve(points()), rtol=0, atol=1e-14)

    def test_vmap_over_vmap_with_a_batch(self, solve):
        p, before = torch.stack([points(), 2 * points()]), held_tapes()
        kept = torch.vmap(torch.vmap(solve))(p)
        assert held_tapes() == before and kept.shape == (2, 2, 3)

    def test_vmap_of_what_requires_a_gradient(self, solve):
        p = points(requires_grad=True)
        torch.vmap(solve)(p).sum().backward()
        expected = torch.autograd.grad(solve(p).sum(), p)[0]
        torch.testing.assert_close(p.grad, expected)
        before = held_tapes()
        with torch.no_grad():
            kept = torch.vmap(solve)(p)
        assert held_tapes() == before and kept.shape == (2, 3)

    @pytest.mark.parametrize("inside", [True, False])
    def test_vmap_and_grad_in_either_order(self, solve, inside):
        def one(p):
            return solve(p).sum()

        if inside:
            found = torch.vmap(torch.func.grad(one))(points())
        else:
            found = torch.func.grad(lambda p: torch.vmap(solve)(p).sum())(points())
        p = points(requires_grad=True)
        torch.testing.assert_close(found, torch.autograd.grad(one(p), p)[0])

    @pytest.mark.parametrize("transform", [torch.func.grad, torch.func.jacfwd])
    def test_what_does_not_depend_on_the_argument(self, solve, transform):
        held = []

        def loss(scale):
            before = held_tapes()
            fixed = solve(points())
            held.append(held_tapes() - before)
            return (scale * fixed).sum()

        transform(loss)(torch.tensor(2.0, dtype=torch.float64))
        assert held == [0]

    def test_no_grad_inside_of_grad(self, solve):
        held = []

        def loss(p):
            before = held_tapes()
            with torch.no_grad():
                fixed = solve(p)
            held.append(held_tapes() - before)
            return (p * fixed).sum()

        found = torch.func.grad(loss)(points())
        torch.testing.assert_close(found, solve(points()))
        assert held == [0]

    def test_a_gradient_around_a_gradient(self, solve):
        def inner(scale, p):
            return torch.func.grad(lambda s: (s * solve(p)).sum())(scale)

        # The inner gradient is the sum of the solution, so the outer one is that of a solve.
        scale = torch.tensor(1.0, dtype=torch.float64)
        found = torch.func.grad(lambda p: inner(scale, p))(points())
        p = points(requires_grad=True)
        torch.testing.assert_close(found, torch.autograd.grad(solve(p).sum(), p)[0])

    def test_forward_over_vmap_and_vmap_over_forward(self, solve):
        direction = torch.ones_like(points())
        _, plain = torch.func.jvp(solve, (points(),), (direction,))
        _, over = torch.func.jvp(torch.vmap(solve), (points(),), (direction,))
        along = torch.vmap(lambda p, d: torch.func.jvp(solve, (p,), (d,))[1])
        torch.testing.assert_close(over, plain)
        torch.testing.assert_close(along(points(), direction), plain)


class TestJax:
    @pytest.fixture(params=["qp", "CvxpyLayer"])
    def solve(self, request):
        if request.param == "qp":
            return lambda p: argrad.jax.qp(jnp.eye(3), p, jnp.ones((1, 3)), jnp.ones(1))
        problem, p, x = projection()
        layer = argrad.jax.CvxpyLayer(problem, [p], [x])
        return lambda p: layer(p)[0]

    @staticmethod
    def flat_tapes(function, *arguments):
        """Solves in what JAX traces, and those of them that leave a flat tape."""
        text = str(jax.make_jaxpr(function)(*arguments))
        return text.count("argrad_solve"), text.count("differentiable=True")

    @pytest.mark.parametrize("transform", [lambda f: f, jax.jit, jax.vmap, jax.checkpoint])
    def test_a_call_that_is_not_differentiated(self, solve, transform):
        before = held_tapes()
        p = jnp.asarray(points().numpy())
        jax.block_until_ready(transform(solve)(p))
        assert self.flat_tapes(transform(solve), p) == (1, 0)
        assert held_tapes() == before

    def test_what_does_not_depend_on_the_argument(self, solve):
        p = jnp.asarray(points().numpy())
        gradient = jax.grad(lambda scale: (scale * solve(p)).sum())
        np.testing.assert_allclose(gradient(2.0), solve(p).sum(), rtol=1e-6)
        assert self.flat_tapes(gradient, 2.0) == (1, 0)

    def test_a_derivative_leaves_one_flat_tape_and_holds_nothing(self, solve):
        before = held_tapes()
        p = jnp.asarray(points().numpy())
        _, pull = jax.vjp(solve, p)
        pull(p)
        assert held_tapes() == before
        assert self.flat_tapes(jax.grad(lambda p: solve(p).sum()), p) == (1, 1)


class TestStandardForm:
    P, A, b = np.eye(3), np.ones((1, 3)), np.ones(1)

    def test_a_solve_that_is_not_differentiable(self):
        before = held_tapes()
        arguments = (self.P, points().numpy(), self.A, self.b, [("nonnegative", 1)])
        plain = argrad.solve(*arguments, differentiable=False)
        assert held_tapes() == before
        taped = argrad.solve(*arguments)
        assert held_tapes() == before + 1
        np.testing.assert_array_equal(plain.x, taped.x)
        # Prepared when it is asked for.
        for found, expected in zip(plain.vjp(dx=np.ones(3)), taped.vjp(dx=np.ones(3)), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-12)
        assert held_tapes() == before + 2

    def test_a_cvxpy_problem(self):
        problem, p, x = projection()
        before = held_tapes()
        for row in points().numpy():
            p.value = row
            problem.solve(solver=ARGRAD())
        assert x.value is not None and held_tapes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
@pytest.mark.parametrize("name", ["torch.qp", "torch.CvxpyLayer", "jax.qp", "argrad.Solver"])
def test_the_memory_of_a_tape_is_not_taken(name):
    training = inference.measure(name, 2048, True, 1)
    plain = inference.measure(name, 2048, False, 1)
    # JAX holds a flat tape, which has no factors.
    assert (training["tapes"], plain["tapes"]) == (int(name != "jax.qp"), 0)
    # The tape alone is some 30 MB; inference takes the solutions and what the threads work in.
    assert training["bytes"] - plain["bytes"] > 20e6
