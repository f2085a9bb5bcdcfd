"""Infeasible samples that violate their constraints least, in JAX: `on_infeasible="elastic"`."""

import pytest

jax = pytest.importorskip("jax")
cp = pytest.importorskip("cvxpy")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from argrad import SolverError  # noqa: E402
from argrad.jax import CvxpyLayer, qp  # noqa: E402

jax.config.update("jax_enable_x64", True)

TIGHT = {"tolerance": 1e-12}
both_norms = pytest.mark.parametrize("norm", ["l2", "l1"])
plain_or_jit = pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])


def normal(seed, *shape):
    """Reproducible normal numbers."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


# minimize z^2 / 2 + p z with low <= z <= high: the second and the fourth sample contradict.
HIGH, LOW = jnp.array([1.0, 1.0, 3.0, -1.0]), jnp.array([0.0, 2.0, 1.0, 1.0])
FEASIBLE = jnp.array([0, 2])


def interval(p, high=HIGH, low=LOW, **options):
    """z, or what the options ask for."""
    G = jnp.array([[1.0], [-1.0]])
    return qp(jnp.ones((1, 1)), p, G, jnp.stack([high, -low], -1), **options)


@both_norms
@plain_or_jit
def test_the_point_of_least_violation(norm, wrap):
    @wrap
    def solve(p):
        return interval(p, on_infeasible=("elastic", norm, 1e6), violation=True)

    z, violation = solve(jnp.array([0.5]))
    # Squares meet halfway; sizes are equal in between, where the objective decides.
    expected = [0.0, 1.5, 1.0, 0.0] if norm == "l2" else [0.0, 1.0, 1.0, -0.5]
    np.testing.assert_allclose(z[:, 0], expected, rtol=0, atol=1e-4)
    sizes = [0.0, 0.5**0.5, 0.0, 2**0.5] if norm == "l2" else [0.0, 1.0, 0.0, 2.0]
    np.testing.assert_allclose(violation, sizes, rtol=0, atol=1e-4)


@plain_or_jit
def test_feasible_samples_are_bitwise_what_they_are_without_it(wrap):
    p = jnp.array([0.5])

    @wrap
    def alone(high, low):
        return interval(p, high, low)

    @wrap
    def elastic(high, low):
        return interval(p, high, low, on_infeasible="elastic")

    def gradient(solve):
        return wrap(jax.grad(lambda *bounds: (solve(*bounds) ** 2).sum(), (0, 1)))

    z, expected = elastic(HIGH, LOW), alone(HIGH[FEASIBLE], LOW[FEASIBLE])
    assert jnp.array_equal(z[FEASIBLE], expected)
    assert jnp.array_equal(elastic(HIGH[FEASIBLE], LOW[FEASIBLE]), expected)
    grads = gradient(elastic)(HIGH, LOW)
    wanted = gradient(alone)(HIGH[FEASIBLE], LOW[FEASIBLE])
    assert all(jnp.array_equal(g[FEASIBLE], w) for g, w in zip(grads, wanted, strict=True))


def test_vmap_is_a_batch():
    def one(high, low):
        z, violation = interval(
            jnp.array([0.5]), high, low, on_infeasible="elastic", violation=True
        )
        return z[0], violation

    def total(high, low):
        z, violation = jax.vmap(one)(high, low)
        return z.sum() + violation.sum()

    z, violation = interval(jnp.array([0.5]), on_infeasible="elastic", violation=True)
    for found, expected in zip(jax.vmap(one)(HIGH, LOW), (z[:, 0], violation), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)

    def batch(high, low):
        z, violation = interval(
            jnp.array([0.5]), high, low, on_infeasible="elastic", violation=True
        )
        return z.sum() + violation.sum()

    for found, expected in zip(
        jax.grad(total, (0, 1))(HIGH, LOW), jax.grad(batch, (0, 1))(HIGH, LOW), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def program():
    """A batch of three with equalities that contradict inequalities in the last, where only p, h
    and b differ, and all arguments."""
    root = normal(0, 3, 3)
    A = normal(4, 1, 3)
    # Equal rows have no unique duals; these are nearly so, and contradict by far.
    A = jnp.concatenate([A, A + 0.3 * normal(5, 1, 3)])
    b = jnp.array([[0.1, 0.1], [0.2, 0.2], [9.0, -9.0]])
    G = jnp.concatenate([normal(2, 2, 3), jnp.eye(3), -jnp.eye(3)])
    h = jnp.concatenate([0.5 + jnp.abs(normal(3, 3, 2)), 0.6 * jnp.ones((3, 6))], -1)
    return [root @ root.T + jnp.eye(3), normal(1, 3, 3), G, h, A, b]


def loss_of(values, norm):
    """A scalar of all outputs."""
    *parts, violation = qp(
        0.5 * (values[0] + values[0].T),
        *values[1:],
        duals=True,
        violation=True,
        on_infeasible=("elastic", norm, 100.0),
        solver_args=TIGHT,
    )
    return sum(jnp.tanh(part).sum() for part in parts) + (violation**2).sum()


def difference(function, values, direction, step=1e-4):
    """Central difference of fourth order along a direction."""
    at = {
        k: np.asarray(function([v + k * step * d for v, d in zip(values, direction, strict=True)]))
        for k in (-2, -1, 1, 2)
    }
    return (8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * step)


def dot(a, b):
    """The sum over all leaves."""
    return sum(jnp.vdot(x, y) for x, y in zip(a, b, strict=True))


@both_norms
@plain_or_jit
def test_gradients_are_the_differences(norm, wrap):
    values = program()
    direction = [normal(20 + k, *v.shape) for k, v in enumerate(values)]

    def loss(values):
        return loss_of(values, norm)

    expected = difference(wrap(loss), values, direction)
    found = dot(wrap(jax.grad(loss))(values), direction)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    along = jax.jvp(loss, (values,), (direction,))[1]
    np.testing.assert_allclose(found, along, rtol=1e-9)


@both_norms
def test_second_derivatives_are_the_differences_of_gradients(norm):
    values = program()
    direction = [normal(30 + k, *v.shape) for k, v in enumerate(values)]

    def gradient(values):
        grads = jax.grad(lambda v: loss_of(v, norm))(values)
        return jnp.concatenate([g.ravel() for g in grads])

    found = jax.jvp(gradient, (values,), (direction,))[1]
    expected = difference(gradient, values, direction)
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_violations_by_constraint():
    z, violation = interval(jnp.array([0.5]), on_infeasible="elastic", violation="each")
    assert list(violation) == ["Gz <= h"]
    total = interval(jnp.array([0.5]), on_infeasible="elastic", violation=True)[1]
    assert jnp.array_equal(violation["Gz <= h"], total)


@plain_or_jit
def test_atoms_hold_where_constraints_do_not(wrap):
    x, a, b, r = cp.Variable(2), cp.Parameter(2), cp.Parameter(), cp.Parameter(nonneg=True)
    line, ball = a @ x == b, cp.norm(x) <= r
    objective = cp.Minimize(cp.sum_squares(x - 1) + cp.norm1(x))
    layer = CvxpyLayer(
        cp.Problem(objective, [line, ball]),
        [a, b, r],
        [x],
        on_infeasible=("elastic", "l2", 1e4),
        solver_args=TIGHT,
    )

    @wrap
    def solve(*values):
        return layer(*values, violation="each")

    values = [jnp.array([1.0, 2.0]), jnp.array([1.0, 50.0]), jnp.array(1.0)]
    point, violations = solve(*values)
    assert len(violations) == 2
    assert all(size[0] == 0 and size[1] > 1 for size in violations.values())
    # The line is 50 / sqrt(5) away, the ball one: squares of a @ x - b and |x| - r are least.
    sizes = list(violations.values())
    np.testing.assert_allclose(sizes[0][1], abs(point[1] @ values[0] - 50.0), atol=1e-6)
    np.testing.assert_allclose(sizes[1][1], jnp.linalg.norm(point[1]) - 1.0, atol=1e-6)
    _, status = wrap(layer.with_status)(*values)
    assert list(status) == [0, 0]

    def loss(values):
        found, violation = layer(*values, violation=True)
        return jnp.sin(found).sum() + (violation**2).sum()

    direction = [jnp.array([0.3, -0.2]), jnp.array([0.5, -0.4]), jnp.array(0.7)]
    grads = wrap(jax.grad(loss))(values)
    np.testing.assert_allclose(
        dot(grads, direction), difference(wrap(loss), values, direction), rtol=1e-7
    )


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_an_exported_function_takes_its_relaxed_program_along(norm):
    @jax.jit
    def solve(p):
        return interval(p, on_infeasible=("elastic", norm, 1e3), violation=True)

    exported = jax.export.export(
        solve, disabled_checks=[jax.export.DisabledSafetyCheck.custom_call("argrad_solve")]
    )(jax.ShapeDtypeStruct((1,), np.dtype(float)))
    again = jax.export.deserialize(exported.serialize())
    for found, expected in zip(again.call(jnp.array([0.5])), solve(jnp.array([0.5])), strict=True):
        assert jnp.array_equal(found, expected)


def test_a_network_learns_to_be_feasible():
    """Demands that a network predicts must fit into what is there: at the start, they do not on
    about a third of the samples."""
    inputs = normal(1, 60, 4)
    G = jnp.array([[-1.0, 0.0], [0.0, -1.0], [1.0, 1.0]])

    def loss(network):
        demand = inputs @ network[0] + network[1]
        h = jnp.concatenate([-demand, jnp.ones((60, 1))], -1)
        z, violation = qp(jnp.eye(2), jnp.zeros(2), G, h, on_infeasible="elastic", violation=True)
        return ((z - 0.5) ** 2).mean() + violation.sum(), (violation > 0).sum()

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    network = (0.4 * normal(2, 4, 2), jnp.array([0.3, 0.3]))
    infeasible = []
    for _ in range(300):
        (_, count), grads = step(network)
        infeasible.append(int(count))
        network = jax.tree.map(lambda w, g: w - 0.003 * g, network, grads)
    assert 12 <= infeasible[0] <= 30
    assert infeasible[-1] == 0


def test_other_failures_are_what_they_were():
    # The first sample is unbounded, the second infeasible.
    G, h = jnp.array([[1.0], [-1.0]]), jnp.array([[1.0, jnp.inf], [1.0, -2.0]])

    def solve(p, **options):
        return qp(jnp.zeros((1, 1)), p, G, h, on_infeasible="elastic", **options)

    with pytest.raises(SolverError, match="1 of 2 samples not solved: sample 0: dual infeasible"):
        solve(jnp.array([1.0]))
    z = solve(jnp.array([1.0]), on_failure="nan")
    assert jnp.isnan(z[0]).all()
    assert 1 <= z[1, 0] <= 2
    grad = jax.grad(lambda p: solve(p, on_failure="nan")[1].sum())(jnp.array([1.0]))
    assert jnp.isfinite(grad).all()


@pytest.mark.parametrize(
    "value", ["soft", ("elastic",), ("elastic", "l3", 1.0), ("elastic", "l2", -1.0), None]
)
def test_bad_choices_are_named(value):
    with pytest.raises(ValueError, match="on_infeasible"):
        interval(jnp.array([0.5]), on_infeasible=value)


def test_violations_need_the_elastic_choice():
    with pytest.raises(ValueError, match='violation=True needs on_infeasible="elastic"'):
        interval(jnp.array([0.5]), violation=True)
    with pytest.raises(ValueError, match="violation must be True, False or"):
        interval(jnp.array([0.5]), violation="all", on_infeasible="elastic")
