"""argrad.jax.CvxpyLayer: values, gradients, cones, batching, messages, transformations."""

import copy
import pickle

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import argrad
from argrad import _cvxpy_program, _options
from argrad.jax import CvxpyLayer, _ffi

jax.config.update("jax_enable_x64", True)


def close(function, arguments, tolerance=1e-6):
    """Both modes of differentiation against finite differences."""
    check_grads(function, arguments, 1, modes=("fwd", "rev"), atol=tolerance, rtol=tolerance)


def random(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@pytest.fixture(scope="module")
def regression():
    """Nonnegative least squares, of x and the dual of x >= 0."""
    A, b, x = cp.Parameter((5, 3), name="A"), cp.Parameter(5, name="b"), cp.Variable(3)
    bound = x >= 0
    problem = cp.Problem(cp.Minimize(cp.sum_squares(A @ x - b) + 0.1 * cp.sum_squares(x)), [bound])
    return CvxpyLayer(problem, [A, b], [x, bound.dual_variables[0]])


@pytest.fixture
def solves(monkeypatch):
    """Batch sizes of the solves that are made; by way of Python, where they can be counted."""
    made = []
    forward = _cvxpy_program.CvxpyProgram.forward

    def counting(self, batch, values, differentiable):
        made.append(batch)
        return forward(self, batch, values, differentiable)

    monkeypatch.setattr(_cvxpy_program.CvxpyProgram, "forward", counting)
    monkeypatch.setattr(_ffi, "serves", lambda dtype: False)
    return made


# Closed forms.


def test_projection_onto_a_ball():
    y, radius, x = cp.Parameter(3), cp.Parameter(), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - y)), [cp.norm(x) <= radius])
    layer = CvxpyLayer(problem, [y, radius], [x])
    point = jnp.array([3.0, 0.0, 4.0])
    (found,) = layer(point, jnp.array(2.0))
    np.testing.assert_allclose(found, [1.2, 0, 1.6], atol=1e-9)
    dy, dr = jax.jacrev(lambda *a: layer(*a)[0], argnums=(0, 1))(point, jnp.array(2.0))
    unit = np.array([0.6, 0, 0.8])
    np.testing.assert_allclose(dy, (np.eye(3) - np.outer(unit, unit)) * 2 / 5, atol=1e-8)
    np.testing.assert_allclose(dr, unit, atol=1e-8)


def test_softmax_by_entropy():
    y, x = cp.Parameter(4), cp.Variable(4)
    problem = cp.Problem(cp.Maximize(y @ x + cp.sum(cp.entr(x))), [cp.sum(x) == 1])
    layer = CvxpyLayer(problem, [y], [x])
    score = jnp.array([0.5, -1.0, 2.0, 0.1])
    np.testing.assert_allclose(layer(score)[0], jax.nn.softmax(score), atol=1e-9)
    found = jax.jacrev(lambda y: layer(y)[0])(score)
    np.testing.assert_allclose(found, jax.jacrev(jax.nn.softmax)(score), atol=1e-8)
    found = jax.jacfwd(lambda y: layer(y)[0])(score)
    np.testing.assert_allclose(found, jax.jacrev(jax.nn.softmax)(score), atol=1e-8)


def test_projection_onto_semidefinite_matrices():
    M, X = cp.Parameter((3, 3), symmetric=True), cp.Variable((3, 3), PSD=True)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(X - M))), [M], [X])
    root = random(0, 3, 3)
    value = (root + root.T) / 2

    def exact(M):
        numbers, vectors = jnp.linalg.eigh((M + M.T) / 2)
        return (vectors * jnp.maximum(numbers, 0)) @ vectors.T

    np.testing.assert_allclose(layer(value)[0], exact(value), atol=1e-8)
    weights = random(1, 3, 3)
    found = jax.grad(lambda M: jnp.sum(weights * layer(M)[0]))(value)
    expected = jax.grad(lambda M: jnp.sum(weights * exact(M)))(value)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(found, found.T, atol=1e-12)


def test_duals_have_the_signs_of_cvxpy():
    c, x = cp.Parameter(3), cp.Variable(3)
    constraints = [cp.sum(x) == 1, x >= 0.1, cp.norm(x[:2]) <= 0.5]
    problem = cp.Problem(cp.Minimize(c @ x + cp.sum_squares(x)), constraints)
    duals = [con.dual_variables[0] for con in constraints]
    layer = CvxpyLayer(problem, [c], [x, *duals])
    c.value = np.array([0.4, -3.0, 1.0])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    found = layer(jnp.asarray(c.value))
    for value, reference in zip(found, [x.value, *(d.value for d in duals)], strict=True):
        np.testing.assert_allclose(value, np.reshape(reference, value.shape), atol=1e-5)
    close(lambda c: layer(c), (jnp.asarray(c.value),))


def test_geometric_program():
    a, b, c = cp.Parameter(pos=True), cp.Parameter(pos=True), cp.Parameter()
    x, y, z = (cp.Variable(pos=True) for _ in range(3))
    constraints = [a * (x * y + x * z + y * z) <= b, x >= y**c]
    problem = cp.Problem(cp.Minimize(1 / (x * y * z)), constraints)
    layer = CvxpyLayer(problem, [a, b, c], [x, y, z], gp=True)
    arguments = (jnp.array(2.0), jnp.array(1.0), jnp.array(0.5))
    found = layer(*arguments)
    for parameter, value in zip((a, b, c), arguments, strict=True):
        parameter.value = float(value)
    problem.solve(gp=True, solver=cp.CLARABEL)
    np.testing.assert_allclose(found, [x.value, y.value, z.value], rtol=1e-5)
    close(layer, arguments)
    batch = (jnp.array([2.0, 1.5]), *arguments[1:])
    close(jax.jit(layer), batch)
    close(jax.vmap(layer, in_axes=(0, None, None)), batch)
    with pytest.raises(ValueError, match="must be positive .the problem is a geometric program"):
        layer(jnp.array(-2.0), *arguments[1:])


def test_parametric_quadratic_form():
    P, q, x = cp.Parameter((3, 3), PSD=True), cp.Parameter(3), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(0.5 * cp.quad_form(x, P) + q @ x), [cp.sum(x) == 1])
    layer = CvxpyLayer(problem, [P, q], [x])
    root, linear = random(2, 3, 3), random(3, 3)
    value = root @ root.T + jnp.eye(3)

    def exact(P, q):
        kkt = jnp.block([[(P + P.T) / 2, jnp.ones((3, 1))], [jnp.ones((1, 3)), jnp.zeros((1, 1))]])
        return jnp.linalg.solve(kkt, jnp.concatenate([-q, jnp.ones(1)]))[:3]

    np.testing.assert_allclose(layer(value, linear)[0], exact(value, linear), atol=1e-10)
    found = jax.jacrev(lambda *a: layer(*a)[0], (0, 1))(value, linear)
    for one, other in zip(found, jax.jacrev(exact, (0, 1))(value, linear), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_diagonal_and_sparse_parameters():
    D = cp.Parameter((3, 3), diag=True)
    S = cp.Parameter((2, 3), sparsity=([0, 1], [2, 0]))
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(D @ x - 1)), [S @ x <= 0.5])
    layer = CvxpyLayer(problem, [D, S], [x])
    diagonal = jnp.diag(jnp.array([1.0, 2.0, 0.5]))
    sparse = jnp.zeros((2, 3)).at[0, 2].set(1.0).at[1, 0].set(2.0)
    np.testing.assert_allclose(layer(diagonal, sparse)[0], [0.25, 0.5, 0.5], atol=1e-9)
    dD, dS = jax.grad(lambda *a: jnp.sum(layer(*a)[0]), argnums=(0, 1))(diagonal, sparse)
    # x = (0.5 / S10, 1 / D11, 0.5 / S02)
    np.testing.assert_allclose(dD, np.diag([0, -0.25, 0]), atol=1e-9)
    expected = np.zeros((2, 3))
    expected[0, 2], expected[1, 0] = -0.5, -0.125
    np.testing.assert_allclose(dS, expected, atol=1e-9)


def test_scalars_and_matrices_in_and_out():
    t, M = cp.Parameter(), cp.Parameter((2, 3))
    s, X = cp.Variable(), cp.Variable((2, 3))
    problem = cp.Problem(cp.Minimize((s - t) ** 2 + cp.sum_squares(X - M)), [X[0, 1] == s])
    layer = CvxpyLayer(problem, [t, M], [s, X])
    value = jnp.arange(6.0).reshape(2, 3)
    number, matrix = layer(jnp.array(3.0), value)
    assert number.shape == ()
    np.testing.assert_allclose(number, 2.0, atol=1e-10)
    np.testing.assert_allclose(matrix, value.at[0, 1].set(2.0), atol=1e-10)
    close(layer, (jnp.array(3.0), value))
    numbers, matrices = layer(jnp.array([3.0, 5.0]), value)
    np.testing.assert_allclose(numbers, [2.0, 3.0], atol=1e-10)
    assert matrices.shape == (2, 2, 3)


def test_maximization():
    a, x = cp.Parameter(2), cp.Variable(2)
    problem = cp.Problem(cp.Maximize(a @ x - cp.sum_squares(x)), [x <= 1])
    layer = CvxpyLayer(problem, [a], [x])
    value = jnp.array([1.0, 4.0])
    np.testing.assert_allclose(layer(value)[0], [0.5, 1.0], atol=1e-9)
    np.testing.assert_allclose(
        jax.jacrev(lambda a: layer(a)[0])(value), [[0.5, 0], [0, 0]], atol=1e-9
    )


# Gradients and batches.


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("batched", [(), (0,), (1,), (0, 1)])
def test_gradients_of_mixed_batches(regression, batched, wrap):
    A = random(4, *((4,) if 0 in batched else ()), 5, 3)
    b = random(5, *((4,) if 1 in batched else ()), 5)
    outputs = wrap(regression)(A, b)
    assert [out.shape for out in outputs] == ([(4, 3)] * 2 if batched else [(3,)] * 2)
    close(wrap(regression), (A, b))
    for at in range(4 if batched else 0):
        one = regression(A[at] if 0 in batched else A, b[at] if 1 in batched else b)
        for out, single in zip(outputs, one, strict=True):
            np.testing.assert_allclose(out[at], single, atol=1e-10)


def test_vmap_is_the_explicit_batch(regression, solves):
    A, b = random(6, 4, 5, 3), random(7, 5)
    explicit = regression(A, b)
    solves.clear()
    mapped = jax.jit(jax.vmap(regression, in_axes=(0, None)))(A, b)
    assert solves == [4]
    for one, other in zip(mapped, explicit, strict=True):
        np.testing.assert_array_equal(one, other)
    nested = jax.vmap(jax.vmap(regression, in_axes=(None, 0)), in_axes=(0, None))
    bs = random(8, 2, 5)
    found = nested(A, bs)[0]
    assert solves == [4, 8]
    np.testing.assert_allclose(found[3, 1], regression(A[3], bs[1])[0], atol=1e-10)


def test_jacobians_agree_and_compose_with_vmap(regression):
    A, b = random(9, 4, 5, 3), random(10, 5)
    for jacobian in (jax.jacrev, jax.jacfwd):
        function = jax.jit(jax.vmap(jacobian(regression, argnums=(0, 1)), in_axes=(0, None)))
        found = function(A, b)
        expected = jax.jacrev(regression, argnums=(0, 1))(A[2], b)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one[2], other, atol=1e-10)


def test_several_layers_in_one_graph(regression):
    y, x = cp.Parameter(3), cp.Variable(3)
    project = CvxpyLayer(
        cp.Problem(cp.Minimize(cp.sum_squares(x - y)), [x >= 0, cp.sum(x) == 1]), [y], [x]
    )

    def loss(A, b):
        point, dual = regression(A, b)
        return jnp.sum(project(point * 2 + dual)[0] ** 2) + jnp.sum(project(point)[0][0])

    close(jax.jit(loss), (random(11, 5, 3), random(12, 5)))

    def scanned(A, b):
        return jax.lax.scan(lambda c, a: (c + loss(a, b), None), 0.0, A)[0]

    A, b = random(13, 3, 5, 3), random(14, 5)
    found = jax.jit(jax.grad(scanned, argnums=(0, 1)))(A, b)
    expected = jax.grad(lambda A, b: sum(loss(a, b) for a in A), argnums=(0, 1))(A, b)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_empty_batch(regression):
    A, b = jnp.zeros((0, 5, 3)), random(15, 5)
    assert [out.shape for out in regression(A, b)] == [(0, 3), (0, 3)]
    gradients = jax.grad(lambda A, b: jnp.sum(regression(A, b)[0]), argnums=(0, 1))(A, b)
    assert gradients[0].shape == (0, 5, 3)
    np.testing.assert_array_equal(gradients[1], np.zeros(5))


def test_dtype_out_is_dtype_in(regression):
    A, b = random(16, 5, 3), random(17, 5)
    exact = regression(A, b)[0]
    single = regression(A.astype(jnp.float32), b.astype(jnp.float32))[0]
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, exact, atol=1e-5)
    with jax.enable_x64(False):
        off = jax.jit(lambda A, b: regression(A, b)[0])(np.asarray(A), np.asarray(b))
        assert off.dtype == jnp.float32
        np.testing.assert_allclose(off, exact, atol=1e-5)
    gradient = jax.grad(lambda A: jnp.sum(regression(A, b)[0]))(A.astype(jnp.float32))
    assert gradient.dtype == jnp.float32


def test_agreement_with_the_torch_layer():
    torch = pytest.importorskip("torch")
    from argrad.torch import CvxpyLayer as TorchLayer

    A, b, x = cp.Parameter((5, 3)), cp.Parameter(5), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(A @ x - b) + cp.norm(x, 1)), [x >= -0.3])
    values = [np.asarray(random(18, 4, 5, 3)), np.asarray(random(19, 5))]
    (found,), pull = jax.vjp(CvxpyLayer(problem, [A, b], [x]), *map(jnp.asarray, values))
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    (expected,) = TorchLayer(problem, [A, b], [x])(*tensors)
    np.testing.assert_array_equal(found, expected.detach().numpy())
    weights = np.asarray(random(20, 4, 3))
    expected.backward(torch.tensor(weights))
    for gradient, tensor in zip(pull((jnp.asarray(weights),)), tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-12)


# Construction, options, copies.


def test_copies_and_pickles_work(regression):
    A, b = random(21, 5, 3), random(22, 5)
    expected = regression(A, b)[0]
    for other in (copy.deepcopy(regression), pickle.loads(pickle.dumps(regression))):
        np.testing.assert_array_equal(other(A, b)[0], expected)


def test_settings_of_a_call_replace_those_of_the_layer(regression, monkeypatch):
    monkeypatch.setattr(_options, "_warned", set())
    A, b = random(23, 5, 3), random(24, 5)
    with pytest.warns(argrad.SolverWarning, match="ended at the limit that solver_args set"):
        rough = regression(A, b, solver_args={"max_iterations": 1, "max_polish_steps": 0})[0]
    assert float(jnp.abs(rough - regression(A, b)[0]).max()) > 1e-5
    eps = regression(A, b, solver_args={"eps": 1e-11, "max_iters": 200})[0]
    np.testing.assert_allclose(eps, regression(A, b)[0], atol=1e-8)


def test_arguments_of_cvxpylayers_are_accepted():
    a, x = cp.Parameter(2), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0])
    layer = CvxpyLayer(problem, parameters=[a], variables=[x], solver="DIFFCP", solver_args={})
    np.testing.assert_allclose(layer(jnp.array([1.0, -1.0]))[0], [1, 0], atol=1e-9)
    with pytest.raises(ValueError, match="warm_start=True is only supported by argrad.torch"):
        layer(jnp.ones(2), warm_start=True)


def test_derivative_options_reach_the_core():
    a, x = cp.Parameter(1), cp.Variable(1)
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - a)), [x <= 0])
    mu, at = 1e-2, 0.3
    layer = CvxpyLayer(problem, [a], [x], derivative=("smoothed", mu))
    z = (at - np.sqrt(at * at + 4 * mu)) / 2
    slope = jax.grad(lambda a: layer(a)[0][0])(jnp.array([at]))
    np.testing.assert_allclose(slope, [z / (2 * z - at)], rtol=1e-7)


def test_importing_qp_does_not_import_cvxpy():
    import subprocess
    import sys

    code = "import sys, argrad.jax; argrad.jax.qp; assert 'cvxpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# Messages.


def test_malformed_calls_are_named(regression):
    A, b = random(25, 5, 3), random(26, 5)
    cases = [
        ((A,), "A tensor must be provided for each CVXPY parameter; received 1 tensors"),
        ((A, b[:2]), r"Invalid parameter shape for parameter 1. Expected: \(5,\), Got: \(2,\)"),
        ((A[None, :, :2], b), r"parameter 0. Expected batched shape: \(batch_size, 5, 3\)"),
        ((A[None, None], b), "Invalid parameter dimensionality for parameter 0"),
        ((A[None], jnp.stack([b, b])), r"Inconsistent batch sizes.* but got: \[1, 2\]"),
        ((A, b.at[3].set(jnp.nan)), r"parameter 1 \(b\) must be finite; entry \(3,\) is nan"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            regression(*arguments)
    with pytest.raises(ValueError, match="Inconsistent batch sizes"):
        jax.jit(regression)(A[None], jnp.stack([b, b]))
    with pytest.raises(TypeError, match=r"parameter 1 \(b\) must be an array"):
        regression(A, 1.0)


def test_nan_in_a_batch_is_named_by_sample(regression):
    A, b = random(27, 4, 5, 3).at[2, 1, 0].set(jnp.nan), random(28, 5)
    with pytest.raises(ValueError, match=r"\(A\) must be finite; entry \(1, 0\) of sample 2"):
        regression(A, b)


def test_malformed_problems_are_named():
    a, c, x, y = cp.Parameter(2), cp.Parameter(2), cp.Variable(2), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)))
    with pytest.raises(ValueError, match="Problem must be DPP"):
        CvxpyLayer(cp.Problem(cp.Minimize(a[0] * cp.norm2(x))), [a], [x])
    with pytest.raises(ValueError, match="parameters must exactly match problem.parameters"):
        CvxpyLayer(problem, [a, c], [x])
    with pytest.raises(ValueError, match="must be a subset of problem.variables"):
        CvxpyLayer(problem, [a], [x, y])
    with pytest.raises(ValueError, match="on_failure must be"):
        CvxpyLayer(problem, [a], [x], on_failure="skip")


# Samples without a solution.


@pytest.fixture(scope="module")
def interval():
    """x of least square in [low, high], as a problem."""
    low, high, x = cp.Parameter(), cp.Parameter(), cp.Variable()
    return cp.Problem(cp.Minimize(x**2), [low <= x, x <= high]), [low, high], [x]


LOW, HIGH = jnp.array([1.0, 2.0, -1.0]), jnp.array([2.0, 1.0, 5.0])


def test_infeasible_sample_is_named(interval):
    layer = CvxpyLayer(*interval)
    with pytest.raises(
        argrad.SolverError, match="1 of 3 samples not solved: sample 1: primal"
    ) as e:
        layer(LOW, HIGH)
    assert e.value.indices == [1]
    with pytest.raises(RuntimeError, match="1 of 3 samples not solved: sample 1: primal"):
        jax.block_until_ready(jax.jit(layer)(LOW, HIGH))
    with pytest.raises(RuntimeError, match="1 of 3 samples not solved: sample 1: primal"):
        jax.block_until_ready(jax.vmap(layer)(LOW, HIGH))


@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_infeasible_sample_leaves_the_others_alone(interval, on_failure):
    layer = CvxpyLayer(*interval, on_failure=on_failure)

    @jax.jit
    def loss(low, high):
        (x,), status = layer.with_status(low, high)
        return jnp.sum(jnp.where(status == 0, x, 0.0)), (x, status)

    gradients, (x, status) = jax.grad(loss, argnums=(0, 1), has_aux=True)(LOW, HIGH)
    np.testing.assert_array_equal(status, [0, 1, 0])
    np.testing.assert_allclose(x[::2], [1, 0], atol=1e-9)
    np.testing.assert_allclose(gradients[0][::2], [1, 0], atol=1e-9)
    assert bool(jnp.isnan(x[1])) == (on_failure == "nan")
    if on_failure == "nan":
        assert bool(jnp.isnan(gradients[0][1]))
    else:
        assert float(gradients[0][1]) == 0.0
    (one,), single = jax.vmap(layer.with_status)(LOW, HIGH)
    np.testing.assert_array_equal(single, status)
    np.testing.assert_array_equal(one[::2], x[::2])


@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_infeasible_sample_of_a_geometric_program(on_failure):
    # x = a and y = a / b, unless a > b.
    a, b = cp.Parameter(pos=True), cp.Parameter(pos=True)
    x, y = cp.Variable(pos=True), cp.Variable(pos=True)
    problem = cp.Problem(cp.Minimize(x * y + x), [x >= a, x <= b, y >= a / b])
    layer = CvxpyLayer(problem, [a, b], [x, y], gp=True, on_failure=on_failure)
    values = (jnp.array([1.0, 3.0, 0.5]), jnp.array(2.0))
    da, db = jax.grad(lambda *v: sum(map(jnp.sum, layer(*v))), argnums=(0, 1))(*values)
    np.testing.assert_allclose(da[::2], [1.5, 1.5], atol=1e-9)
    np.testing.assert_allclose(db, -1.5 / 4, atol=1e-9)
    dx, dy = jax.jvp(layer, values, (jnp.ones(3), jnp.array(1.0)))[1]
    np.testing.assert_allclose(dx[::2], [1, 1], atol=1e-9)
    np.testing.assert_allclose(dy[::2], [0.25, 0.375], atol=1e-9)
    for failed in (da[1], dx[1], dy[1]):
        assert bool(jnp.isnan(failed)) if on_failure == "nan" else float(failed) == 0.0
