"""Infeasible samples that violate their constraints least, `on_infeasible="elastic"`."""

import copy

import pytest

torch = pytest.importorskip("torch")
cp = pytest.importorskip("cvxpy")

from argrad import SolverError  # noqa: E402
from argrad.torch import CvxpyLayer, QpLayer, qp  # noqa: E402

DOUBLE = torch.float64
HALF = torch.tensor(0.5, dtype=DOUBLE)
TIGHT = {"tolerance": 1e-12}
both_norms = pytest.mark.parametrize("norm", ["l2", "l1"])


def randn(*shape, seed=0):
    """Reproducible normal numbers."""
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def tensor(*numbers):
    """Doubles."""
    return torch.tensor(numbers, dtype=DOUBLE)


# minimize z^2 / 2 + p z with low <= z <= high: the second and the fourth sample contradict.
HIGH, LOW = tensor(1.0, 1.0, 3.0, -1.0), tensor(0.0, 2.0, 1.0, 1.0)


def interval(p, high=HIGH, low=LOW, **options):
    """z, or what the options ask for."""
    one, G = torch.ones(1, 1, dtype=DOUBLE), tensor(1.0, -1.0)[:, None]
    return qp(one, p, G, torch.stack([high, -low], -1), **options)


@both_norms
def test_the_point_of_least_violation(norm):
    z, violation = interval(tensor(0.5), on_infeasible=("elastic", norm, 1e6), violation=True)
    # Squares meet halfway; sizes are equal in between, where the objective decides.
    expected = tensor(0.0, 1.5, 1.0, 0.0) if norm == "l2" else tensor(0.0, 1.0, 1.0, -0.5)
    assert torch.allclose(z[:, 0], expected, rtol=0, atol=1e-4)
    sizes = tensor(0.0, 0.5**0.5, 0.0, 2**0.5) if norm == "l2" else tensor(0.0, 1.0, 0.0, 2.0)
    assert torch.allclose(violation, sizes, rtol=0, atol=1e-4)


def test_feasible_samples_are_bitwise_what_they_are_without_it():
    p = tensor(0.5)
    feasible = [0, 2]
    alone = interval(p, HIGH[feasible], LOW[feasible])
    leaves = [t.clone().requires_grad_() for t in (HIGH, LOW)]
    z = interval(p, *leaves, on_infeasible="elastic")
    assert torch.equal(z[feasible], alone)
    one, G = torch.ones(1, 1, dtype=DOUBLE), tensor(1.0, -1.0)[:, None]
    everywhere = [HIGH[feasible], LOW[feasible]]
    assert torch.equal(interval(p, *everywhere, on_infeasible="elastic"), alone)
    grads = torch.autograd.grad(z.square().sum(), leaves)
    others = [t.clone().requires_grad_() for t in everywhere]
    expected = torch.autograd.grad(interval(p, *others).square().sum(), others)
    for grad, wanted in zip(grads, expected, strict=True):
        assert torch.equal(grad[feasible], wanted)
    with pytest.raises(SolverError, match="2 of 4 samples not solved: sample 1: primal infeasible"):
        qp(one, p, G, torch.stack([HIGH, -LOW], -1))


def program():
    """A batch of three with equalities that contradict each other in the last, where only p, h and
    b differ, and all arguments."""
    root = randn(3, 3)
    A = torch.cat([randn(1, 3, seed=4), randn(1, 3, seed=4)])
    b = tensor([0.1, 0.1], [0.2, 0.2], [0.3, -0.4])
    # Equal rows have no unique duals; these are nearly so, and contradict by far.
    A[1] += 0.3 * randn(3, seed=5)
    G = torch.cat([randn(2, 3, seed=2), torch.eye(3, dtype=DOUBLE), -torch.eye(3, dtype=DOUBLE)])
    h = torch.cat([0.5 + randn(3, 2, seed=3).abs(), 0.6 * torch.ones(3, 6, dtype=DOUBLE)], -1)
    b[2] = tensor(9.0, -9.0)
    return [root @ root.T + torch.eye(3, dtype=DOUBLE), randn(3, 3, seed=1), G, h, A, b]


def loss_of(values, norm, duals=True):
    """A scalar of all outputs."""
    *parts, violation = qp(
        0.5 * (values[0] + values[0].mT),
        *values[1:],
        duals=duals,
        violation=True,
        on_infeasible=("elastic", norm, 100.0),
        solver_args=TIGHT,
    )
    return sum(torch.tanh(part).sum() for part in parts) + violation.square().sum()


@both_norms
def test_gradients_are_the_differences(norm):
    values = program()
    leaves = [v.clone().requires_grad_() for v in values]
    grads = torch.autograd.grad(loss_of(leaves, norm), leaves)
    direction = [randn(*v.shape, seed=20 + k) for k, v in enumerate(values)]

    def at(t):
        return loss_of([v + t * d for v, d in zip(values, direction, strict=True)], norm)

    step = 1e-4
    expected = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    found = sum((g * d).sum() for g, d in zip(grads, direction, strict=True))
    assert abs(found - expected) <= 1e-7 * abs(expected)
    # Forward mode is the same.
    along = torch.func.jvp(lambda *v: loss_of(v, norm), tuple(values), tuple(direction))[1]
    assert abs(found - along) <= 1e-9 * abs(along)


@both_norms
def test_second_derivatives_are_the_differences_of_gradients(norm):
    values = program()
    direction = [randn(*v.shape, seed=30 + k) for k, v in enumerate(values)]

    def first(t, create_graph=False):
        leaves = [(v + t * d).requires_grad_() for v, d in zip(values, direction, strict=True)]
        return leaves, torch.autograd.grad(loss_of(leaves, norm), leaves, create_graph=create_graph)

    leaves, grads = first(0.0, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(grads, direction, strict=True))
    found = torch.cat([g.flatten() for g in torch.autograd.grad(along, leaves)])

    def at(t):
        return torch.cat([g.flatten() for g in first(t)[1]])

    step = 1e-4
    expected = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    assert (found - expected).norm() <= 1e-6 * expected.norm()


def test_info_names_what_is_violated():
    layer = QpLayer(
        1,
        2,
        Q=torch.ones(1, 1, dtype=DOUBLE),
        G=tensor(1.0, -1.0)[:, None],
        on_infeasible="elastic",
        violation=True,
    )
    _, violation = layer(tensor(0.5), torch.stack([HIGH, -LOW], -1))
    info = layer.info
    assert list(info["status"]) == ["solved"] * 4
    assert torch.equal(torch.from_numpy(info["violation"]), violation)
    assert list(info["violations"]) == ["Gz <= h"]
    assert list(info["violations"]["Gz <= h"] > 0) == [False, True, False, True]
    again = copy.deepcopy(layer)
    assert again.info is None
    assert torch.equal(again(tensor(0.5), torch.stack([HIGH, -LOW], -1))[1], violation)


def problem(weight):
    """The point of a ball on a line that is nearest to another, as a CVXPY layer."""
    x, a, b, r = cp.Variable(2), cp.Parameter(2), cp.Parameter(), cp.Parameter(nonneg=True)
    line, ball = a @ x == b, cp.norm(x) <= r
    objective = cp.Minimize(cp.sum_squares(x - 1) + cp.norm1(x))
    made = CvxpyLayer(
        cp.Problem(objective, [line, ball]),
        [a, b, r],
        [x],
        on_infeasible=("elastic", "l2", weight),
        solver_args=TIGHT,
    )
    return made, [tensor(1.0, 2.0), tensor(1.0, 50.0), tensor(1.0)[0]]


def test_atoms_hold_where_constraints_do_not():
    layer, values = problem(1e4)
    x, violation = layer(*values, violation=True)
    a, b, r = values
    # The line is 50 / sqrt(5) away, the ball one: squares of a @ x - b and |x| - r are least.
    lengths = (x.norm(dim=-1) - r).clamp(min=0)
    sizes = torch.sqrt((x @ a - b) ** 2 + lengths**2)
    assert violation[0] == 0
    assert abs(violation[1] - sizes[1]) <= 1e-6
    norm = 5**0.5
    best = (norm * 50 + 1) / (5 + 1) * a / norm
    assert torch.allclose(x[1], best, rtol=0, atol=1e-2)
    # What the objective has to say fades with the weight, but for the rounding of the price.
    lighter = problem(1e3)[0](*values)[0][1]
    assert 4.5 < (lighter - best).norm() / (x[1] - best).norm() < 22
    info = layer.info
    assert list(info["status"]) == ["solved", "solved"]
    by_name = info["violations"]
    assert len(by_name) == 2
    assert all(parts[0] == 0 and parts[1] > 1 for parts in by_name.values())


def test_gradients_of_a_cvxpy_layer_are_the_differences():
    layer, values = problem(1e3)
    direction = [tensor(0.3, -0.2), tensor(0.5, -0.4), tensor(0.7)[0]]

    def loss(*args):
        x, violation = layer(*args, violation=True)
        return torch.sin(x).sum() + violation.square().sum()

    leaves = [v.clone().requires_grad_() for v in values]
    grads = torch.autograd.grad(loss(*leaves), leaves)

    def at(t):
        return loss(*(v + t * d for v, d in zip(values, direction, strict=True)))

    step = 1e-4
    expected = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    found = sum((g * d).sum() for g, d in zip(grads, direction, strict=True))
    assert abs(found - expected) <= 1e-7 * abs(expected)
    again = copy.deepcopy(layer)
    assert torch.equal(again(*values)[0], layer(*values)[0])


def test_a_network_learns_to_be_feasible():
    """Demands that a network predicts must fit into what is there: at the start, they do not on
    about a third of the samples."""
    inputs = randn(60, 4, seed=1)
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 2).double()
    with torch.no_grad():
        network.weight.mul_(1.5)
        network.bias.copy_(tensor(0.3, 0.3))
    eye = torch.eye(2, dtype=DOUBLE)
    layer = QpLayer(
        2,
        3,
        Q=eye,
        G=torch.cat([-eye, torch.ones(1, 2, dtype=DOUBLE)]),
        on_infeasible="elastic",
        violation=True,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    infeasible = []
    for _ in range(200):
        demand = network(inputs)
        h = torch.cat([-demand, torch.ones(60, 1, dtype=DOUBLE)], -1)
        z, violation = layer(torch.zeros(2, dtype=DOUBLE), h)
        infeasible.append(int((violation > 0).sum()))
        loss = (z - 0.5).square().mean() + violation.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert 12 <= infeasible[0] <= 30
    assert infeasible[-1] == 0


def test_other_failures_are_what_they_were():
    # The first sample is unbounded, the second infeasible.
    Q, G = torch.zeros(1, 1, dtype=DOUBLE), tensor(1.0, -1.0)[:, None]
    h = tensor([1.0, float("inf")], [1.0, -2.0])
    with pytest.raises(SolverError, match="1 of 2 samples not solved: sample 0: dual infeasible"):
        qp(Q, tensor(1.0), G, h, on_infeasible="elastic")
    p = tensor(1.0).requires_grad_()
    z = qp(Q, p, G, h, on_infeasible="elastic", on_failure="nan")
    assert z[0].isnan()
    assert 1 <= z[1] <= 2
    z[1].sum().backward()
    assert torch.isfinite(p.grad).all()


@pytest.mark.parametrize(
    "value", ["soft", ("elastic",), ("elastic", "l3", 1.0), ("elastic", "l2", -1.0), None]
)
def test_bad_choices_are_named(value):
    with pytest.raises(ValueError, match="on_infeasible"):
        interval(tensor(0.5), on_infeasible=value)


def test_violations_need_the_elastic_choice():
    with pytest.raises(ValueError, match='violation=True needs on_infeasible="elastic"'):
        interval(tensor(0.5), violation=True)
    with pytest.raises(ValueError, match='violation=True needs on_infeasible="elastic"'):
        QpLayer(1, violation=True)


def bounds(norm):
    """`interval`, as a function of p and the bounds."""

    def model(p, high, low):
        z, violation = interval(
            2 * p, high, low, on_infeasible=("elastic", norm, 10.0), violation=True
        )
        return z.square().sum() + (violation * violation).sum()

    return model, (tensor(0.5), HIGH, LOW), (tensor(-0.3), LOW + 1.0, LOW)


def nearest(norm):
    """The nearest point of two sets, of which the first sample's do not meet."""
    x, center, radius = cp.Variable(3), cp.Parameter(3), cp.Parameter()
    constraints = [cp.norm(x) <= 1.0, cp.norm(x - center) <= radius]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), constraints)
    layer = CvxpyLayer(problem, [center, radius], [x], on_infeasible=("elastic", norm, 10.0))

    def model(center, radius):
        point, violation = layer(center, radius, violation=True)
        return point.square().sum() + violation.sum()

    apart, near = randn(2, 3) + tensor(3.0, 0.0, 0.0), randn(2, 3, seed=1)
    return model, (torch.cat((apart, near)), HALF), (near, HALF / 2)


@pytest.mark.filterwarnings("ignore")
@both_norms
@pytest.mark.parametrize("case", [bounds, nearest])
def test_whole_graphs_of_elastic_layers_give_the_bits_of_ordinary_pytorch(case, norm):
    model, *calls = case(norm)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for values in calls:
        both = []
        for function in (compiled, model):
            leaves = [value.clone().requires_grad_() for value in values]
            out = function(*leaves)
            both.append([out, *torch.autograd.grad(out, leaves)])
        assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
        with torch.no_grad():
            assert torch.equal(compiled(*values), model(*values))


@pytest.mark.filterwarnings("ignore")
def test_modules_in_graphs_report_violations():
    fixed = {"Q": torch.ones(1, 1).double(), "G": tensor(1.0, -1.0)[:, None]}
    layer = QpLayer(1, 2, **fixed, on_infeasible="elastic")
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    compiled(tensor(0.5), torch.stack([HIGH, -LOW], -1))
    assert ((layer.info["violation"] > 0.1) == [False, True, False, True]).all()


def test_exported_elastic_layers_solve_infeasible_samples():
    class Model(torch.nn.Module):
        def forward(self, p, high, low):
            return interval(p, high, low, on_infeasible="elastic")

    program = torch.export.export(Model(), (tensor(0.5), HIGH, LOW))
    assert torch.equal(program.module()(tensor(-0.2), LOW, HIGH), Model()(tensor(-0.2), LOW, HIGH))
