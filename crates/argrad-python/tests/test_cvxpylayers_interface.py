"""argrad as a solver of cvxpylayers, in torch and JAX."""

import copy

import numpy as np
import pytest

cp = pytest.importorskip("cvxpy")
torch = pytest.importorskip("torch")
pytest.importorskip("cvxpylayers")
from cvxpylayers.torch import CvxpyLayer  # noqa: E402

import argrad  # noqa: E402
import argrad.cvxpylayers  # noqa: E402


@pytest.fixture(autouse=True)
def _double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def interface(**options):
    return argrad.cvxpylayers.interface(**options)


def tensors(rng, *shapes, batch=()):
    return [torch.tensor(rng.normal(size=(*batch, *shape)), requires_grad=True) for shape in shapes]


def quadratic():
    x, A, b, c = cp.Variable(4), cp.Parameter((3, 4)), cp.Parameter(3), cp.Parameter(4)
    slack = A @ x <= b + 3
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c) + cp.norm1(x)), [slack, cp.sum(x) == 1])
    return problem, [A, b, c], [x, slack.dual_variables[0]]


def parametric_quad_form():
    x, P, q = cp.Variable(3), cp.Parameter((3, 3), PSD=True), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(0.5 * cp.quad_form(x, P) + q @ x), [x >= -0.3, cp.sum(x) == 1])
    return problem, [P, q], [x]


def semidefinite():
    # The constraint's dual is the other part of the projection.
    X, C = cp.Variable((3, 3), symmetric=True), cp.Parameter((3, 3))
    positive = X >> 0
    problem = cp.Problem(cp.Minimize(cp.sum_squares(X - C)), [positive, X[0, 2] == 0.1])
    return problem, [C], [X, positive.dual_variables[0]]


def conic():
    """Second-order, exponential and power cones, and two semidefinite ones."""
    x, t, a, r = cp.Variable(3), cp.Variable(3), cp.Parameter(3), cp.Parameter(nonneg=True)
    X = cp.Variable((2, 2), symmetric=True)
    positive = X >> r * np.eye(2)
    other = cp.bmat([[1 + t[0], x[0]], [x[0], 2 + t[1]]]) >> 0
    constraints = [
        positive,
        cp.norm(x) <= 1 + r,
        cp.ExpCone(x[0], 1 + 0 * x[0], t[0]),
        cp.PowCone3D(t[1], t[2], x[1], 0.3),
        other,
    ]
    objective = (
        cp.sum_squares(x - a) + cp.sum(t) + cp.sum_squares(X - 2 * np.ones((2, 2))) + t[2] ** 2
    )
    problem = cp.Problem(cp.Minimize(objective), constraints)
    return problem, [a, r], [x, t, X, positive.dual_variables[0], other.dual_variables[0]]


def gradcheck(layer, values):
    assert torch.autograd.gradcheck(
        lambda *v: layer(*v), values, eps=1e-6, atol=1e-6, rtol=1e-5, nondet_tol=0.0
    )


@pytest.mark.parametrize("batch", [(), (3,)])
def test_quadratic_program_and_dual(batch):
    problem, parameters, variables = quadratic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    gradcheck(layer, tensors(np.random.default_rng(0), (3, 4), (3,), (4,), batch=batch))


def test_shared_and_batched_parameters():
    problem, parameters, variables = quadratic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    rng = np.random.default_rng(1)
    A, c = tensors(rng, (3, 4), (4,))
    (b,) = tensors(rng, (3,), batch=(4,))
    x, dual = layer(A, b, c)
    assert x.shape == (4, 4) and dual.shape == (4, 3)
    for i in range(4):
        alone = layer(A, b[i], c)
        torch.testing.assert_close(x[i], alone[0], atol=1e-13, rtol=0)
    gradcheck(layer, [A, b, c])


@pytest.mark.parametrize("batch", [(), (2,)])
def test_quad_form_with_a_parametric_matrix(batch):
    problem, parameters, variables = parametric_quad_form()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    rng = np.random.default_rng(2)
    root, q = tensors(rng, (3, 3), (3,), batch=batch)

    def of_root(root, q):
        return layer(root @ root.mT + torch.eye(3), q)

    (x,) = of_root(root, q)
    P = (root @ root.mT + torch.eye(3)).detach().numpy().reshape(-1, 3, 3)
    for i, found in enumerate(x.detach().numpy().reshape(-1, 3)):
        parameters[0].value, parameters[1].value = P[i], q.detach().numpy().reshape(-1, 3)[i]
        problem.solve(solver=cp.CLARABEL, ignore_dpp=True)
        np.testing.assert_allclose(found, variables[0].value, atol=1e-6)
    assert torch.autograd.gradcheck(of_root, [root, q], eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_semidefinite_program_and_dual(batch):
    problem, parameters, variables = semidefinite()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    values = tensors(np.random.default_rng(3), (3, 3), batch=batch)
    X, dual = layer(*values)
    for i, C in enumerate(values[0].detach().numpy().reshape(-1, 3, 3)):
        parameters[0].value = C
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        for found, variable in ((X, variables[0]), (dual, variables[1])):
            found = found.detach().numpy().reshape(-1, 3, 3)[i]
            np.testing.assert_allclose(found, variable.value, atol=1e-5)
    gradcheck(layer, values)


def test_all_cones_and_duals():
    problem, parameters, variables = conic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    a = torch.tensor([0.4, -0.7, 1.5], requires_grad=True)
    r = torch.tensor(0.2, requires_grad=True)
    found = layer(a, r)
    parameters[0].value, parameters[1].value = a.detach().numpy(), r.item()
    problem.solve(solver=cp.CLARABEL)
    for tensor, variable in zip(found, variables, strict=True):
        np.testing.assert_allclose(tensor.detach().numpy(), variable.value, atol=2e-4)
    gradcheck(layer, [a, r])
    gradcheck(layer, [torch.stack([a, 1.1 * a]).detach().requires_grad_(), r])


def test_linear_program_without_quadratic_part():
    x, c = cp.Variable(3), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(c @ x), [cp.norm(x) <= 2])
    layer = CvxpyLayer(problem, [c], [x], solver=interface())
    values = tensors(np.random.default_rng(4), (3,), batch=(2,))
    (found,) = layer(*values)
    direction = values[0] / values[0].norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, -2 * direction, atol=1e-10, rtol=0)
    gradcheck(layer, values)


def test_no_constraints():
    x, c = cp.Variable(3), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)))
    layer = CvxpyLayer(problem, [c], [x], solver=interface())
    values = tensors(np.random.default_rng(5), (3,))
    torch.testing.assert_close(layer(*values)[0], values[0])
    gradcheck(layer, values)


def test_geometric_program():
    x, y, a = cp.Variable(pos=True), cp.Variable(pos=True), cp.Parameter(pos=True)
    problem = cp.Problem(cp.Minimize(x / y + a * y), [x >= 4])
    layer = CvxpyLayer(problem, [a], [x, y], solver=interface(), gp=True)
    value = torch.tensor([1.0, 0.25], requires_grad=True)
    x_found, y_found = layer(value)
    torch.testing.assert_close(y_found, 2 / value.sqrt(), atol=1e-7, rtol=0)
    y_found.sum().backward()
    torch.testing.assert_close(value.grad, -(value.detach() ** -1.5), atol=1e-6, rtol=0)


def test_one_interface_for_two_layers_and_copies():
    shared = interface()
    first, second = quadratic(), semidefinite()
    layers = [CvxpyLayer(*first, solver=shared), CvxpyLayer(*second, solver=shared)]
    rng = np.random.default_rng(6)
    values = [tensors(rng, (3, 4), (3,), (4,)), tensors(rng, (3, 3))]
    expected = [layer(*v)[0] for layer, v in zip(layers, values, strict=True)]
    for layer, v, out in zip(layers, values, expected, strict=True):
        fresh = CvxpyLayer(*(first if layer is layers[0] else second), solver=interface())
        torch.testing.assert_close(fresh(*v)[0], out, atol=1e-13, rtol=0)
        # A copy of the context finds its structure in its copy of the interface.
        layer.ctx = copy.deepcopy(layer.ctx)
        assert layer.ctx.solver is not shared
        torch.testing.assert_close(layer(*v)[0], out, atol=0, rtol=0)


def infeasible_in_the_middle():
    x, low = cp.Variable(), cp.Parameter()
    problem = cp.Problem(cp.Minimize(cp.square(x)), [x >= low, x <= 1])
    return problem, [low], [x], torch.tensor([0.25, 2.0, 0.5], requires_grad=True)


def test_failures_are_named():
    *arguments, low = infeasible_in_the_middle()
    layer = CvxpyLayer(*arguments, solver=interface())
    with pytest.raises(argrad.SolverError, match="1 of 3 samples.*sample 1: primal infeasible"):
        layer(low)
    layer(low[[0, 2]])


@pytest.mark.parametrize("how", ["nan", "zero"])
def test_failures_may_be_nan_or_zero(how):
    *arguments, low = infeasible_in_the_middle()
    layer = CvxpyLayer(*arguments, solver=interface(on_failure=how))
    (x,) = layer(low)
    torch.testing.assert_close(x[[0, 2]], low[[0, 2]])
    assert bool(x[1].isnan()) == (how == "nan")
    x[[0, 2]].sum().backward()
    expected = torch.tensor([1.0, torch.nan if how == "nan" else 0.0, 1.0])
    torch.testing.assert_close(low.grad, expected, equal_nan=True)


def test_options_of_a_call_and_of_the_interface():
    problem, parameters, variables = quadratic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface(tolerance=1e-8))
    values = tensors(np.random.default_rng(7), (3, 4), (3,), (4,))
    limited = {"max_iterations": 1, "max_polish_steps": 0}
    with pytest.raises(argrad.SolverError, match="iteration limit"):
        layer(*values, solver_args=limited)
    expected = layer(*values)[0]
    torch.testing.assert_close(layer(*values, solver_args={"eps": 1e-9})[0], expected)
    with pytest.raises(TypeError, match="unknown solver setting 'eps'"):
        interface(eps=1e-3)
    with pytest.raises(ValueError, match='on_failure must be "raise"'):
        interface(on_failure="ignore")


def test_smoothed_derivative():
    # min 1/2 (x - c)^2, x >= 0 at c = 0: the derivative of the central path is 1/2.
    x, c = cp.Variable(), cp.Parameter()
    problem = cp.Problem(cp.Minimize(0.5 * cp.square(x - c)), [x >= 0])
    layer = CvxpyLayer(problem, [c], [x], solver=interface(derivative=("smoothed", 1e-4)))
    value = torch.tensor(0.0, requires_grad=True)
    layer(value)[0].backward()
    assert value.grad.item() == pytest.approx(0.5, abs=1e-6)


def test_without_gradients_nothing_is_kept():
    problem, parameters, variables = quadratic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    values = tensors(np.random.default_rng(8), (3, 4), (3,), (4,))
    expected = layer(*values)[0]
    with torch.no_grad():
        x, _ = layer(*values)
    torch.testing.assert_close(x, expected.detach(), atol=0, rtol=0)
    assert not x.requires_grad


def test_single_precision_parameters():
    problem, parameters, variables = quadratic()
    layer = CvxpyLayer(problem, parameters, variables, solver=interface())
    values = tensors(np.random.default_rng(9), (3, 4), (3,), (4,))
    single = [v.detach().float().requires_grad_() for v in values]
    layer(*values)[0].sum().backward()
    layer(*single)[0].sum().backward()
    for one, other in zip(single, values, strict=True):
        assert one.grad.dtype == torch.float32
        torch.testing.assert_close(one.grad.double(), other.grad, atol=1e-5, rtol=1e-5)


def test_not_set_up():
    with pytest.raises(RuntimeError, match="set up by CvxpyLayer"):
        interface().solve_numpy(None, np.zeros(3), np.zeros(3), object(), {}, False)


def test_jax_layer():
    jax = pytest.importorskip("jax")
    import jax.numpy as jnp
    from cvxpylayers.jax import CvxpyLayer as JaxLayer

    problem, parameters, variables = quadratic()
    layer = JaxLayer(problem, parameters, variables, solver=interface())
    reference = CvxpyLayer(problem, parameters, variables, solver=interface())
    for batch in ((), (3,)):
        values = tensors(np.random.default_rng(10), (3, 4), (3,), (4,), batch=batch)
        x, dual = reference(*values)
        (x.sin().sum() + dual.sum()).backward()
        arrays = [jnp.asarray(v.detach().numpy()) for v in values]

        def loss(*arrays):
            x, dual = layer(*arrays)
            return jnp.sin(x).sum() + dual.sum()

        np.testing.assert_allclose(layer(*arrays)[0], x.detach().numpy(), atol=1e-5)
        gradients = jax.grad(loss, argnums=(0, 1, 2))(*arrays)
        for found, value in zip(gradients, values, strict=True):
            # JAX is in single precision by default.
            np.testing.assert_allclose(found, value.grad.numpy(), atol=2e-5, rtol=2e-5)
