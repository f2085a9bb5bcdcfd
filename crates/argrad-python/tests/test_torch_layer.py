"""The module CvxpyLayer: values, gradients, batches, messages, state."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
cp = pytest.importorskip("cvxpy")

from torch.autograd import gradcheck  # noqa: E402

import argrad  # noqa: E402
from argrad._compiled import ParameterTypeError  # noqa: E402
from argrad.torch import CvxpyLayer, SolverWarning  # noqa: E402

DOUBLE = torch.float64


def randn(*shape, seed=0, dtype=DOUBLE):
    """Reproducible normal numbers."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def leaf(value):
    """A tensor that wants a gradient."""
    return torch.as_tensor(value, dtype=DOUBLE).clone().requires_grad_()


def check(layer, *values, atol=1e-6):
    """First derivatives, reverse and forward, against differences."""
    leaves = [leaf(v) for v in values]
    return gradcheck(
        lambda *p: layer(*p),
        leaves,
        eps=1e-6,
        atol=atol,
        rtol=1e-6,
        check_forward_ad=True,
        check_batched_grad=True,
    )


def ridge(n=3, m=5):
    """min |a x - b|^2 + |x|^2 : x = (a'a + 1)^-1 a'b."""
    x, a, b = cp.Variable(n), cp.Parameter((m, n), name="a"), cp.Parameter(m, name="b")
    objective = cp.sum_squares(a @ x - b) + cp.sum_squares(x)
    return CvxpyLayer(cp.Problem(cp.Minimize(objective)), [a, b], [x])


def exact_ridge(a, b):
    """The closed form of `ridge`."""
    eye = torch.eye(a.shape[-1], dtype=a.dtype)
    return torch.linalg.solve(a.mT @ a + eye, (a.mT @ b.unsqueeze(-1))).squeeze(-1)


class TestClosedForms:
    def test_ridge_and_its_gradients(self):
        layer, a, b = ridge(), leaf(randn(5, 3)), leaf(randn(5, seed=1))
        (x,) = layer(a, b)
        weights = randn(3, seed=2)
        got = torch.autograd.grad(x @ weights, (a, b))
        expected = torch.autograd.grad(exact_ridge(a, b) @ weights, (a, b))
        assert torch.allclose(x, exact_ridge(a, b), rtol=0, atol=1e-12)
        for one, two in zip(got, expected, strict=True):
            assert torch.allclose(one, two, rtol=0, atol=1e-12)

    def test_softmax_by_entropy(self):
        x, y = cp.Variable(4), cp.Parameter(4)
        problem = cp.Problem(cp.Minimize(-y @ x - cp.sum(cp.entr(x))), [cp.sum(x) == 1])
        layer, value = CvxpyLayer(problem, [y], [x]), leaf(randn(6, 4))
        (got,) = layer(value)
        weights = randn(6, 4, seed=1)
        (grad,) = torch.autograd.grad((got * weights).sum(), value)
        expected = torch.softmax(value, -1)
        (exact,) = torch.autograd.grad((expected * weights).sum(), value)
        assert torch.allclose(got, expected, rtol=0, atol=1e-9)
        assert torch.allclose(grad, exact, rtol=0, atol=1e-8)

    def test_projection_to_the_second_order_cone(self):
        x, t = cp.Variable(3), cp.Variable()
        y, s = cp.Parameter(3), cp.Parameter()
        objective = cp.sum_squares(x - y) + cp.square(t - s)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(objective), [cp.norm(x) <= t]), [y, s], [x, t])
        y_value, s_value = leaf(randn(3) * 3), leaf(0.3)
        x_got, t_got = layer(y_value, s_value)
        norm = y_value.norm()
        t_exact = (norm + s_value) / 2
        x_exact = t_exact * y_value / norm
        for got, exact in ((x_got, x_exact), (t_got, t_exact)):
            assert torch.allclose(got, exact, rtol=0, atol=1e-11)
            for one, two in zip(
                torch.autograd.grad(got.sum(), (y_value, s_value), retain_graph=True),
                torch.autograd.grad(exact.sum(), (y_value, s_value), retain_graph=True),
                strict=True,
            ):
                assert torch.allclose(one, two, rtol=0, atol=1e-10)

    def test_projection_to_the_psd_cone(self):
        x, c = cp.Variable((3, 3), symmetric=True), cp.Parameter((3, 3), symmetric=True)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(x - c)), [x >> 0]), [c], [x])
        value = leaf(randn(2, 3, 3, seed=1))
        symmetric = (value + value.mT) / 2
        eigenvalues, vectors = torch.linalg.eigh(symmetric)
        assert (eigenvalues.abs() > 0.05).all() and (eigenvalues < 0).any()
        exact = vectors @ torch.diag_embed(eigenvalues.clamp(min=0)) @ vectors.mT
        (got,) = layer(value)
        weights = randn(2, 3, 3, seed=2)
        assert torch.allclose(got, exact, rtol=0, atol=1e-9)
        (grad,) = torch.autograd.grad((got * weights).sum(), value)
        (wanted,) = torch.autograd.grad((exact * weights).sum(), value)
        assert torch.allclose(grad, wanted, rtol=0, atol=1e-8)
        assert torch.equal(grad, grad.mT)


def conic(name):
    """A smooth problem with the named cone, and values at which its solution is regular."""
    x, c = cp.Variable(3), cp.Parameter(3)
    square = 0.5 * cp.sum_squares(x)
    value = np.array([1.0, -0.5, 0.3])
    duals = []
    if name == "zero":
        e = cp.Parameter()
        constraint = cp.sum(x) == e
        return cp.Problem(cp.Minimize(square - c @ x), [constraint]), [c, e], [x], [value, 0.7]
    if name == "nonnegative":
        constraint = x <= np.array([0.5, 0.2, 2.0])
        duals = [constraint.dual_variables[0]]
    elif name == "second_order":
        r = cp.Parameter()
        problem = cp.Problem(cp.Minimize(square - c @ x), [cp.norm(x) <= r])
        return problem, [c, r], [x], [value, 0.6]
    elif name == "psd":
        a = cp.Parameter((3, 3), symmetric=True)
        m = cp.Variable((3, 3), symmetric=True)
        root = np.random.default_rng(7).normal(size=(3, 3))
        constraint = m >> 0
        problem = cp.Problem(cp.Minimize(cp.sum_squares(m - a)), [constraint])
        return problem, [a], [m, constraint.dual_variables[0]], [root + root.T]
    elif name == "exponential":
        constraint = cp.sum(cp.exp(x)) <= 2.5
        duals = [constraint.dual_variables[0]]
    elif name == "power":
        constraint = cp.PowCone3D(x[0], 1.0 + x[2], x[1], 0.3)
        value = np.array([0.4, 3.0, 0.3])
    elif name == "generalized_power":
        w = cp.hstack([x[0] + 1, x[2] + 1, 1.0 - x[0]])
        constraint = cp.PowConeND(w, x[1], np.array([0.2, 0.5, 0.3]))
        value = np.array([0.1, 3.0, 0.3])
    problem = cp.Problem(cp.Minimize(square - c @ x), [constraint])
    return problem, [c], [x, *duals], [value]


CONES = [
    "zero",
    "nonnegative",
    "second_order",
    "psd",
    "exponential",
    "power",
    "generalized_power",
]


@pytest.mark.parametrize("name", CONES)
def test_gradients_agree_with_differences_for_each_cone(name):
    problem, parameters, outputs, values = conic(name)
    layer = CvxpyLayer(problem, parameters, outputs)
    result = layer(*(leaf(v) for v in values))
    assert layer.info["weakly_active"].sum() == 0 and layer.info["unique"].all()
    assert all(torch.isfinite(r).all() for r in result)
    assert check(layer, *values)


def test_gradients_of_the_value_are_the_duals():
    x, b, e = cp.Variable(3), cp.Parameter(2), cp.Parameter()
    f = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 1.0]])
    inequality, equality = f @ x <= b, cp.sum(x) == e
    objective = cp.sum_squares(x - np.array([1.0, 2.0, 3.0]))
    problem = cp.Problem(cp.Minimize(objective), [inequality, equality])
    layer = CvxpyLayer(
        problem, [e, b], [x, inequality.dual_variables[0], equality.dual_variables[0]]
    )
    target = torch.tensor([1.0, 2.0, 3.0], dtype=DOUBLE)
    b_value, e_value = torch.tensor([-1.0, 0.3], dtype=DOUBLE), torch.tensor(2.0, dtype=DOUBLE)
    x_got, lam, nu = layer(e_value, b_value)
    assert (lam > 0.1).any()

    def value(e_, b_):
        return float((layer(e_, b_)[0] - target).square().sum())

    h = 1e-5
    for i in range(2):
        step = torch.zeros(2, dtype=DOUBLE)
        step[i] = h
        slope = (value(e_value, b_value + step) - value(e_value, b_value - step)) / (2 * h)
        assert slope == pytest.approx(-float(lam[i]), abs=1e-8)
    slope = (value(e_value + h, b_value) - value(e_value - h, b_value)) / (2 * h)
    assert slope == pytest.approx(-float(nu), abs=1e-8)


class TestParameters:
    def test_a_symmetric_parameter_means_its_symmetric_part(self):
        x = cp.Variable(3)
        p, q = cp.Parameter((3, 3), PSD=True, name="p"), cp.Parameter(3)
        problem = cp.Problem(cp.Minimize(0.5 * cp.quad_form(x, p) - q @ x))
        layer = CvxpyLayer(problem, [p, q], [x])
        root = randn(3, 3)
        skew = randn(3, 3, seed=1)
        p_value = leaf(root @ root.T + torch.eye(3, dtype=DOUBLE) + (skew - skew.T))
        q_value = leaf(randn(3, seed=2))
        (got,) = layer(p_value, q_value)
        exact = torch.linalg.solve((p_value + p_value.T) / 2, q_value)
        weights = randn(3, seed=3)
        assert torch.allclose(got, exact, rtol=0, atol=1e-12)
        got_grads = torch.autograd.grad(got @ weights, (p_value, q_value))
        for one, two in zip(
            got_grads, torch.autograd.grad(exact @ weights, (p_value, q_value)), strict=True
        ):
            assert torch.allclose(one, two, rtol=0, atol=1e-12)
        assert torch.equal(got_grads[0], got_grads[0].T)

    def test_diagonal_and_sparse_parameters_and_variables(self):
        x = cp.Variable((3, 3), diag=True)
        s = cp.Variable((2, 3), sparsity=[(0, 1), (2, 0)])
        d = cp.Parameter((3, 3), diag=True)
        e = cp.Parameter((2, 3), sparsity=[(0, 1, 1), (2, 0, 1)])
        objective = cp.sum_squares(x - 2 * d) + cp.sum_squares(s - 3 * e)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer = CvxpyLayer(cp.Problem(cp.Minimize(objective)), [d, e], [x, s])
        d_value, e_value = leaf(randn(3, 3)), leaf(randn(2, 3, seed=1))
        x_got, s_got = layer(d_value, e_value)
        mask = torch.zeros(2, 3, dtype=DOUBLE)
        mask[0, 2] = mask[1, 0] = 1
        assert torch.allclose(x_got, torch.diag(2 * d_value.diagonal()), rtol=0, atol=1e-12)
        assert torch.allclose(s_got, 3 * e_value * mask, rtol=0, atol=1e-12)
        grads = torch.autograd.grad(x_got.sum() + s_got.sum(), (d_value, e_value))
        assert torch.allclose(grads[0], 2 * torch.eye(3, dtype=DOUBLE), rtol=0, atol=1e-12)
        assert torch.allclose(grads[1], 3 * mask, rtol=0, atol=1e-12)

    def test_arrays_are_row_major_in_any_number_of_dimensions(self):
        x, a = cp.Variable((2, 3, 4)), cp.Parameter((2, 3, 4))
        weights = np.arange(24.0).reshape(2, 3, 4)
        objective = cp.sum_squares(x - cp.multiply(weights, a))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = CvxpyLayer(cp.Problem(cp.Minimize(objective)), [a], [x])
        value = leaf(randn(5, 2, 3, 4))
        (got,) = layer(value)
        expected = value * torch.from_numpy(weights)
        assert torch.allclose(got, expected, rtol=0, atol=1e-11)
        (grad,) = torch.autograd.grad(got.sum(), value)
        assert torch.allclose(grad, torch.from_numpy(weights).expand(5, 2, 3, 4), atol=1e-11)

    def test_an_unused_entry_has_gradient_zero(self):
        x, a = cp.Variable(), cp.Parameter(3)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.square(x - a[1]))), [a], [x])
        value = leaf(randn(3))
        (grad,) = torch.autograd.grad(layer(value)[0], value)
        assert torch.allclose(grad, torch.tensor([0.0, 1.0, 0.0], dtype=DOUBLE), atol=1e-12)

    def test_tensors_that_are_not_contiguous(self):
        layer = ridge()
        a, b = randn(3, 5), randn(10, seed=1)
        (got,) = layer(a.T, b[::2])
        assert torch.allclose(got, exact_ridge(a.T, b[::2]), rtol=0, atol=1e-12)

    def test_no_parameters(self):
        x = cp.Variable(2)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(x - 2)), [x <= 1.5]), [], [x])
        (got,) = layer()
        assert got.dtype == torch.get_default_dtype()
        assert torch.allclose(got, torch.full((2,), 1.5), rtol=0, atol=1e-7)


class TestGeometricPrograms:
    def layer(self):
        x, y, z = (cp.Variable(pos=True) for _ in range(3))
        a, b, c = cp.Parameter(pos=True, name="a"), cp.Parameter(pos=True), cp.Parameter()
        constraints = [a * (x * y + x * z + y * z) <= b, x >= y**c]
        problem = cp.Problem(cp.Minimize(1 / (x * y * z)), constraints)
        return CvxpyLayer(problem, [a, b, c], [x, y, z], gp=True), problem, (a, b, c), (x, y, z)

    def test_values_and_gradients(self):
        layer, problem, parameters, variables = self.layer()
        values = [2.0, 1.0, 0.5]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.value = value
        problem.solve(gp=True, solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
        got = layer(*(leaf(v) for v in values))
        for one, variable in zip(got, variables, strict=True):
            assert one.item() == pytest.approx(float(variable.value), abs=1e-6)
        assert layer.info["objective"][0] == pytest.approx(problem.value, rel=1e-6)
        assert check(layer, *values)

    def test_batch(self):
        layer, *_ = self.layer()
        a = leaf([2.0, 1.5, 1.0])
        got = layer(a, leaf(1.0), leaf([0.5, 0.4, 0.3]))
        assert all(one.shape == (3,) for one in got)
        alone = layer(a[1], leaf(1.0), leaf(0.4))
        for one, two in zip(got, alone, strict=True):
            assert torch.equal(one[1], two)

    def test_a_parameter_must_be_positive(self):
        layer, *_ = self.layer()
        with pytest.raises(ValueError, match=r"parameter 0 \(a\) must be positive.*is -1\.0"):
            layer(leaf(-1.0), leaf(1.0), leaf(0.5))
        with pytest.raises(ValueError, match=r"parameter 0 \(a\).*of sample 1 is 0\.0"):
            layer(leaf([1.0, 0.0]), leaf(1.0), leaf(0.5))

    def test_writing_into_inputs_and_outputs_changes_no_gradient(self):
        layer, *_ = self.layer()
        grads = []
        for overwrite in (False, True):
            a = leaf([2.0, 1.5])
            got = layer(a, leaf(1.0), leaf(0.5))
            loss = sum(one.clone().square().sum() for one in got)
            if overwrite:
                with torch.no_grad():
                    for one in (a, *got):
                        one.mul_(3.0)
            grads.append(torch.autograd.grad(loss, a)[0])
        assert torch.equal(grads[0], grads[1])


class TestBatches:
    @pytest.mark.parametrize(("batched_a", "batched_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
    @pytest.mark.parametrize("size", [1, 7])
    def test_batched_and_unbatched_mix(self, batched_a, batched_b, size):
        layer = ridge()
        a = leaf(randn(*([size] * batched_a), 5, 3))
        b = leaf(randn(*([size] * batched_b), 5, seed=1))
        (got,) = layer(a, b)
        expected = exact_ridge(a, b)
        assert got.shape == expected.shape
        assert torch.allclose(got, expected, rtol=0, atol=1e-11)
        weights = randn(*got.shape, seed=2)
        for one, two in zip(
            torch.autograd.grad((got * weights).sum(), (a, b)),
            torch.autograd.grad((expected * weights).sum(), (a, b)),
            strict=True,
        ):
            assert torch.allclose(one, two, rtol=0, atol=1e-11)

    def test_a_sample_is_the_same_alone(self):
        layer, a, b = ridge(), randn(6, 5, 3), randn(6, 5, seed=1)
        (got,) = layer(a, b)
        for i in range(6):
            assert torch.equal(layer(a[i], b[i])[0], got[i])

    def test_batch_of_none(self):
        layer, a, b = ridge(), leaf(torch.zeros(0, 5, 3)), leaf(randn(5))
        (got,) = layer(a, b)
        assert got.shape == (0, 3)
        grads = torch.autograd.grad(got.sum(), (a, b))
        assert grads[0].shape == (0, 5, 3) and torch.equal(grads[1], torch.zeros_like(b))
        assert layer.info["status"].shape == (0,)

    def test_differences_through_a_batch(self):
        assert check(ridge(), randn(2, 5, 3), randn(5, seed=1))
        assert check(ridge(), randn(5, 3), randn(2, 5, seed=1))

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            ([(5, 3)], "A tensor must be provided for each CVXPY parameter; received 1 tensors"),
            ([(5, 2), (5,)], r"Invalid parameter shape for parameter 0. Expected: \(5, 3\)"),
            ([(4, 5, 2), (5,)], r"Expected batched shape: \(batch_size, 5, 3\)"),
            ([(5, 3), ()], "Invalid parameter dimensionality for parameter 1"),
            ([(4, 5, 3), (3, 5)], "Inconsistent batch sizes. Expected all batched parameters"),
        ],
    )
    def test_messages(self, shapes, message):
        with pytest.raises(ValueError, match=message):
            ridge()(*(torch.zeros(shape, dtype=DOUBLE) for shape in shapes))


class TestTypes:
    def test_single_precision_in_and_out(self):
        layer = ridge()
        a, b = randn(4, 5, 3), randn(5, seed=1)
        single = [t.float().requires_grad_() for t in (a, b)]
        (got,) = layer(*single)
        (exact,) = layer(*(t.detach().double() for t in single))
        assert got.dtype == torch.float32
        assert torch.equal(got, exact.float())
        grads = torch.autograd.grad(got.sum(), single)
        assert [g.dtype for g in grads] == [torch.float32] * 2

    @pytest.mark.parametrize(
        ("dtypes", "message"),
        [
            ((torch.float32, torch.float64), "must have one dtype; found torch.float32 for"),
            ((torch.float64, torch.float16), "must be float32 or float64; found torch.float16"),
            ((torch.int64, torch.float64), r"parameter 0 \(a\) must be float32 or float64"),
        ],
    )
    def test_other_dtypes(self, dtypes, message):
        with pytest.raises(TypeError, match=message):
            ridge()(torch.ones(5, 3, dtype=dtypes[0]), torch.ones(5, dtype=dtypes[1]))

    def test_something_else_than_a_tensor(self):
        layer = ridge()
        for value in (None, 1.0, np.zeros(5)):
            with pytest.raises(ParameterTypeError, match=r"parameter 1 \(b\) must be a tensor"):
                layer(torch.ones(5, 3, dtype=DOUBLE), value)

    def test_devices_must_agree(self):
        with pytest.raises(ValueError, match="must be on one device"):
            ridge()(torch.ones(5, 3, device="meta"), torch.ones(5))

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_cuda_tensors_come_back_to_their_device(self):
        layer, a, b = ridge(), randn(5, 3), randn(2, 5, seed=1)
        (expected,) = layer(a, b)
        a_there = a.cuda().requires_grad_()
        (got,) = layer.cuda()(a_there, b.cuda())
        assert got.is_cuda and torch.equal(got.cpu(), expected)
        got.sum().backward()
        assert a_there.grad.is_cuda

    @pytest.mark.parametrize(("bad", "word"), [(float("nan"), "nan"), (float("inf"), "inf")])
    def test_numbers_that_are_none_are_named(self, bad, word):
        layer, a, b = ridge(), randn(5, 3), randn(4, 5, seed=1)
        a[2, 1] = bad
        with pytest.raises(ValueError, match=rf"parameter 0 \(a\).*entry \(2, 1\) is {word}"):
            layer(a, b)
        b[3, 2] = bad
        with pytest.raises(ValueError, match=rf"parameter 1 \(b\).*\(2,\) of sample 3 is {word}"):
            layer(randn(5, 3), b)


def bounded(on_failure="raise", **options):
    """min (x - a)^2 with x <= u, x >= 0: infeasible for u < 0."""
    x, a, u = cp.Variable(), cp.Parameter(name="a"), cp.Parameter(name="u")
    problem = cp.Problem(cp.Minimize(cp.square(x - a)), [x <= u, x >= 0])
    return CvxpyLayer(problem, [a, u], [x], on_failure=on_failure, **options)


class TestFailures:
    A = [2.0, 2.0, 0.5, 2.0]
    U = [1.0, -1.0, 3.0, -2.0]

    def test_raise_names_samples_and_statuses(self):
        with pytest.raises(argrad.SolverError, match="2 of 4 samples not solved") as caught:
            bounded()(leaf(self.A), leaf(self.U))
        assert isinstance(caught.value, RuntimeError)
        assert caught.value.indices == [1, 3]
        assert caught.value.statuses == ["primal_infeasible"] * 2
        assert "sample 1: primal infeasible" in str(caught.value)

    @pytest.mark.parametrize("mode", ["nan", "zero"])
    def test_the_others_are_as_if_alone(self, mode):
        layer = bounded(mode)
        a, u = leaf(self.A), leaf(self.U)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)
            (got,) = layer(a, u)
            grads = torch.autograd.grad((got * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum(), (a, u))
        assert list(layer.info["status"]) == ["solved", "primal_infeasible"] * 2
        for i in (0, 2):
            # A batch of one, which shares its matrices as that of four does.
            a_one, u_one = leaf(self.A[i : i + 1]), leaf(self.U[i : i + 1])
            (alone,) = layer(a_one, u_one)
            grad_alone = torch.autograd.grad((alone * (i + 1.0)).sum(), (a_one, u_one))
            assert torch.equal(alone[0], got[i])
            for one, two in zip(grads, grad_alone, strict=True):
                assert torch.equal(one[i], two[0])
        for i in (1, 3):
            if mode == "nan":
                assert torch.isnan(got[i])
                assert all(torch.isnan(g[i]) for g in grads)
            else:
                assert all(g[i] == 0 for g in grads)

    @pytest.mark.parametrize("mode", ["nan", "zero"])
    def test_gradients_of_shared_parameters_leave_them_out(self, mode):
        layer = bounded(mode)
        a, u = leaf(0.5), leaf([1.0, -1.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)
            (got,) = layer(a, u)
            (grad,) = torch.autograd.grad(got.sum(), a)
        assert grad == pytest.approx(1.0, abs=1e-12)

    def test_a_limit_that_the_caller_set_is_not_an_error(self):
        x, c = cp.Variable(4), cp.Parameter(4)
        problem = cp.Problem(cp.Minimize(cp.sum(cp.exp(x)) - c @ x), [cp.norm(x) <= 1])
        layer = CvxpyLayer(problem, [c], [x])
        value = leaf(randn(4) * 10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)
            (early,) = layer(value, solver_args={"max_iters": 1})
        with pytest.raises(argrad.SolverError, match="iteration"):
            early.sum().backward()
        assert list(layer.info["status"]) == ["iteration_limit"]
        (late,) = layer(value)
        assert list(layer.info["status"]) == ["solved"]
        assert (early - late).abs().max() > 1e-3

    def test_unbounded(self):
        x, c = cp.Variable(2), cp.Parameter(2)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(c @ x), [x >= 0]), [c], [x])
        with pytest.raises(argrad.SolverError, match="sample 0: dual infeasible"):
            layer(torch.tensor([-1.0, 1.0], dtype=DOUBLE))

    def test_options_are_checked(self):
        with pytest.raises(ValueError, match='on_failure must be "raise", "nan" or "zero"'):
            bounded("ignore")
        with pytest.raises(ValueError, match="derivative must be"):
            bounded(derivative="smooth")
        with pytest.raises(ValueError, match="mu of 'smoothed' must be positive"):
            bounded(derivative=("smoothed", -1.0))
        with pytest.raises(ValueError, match="method must be"):
            bounded(method="cg")
        with pytest.raises(ValueError, match="tolerance must be positive"):
            bounded(solver_args={"tolerance": 0.0})


class TestSolverArguments:
    def test_those_of_other_solvers(self):
        layer, a, b = ridge(), randn(5, 3), randn(5, seed=1)
        (plain,) = layer(a, b)
        args = {"eps": 1e-10, "max_iters": 10000, "verbose": False}
        (got,) = layer(a, b, solver_args=args)
        assert torch.allclose(got, plain, rtol=0, atol=1e-10)
        with pytest.warns(UserWarning, match="'acceleration_lookback' has no meaning"):
            layer(a, b, solver_args={"acceleration_lookback": 0})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer(a, b, solver_args={"acceleration_lookback": 0})

    def test_any_solver_name_is_accepted(self):
        x, a = cp.Variable(), cp.Parameter()
        problem = cp.Problem(cp.Minimize(cp.square(x - a)))
        for solver in ("CLARABEL", "SCS", "DIFFCP", "MOREAU", None):
            layer = CvxpyLayer(problem, [a], [x], solver=solver)
            assert layer(leaf(2.0))[0].item() == pytest.approx(2.0, abs=1e-12)

    @pytest.mark.parametrize("backend", ["CPP", "SCIPY", "COO"])
    def test_backends_of_cvxpy(self, backend):
        x, a, b = cp.Variable(3), cp.Parameter((5, 3)), cp.Parameter(5)
        objective = cp.sum_squares(a @ x - b) + cp.sum_squares(x)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(objective)), [a, b], [x], canon_backend=backend)
        values = randn(5, 3), randn(5, seed=1)
        assert torch.allclose(layer(*values)[0], exact_ridge(*values), rtol=0, atol=1e-12)

    def test_warm_start(self):
        layer, a, b = ridge(), randn(4, 5, 3), randn(4, 5, seed=1)
        (first,) = layer(a, b)
        assert not layer.info["warm_started"].any()
        (second,) = layer(a, b, warm_start=True)
        assert layer.info["warm_started"].all() and (layer.info["iterations"] == 0).all()
        assert torch.allclose(first, second, rtol=0, atol=1e-12)
        layer(a[:2], b[:2], warm_start=True)  # another batch size: from scratch
        assert not layer.info["warm_started"].any()

    def test_warm_start_as_default(self):
        x, a = cp.Variable(2), cp.Parameter(2)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0])
        layer = CvxpyLayer(problem, [a], [x], warm_start=True)
        layer(randn(2))
        layer(randn(2))
        assert layer.info["warm_started"].all()
        layer(randn(2), warm_start=False)
        assert not layer.info["warm_started"].any()

    def test_smoothed_derivatives_do_not_vanish_at_active_bounds(self):
        x, a = cp.Variable(), cp.Parameter()
        problem = cp.Problem(cp.Minimize(0.5 * cp.square(x - a)), [x >= 0])
        mu = 1e-2
        layer = CvxpyLayer(problem, [a], [x], derivative=("smoothed", mu))
        a_value = leaf(-1.0)
        (grad,) = torch.autograd.grad(layer(a_value)[0], a_value)
        # On the central path x - a = mu / x.
        exact = 0.5 - 0.5 / (1 + 4 * mu) ** 0.5
        assert float(grad) == pytest.approx(exact, rel=1e-6)
        plain = CvxpyLayer(problem, [a], [x])
        (zero,) = torch.autograd.grad(plain(a_value)[0], a_value)
        assert abs(float(zero)) < 1e-12


class TestModule:
    def test_it_has_no_state(self):
        layer = ridge()
        assert list(layer.parameters()) == [] and layer.state_dict() == {}
        torch.nn.Sequential(layer).load_state_dict({})
        assert "a: (5, 3)" in repr(layer)

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, copy.copy, lambda layer: pickle.loads(pickle.dumps(layer))]
    )
    def test_copies(self, duplicate):
        layer = bounded("nan", derivative=("smoothed", 1e-3), solver_args={"max_iterations": 60})
        a, u = leaf([2.0, 0.5]), leaf([1.0, 3.0])
        (expected,) = layer(a, u)
        other = duplicate(layer)
        assert other.info is None
        (got,) = other(a, u)
        assert torch.equal(got, expected)
        for one, two in zip(
            torch.autograd.grad(got.sum(), (a, u)),
            torch.autograd.grad(expected.sum(), (a, u)),
            strict=True,
        ):
            assert torch.equal(one, two)

    def test_info(self):
        layer = ridge()
        assert layer.info is None
        layer(randn(3, 5, 3), randn(5))
        info = layer.info
        for key in ("iterations", "residual", "condition", "unique", "weakly_active", "objective"):
            assert info[key].shape == (3,), key
        assert list(info["status"]) == ["solved"] * 3

    def test_threads(self):
        layer = ridge()
        inputs = [(randn(4, 5, 3, seed=k), randn(4, 5, seed=k + 100)) for k in range(8)]
        expected = [layer(*values)[0] for values in inputs]
        errors = []

        def work(k):
            try:
                for _ in range(20):
                    a, b = (t.clone().requires_grad_() for t in inputs[k])
                    (got,) = layer(a, b, warm_start=k % 2 == 0)
                    assert torch.allclose(got, expected[k], rtol=0, atol=1e-11)
                    got.sum().backward()
                    want = torch.autograd.grad(exact_ridge(a, b).sum(), a)[0]
                    assert torch.allclose(a.grad, want, rtol=0, atol=1e-10)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors

    def test_training(self):
        layer = ridge(2, 4)
        target = randn(4, 2, seed=9)
        b = randn(16, 4, seed=3)
        (wanted,) = layer(target, b)
        a = torch.nn.Parameter(target + 0.2 * randn(4, 2, seed=4))
        optimizer = torch.optim.Adam([a], lr=0.02)
        losses = []
        for _ in range(120):
            loss = (layer(a, b, warm_start=True)[0] - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 1e-3 * losses[0]

    def test_no_graph_where_none_is_wanted(self):
        layer, a, b = ridge(), leaf(randn(5, 3)), randn(5, seed=1)
        with torch.no_grad():
            assert not layer(a, b)[0].requires_grad
        assert not layer(a.detach(), b)[0].requires_grad
        assert layer(a, b)[0].requires_grad

    def test_backward_can_be_repeated(self):
        layer, a, b = ridge(), leaf(randn(5, 3)), leaf(randn(5, seed=1))
        loss = layer(a, b)[0].square().sum()
        first = torch.autograd.grad(loss, (a, b), retain_graph=True)
        second = torch.autograd.grad(loss, (a, b))
        for one, two in zip(first, second, strict=True):
            assert torch.equal(one, two)
