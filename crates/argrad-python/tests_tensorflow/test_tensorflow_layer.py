"""argrad.tensorflow.CvxpyLayer: values, gradients, graphs, batching, messages, failures."""

import copy
import os
import pickle

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

import argrad
from argrad import _cvxpy_program, _options
from argrad._core import held_tapes
from argrad.tensorflow import CvxpyLayer


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def gradients(layer, values, weights, graph):
    """Outputs, and gradients of their weighted sum."""

    def compute(*tensors):
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            outputs = layer(*tensors)
            loss = tf.add_n(
                [tf.reduce_sum(w * out) for w, out in zip(weights, outputs, strict=True)]
            )
        return outputs, tape.gradient(loss, tensors)

    compute = tf.function(compute) if graph else compute
    outputs, found = compute(*(tf.constant(value) for value in values))
    return [out.numpy() for out in outputs], [g.numpy() for g in found]


def assert_gradients(layer, values, graph=False, tolerance=1e-6):
    """Gradients against central differences along random directions."""
    outputs, _ = gradients(layer, values, [1.0] * len(layer(*values)), False)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=out.shape) for out in outputs]
    _, found = gradients(layer, values, weights, graph)
    for _ in range(3):
        directions = [rng.normal(size=np.shape(value)) for value in values]
        step = 1e-5
        ends = []
        for sign in (1, -1):
            moved = [v + sign * step * d for v, d in zip(values, directions, strict=True)]
            ends.append(sum(np.sum(w * o) for w, o in zip(weights, layer(*moved), strict=True)))
        slope = sum(np.sum(g * d) for g, d in zip(found, directions, strict=True))
        np.testing.assert_allclose(
            slope, (ends[0] - ends[1]) / (2 * step), rtol=tolerance, atol=tolerance
        )


@pytest.fixture(scope="module")
def regression():
    """Nonnegative least squares, of x and the dual of x >= 0."""
    A, b, x = cp.Parameter((5, 3), name="A"), cp.Parameter(5, name="b"), cp.Variable(3)
    bound = x >= 0
    problem = cp.Problem(cp.Minimize(cp.sum_squares(A @ x - b) + 0.1 * cp.sum_squares(x)), [bound])
    return CvxpyLayer(problem, [A, b], [x, bound.dual_variables[0]])


@pytest.fixture
def solves(monkeypatch):
    """Batch sizes of the solves that are made."""
    made = []
    forward = _cvxpy_program.CvxpyProgram.forward

    def counting(self, batch, values, differentiable):
        made.append(batch)
        return forward(self, batch, values, differentiable)

    monkeypatch.setattr(_cvxpy_program.CvxpyProgram, "forward", counting)
    return made


@pytest.fixture
def taped_by(monkeypatch):
    """A function of a call: how many of its solves leave a flat tape. None of them holds one."""
    made = []
    forward = _cvxpy_program.CvxpyProgram.forward

    def noting(self, batch, values, differentiable):
        made.append(differentiable)
        return forward(self, batch, values, differentiable)

    def count(call):
        made.clear()
        before = held_tapes()
        kept = call()
        assert held_tapes() == before
        del kept
        return sum(made)

    monkeypatch.setattr(_cvxpy_program.CvxpyProgram, "forward", noting)
    return count


in_graphs = pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])


# Closed forms.


@in_graphs
def test_projection_onto_a_ball(graph):
    y, radius, x = cp.Parameter(3), cp.Parameter(), cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - y)), [cp.norm(x) <= radius])
    layer = CvxpyLayer(problem, [y, radius], [x])
    weights = np.array([1.0, 2.0, -1.0])
    values = [np.array([3.0, 0.0, 4.0]), np.array(2.0)]
    (found,), (dy, dr) = gradients(layer, values, [weights], graph)
    np.testing.assert_allclose(found, [1.2, 0, 1.6], atol=1e-9)
    unit = np.array([0.6, 0, 0.8])
    np.testing.assert_allclose(dy, (weights - unit * (unit @ weights)) * 2 / 5, atol=1e-8)
    np.testing.assert_allclose(dr, unit @ weights, atol=1e-8)


def test_softmax_by_entropy():
    y, x = cp.Parameter(4), cp.Variable(4)
    problem = cp.Problem(cp.Maximize(y @ x + cp.sum(cp.entr(x))), [cp.sum(x) == 1])
    layer = CvxpyLayer(problem, [y], [x])
    score = tf.constant([0.5, -1.0, 2.0, 0.1], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(score)
        (found,) = layer(score)
        expected = tf.nn.softmax(score)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    # Row by row: a vectorized Jacobian turns into a loop over the layer.
    rows = tape.jacobian(found, score, experimental_use_pfor=False)
    np.testing.assert_allclose(rows, tape.jacobian(expected, score), atol=1e-8)
    rows = tape.jacobian(found, score)
    np.testing.assert_allclose(rows, tape.jacobian(expected, score), atol=1e-8)


@in_graphs
def test_geometric_program(graph):
    a, b, c = cp.Parameter(pos=True), cp.Parameter(pos=True), cp.Parameter()
    x, y, z = (cp.Variable(pos=True) for _ in range(3))
    constraints = [a * (x * y + x * z + y * z) <= b, x >= y**c]
    problem = cp.Problem(cp.Minimize(1 / (x * y * z)), constraints)
    layer = CvxpyLayer(problem, [a, b, c], [x, y, z], gp=True)
    assert_gradients(layer, [np.array(2.0), np.array(1.0), np.array(0.5)], graph)
    assert_gradients(layer, [np.array([2.0, 1.5]), np.array(1.0), np.array(0.5)], graph)


@in_graphs
def test_semidefinite_and_parametric_quadratic(graph):
    P, q, X = cp.Parameter((2, 2), PSD=True), cp.Parameter((2, 2), symmetric=True), None
    X = cp.Variable((2, 2), PSD=True)
    x = cp.Variable(2)
    objective = cp.quad_form(x, P) + cp.sum_squares(X - q) + cp.sum(x)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(objective), [cp.trace(X) == 1]), [P, q], [x, X])
    values = [np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([[0.2, 0.9], [0.9, -0.4]])]
    outputs, found = gradients(layer, values, [np.ones(2), np.eye(2)], graph)
    solution = -np.linalg.solve(values[0], np.ones(2)) / 2
    np.testing.assert_allclose(outputs[0], solution, atol=1e-9)
    np.testing.assert_allclose(found[0], 2 * np.outer(solution, solution), atol=1e-9)
    np.testing.assert_allclose(found[1], found[1].T, atol=1e-12)


# Batches and graphs.


@in_graphs
@pytest.mark.parametrize("batched", [(), (0,), (1,), (0, 1)])
def test_gradients_of_mixed_batches(regression, batched, graph, solves):
    A = random(1, *((4,) if 0 in batched else ()), 5, 3)
    b = random(2, *((4,) if 1 in batched else ()), 5)
    outputs, _ = gradients(regression, [A, b], [1.0, 1.0], graph)
    assert solves == [4 if batched else 1]
    assert [out.shape for out in outputs] == ([(4, 3)] * 2 if batched else [(3,)] * 2)
    assert_gradients(regression, [A, b], graph)
    for at in range(4 if batched else 0):
        one = regression(A[at] if 0 in batched else A, b[at] if 1 in batched else b)
        for out, single in zip(outputs, one, strict=True):
            np.testing.assert_allclose(out[at], single, atol=1e-10)


@in_graphs
def test_empty_batch(regression, graph):
    values = [np.zeros((0, 5, 3)), random(3, 5)]
    outputs, found = gradients(regression, values, [1.0, 1.0], graph)
    assert [out.shape for out in outputs] == [(0, 3), (0, 3)]
    assert found[0].shape == (0, 5, 3)
    np.testing.assert_array_equal(found[1], np.zeros(5))


def test_batch_size_may_be_unknown_in_a_graph(regression):
    signature = [tf.TensorSpec([None, 5, 3], tf.float64), tf.TensorSpec([5], tf.float64)]
    traces = []

    @tf.function(input_signature=signature)
    def solve(A, b):
        outputs = regression(A, b)
        traces.append(outputs[0].shape.as_list())
        return outputs[0], tf.gradients(tf.reduce_sum(outputs[0]), [A, b])

    for size in (2, 5):
        A, b = random(4, size, 5, 3), random(5, 5)
        found, (dA, db) = solve(A, b)
        np.testing.assert_allclose(found, regression(A, b)[0], atol=1e-12)
        _, expected = gradients(regression, [A, b], [np.ones((size, 3)), np.zeros(3)], False)
        np.testing.assert_allclose(dA, expected[0], atol=1e-12)
        np.testing.assert_allclose(db, expected[1], atol=1e-12)
    assert traces == [[None, 3]]


def test_several_layers_in_one_graph(regression):
    y, x = cp.Parameter(3), cp.Variable(3)
    project = CvxpyLayer(
        cp.Problem(cp.Minimize(cp.sum_squares(x - y)), [x >= 0, cp.sum(x) == 1]), [y], [x]
    )

    def both(A, b):
        point, dual = regression(A, b)
        return project(2 * point + dual) + project(point)

    assert_gradients(both, [random(6, 5, 3), random(7, 5)], graph=True)
    assert_gradients(both, [random(6, 5, 3), random(7, 5)], graph=False)


def test_training_a_variable(regression):
    A = random(8, 5, 3)
    target = np.array([0.5, 0.2, 1.0])
    b = tf.Variable(A @ np.array([1.0, 1.0, 0.5]))
    optimizer = tf.keras.optimizers.SGD(0.2)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((regression(tf.constant(A), b)[0] - target) ** 2)
        optimizer.apply_gradients([(tape.gradient(loss, b), b)])
        return loss

    losses = [float(step()) for _ in range(200)]
    assert losses[-1] < 1e-3 * losses[0]


def test_no_tape_where_nothing_is_watched(regression, taped_by):
    values = [
        tf.constant(random(k, *p.shape)) for k, p in enumerate(regression._compiled.parameters)
    ]

    def watched(*watch):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(watch))
            return regression(*values), tape

    assert taped_by(lambda: regression(*values)) == 0
    assert taped_by(watched) == 0
    assert taped_by(lambda: watched(values[0])) == 1


def test_a_graph_without_a_gradient_makes_no_tape(regression, taped_by):
    values = [
        tf.constant(random(k, *p.shape)) for k, p in enumerate(regression._compiled.parameters)
    ]
    predict = tf.function(lambda *values: regression(*values)[0])
    assert taped_by(lambda: predict(*values)) == 0

    @tf.function
    def train(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(regression(*values)[0])
        return tape.gradient(loss, values)

    assert taped_by(lambda: train(*values)) == 1
    assert taped_by(lambda: predict(*values)) == 0


def test_the_gradient_of_a_graph_from_outside(regression, solves):
    values = [
        tf.constant(random(k, *p.shape)) for k, p in enumerate(regression._compiled.parameters)
    ]
    function = tf.function(lambda *values: regression(*values)[0])
    function(*values)
    solves.clear()
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(function(*values))
    found = tape.gradient(loss, values)
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert len(solves) == 1


def test_vectorized_map_falls_back_to_a_loop(regression):
    A, b = random(12, 3, 5, 3), random(13, 5)
    found = tf.vectorized_map(lambda A: regression(A, tf.constant(b))[0], tf.constant(A))
    np.testing.assert_allclose(found, regression(A, b)[0], atol=1e-10)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
def test_dtype_out_is_dtype_in(regression, dtype):
    A, b = tf.cast(random(14, 5, 3), dtype), tf.cast(random(15, 5), dtype)
    with tf.GradientTape() as tape:
        tape.watch([A, b])
        (found, _) = regression(A, b)
    assert found.dtype == dtype
    assert [g.dtype for g in tape.gradient(found, [A, b])] == [dtype, dtype]
    exact = regression(tf.cast(A, tf.float64), tf.cast(b, tf.float64))[0]
    np.testing.assert_array_equal(found, tf.cast(exact, dtype))


# Copies, options, messages.


def test_copies_and_pickles_work(regression):
    A, b = random(16, 5, 3), random(17, 5)
    expected = regression(A, b)[0]
    for other in (copy.deepcopy(regression), pickle.loads(pickle.dumps(regression))):
        np.testing.assert_array_equal(other(A, b)[0], expected)


def test_settings_of_a_call_replace_those_of_the_layer(regression, monkeypatch):
    monkeypatch.setattr(_options, "_warned", set())
    A, b = random(18, 5, 3), random(19, 5)
    with pytest.warns(argrad.SolverWarning, match="ended at the limit that solver_args set"):
        rough = regression(A, b, solver_args={"max_iterations": 1, "max_polish_steps": 0})[0]
    assert np.abs(rough - regression(A, b)[0]).max() > 1e-5


def test_malformed_calls_are_named(regression):
    A, b = random(20, 5, 3), random(21, 5)
    bad = np.array(b)
    bad[3] = np.nan
    cases = [
        ((A,), "A tensor must be provided for each CVXPY parameter; received 1 tensors"),
        ((A, b[:2]), r"Invalid parameter shape for parameter 1. Expected: \(5,\), Got: \(2,\)"),
        ((A[None, :, :2], b), r"parameter 0. Expected batched shape: \(batch_size, 5, 3\)"),
        ((A[None, None], b), "Invalid parameter dimensionality for parameter 0"),
        ((A[None], np.stack([b, b])), r"Inconsistent batch sizes.* but got: \[1, 2\]"),
        ((A, bad), r"parameter 1 \(b\) must be finite; entry \(3,\) is nan"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            regression(*arguments)
    with pytest.raises(ValueError, match="Inconsistent batch sizes"):
        tf.function(regression)(A[None], np.stack([b, b]))
    with pytest.raises(TypeError, match=r"parameter 0 \(A\) must be floating; found int64"):
        regression(np.ones((5, 3), int), b)
    with pytest.raises(TypeError, match="one dtype; found float64 for parameter 0 and float32"):
        regression(A, b.astype(np.float32))


def test_malformed_problems_are_named():
    a, c, x = cp.Parameter(2), cp.Parameter(2), cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)))
    with pytest.raises(ValueError, match="Problem must be DPP"):
        CvxpyLayer(cp.Problem(cp.Minimize(a[0] * cp.norm2(x))), [a], [x])
    with pytest.raises(ValueError, match="parameters must exactly match problem.parameters"):
        CvxpyLayer(problem, [a, c], [x])
    with pytest.raises(ValueError, match="must be a subset of problem.variables"):
        CvxpyLayer(problem, [a], [x, cp.Variable(2)])


@in_graphs
def test_second_derivatives_are_refused(regression, graph):
    def second(b):
        with tf.GradientTape() as outer:
            outer.watch(b)
            with tf.GradientTape() as inner:
                inner.watch(b)
                loss = tf.reduce_sum(regression(tf.constant(random(22, 5, 3)), b)[0] ** 2)
            slope = inner.gradient(loss, b)
            value = tf.reduce_sum(slope**2)
        return outer.gradient(value, b)

    with pytest.raises(NotImplementedError, match="second derivatives of a solution"):
        (tf.function(second) if graph else second)(tf.constant(random(23, 5)))


def test_a_stopped_first_derivative_can_be_part_of_a_loss(regression):
    A, b = tf.constant(random(24, 5, 3)), tf.constant(random(25, 5))
    with tf.GradientTape() as outer:
        outer.watch(b)
        with tf.GradientTape() as inner:
            inner.watch(b)
            loss = tf.reduce_sum(regression(A, b)[0] ** 2)
        slope = inner.gradient(loss, b)
        value = tf.reduce_sum(tf.stop_gradient(slope) * b)
    np.testing.assert_allclose(outer.gradient(value, b), slope, atol=1e-12)


# Samples without a solution.


@pytest.fixture(scope="module")
def interval():
    """x of least square in [low, high], as a problem."""
    low, high, x = cp.Parameter(), cp.Parameter(), cp.Variable()
    return cp.Problem(cp.Minimize(x**2), [low <= x, x <= high]), [low, high], [x]


LOW, HIGH = np.array([1.0, 2.0, -1.0]), np.array([2.0, 1.0, 5.0])


def test_infeasible_sample_is_named(interval):
    layer = CvxpyLayer(*interval)
    with pytest.raises(argrad.SolverError, match="1 of 3 samples not solved: sample 1: primal"):
        layer(LOW, HIGH)
    with pytest.raises(tf.errors.OpError, match="1 of 3 samples not solved: sample 1: primal"):
        tf.function(layer)(tf.constant(LOW), tf.constant(HIGH))
    np.testing.assert_allclose(tf.function(layer)(LOW[::2], HIGH[::2])[0], [1, 0], atol=1e-9)


@in_graphs
@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_infeasible_sample_leaves_the_others_alone(interval, on_failure, graph):
    layer = CvxpyLayer(*interval, on_failure=on_failure)

    def compute(low, high):
        with tf.GradientTape() as tape:
            tape.watch([low, high])
            (x,), status = layer.with_status(low, high)
            loss = tf.reduce_sum(tf.where(status == 0, x, 0.0))
        return x, status, tape.gradient(loss, [low, high])

    compute = tf.function(compute) if graph else compute
    x, status, (dlow, dhigh) = compute(tf.constant(LOW), tf.constant(HIGH))
    np.testing.assert_array_equal(status, [0, 1, 0])
    np.testing.assert_allclose(x.numpy()[::2], [1, 0], atol=1e-9)
    np.testing.assert_allclose(dlow.numpy()[::2], [1, 0], atol=1e-9)
    np.testing.assert_allclose(dhigh.numpy()[::2], [0, 0], atol=1e-9)
    if on_failure == "nan":
        assert np.isnan(x[1])
        assert np.isnan(dlow[1])
    else:
        assert dlow[1] == 0.0
