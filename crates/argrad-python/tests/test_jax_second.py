"""Second derivatives in JAX: hessian, jvp of grad and grad of grad, against finite differences of
the gradient, over every cone with a smooth point; kinks are refused or flagged."""

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from argrad.jax import CvxpyLayer, qp

jax.config.update("jax_enable_x64", True)

plain_or_jit = pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def difference(function, point, direction, step=1e-4):
    """Central difference of fourth order along a direction."""
    at = {k: np.asarray(function(point + k * step * direction)) for k in (-2, -1, 1, 2)}
    return (8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * step)


def regular(variable, p):
    return cp.sum_squares(variable - p)


def zero(p, x):
    return regular(x, p), [cp.sum(x) == 1, x[0] - x[1] == p[0]]


def nonnegative(p, x):
    return regular(x, p) + cp.square(x[0] - p[1] * 0.5), [x <= 0.1 + 0.2 * p[2], cp.sum(x) >= -4]


def second_order(p, x):
    return regular(x, p), [cp.norm(x) <= 1 + 0.1 * p[0]]


def exponential(p, x):
    return regular(x, p) - cp.sum(cp.entr(x + 3)) + cp.logistic(x[0] + p[1]), []


def power(p, x):
    return regular(x, p) + cp.pnorm(x - 0.3, 3), []


def generalized_power(p, x):
    cone = cp.PowConeND(cp.vstack([x[0] + 2, x[1] + 2, x[2] + 2])[:, 0], x[3], [0.2, 0.3, 0.5])
    return regular(x, 2 * p), [cone]


def semidefinite(p, x):
    matrix = cp.bmat([[x[0], x[1]], [x[1], x[2]]])
    return regular(x, p), [matrix + 0.1 * p[3] * np.eye(2) >> 0]


CONES = [zero, nonnegative, second_order, exponential, power, generalized_power, semidefinite]


@pytest.fixture(scope="module", params=CONES, ids=lambda cone: cone.__name__)
def function(request):
    """A scalar of the solution of a problem over one kind of cone, and a smooth point."""
    p, x = cp.Parameter(4), cp.Variable(4)
    objective, constraints = request.param(p, x)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(objective), constraints), [p], [x])
    weights = jnp.arange(1.0, 5.0)

    def scalar(point):
        return jnp.sum(jnp.sin(layer(point)[0]) * weights)

    return scalar, jnp.array([0.7, -0.4, 0.9, -1.1])


def test_second_derivatives_over_every_cone(function):
    scalar, point = function
    gradient = jax.jit(jax.grad(scalar))
    expected = np.stack([difference(gradient, point, row) for row in np.eye(4)])
    assert np.abs(expected).max() > 1e-2
    scale = np.abs(expected).max()
    direction = normal(1, 4)
    along = jax.jvp(jax.grad(scalar), (point,), (direction,))[1]
    np.testing.assert_allclose(along, expected @ direction, atol=1e-7 * scale)
    np.testing.assert_allclose(jax.jit(jax.hessian(scalar))(point), expected, atol=1e-7 * scale)


@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
@pytest.mark.parametrize("inner", [jax.jacfwd, jax.jacrev])
def test_modes_of_differentiation_agree(outer, inner):
    Q, p, *rest = program(16)
    expected = jax.hessian(lambda p: loss(Q, p, *rest))(p)
    found = outer(inner(lambda p: loss(Q, p, *rest)))
    np.testing.assert_allclose(found(p), expected, atol=1e-10)
    np.testing.assert_allclose(jax.jit(found)(p), expected, atol=1e-10)


def program(seed):
    """Q, p, G, h, A, b with active and inactive rows, none of them weakly."""
    rng = np.random.default_rng(seed)
    root, point = rng.normal(size=(4, 4)) / 4, rng.normal(size=4)
    G, A = rng.normal(size=(3, 4)), rng.normal(size=(1, 4))
    Q = root @ root.T + np.eye(4)
    return [jnp.asarray(v) for v in (Q, 2 * rng.normal(size=4), G, G @ point + 0.1, A, A @ point)]


def loss(*arguments):
    z, nu, lam = qp(*arguments, duals=True)
    return jnp.sum(jnp.sin(z)) + jnp.sum(nu**2) + jnp.sum(jnp.cos(lam))


@plain_or_jit
@pytest.mark.parametrize("at", range(6), ids=["Q", "p", "G", "h", "A", "b"])
def test_second_derivatives_with_respect_to_each_argument(at, wrap):
    arguments = program(2)
    direction = normal(3 + at, *arguments[at].shape)
    if at == 0:
        direction = direction + direction.T

    def moved(value):
        return jax.grad(loss, argnums=tuple(range(6)))(*arguments[:at], value, *arguments[at + 1 :])

    found = wrap(lambda value: jax.jvp(moved, (value,), (direction,))[1])(arguments[at])
    for argument in range(6):
        expected = difference(lambda v, k=argument: moved(v)[k], arguments[at], direction)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found[argument], expected, atol=1e-7 * scale)


@plain_or_jit
def test_hessians_of_batches_and_in_vmap(wrap):
    Q, p, *rest = program(4)
    ps = p + 0.05 * normal(5, 3, 4)

    def scalar(p):
        return loss(Q, p, *rest)

    one = jnp.stack([jax.hessian(scalar)(row) for row in ps])
    np.testing.assert_allclose(wrap(jax.vmap(jax.hessian(scalar)))(ps), one, atol=1e-9)
    whole = wrap(jax.hessian(lambda ps: jnp.sum(qp(Q, ps, *rest) ** 3)))(ps)
    row = jax.hessian(lambda p: jnp.sum(qp(Q, p, *rest) ** 3))
    for at in range(3):
        np.testing.assert_allclose(whole[at, :, at], row(ps[at]), atol=1e-9)
        for other in {0, 1, 2} - {at}:
            np.testing.assert_array_equal(whole[at, :, other], 0.0)


@plain_or_jit
def test_the_hessian_of_an_argument_that_is_shared_is_the_sum(wrap):
    Q, p, G, h, A, b = program(6)
    ps = p + 0.05 * normal(7, 3, 4)

    def total(h):
        return jnp.sum(jnp.sin(qp(Q, ps, G, h, A, b)))

    parts = [jax.hessian(lambda h, p=p: jnp.sum(jnp.sin(qp(Q, p, G, h, A, b))))(h) for p in ps]
    np.testing.assert_allclose(wrap(jax.hessian(total))(h), sum(parts), atol=1e-9)


@plain_or_jit
def test_forward_mode_twice_in_a_batch_with_shared_arguments(wrap):
    Q, p, G, h, A, b = program(10)
    ps = p + 0.05 * normal(11, 3, 4)

    def outputs(ps, h):
        return qp(Q, ps, G, h, A, b, duals=True)

    u, w = (normal(12, 3, 4), normal(13, 3)), (normal(14, 3, 4), normal(15, 3))

    def push(ps, h):
        return jax.jvp(outputs, (ps, h), u)[1]

    found = wrap(lambda ps, h: jax.jvp(push, (ps, h), w)[1])(ps, h)
    for part, one in enumerate(found):
        expected = difference(lambda t, k=part: push(ps + t * w[0], h + t * w[1])[k], 0.0, 1.0)
        np.testing.assert_allclose(one, expected, atol=1e-7 * max(1.0, np.abs(expected).max()))


def test_grad_of_grad_in_a_loss():
    Q, p, *rest = program(8)

    def inner(p):
        return jnp.sum(jax.grad(lambda p: jnp.sum(qp(Q, p, *rest) ** 2))(p) ** 2)

    found = jax.jit(jax.grad(inner))(p)
    expected = [difference(inner, p, row) for row in np.eye(4)]
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_geometric_programs():
    a, x, y = cp.Parameter(pos=True), cp.Variable(pos=True), cp.Variable(pos=True)
    problem = cp.Problem(cp.Minimize(x * y + x / y + 0.2 * y * a), [x >= 0.3 * a, x * y >= 0.5])
    layer = CvxpyLayer(problem, [a], [x, y], gp=True)

    def scalar(a):
        first, second = layer(a)
        return first**2 + jnp.sin(second)

    point = jnp.asarray(1.3)
    expected = difference(jax.grad(scalar), point, 1.0)
    for wrap in (lambda f: f, jax.jit):
        np.testing.assert_allclose(wrap(jax.hessian(scalar))(point), expected, rtol=1e-7)


# Kinks.


def kinked(p, on_failure="raise"):
    """x = max(0, p), which has none where an entry of p is zero."""
    identity = jnp.eye(3)
    return qp(identity, -p, -identity, jnp.zeros(3), on_failure=on_failure)


@plain_or_jit
def test_a_kink_is_refused_by_the_index_of_its_sample(wrap):
    ps = jnp.array([[1.0, -1.0, 2.0], [1.0, 0.0, 2.0]])
    hessian = wrap(jax.hessian(lambda ps: jnp.sum(kinked(ps) ** 3)))
    with pytest.raises((ValueError, RuntimeError), match=r"second derivative.*1"):
        jax.block_until_ready(hessian(ps))


@plain_or_jit
def test_a_kink_is_nan_on_request_and_leaves_the_others_alone(wrap, recwarn):
    ps = jnp.array([[1.0, -1.0, 2.0], [1.0, 0.0, 2.0]])
    gradient = jax.grad(lambda ps: jnp.sum(kinked(ps, "nan") ** 3))
    push = wrap(lambda ps: jax.jvp(gradient, (ps,), (jnp.ones((2, 3)),))[1])
    found = push(ps)
    np.testing.assert_allclose(found[0], [6.0, 0.0, 12.0], atol=1e-9)
    assert np.isnan(found[1]).all()


def test_derivatives_that_are_not_there_say_so():
    Q, p, *rest = program(9)

    def scalar(p):
        return jnp.sum(qp(Q, p, *rest) ** 2)

    with pytest.raises(NotImplementedError, match="third derivatives of a solution"):
        jax.jacrev(jax.jacrev(jax.jacrev(scalar)))(p)
    smoothed = jax.grad(lambda p: jnp.sum(qp(Q, p, *rest, derivative=("smoothed", 1e-2)) ** 2))
    with pytest.raises(ValueError, match="for second derivatives"):
        jax.jvp(smoothed, (p,), (p,))
