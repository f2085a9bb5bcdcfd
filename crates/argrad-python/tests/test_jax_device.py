"""JAX arrays that are solved where they are: the way of arrays on a card, through the kernels
compiled for the host, against the CPU's way."""

import warnings

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from function_examples import EXAMPLES

import argrad
from argrad import _core, _options
from argrad._errors import SolverWarning
from argrad._maps import Matrix
from argrad.jax import CvxpyLayer, _device, _ffi, _host, qp
from argrad.jax._device_maps import Rows

jax.config.update("jax_enable_x64", True)

NAMES = "QpGhAb"


@pytest.fixture
def on_card(monkeypatch):
    """Calls a function where arrays are taken for arrays on a card, of which nothing may reach the
    host."""

    def call(function, *arguments, refuse=True):
        def refused(*_, **__):
            raise AssertionError("an array was copied to the host")

        with _device.use_host_kernels(), monkeypatch.context() as within:
            if refuse:
                within.setattr(_host, "solve_program", refused)
                within.setattr(_host, "recall", refused)
            return jax.block_until_ready(function(*arguments))

    try:
        with _device.use_host_kernels():
            pass
    except argrad.DeviceError as error:
        pytest.skip(str(error))
    return call


@pytest.fixture
def fresh_warnings(monkeypatch):
    """Nothing was warned of yet."""
    monkeypatch.setattr(_options, "_warned", set())


def program(batch=5, n=4, k=3, e=1, seed=0, shared="", dtype=jnp.float64):
    """Random programs that are feasible at the origin, with some active constraints; the arguments
    in `shared` have no batch axis."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(batch, n, n))
    values = (
        root @ np.swapaxes(root, -1, -2) + np.eye(n),
        3 * rng.normal(size=(batch, n)),
        rng.normal(size=(batch, k, n)),
        0.1 + rng.random(size=(batch, k)),
        rng.normal(size=(batch, e, n)),
        0.1 * rng.normal(size=(batch, e)),
    )
    return [
        jnp.asarray(value[0] if name in shared else value, dtype)
        for name, value in zip(NAMES, values, strict=True)
    ]


def weighted(outputs):
    """A sum of all outputs with weights of their own."""
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return sum((jnp.cos(jnp.arange(o.size) + 1.0).reshape(o.shape) * o).sum() for o in outputs)


def both(solve, count):
    """Outputs, and gradients of a weighted sum of them, with respect to all arguments."""

    def loss(*given):
        outputs = solve(*given)
        return weighted(outputs), outputs

    return jax.value_and_grad(loss, argnums=tuple(range(count)), has_aux=True)


def agree(here, there, tolerance=1e-10):
    """Arrays, or lists of them, are the same up to rounding."""
    here, there = jax.tree.leaves(here), jax.tree.leaves(there)
    assert len(here) == len(there)
    for one, other in zip(here, there, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def compare(on_card, solve, arguments, tolerance=1e-10, wrap=jax.jit):
    """Both ways give the same."""
    function = both(solve, len(arguments))
    agree(on_card(wrap(function), *arguments), wrap(function)(*arguments), tolerance)


def duals(*given, **options):
    return qp(*given, duals=True, **options)


def plain(function):
    return function


either = pytest.mark.parametrize("wrap", [plain, jax.jit], ids=["plain", "jit"])


# Quadratic programs.


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"n": 1, "k": 1, "e": 0},
        {"k": 0},
        {"e": 0},
        {"k": 0, "e": 0},
        {"n": 18, "k": 20, "e": 4},
        {"batch": 1},
        {"batch": 0},
    ],
    ids=str,
)
def test_programs_of_every_shape_agree_with_the_cpu(on_card, sizes):
    compare(on_card, duals, program(**sizes))


@either
@pytest.mark.parametrize("shared", ["Q", "QGA", "p", "h", "GhAb", "Qb", "QpGhAb"])
def test_arguments_without_batch_axis_are_shared(on_card, shared, wrap):
    compare(on_card, duals, program(shared=shared), wrap=wrap)


def test_single_precision_is_computed_in_double(on_card):
    with jax.enable_x64(False):
        given = program(dtype=jnp.float32)
        compare(on_card, duals, given, 1e-6)
        lowered = on_card(lambda: jax.jit(duals).lower(*given).as_text())
    assert "argrad_device_solve" in lowered and "tensor<5x4xf64>" in lowered


def test_half_precision_is_that_of_the_cpu(on_card):
    compare(on_card, duals, program(dtype=jnp.float16), 2e-3)


def test_compiled_functions_call_the_core_and_no_python(on_card):
    function = jax.grad(lambda p, *rest: duals(rest[0], p, *rest[1:])[0].sum())
    q, p, *rest = program()
    text = on_card(lambda: jax.jit(function).lower(p, q, *rest).as_text())
    assert "argrad_device_solve" in text and "argrad_device_cotangents" in text
    assert "callback" not in text and "@argrad_solve" not in text


def test_a_bound_that_is_infinite_is_no_constraint(on_card):
    given = program()
    given[3] = given[3].at[0, 1].set(jnp.inf).at[1, 0].set(1e20)
    compare(on_card, duals, given)


@either
def test_transformations_are_those_of_the_cpu(on_card, wrap):
    q, p, *rest = program()
    one = program(shared=NAMES)
    mixed = program(shared="GAb")[2:]

    def loss(p, *given):
        return weighted(qp(given[0], p, *given[1:], duals=True))

    def stepped(p, *given):
        def step(p, _):
            z = qp(given[0], p, *given[1:])
            return p + 0.1 * z, z

        return jnp.cos(jax.lax.scan(step, p, None, length=3)[1]).sum()

    for function, given in (
        (jax.vmap(jax.grad(loss)), (p, q, *rest)),
        (jax.vmap(jax.grad(loss), (0, None, None, 0, None, None)), (p, one[0], *mixed)),
        (jax.jacrev(lambda p, *g: qp(g[0], p, *g[1:])), (one[1], one[0], *one[2:])),
        (jax.jacfwd(lambda p, *g: qp(g[0], p, *g[1:])), (one[1], one[0], *one[2:])),
        (jax.grad(stepped), (one[1], one[0], *one[2:])),
        (jax.grad(jax.checkpoint(loss)), (p, q, *rest)),
    ):
        agree(on_card(wrap(function), *given), wrap(function)(*given))


@either
def test_forward_mode_is_that_of_the_cpu(on_card, wrap):
    given = program(shared="Qh")
    moved = [jnp.cos(jnp.arange(value.size) + 1.0).reshape(value.shape) for value in given]
    moved[0] = moved[0] + moved[0].T

    # The matrix of the equalities stays.
    fixed, rest = given.pop(4), [*moved[:4], moved[5]]

    def forward(given, rest):
        def solve(q, p, g, h, b):
            return duals(q, p, g, h, fixed, b)

        return jax.jvp(solve, tuple(given), tuple(rest))

    agree(on_card(wrap(forward), given, rest), wrap(forward)(given, rest))


@either
def test_second_derivatives_are_solved_on_the_cpu(on_card, wrap):
    one = program(shared=NAMES)

    def loss(p):
        return jnp.cos(qp(one[0], p, *one[2:])).sum()

    function = wrap(jax.hessian(loss))
    agree(on_card(function, one[1], refuse=False), function(one[1]), 1e-8)


@either
def test_the_central_path_is_that_of_the_cpu(on_card, wrap):
    def smooth(*given):
        return duals(*given, derivative=("smoothed", 1e-3))

    compare(on_card, smooth, program(), 1e-9, wrap)


@either
def test_derivatives_by_a_finite_step_are_those_of_the_cpu(on_card, wrap):
    def solve(*given):
        return duals(*given, derivative=("lpgd", 0.1))

    compare(on_card, solve, program(), 1e-9, wrap)
    given = program()
    # Not along Q: a program beside a convex one may have many solutions.
    forward = wrap(
        lambda p, dp: jax.jvp(lambda p: solve(given[0], p, *given[2:]), (p,), (dp,)),
    )
    along = jnp.sin(given[1])
    agree(on_card(forward, given[1], along), forward(given[1], along), 1e-9)


def test_a_side_without_a_solution_is_a_sample_without_a_derivative(on_card):
    """x = b and x <= 1: a step of b to above has no solution."""
    one, b = jnp.ones((2, 1, 1)), jnp.array([[0.5], [1.0]])

    def dual(b, **how):
        given = (one, jnp.zeros((2, 1)), one, jnp.ones((2, 1)), one, b)
        return qp(*given, duals=True, derivative=("lpgd", 0.1), **how)[1].sum()

    with pytest.raises(argrad.SolverError, match="sample 1: primal infeasible"):
        on_card(jax.grad(dual), b)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grad = on_card(jax.grad(lambda b: dual(b, on_failure="nan")), b)
    assert jnp.isfinite(grad[0]).all() and jnp.isnan(grad[1]).all()


# Failures.


def infeasible():
    """Of which the third sample has no solution."""
    given = program()
    given[2] = given[2].at[2, 1].set(-given[2][2, 0])
    given[3] = given[3].at[2, :2].set(-1.0)
    return given


def test_a_sample_without_a_solution_is_named(on_card):
    with pytest.raises(argrad.SolverError, match="1 of 5 .*sample 2: primal infeasible") as caught:
        on_card(qp, *infeasible())
    assert caught.value.indices == [2] and caught.value.statuses == ["primal_infeasible"]
    with pytest.raises(RuntimeError, match="SolverError: 1 of 5 .*sample 2: primal infeasible"):
        on_card(jax.jit(qp), *infeasible())


@pytest.mark.parametrize("shared", ["", "Q", "pb"])
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_samples_without_a_solution_are_marked_as_on_the_cpu(on_card, on_failure, shared):
    given = [
        value[0] if name in shared else value
        for name, value in zip(NAMES, infeasible(), strict=True)
    ]
    solved = jnp.array([0, 1, 3, 4])

    def solve(*given):
        # Where a solver ended is its own affair.
        z = qp(*given, on_failure=on_failure)
        return z if on_failure == "nan" else z[solved]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)
        compare(on_card, solve, given)


def test_statuses_are_those_of_the_cpu(on_card):
    given = infeasible()
    layer = box(on_failure="nan")
    values = [given[1][:, 0], given[3][:, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)
        here = on_card(jax.jit(lambda *v: layer.with_status(*v)[1]), *values)
        there = layer.with_status(*values)[1]
    agree(here, there)
    assert _core.STATUS[int(here[2])] == "primal_infeasible"


def box(**options):
    """0 <= x <= width, nearest to a target; without a solution where the width is negative."""
    x, target, width = cp.Variable(), cp.Parameter(name="target"), cp.Parameter(name="width")
    problem = cp.Problem(cp.Minimize((x - target) ** 2), [x >= 0, x <= width])
    return CvxpyLayer(problem, [target, width], [x], **options)


def test_a_sample_at_a_limit_of_the_caller_has_no_derivative(on_card):
    given = program(n=20, k=30)
    limits = {"max_iterations": 1, "max_polish_steps": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)
        on_card(lambda *g: qp(*g, solver_args=limits), *given)
        with pytest.raises(argrad.SolverError, match="sample 0"):
            on_card(jax.grad(lambda *g: qp(*g, solver_args=limits).sum()), *given)


def spoiled(kind):
    """Malformed values."""
    given = program()
    at, place, value = {
        "nan": (2, (3, 1, 2), jnp.nan),
        "asymmetric": (0, (1, 0, 1), 7.0),
        "not convex": (0, 4, -jnp.eye(4)),
        "bound below": (3, (0, 0), -jnp.inf),
    }[kind]
    given[at] = given[at].at[place].set(value)
    return given


@either
@pytest.mark.parametrize("kind", ["nan", "asymmetric", "not convex", "bound below"])
def test_malformed_values_are_named_as_on_the_cpu(on_card, kind, wrap):
    said = []
    for call in (on_card, lambda function, *given: function(*given)):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            call(wrap(qp), *spoiled(kind))
        said.append(str(caught.value).split("ValueError: ")[-1].split("pivot")[0])
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"method": ("lsqr", 1e-12, 500)}, "lsqr"),
        ({"solver_args": {"time_limit": 10.0}}, "time limit"),
        ({"solver_args": {"engine": "sparse"}}, "an engine of the CPU"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@either
def test_what_a_card_does_not_serve_goes_to_the_cpu_with_one_warning(
    on_card, fresh_warnings, options, reason, wrap
):
    function = both(lambda *given: qp(*given, **options), 6)
    with pytest.warns(UserWarning, match=f"solved on the CPU.*{reason}"):
        found = on_card(wrap(function), *program(), refuse=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_card(wrap(function), *program(seed=1), refuse=False)
    agree(found, wrap(function)(*program()), 1e-9)


def test_a_card_that_cannot_be_used_is_warned_of(monkeypatch, fresh_warnings):
    def refuse(*_):
        raise _core.DeviceError("the driver is for CUDA 11.0")

    with _pretended_card(monkeypatch):
        monkeypatch.setattr(_device, "take", refuse)
        with pytest.warns(UserWarning, match=r"solved on the CPU.*CUDA 11\.0"):
            assert _device.served(_program_of(4)) is None


# Layers.


def portfolio(**options):
    """A layer with a scalar, vectors and a matrix as parameters, and a dual as output."""
    x = cp.Variable(3, name="x")
    factor = cp.Parameter((4, 3), name="factor")
    target = cp.Parameter(4, name="target")
    weight = cp.Parameter(nonneg=True, name="weight")
    limit = cp.Parameter(3, bounds=[0.0, 2.0], name="limit")
    budget = cp.sum(x) <= 1
    value = -cp.sum_squares(factor @ x - target) - weight * cp.norm1(x) + cp.sum(target)
    problem = cp.Problem(cp.Maximize(value), [x >= 0, x <= limit, budget])
    parameters = [factor, target, weight, limit]
    return CvxpyLayer(problem, parameters, [x, budget.dual_variables[0]], **options)


def values(batched, seed=0):
    """Parameters of the layer, those in `batched` with a batch axis."""
    rng = np.random.default_rng(seed)
    shapes = ((4, 3), (4,), (), (3,))
    return [
        jnp.asarray(rng.random(size=(5, *shape) if at in batched else shape))
        for at, shape in enumerate(shapes)
    ]


@either
@pytest.mark.parametrize("batched", [(), (0,), (1, 2), (3,), (0, 1, 2, 3)])
def test_layers_agree_with_the_cpu(on_card, batched, wrap):
    compare(on_card, portfolio(), values(batched), wrap=wrap)
    compare(on_card, portfolio(canon_backend="SCIPY"), values(batched), wrap=wrap)


def test_attributes_of_parameters_are_checked_where_they_are(on_card):
    layer = portfolio()
    for name, at, value in ((2, 3, -0.5), (3, (1, 2), 2.5), (0, (4, 0, 0), jnp.nan)):
        given = values((0, 1, 2, 3))
        given[name] = given[name].at[at].set(value)
        said = []
        for call in (on_card, lambda function, *given: function(*given)):
            with pytest.raises(ValueError) as caught:
                call(layer, *given)
            said.append(str(caught.value))
        assert said[0] == said[1]
    given = values((0, 1, 2, 3))
    given[2] = given[2].at[0].set(-1e-17)
    compare(on_card, layer, given)


def test_semidefinite_parameters_are_checked_where_they_are(on_card):
    x, matrix, q = cp.Variable(3), cp.Parameter((3, 3), PSD=True, name="S"), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, matrix) + q @ x), [cp.abs(x) <= 1])
    layer = CvxpyLayer(problem, [matrix, q], [x])
    root = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 2)))
    given = [root @ jnp.swapaxes(root, -1, -2) + 0.01 * jnp.eye(3), jnp.ones((4, 3))]
    compare(on_card, layer, given)
    # On the edge of what is promised, where a factor has a zero pivot.
    edge = root[:, :, :1] @ jnp.swapaxes(root[:, :, :1], -1, -2)
    on_card(layer, edge, given[1])
    given[0] = given[0].at[2].set(-jnp.eye(3))
    with pytest.raises(ValueError, match="S.* of sample 2 has the negative eigenvalue"):
        on_card(layer, *given)


def curved(name):
    """A problem whose cones are curved, with its parameter, its variable and whether it is one in
    logarithms."""
    if name == "geometric":
        x, weight = cp.Variable(2, pos=True), cp.Parameter(2, pos=True)
        objective = weight[0] / x[0] + weight[1] / x[1]
        return cp.Problem(cp.Minimize(objective), [x[0] * x[1] <= weight[1]]), weight, x, True
    if name == "semidefinite":
        x, target = cp.Variable((3, 3), PSD=True), cp.Parameter((3, 3))
        objective = cp.sum_squares(x - target)
        return cp.Problem(cp.Minimize(objective), [cp.trace(x) == 1]), target, x, False
    x, target = cp.Variable(3), cp.Parameter(3)
    if name == "norm":
        objective = cp.norm(x - target) + cp.sum(x)
        return cp.Problem(cp.Minimize(objective), [cp.norm(x) <= 1]), target, x, False
    objective = target @ x - cp.sum(cp.entr(x))
    return cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1]), target, x, False


@either
@pytest.mark.parametrize("name", ["norm", "entropy", "semidefinite", "geometric"])
def test_layers_with_curved_cones_agree_with_the_cpu(on_card, name, wrap):
    problem, parameter, variable, gp = curved(name)
    layer = CvxpyLayer(problem, [parameter], [variable], gp=gp)
    drawn = np.random.default_rng(2).random((5, *parameter.shape))
    given = jnp.asarray(1 + drawn if gp else 2 * drawn - 1)
    compare(on_card, layer, [given], wrap=wrap)
    forward = wrap(lambda x, t: jax.jvp(layer, (x,), (t,)))
    agree(on_card(forward, given, 0.1 * given), forward(given, 0.1 * given))
    if gp:
        with pytest.raises((ValueError, RuntimeError), match="must be positive"):
            on_card(wrap(layer), -given)


def test_products_of_parameters_stay_on_the_device(on_card):
    x = cp.Variable(3)
    left, right = cp.Parameter((2, 2)), cp.Parameter((2, 3))
    scale, each = cp.Parameter(nonneg=True), cp.Parameter(3, nonneg=True)
    constraints = [left @ right @ x <= 1, cp.multiply(each, x) * scale >= -1]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + cp.sum(right @ x)), constraints)
    layer = CvxpyLayer(problem, [left, right, scale, each], [x])
    rng = np.random.default_rng(3)
    for batched in ((0,), (1, 3), (0, 1, 2, 3)):
        shapes = ((2, 2), (2, 3), (), (3,))
        drawn = [rng.random((5, *s) if at in batched else s) for at, s in enumerate(shapes)]
        compare(on_card, layer, [jnp.asarray(4 * array) for array in drawn])


@pytest.mark.parametrize("name", EXAMPLES)
def test_functions_of_parameters_stay_on_the_device(on_card, name):
    x, parameter = cp.Variable(3), cp.Parameter(3, pos=True)
    target = EXAMPLES[name](cp, parameter)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - target)), [cp.sum(x) >= 1])
    layer = CvxpyLayer(problem, [parameter], [x])
    given = jnp.asarray(0.3 + 2 * np.random.default_rng(5).random((4, 3)))
    compare(on_card, layer, [given], wrap=jax.jit)

    def forward(given, tangent):
        return jax.jvp(layer, (given,), (tangent,))

    agree(on_card(forward, given, jnp.sin(given)), forward(given, jnp.sin(given)))


def test_other_functions_of_parameters_go_to_the_cpu(on_card, fresh_warnings):
    x, rates = cp.Variable(), cp.Parameter(2, name="rates")
    objective = cp.Minimize((x - cp.log_sum_exp(rates)) ** 2)
    layer = CvxpyLayer(cp.Problem(objective, [x >= 0]), [rates], [x])
    given = jnp.array([[0.0, 1.0], [1.0, 1.0]])
    with pytest.warns(UserWarning, match="found log_sum_exp"):
        (found,) = on_card(layer, given, refuse=False)
    np.testing.assert_allclose(found, jax.nn.logsumexp(given, axis=-1), rtol=1e-12)


@either
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_least_violations_are_those_of_the_cpu(on_card, norm, wrap):
    layer = box(on_infeasible=("elastic", norm, 1e4))
    given = [jnp.array([0.5, 2.0, -1.0, 3e3]), jnp.array([1.0, -3.0, 1.0, -2e3])]

    def solve(*given):
        (x, violation) = layer(*given, violation=True)
        return x, violation

    compare(on_card, solve, given, 1e-9, wrap)
    options = {"on_infeasible": ("elastic", norm, 1e4), "violation": True}
    compare(on_card, lambda *g: qp(*g, **options), infeasible(), 1e-7, wrap)


def test_a_parameter_that_the_program_does_not_read_has_no_gradient(on_card):
    x, read, unread = cp.Variable(2), cp.Parameter(2), cp.Parameter(3)
    objective = cp.sum_squares(x - read) + 0 * cp.sum(unread)
    layer = CvxpyLayer(cp.Problem(cp.Minimize(objective), [x >= 0]), [read, unread], [x])
    compare(on_card, layer, [jnp.ones((2, 2)), jnp.ones(3)])


# Processes with cards.


class _pretended_card:
    """JAX has a card, of which nobody asks anything."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch

    def __enter__(self):
        jax.clear_caches()
        self._patch.setattr(_device, "_card", lambda: 0)
        self._patch.setattr(_device, "take", lambda *_: None)
        for cached in (_device._served, _device._trouble):
            cached.cache_clear()

    def __exit__(self, *_):
        self._patch.undo()
        jax.clear_caches()
        for cached in (_device._served, _device._trouble):
            cached.cache_clear()


def _lowered_for_cuda(function, given):
    traced = jax.jit(function).trace(*given)
    return traced.lower(lowering_platforms=("cuda",)).as_text()


def test_functions_are_compiled_for_cards_where_there_is_one(monkeypatch):
    def loss(*given):
        return weighted(duals(*given))

    with _pretended_card(monkeypatch):
        text = _lowered_for_cuda(jax.value_and_grad(loss), program())
        both = jax.jit(loss).trace(*program()).lower(lowering_platforms=("cuda", "cpu")).as_text()
    assert "argrad_device_solve" in text and "argrad_device_cotangents" in text
    assert "callback" not in text and "@argrad_solve" not in text
    assert "argrad_device_solve" in both and "@argrad_solve" in both


@either
def test_the_cpu_takes_the_longer_tapes_of_a_process_with_cards(monkeypatch, wrap):
    def all_of_it(given):
        value, gradients = both(duals, 6)(*given)
        moved = [0.1 * value for value in given]
        return value, gradients, jax.jvp(duals, given, tuple(moved))

    one = tuple(program(n=18, shared=NAMES))
    given = tuple(program(n=18))
    hessian = jax.hessian(lambda p: jnp.cos(qp(one[0], p, *one[2:])).sum())
    expected = wrap(all_of_it)(given), wrap(hessian)(one[1])
    lone = wrap(all_of_it)(one)
    with _pretended_card(monkeypatch):
        longer = _device.tape_len(_program_of(18))
        found = wrap(all_of_it)(given), wrap(hessian)(one[1])
        assert longer > _program_of(18).flat_tape_len
        agree(wrap(all_of_it)(one), lone, 0.0)
    agree(found, expected, 0.0)


def _program_of(n):
    from argrad._policy import Policy
    from argrad.jax._qp import QpProgram

    return QpProgram(n, 3, 1, (), Policy("exact", "raise", "direct", False), True, 2.0**-52)


def test_a_handler_of_cards_that_is_called_elsewhere_says_so():
    handlers = _core.ffi_device_handlers(False)
    name = "argrad_device_solve_of_this_test"
    jax.ffi.register_ffi_target(name, handlers["argrad_device_solve"], platform="cpu")
    attributes = _ffi.attributes(_program_of(4), None, False)
    call = jax.ffi.ffi_call(name, [jax.ShapeDtypeStruct((1,), jnp.float64)])
    with pytest.raises(RuntimeError, match="XLA did not give .* to a handler"):
        jax.block_until_ready(call(jnp.ones(1), **attributes))


# Maps.


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (1, 40), (40, 1), (6, 6)])
def test_products_with_sparse_matrices_are_those_of_dense_ones(shape):
    rng = np.random.default_rng(shape[0])
    dense = rng.normal(size=shape) * (rng.random(size=shape) < 0.4)
    dense[0] = 0.0
    row, column = np.nonzero(dense)
    rows = Rows(Matrix(row, column, dense[row, column], shape))
    vectors = jnp.asarray(rng.normal(size=(3, shape[1])))
    np.testing.assert_allclose(rows(vectors), vectors @ dense.T, rtol=1e-12, atol=1e-12)
    _, back = jax.vjp(rows, vectors)
    cotangents = jnp.asarray(rng.normal(size=(3, shape[0])))
    agree(back(cotangents)[0], cotangents @ dense, 1e-12)
    agree(jax.jvp(rows, (vectors,), (vectors,))[1], rows(vectors), 0.0)
