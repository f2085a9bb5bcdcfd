"""Minimizers of smooth problems in JAX, against closed forms and PyTorch's door."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from argrad import SolverError
from argrad.jax import argmin


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def circle(theta, y):
    return jnp.reshape(y @ y - 1.0, 1)


def distance(theta, y):
    return jnp.sum((y - theta) ** 2)


def points(count=3):
    return jnp.asarray(np.random.default_rng(0).normal(size=(count, 2)) * 2)


def test_the_nearest_point_of_the_circle():
    theta, weights = points(), points()[::-1]

    def found(theta):
        return jnp.sum(weights * argmin(distance, None, circle, theta, jnp.ones((3, 2))))

    def exact(theta):
        return jnp.sum(weights * theta / jnp.linalg.norm(theta, axis=1, keepdims=True))

    assert np.allclose(found(theta), exact(theta), atol=1e-12)
    assert np.allclose(jax.grad(found)(theta), jax.grad(exact)(theta), atol=1e-10)


def test_inequalities_and_a_dictionary_of_parameters():
    def limited(theta, y):
        return y - theta["upper"]

    def toward(theta, y):
        return jnp.sum((y - theta["target"]) ** 4 + (y - theta["target"]) ** 2)

    def first(theta):
        solution = argmin(toward, limited, None, theta, jnp.zeros((2, 2)), full=True)
        return jnp.sum(solution.y), solution.mu

    theta = {"target": jnp.asarray([[1.0, 2.0], [3.0, -1.0]]), "upper": jnp.full((2, 2), 1.5)}
    (total, mu), gradient = jax.value_and_grad(first, has_aux=True)(theta)
    assert np.allclose(total, 1.0 + 1.5 + 1.5 - 1.0, atol=1e-10)
    assert np.allclose(mu > 0, [[False, True], [True, False]])
    assert np.allclose(gradient["target"], [[1.0, 0.0], [0.0, 1.0]], atol=1e-9)
    assert np.allclose(gradient["upper"], [[0.0, 1.0], [1.0, 0.0]], atol=1e-9)


def test_one_sample_without_batch_axis():
    theta = points()[0]
    y, pullback = jax.vjp(lambda t: argmin(distance, None, circle, t, jnp.ones(2)), theta)
    exact, exact_pullback = jax.vjp(lambda t: t / jnp.linalg.norm(t), theta)
    assert y.shape == (2,) and np.allclose(y, exact, atol=1e-12)
    for unit in jnp.eye(2):
        assert np.allclose(pullback(unit)[0], exact_pullback(unit)[0], atol=1e-10)


def test_samples_without_a_solution_are_named():
    impossible = lambda theta, y: jnp.stack([y[0] - theta[0], theta[1] - y[0]])  # noqa: E731
    theta = jnp.asarray([[1.0, 0.0], [0.0, 1.0]])
    objective = lambda theta, y: jnp.sum((y - 3.0) ** 2)  # noqa: E731
    with pytest.raises(SolverError, match="1 of 2 samples not solved: sample 1") as caught:
        argmin(objective, impossible, None, theta, jnp.zeros((2, 1)))
    assert caught.value.statuses == ["infeasible_stationary"]


def test_inside_of_jit_and_vmap_it_says_what_to_do():
    call = lambda theta: argmin(distance, None, circle, theta, jnp.ones((3, 2)))  # noqa: E731
    with pytest.raises(TypeError, match="cannot run inside jit"):
        jax.jit(call)(points())
    one = lambda theta: argmin(distance, None, circle, theta, jnp.ones(2))  # noqa: E731
    with pytest.raises(TypeError, match="a leading batch axis instead of vmap"):
        jax.vmap(one)(points())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y0": jnp.ones((4, 2))}, ValueError, "leading batch dimension of y0, 4"),
        ({"y0": np.ones((3, 2), np.int32)}, TypeError, "y0 must be float64"),
        ({"theta": "abc"}, TypeError, "theta must be an array"),
        ({"f": lambda theta, y: y}, ValueError, "f must return one number"),
        ({"h": lambda theta, y: y @ y}, ValueError, "h must return a vector"),
    ],
)
def test_malformed_arguments_are_named(change, error, message):
    arguments = {"f": distance, "g": None, "h": circle, "theta": np.asarray(points())}
    arguments |= {"y0": np.ones((3, 2))} | change
    with pytest.raises(error, match=message):
        argmin(**arguments)
