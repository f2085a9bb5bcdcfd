"""Second derivatives of layers in PyTorch: double backward, Hessians, forward over reverse."""

import pytest

torch = pytest.importorskip("torch")
cp = pytest.importorskip("cvxpy")

import torch.autograd.forward_ad as forward_ad  # noqa: E402
from torch.autograd import functional  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap  # noqa: E402

from argrad import SolverError, _options  # noqa: E402
from argrad.torch import CvxpyLayer, QpLayer, SecondDerivative, SolverWarning, qp  # noqa: E402

DOUBLE = torch.float64
TIGHT = {"tolerance": 1e-12}


def randn(*shape, seed=0):
    """Reproducible normal numbers."""
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def tensor(*numbers):
    """Doubles."""
    return torch.tensor(numbers, dtype=DOUBLE)


def quadratic():
    """`qp` as a function of a root of Q and of the other five arguments, duals included."""
    values = [
        randn(3, 3) + 2 * torch.eye(3, dtype=DOUBLE),
        3 * randn(3, seed=1),
        randn(2, 3, seed=2),
        0.1 + randn(2, seed=3).abs(),
        randn(1, 3, seed=4),
        0.1 * randn(1, seed=5),
    ]

    def function(root, *others):
        return torch.cat(qp(root @ root.T, *others, duals=True, solver_args=TIGHT))

    return function, values


def layer_of(problem, parameters, variables, **options):
    """A layer as a function with one vector as its result."""
    made = CvxpyLayer(problem, parameters, variables, solver_args=TIGHT, **options)
    return lambda *values: torch.cat([part.flatten() for part in made(*values)])


def second_order_cone():
    x, a, b = cp.Variable(3), cp.Parameter((4, 3)), cp.Parameter(4)
    ball = cp.norm(x) <= 0.7
    problem = cp.Problem(cp.Minimize(cp.sum_squares(a @ x - b) + 0.1 * cp.sum_squares(x)), [ball])
    values = [randn(4, 3), 3 * randn(4, seed=1)]
    return layer_of(problem, [a, b], [x, ball.dual_variables[0]]), values


def semidefinite():
    x, c = cp.Variable((3, 3), symmetric=True), cp.Parameter((3, 3))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)), [x >> 0, cp.trace(x) == 1])
    return layer_of(problem, [c], [x]), [randn(3, 3, seed=3)]


def exponential():
    x, c = cp.Variable(3), cp.Parameter(3)
    objective = c @ x - cp.sum(cp.entr(x)) + cp.logistic(x[0])
    return layer_of(cp.Problem(cp.Minimize(objective), [cp.sum(x) == 1]), [c], [x]), [randn(3)]


def power():
    x, c = cp.Variable(2), cp.Parameter(2)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(x - c)),
        [cp.constraints.PowCone3D(x[0], x[1], cp.Constant(1.0), 0.3)],
    )
    return layer_of(problem, [c], [x]), [tensor(0.2, 0.4)]


def generalized_power():
    x, c = cp.Variable(3), cp.Parameter(3)
    cone = cp.constraints.PowConeND(x, cp.Constant(1.0), cp.Constant([0.2, 0.3, 0.5]))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - c)), [cone])
    return layer_of(problem, [c], [x]), [tensor(0.2, 0.4, 0.7)]


def geometric():
    """Logarithms of parameters, exponentials of variables."""
    x, y = cp.Variable(pos=True), cp.Variable(2, pos=True)
    a, c = cp.Parameter(2, pos=True), cp.Parameter(pos=True)
    objective = a[0] * x + y[0] + 2 * y[1] + 1 / (x * y[0])
    problem = cp.Problem(cp.Minimize(objective), [y[1] * x >= a[1], x**0.5 <= c * y[0]])
    values = [1.0 + randn(seed=1).abs(), 0.5 + randn(2).abs()]
    return layer_of(problem, [c, a], [x, y], gp=True), values


CASES = [
    quadratic,
    second_order_cone,
    semidefinite,
    exponential,
    power,
    generalized_power,
    geometric,
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)


def loss_of(function):
    """A scalar whose Hessian has all parts: that of the layer and that of what follows it."""

    def loss(*values):
        out = function(*values)
        return (torch.linspace(0.5, 1.5, len(out), dtype=DOUBLE) * (out + out**2)).sum()

    return loss


def gradient(loss, values, create_graph=False):
    """By ordinary autograd."""
    leaves = [v.clone().requires_grad_() for v in values]
    return leaves, torch.autograd.grad(loss(*leaves), leaves, create_graph=create_graph)


def product(loss, values, direction):
    """The Hessian times a direction, by double backward."""
    leaves, first = gradient(loss, values, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(first, direction, strict=True))
    return torch.autograd.grad(along, leaves)


def joined(parts):
    """Tensors as one vector."""
    return torch.cat([part.flatten() for part in parts])


@every_case
def test_hessian_times_direction_is_the_difference_of_gradients(case):
    function, values = case()
    loss = loss_of(function)
    direction = [randn(*v.shape, seed=20 + i) for i, v in enumerate(values)]

    def at(t):
        moved = [v + t * d for v, d in zip(values, direction, strict=True)]
        return joined(gradient(loss, moved)[1])

    step = 1e-3
    # Sixth order: what is left of the step is below the rounding of the solutions.
    near, mid, far = (at(k * step) - at(-k * step) for k in (1, 2, 3))
    expected = (45 * near - 9 * mid + far) / (60 * step)
    found = joined(product(loss, values, direction))
    assert (found - expected).norm() <= 1e-7 * expected.norm()
    assert expected.norm() > 1e-3


@every_case
def test_every_way_gives_the_same_hessian(case):
    function, values = case()
    loss = loss_of(function)
    last = len(values) - 1

    def of_last(value):
        return loss(*values[:last], value)

    size = values[last].numel()
    shape = (*values[last].shape, *values[last].shape)
    units = torch.eye(size, dtype=DOUBLE).reshape(size, *values[last].shape)
    rows = [product(of_last, [values[last]], [unit])[0] for unit in units]
    expected = torch.stack(rows).reshape(shape)
    bound = 1e-9 * expected.abs().max()
    ways = {
        "hessian": hessian(of_last),
        "reverse over reverse": jacrev(jacrev(of_last)),
        "reverse over forward": jacrev(jacfwd(of_last)),
        "forward over forward": jacfwd(jacfwd(of_last)),
        "functional": lambda v: functional.hessian(of_last, v),
        "vectorized": lambda v: functional.hessian(of_last, v, vectorize=True),
    }
    for name, way in ways.items():
        assert (way(values[last]) - expected).abs().max() <= bound, name
    assert (expected - expected.reshape(size, size).T.reshape(shape)).abs().max() <= bound


@pytest.mark.parametrize("case", [quadratic, second_order_cone, geometric])
def test_gradgradcheck(case):
    function, values = case()
    leaves = [v.clone().requires_grad_() for v in values]
    assert torch.autograd.gradgradcheck(
        function, leaves, eps=1e-5, atol=1e-6, check_fwd_over_rev=True
    )


def test_forward_over_reverse_outside_of_transforms():
    function, values = quadratic()
    loss = loss_of(function)
    direction = [randn(*v.shape, seed=30 + i) for i, v in enumerate(values)]
    leaves = [v.clone().requires_grad_() for v in values]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(v, d) for v, d in zip(leaves, direction, strict=True)]
        first = torch.autograd.grad(loss(*duals), duals)
        found = joined([forward_ad.unpack_dual(g).tangent for g in first])
    expected = joined(product(loss, values, direction))
    assert (found - expected).norm() <= 1e-9 * expected.norm()
    _, found = jvp(grad(loss, tuple(range(len(values)))), tuple(values), tuple(direction))
    assert (joined(found) - expected).norm() <= 1e-9 * expected.norm()


def test_reverse_over_forward_outside_of_transforms():
    function, values = quadratic()
    loss = loss_of(function)
    direction = [randn(*v.shape, seed=30 + i) for i, v in enumerate(values)]
    leaves = [v.clone().requires_grad_() for v in values]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(v, d) for v, d in zip(leaves, direction, strict=True)]
        along = forward_ad.unpack_dual(loss(*duals)).tangent
        found = joined(torch.autograd.grad(along, leaves))
    expected = joined(product(loss, values, direction))
    assert (found - expected).norm() <= 1e-9 * expected.norm()


BATCH = 3


def many():
    """A batch of quadratic programs, of which only p and h differ."""
    function, values = quadratic()
    values[1], values[3] = 3 * randn(BATCH, 3, seed=6), 0.1 + randn(BATCH, 2, seed=7).abs()

    def batched(root, *others):
        return torch.cat(qp(root @ root.T, *others, duals=True, solver_args=TIGHT), -1)

    return function, batched, values, (None, 0, None, 0, None, None)


def test_second_derivatives_of_shared_arguments_are_summed():
    function, batched, values, dims = many()
    direction = [randn(*v.shape, seed=40 + i) for i, v in enumerate(values)]

    def sample(of, k):
        return [v[k] if d == 0 else v for v, d in zip(of, dims, strict=True)]

    def loss(*args):
        return function(*args).square().sum()

    def total(*args):
        return batched(*args).square().sum()

    each = [product(loss, sample(values, k), sample(direction, k)) for k in range(BATCH)]
    expected = [
        torch.stack(column) if d == 0 else sum(column)
        for column, d in zip(zip(*each, strict=True), dims, strict=True)
    ]
    found = product(total, values, direction)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)
    # Through vmap, by double backward around it and by transforms inside of it.
    through = product(lambda *a: vmap(loss, dims)(*a).sum(), values, direction)
    assert torch.allclose(joined(through), joined(expected), rtol=1e-10, atol=1e-10)
    inner = vmap(hessian(loss, 1), dims)(*values)
    for k in range(BATCH):
        alone = hessian(loss, 1)(*sample(values, k))
        assert torch.allclose(inner[k], alone, rtol=0, atol=1e-10 * alone.abs().max())


def test_second_derivatives_of_modules():
    root, p, G, h, *_ = quadratic()[1]
    module = QpLayer(3, 2, Q=torch.nn.Parameter(root @ root.T), G=G, h=h)
    z = module(p.clone().requires_grad_())
    (first,) = torch.autograd.grad(z.square().sum(), module.Q, create_graph=True)
    first.square().sum().backward()

    def penalty(Q):
        leaf = Q.clone().requires_grad_()
        z = qp(leaf, p, G, h)
        return torch.autograd.grad(z.square().sum(), leaf)[0].square().sum()

    with torch.no_grad():
        direction = randn(3, 3, seed=9)
        direction = direction + direction.T
        Q, step = module.Q.detach(), 1e-4
    difference = (penalty(Q + step * direction) - penalty(Q - step * direction)) / (2 * step)
    assert abs((module.Q.grad * direction).sum() - difference) <= 1e-6 * abs(difference)


# Kinks: minimize |z|^2 / 2 + p'z with z <= 0. At p = 0 the constraint is active without a dual.
KINKED = tensor([-1.0], [0.0], [1.0])


def kinked(p, **options):
    """The squares of the solutions."""
    one, zero = torch.ones(1, 1, dtype=DOUBLE), torch.zeros(1, dtype=DOUBLE)
    return qp(one, p, one, zero, **options).square()


def test_kinks_are_refused_by_sample():
    p = KINKED.clone().requires_grad_()
    (first,) = torch.autograd.grad(kinked(p).sum(), p, create_graph=True)
    with pytest.raises(SolverError, match=r"1 of 3 samples have no second derivative.*sample 1"):
        first.sum().backward()
    with pytest.raises(SolverError, match=r"no second derivative.*kink"):
        hessian(lambda p: kinked(p).sum())(KINKED)


@pytest.mark.parametrize(("choice", "value"), [("nan", torch.nan), ("zero", 0.0)])
def test_kinks_harm_no_other_sample(choice, value, monkeypatch):
    monkeypatch.setattr(_options, "_warned", set())
    with pytest.warns(SolverWarning, match=r"1 of 3 samples have no second derivative.*sample 1"):
        (found,) = product(
            lambda p: kinked(p, on_failure=choice).sum(), [KINKED], [torch.ones_like(KINKED)]
        )
    # z = -p where p > 0, else 0: the second derivatives of z^2 are 2 and 0.
    assert torch.equal(torch.isnan(found[1]), torch.isnan(tensor(value)))
    assert abs(found[0]) <= 1e-12
    assert abs(found[2] - 2) <= 1e-12


def test_third_derivatives_are_refused():
    function, values = quadratic()

    def loss(p):
        return function(values[0], p, *values[2:]).square().sum()

    for third in (
        lambda: jacrev(hessian(loss))(values[1]),
        lambda: jacfwd(hessian(loss))(values[1]),
        lambda: functional.jacobian(
            lambda p: functional.hessian(loss, p, create_graph=True), values[1]
        ),
    ):
        with pytest.raises(SecondDerivative, match="third derivatives are not available"):
            third()


@pytest.mark.parametrize(
    "options", [{"derivative": ("smoothed", 1e-3)}, {"method": ("lsqr", 1e-10, 100)}]
)
def test_other_derivatives_have_no_second_one(options):
    p = tensor(1.0).requires_grad_()
    (first,) = torch.autograd.grad(kinked(p, **options).sum(), p, create_graph=True)
    with pytest.raises(SecondDerivative, match='derivative="exact" with method="direct"; found'):
        first.sum().backward()
