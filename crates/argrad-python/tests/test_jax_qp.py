"""argrad.jax.qp: closed forms, gradients, batching, dtypes, messages, failures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import argrad
from argrad import _options
from argrad.jax import qp

jax.config.update("jax_enable_x64", True)

N, K, E = 4, 5, 2


def random_program(seed: int, batch: tuple[int, ...] = ()) -> list[jax.Array]:
    """Q, p, G, h, A, b of a strictly feasible, strictly convex, well-conditioned program."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(*batch, N, N)) / N
    point = rng.normal(size=(*batch, N, 1))
    G = rng.normal(size=(*batch, K, N)) / 2
    A = np.swapaxes(np.linalg.qr(rng.normal(size=(*batch, N, E)))[0], -1, -2)
    return [
        jnp.asarray(value)
        for value in (
            root @ np.swapaxes(root, -1, -2) + np.eye(N),
            rng.normal(size=(*batch, N)),
            G,
            (G @ point)[..., 0] + rng.uniform(0.1, 1.0, size=(*batch, K)),
            A,
            (A @ point)[..., 0],
        )
    ]


def symmetric_qp(Q, *rest):
    """All outputs, as a function that is defined for Q without symmetry."""
    return qp((Q + jnp.swapaxes(Q, -1, -2)) / 2, *rest, duals=True)


@pytest.fixture
def fresh_warnings(monkeypatch):
    """As if nothing had been warned about yet."""
    monkeypatch.setattr(_options, "_warned", set())


# Values and closed forms.


def test_unconstrained_minimum():
    Q, p = jnp.diag(jnp.array([1.0, 2.0, 4.0])), jnp.array([1.0, -2.0, 6.0])
    np.testing.assert_allclose(qp(Q, p), -p / jnp.diag(Q), rtol=1e-12)
    gradient = jax.grad(lambda p: jnp.sum(qp(Q, p)))(p)
    np.testing.assert_allclose(gradient, -1.0 / jnp.diag(Q), rtol=1e-12)


def test_gradient_of_the_quadratic_term_is_symmetric_and_exact():
    Q, p, *_ = random_program(0)
    weights = jnp.arange(1.0, N + 1)
    gradient = jax.grad(lambda Q: weights @ qp(Q, p))(Q)
    z, u = -jnp.linalg.solve(Q, p), -jnp.linalg.solve(Q, weights)
    np.testing.assert_allclose(gradient, (jnp.outer(u, z) + jnp.outer(z, u)) / 2, atol=1e-11)


def test_projection_onto_a_hyperplane():
    y, b = jnp.array([3.0, -1.0, 2.0]), jnp.array([1.0])

    def project(y, b):
        return qp(jnp.eye(3), -y, A=jnp.ones((1, 3)), b=b)

    np.testing.assert_allclose(project(y, b), y + (b - y.sum()) / 3, atol=1e-12)
    dy, db = jax.jacrev(project, (0, 1))(y, b)
    np.testing.assert_allclose(dy, np.eye(3) - 1 / 3, atol=1e-12)
    np.testing.assert_allclose(db, np.full((3, 1), 1 / 3), atol=1e-12)


def test_projection_onto_a_box_and_its_duals():
    y, h = jnp.array([2.0, -1.0, 0.5]), jnp.array([1.0, 1.0, 1.0])

    def project(y, h):
        return qp(jnp.eye(3), -y, jnp.eye(3), h, duals=True)

    z, nu, lam = project(y, h)
    np.testing.assert_allclose(z, jnp.minimum(y, h), atol=1e-12)
    np.testing.assert_allclose(lam, jnp.maximum(y - h, 0), atol=1e-12)
    assert nu.shape == (0,)
    (dz_dy, dz_dh), _, (dlam_dy, dlam_dh) = jax.jacfwd(project, (0, 1))(y, h)
    active, free = np.diag([1.0, 0, 0]), np.diag([0, 1.0, 1])
    np.testing.assert_allclose(dz_dy, free, atol=1e-12)
    np.testing.assert_allclose(dz_dh, active, atol=1e-12)
    np.testing.assert_allclose(dlam_dy, active, atol=1e-12)
    np.testing.assert_allclose(dlam_dh, -active, atol=1e-12)


def test_optimality_conditions_of_a_batch():
    Q, p, G, h, A, b = random_program(1, (6,))
    z, nu, lam = qp(Q, p, G, h, A, b, duals=True)
    stationarity = (
        jnp.einsum("bij,bj->bi", Q, z)
        + p
        + jnp.einsum("bij,bi->bj", A, nu)
        + jnp.einsum("bij,bi->bj", G, lam)
    )
    slack = h - jnp.einsum("bij,bj->bi", G, z)
    np.testing.assert_allclose(stationarity, 0, atol=1e-9)
    np.testing.assert_allclose(jnp.einsum("bij,bj->bi", A, z), b, atol=1e-9)
    np.testing.assert_allclose(lam * slack, 0, atol=1e-9)
    assert float(slack.min()) > -1e-9
    assert float(lam.min()) > -1e-9


def test_an_infinite_bound_removes_its_row():
    Q, p, G, h, A, b = random_program(2)
    bounded = qp(Q, p, G[1:], h[1:], A, b)
    np.testing.assert_allclose(qp(Q, p, G, h.at[0].set(jnp.inf), A, b), bounded, atol=1e-10)


# Gradients against finite differences.


@pytest.mark.parametrize("batch", [(), (3,)], ids=["one", "batch"])
@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
def test_derivatives_of_solutions_and_duals(batch, jit):
    function = jax.jit(symmetric_qp) if jit else symmetric_qp
    arguments = random_program(3, batch)
    check_grads(function, arguments, 1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)


def test_derivatives_with_shared_and_batched_arguments():
    Q, p, G, h, A, b = random_program(4)
    rng = np.random.default_rng(4)
    p, h = p + rng.normal(size=(3, N)), h + rng.uniform(size=(3, K))
    arguments = (Q, p, G, h, A, b)
    check_grads(symmetric_qp, arguments, 1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)
    one = jax.grad(lambda *a: jnp.sum(jnp.sin(symmetric_qp(*a)[0])), argnums=tuple(range(6)))
    found = one(*arguments)
    parts = [one(Q, p[i], G, h[i], A, b) for i in range(3)]
    for at, gradient in enumerate(found):
        expected = [part[at] for part in parts]
        expected = np.stack(expected) if at in (1, 3) else np.sum(expected, axis=0)
        np.testing.assert_allclose(gradient, expected, atol=1e-10)


def test_gradient_of_a_linear_program():
    # min c'z over the box [0, 1]: the duals are the positive and negative parts of c.
    c = jnp.array([1.0, -2.0, 0.5])
    G, h = jnp.concatenate([-jnp.eye(3), jnp.eye(3)]), jnp.array([0, 0, 0, 1.0, 1, 1])
    z, _, lam = qp(jnp.zeros((3, 3)), c, G, h, duals=True)
    np.testing.assert_allclose(z, [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(lam, [1, 0, 0.5, 0, 2, 0], atol=1e-9)
    gradient = jax.grad(lambda h: jnp.sum(qp(jnp.zeros((3, 3)), c, G, h)))(h)
    np.testing.assert_allclose(gradient, [-1, 0, -1, 0, 1, 0], atol=1e-12)


def test_smoothed_derivative_is_that_of_the_central_path():
    # min 1/2 z^2 - y z + penalty for z <= 0, at the point z (z - y) = mu with z < 0.
    y, mu = 0.3, 1e-2

    def solve(y):
        return qp(jnp.eye(1), -y[None], jnp.eye(1), jnp.zeros(1), derivative=("smoothed", mu))[0]

    z = (y - np.sqrt(y * y + 4 * mu)) / 2
    np.testing.assert_allclose(jax.grad(solve)(jnp.array(y)), z / (2 * z - y), rtol=1e-8)


def test_iterative_derivative_agrees():
    arguments = random_program(5)
    weights = jnp.arange(1.0, N + 1)

    def gradient(method):
        def loss(*a):
            return weights @ qp(*a, method=method)

        return jax.grad(loss, argnums=tuple(range(6)))(*arguments)

    for direct, iterative in zip(gradient("direct"), gradient(("lsqr", 1e-13, 500)), strict=True):
        np.testing.assert_allclose(direct, iterative, atol=1e-8)


# Batches of all sizes.


def test_batch_of_none():
    Q, p, G, h, A, b = random_program(6)
    empty = jnp.zeros((0, N))
    assert qp(Q, empty, G, h, A, b).shape == (0, N)
    gradients = jax.grad(lambda *a: jnp.sum(qp(*a)), argnums=(0, 1))(Q, empty, G, h, A, b)
    assert gradients[1].shape == (0, N)
    np.testing.assert_array_equal(gradients[0], np.zeros((N, N)))
    assert jax.jit(jax.vmap(lambda p: qp(Q, p)))(empty).shape == (0, N)


def test_batch_of_one_keeps_its_axis():
    arguments = random_program(7)
    expected = qp(*arguments)
    found = qp(*(argument[None] for argument in arguments))
    assert found.shape == (1, N)
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("rows", ["none", "G", "A", "empty"])
def test_absent_constraints(rows):
    Q, p, G, h, A, b = random_program(8)
    none = (None, None)
    some = {"none": none + none, "G": (G, h, *none), "A": (*none, A, b)}
    empty = (jnp.zeros((0, N)), jnp.zeros(0), jnp.zeros(0), jnp.zeros(0))
    constraints = some.get(rows, empty)
    z, nu, lam = qp(Q, p, *constraints, duals=True)
    assert nu.shape == ((E,) if rows == "A" else (0,))
    assert lam.shape == ((K,) if rows == "G" else (0,))
    residual = Q @ z + p + (A.T @ nu if rows == "A" else 0) + (G.T @ lam if rows == "G" else 0)
    np.testing.assert_allclose(residual, 0, atol=1e-9)
    given = [c for c in constraints if c is not None and c.size]
    names = [i for i, c in enumerate(constraints) if c is not None and c.size]

    def partial(Q, p, *present):
        full = [None] * 4
        for name, value in zip(names, present, strict=True):
            full[name] = value
        return symmetric_qp(Q, p, *full)

    check_grads(partial, (Q, p, *given), 1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)


# Dtypes.


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
def test_single_precision_in_and_out_double_inside(jit):
    arguments = random_program(9)
    single = [a.astype(jnp.float32) for a in arguments]
    solve = jax.jit(qp) if jit else qp
    found = solve(*single)
    assert found.dtype == jnp.float32
    # The only loss is the rounding of the inputs and of the result.
    exact = qp(*((a + a.T) / 2 if a.shape == (N, N) else a for a in map(np.float64, single)))
    np.testing.assert_allclose(found, exact, rtol=2e-7, atol=1e-7)
    gradients = jax.grad(lambda *a: jnp.sum(solve(*a)), argnums=tuple(range(6)))(*single)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}


def test_x64_disabled():
    arguments = [np.asarray(a) for a in random_program(10)]
    expected = qp(*arguments)
    with jax.enable_x64(False):
        found = qp(*arguments)
        gradient = jax.jit(jax.grad(lambda p: jnp.sum(qp(arguments[0], p, *arguments[2:]))))(
            jnp.asarray(arguments[1])
        )
    assert found.dtype == jnp.float32
    assert gradient.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_dtypes_are_promoted_and_gradients_keep_theirs():
    Q, p = jnp.eye(2, dtype=jnp.float32), jnp.array([1.0, 2.0])
    assert qp(Q, p).dtype == jnp.float64
    gradients = jax.grad(lambda Q, p: jnp.sum(qp(Q, p)), argnums=(0, 1))(Q, p)
    assert [g.dtype for g in gradients] == [np.dtype(np.float32), np.dtype(np.float64)]
    assert qp(jnp.eye(2, dtype=int), jnp.array([1, 2])).dtype == jnp.float64
    assert qp(np.eye(2), np.ones(2)).dtype == jnp.float64


def test_rounding_of_single_precision_is_not_an_asymmetry():
    rng = np.random.default_rng(11)
    root = rng.normal(size=(N, N))
    Q = (root @ root.T + np.eye(N)).astype(np.float32)
    Q[0, 1] = np.nextafter(Q[0, 1], np.float32(np.inf))
    assert Q[0, 1] != Q[1, 0]
    found = qp(jnp.asarray(Q), jnp.ones(N, jnp.float32))
    np.testing.assert_allclose(found, -np.linalg.solve(Q, np.ones(N)), rtol=1e-5)
    Q[0, 1] += 0.1
    with pytest.raises(ValueError, match=r"Q must be symmetric; .* pass \(Q \+ Q.T\) / 2"):
        qp(jnp.asarray(Q), jnp.ones(N, jnp.float32))


# Messages.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": jnp.ones(3)}, r"p must have shape \(4,\) or \(batch, 4\), .*; found \(3,\)"),
        ({"Q": jnp.ones((4, 3))}, r"Q must have shape \(3, 3\) .*; found \(4, 3\)"),
        ({"Q": jnp.ones((1, 1, 4, 4))}, r"Q must have shape .*; found \(1, 1, 4, 4\)"),
        ({"G": jnp.ones((6, 4))}, r"G must have shape \(5, 4\) .*; found \(6, 4\)"),
        ({"G": jnp.ones((4, 5))}, r"G must .* found \(4, 5\); did you mean its transpose\?"),
        ({"A": jnp.ones((2, 3))}, r"A must have shape \(2, 4\) .*; found \(2, 3\)"),
        ({"h": None}, "G and h must both be given or both be None; found h=None"),
        ({"A": None}, "A and b must both be given or both be None; found A=None"),
        ({"Q": None}, "Q must be an array; found None"),
        (
            {"p": jnp.ones((3, 4)), "h": jnp.ones((2, 5))},
            "batch sizes must agree; found 3 for p and 2 for h",
        ),
        ({"p": jnp.ones(4).at[2].set(jnp.nan)}, "NaN|nan"),
        ({"Q": -jnp.eye(4)}, "convex|semidefinite"),
    ],
)
def test_malformed_arguments_are_named(change, message):
    arguments = dict(zip(("Q", "p", "G", "h", "A", "b"), random_program(12), strict=True))
    with pytest.raises(ValueError, match=message):
        qp(**{**arguments, **change})


def test_complex_arguments_are_refused():
    with pytest.raises(TypeError, match="arguments must be real; found complex128"):
        qp(jnp.eye(2), jnp.ones(2, complex))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"derivative": "fast"}, "derivative must be"),
        ({"on_failure": "ignore"}, "on_failure must be"),
        ({"method": "cg"}, "method must be"),
        ({"solver_args": {"tolerance": -1.0}}, "tolerance must be positive"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        qp(jnp.eye(2), jnp.ones(2), **options)


def test_settings_reach_the_solver(fresh_warnings):
    # Two iterations are not enough; the caller who asked for two is warned, not stopped.
    arguments = random_program(13)
    settings = {"max_iterations": 2, "max_polish_steps": 0}
    with pytest.warns(argrad.SolverWarning, match="1 of 1 samples ended at the limit"):
        rough = qp(*arguments, solver_args=settings)
    assert float(jnp.abs(rough - qp(*arguments)).max()) > 1e-6


# Programs without a solution.


@pytest.fixture
def with_an_infeasible_one():
    """p shared, h of three samples, of which the second contradicts itself."""
    Q, p = jnp.eye(2), jnp.array([1.0, -1.0])
    G = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    h = jnp.array([[1.0, 1.0], [-1.0, -1.0], [0.5, 3.0]])
    return Q, p, G, h


def test_failure_raises_with_index_and_reason(with_an_infeasible_one):
    with pytest.raises(
        argrad.SolverError, match="1 of 3 samples not solved: sample 1: primal"
    ) as e:
        qp(*with_an_infeasible_one)
    assert e.value.indices == [1]
    assert e.value.statuses == ["primal_infeasible"]


def test_failure_under_jit_is_a_runtime_error_that_says_the_same(with_an_infeasible_one):
    with pytest.raises(RuntimeError, match="1 of 3 samples not solved: sample 1: primal"):
        jax.block_until_ready(jax.jit(qp)(*with_an_infeasible_one))
    # The function works afterwards.
    Q, p, G, h = with_an_infeasible_one
    np.testing.assert_allclose(jax.jit(qp)(Q, p, G, h[::2]), [[-1, 1], [-1, 1]], atol=1e-9)


def test_unbounded_program_is_named():
    with pytest.raises(argrad.SolverError, match="sample 0: dual infeasible"):
        qp(jnp.zeros((2, 2)), jnp.ones(2))


@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_failure_leaves_the_other_samples_alone(with_an_infeasible_one, on_failure, jit):
    Q, p, G, h = with_an_infeasible_one

    def loss(p, h):
        return jnp.sum(qp(Q, p, G, h, on_failure=on_failure) ** 2, axis=1)

    gradient = jax.grad(lambda p, h: jnp.sum(loss(p, h)[jnp.array([0, 2])]), argnums=(0, 1))
    if jit:
        gradient, loss = jax.jit(gradient), jax.jit(loss)
    values = loss(p, h)
    assert bool(jnp.isnan(values[1])) == (on_failure == "nan")
    dp, dh = gradient(p, h)
    alone = jax.grad(lambda p, h: jnp.sum(loss(p, h)), argnums=(0, 1))(p, h[::2])
    np.testing.assert_array_equal(values[::2], loss(p, h[::2]))
    np.testing.assert_array_equal(dp, alone[0])
    np.testing.assert_array_equal(dh[::2], alone[1])
    if on_failure == "nan":
        assert bool(jnp.isnan(dh[1]).all())
    else:
        np.testing.assert_array_equal(dh[1], 0)


def test_failure_warns_where_it_does_not_raise(with_an_infeasible_one, fresh_warnings):
    with pytest.warns(argrad.SolverWarning, match="1 of 3 samples not solved .* sample 1: primal"):
        qp(*with_an_infeasible_one, on_failure="nan")
