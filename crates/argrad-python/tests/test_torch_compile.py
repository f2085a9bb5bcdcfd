"""Layers in graphs: torch.compile without a break, torch.export, the operators behind them."""

import io

import pytest

torch = pytest.importorskip("torch")
cp = pytest.importorskip("cvxpy")

from argrad import SolverError  # noqa: E402
from argrad.torch import CvxpyLayer, QpLayer, _qp, _targets, qp  # noqa: E402

DOUBLE = torch.float64
BATCH = 4

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def fresh():
    """No graphs of other tests."""
    torch._dynamo.reset()


def randn(*shape, seed=0):
    """Reproducible normal numbers."""
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def quadratic():
    """`qp` with duals, and values for six arguments; p and h have more of them along a batch."""
    root = randn(4, 4)
    values = [
        root @ root.T + torch.eye(4, dtype=DOUBLE),
        3 * randn(4, seed=1),
        randn(3, 4, seed=2),
        0.1 + randn(3, seed=3).abs(),
        randn(1, 4, seed=4),
        0.1 * randn(1, seed=5),
    ]
    many = list(values)
    many[1], many[3] = 3 * randn(BATCH, 4, seed=6), 0.1 + randn(BATCH, 3, seed=7).abs()
    return lambda *a: torch.cat(qp(*a, duals=True), -1), values, many


def contradicting():
    """`quadratic`, elastic; the second sample's inequalities contradict each other."""
    function, values, many = quadratic()
    values[2] = torch.cat((values[2], -values[2]))
    slack = torch.ones(BATCH, 3, dtype=DOUBLE)
    slack[1] = -1.0
    h = torch.cat((many[3], slack), -1)
    values[3], many = h[1], [values[0], many[1], values[2], h, *values[4:]]
    elastic = {"duals": True, "on_infeasible": "elastic"}
    return lambda *a: torch.cat(qp(*a, **elastic), -1), values, many


def unconstrained():
    """Without inequalities and equalities."""
    values = [2 * torch.eye(3, dtype=DOUBLE), randn(3)]
    return qp, values, [values[0], randn(BATCH, 3)]


def module():
    """A `QpLayer` of which p is fed."""
    made = QpLayer(3, 3, Q=torch.eye(3, dtype=DOUBLE), G=-torch.eye(3, dtype=DOUBLE))
    return (
        made,
        [randn(3), torch.zeros(3, dtype=DOUBLE)],
        [randn(BATCH, 3), torch.zeros(3).double()],
    )


def second_order_cone():
    """A layer of CVXPY with two outputs, of which one is a dual."""
    x, a, b = cp.Variable(3), cp.Parameter((4, 3)), cp.Parameter(4)
    ball = cp.norm(x) <= 0.7
    problem = cp.Problem(cp.Minimize(cp.sum_squares(a @ x - b) + 0.1 * cp.sum_squares(x)), [ball])
    made = CvxpyLayer(problem, [a, b], [x, ball.dual_variables[0]])
    values = [randn(4, 3), 3 * randn(4, seed=1)]
    return made, values, [values[0], 3 * randn(BATCH, 4, seed=2)]


def geometric():
    """Logarithms of parameters, exponentials of variables."""
    x, y = cp.Variable(pos=True), cp.Variable(2, pos=True)
    a, c = cp.Parameter(2, pos=True), cp.Parameter(pos=True)
    objective = a[0] * x + y[0] + 2 * y[1] + 1 / (x * y[0])
    problem = cp.Problem(cp.Minimize(objective), [y[1] * x >= a[1], x**0.5 <= c * y[0]])
    made = CvxpyLayer(problem, [a, c], [x, y], gp=True)
    values = [0.5 + randn(2).abs(), 1.0 + randn(seed=1).abs()]
    return made, values, [0.5 + randn(BATCH, 2, seed=2).abs(), values[1]]


CASES = [quadratic, contradicting, unconstrained, module, second_order_cone, geometric]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)


def model_of(function):
    """The layer between other operations, with one tensor as its result."""

    def model(*args):
        result = function(*(1.5 * a for a in args))
        parts = result if isinstance(result, tuple) else (result,)
        return sum(torch.tanh(part).sum() for part in parts)

    return model


def gradients(function, values):
    """The value, and all gradients."""
    leaves = [v.clone().requires_grad_() for v in values]
    out = function(*leaves)
    return [out, *torch.autograd.grad(out, leaves)]


@every_case
def test_a_whole_graph_gives_the_bits_of_ordinary_pytorch(case):
    function, values, many = case()
    model = model_of(function)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    other = [2 * v for v in values]
    for args in (values, many, other):
        for found, expected in zip(gradients(compiled, args), gradients(model, args), strict=True):
            assert torch.equal(found, expected)
        with torch.no_grad():
            assert torch.equal(compiled(*args), model(*args))


def test_inductor_makes_a_whole_graph_too():
    function, _, many = quadratic()
    model = model_of(function)
    compiled = torch.compile(model, fullgraph=True)
    found, expected = gradients(compiled, many), gradients(model, many)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-13, atol=1e-13)


def test_a_batch_may_have_any_size_in_one_graph():
    function, _, many = quadratic()
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(function, backend=count, fullgraph=True, dynamic=True)
    for size in (2, 3, 5):
        args = [v[:1].expand(size, *v.shape[1:]) if k in (1, 3) else v for k, v in enumerate(many)]
        assert torch.equal(compiled(*args), function(*args))
    assert len(graphs) == 1


def spec_and_tensors(case):
    """What the operators take for a case."""
    function, values, many = case()
    if case in (quadratic, contradicting):
        options = (True, "exact", "raise", "direct", None)
        return _qp._spec((True,) * 6, *options, None, False, "elastic"), values, many
    problem = _targets.problem_of(function._compiled)
    target = _targets.Target(problem, (), False, (), function._policy, "", False)
    return _targets.spec_of(target), values, many, function


@pytest.mark.parametrize("case", [quadratic, contradicting, second_order_cone, geometric])
def test_operators_pass_the_checks_of_pytorch(case):
    spec, *sets = spec_and_tensors(case)
    for values in sets[:2]:
        leaves = [v.clone().requires_grad_() for v in values]
        torch.library.opcheck(torch.ops.argrad.solve, (spec, True, leaves))
        torch.library.opcheck(torch.ops.argrad.solve, (spec, False, list(values)))
        *outputs, tape = torch.ops.argrad.solve(spec, True, list(values))
        cotangents = [randn(*out.shape, seed=9) for out in outputs]
        needed = [True] * (len(values) - 1) + [False]
        torch.library.opcheck(torch.ops.argrad.vjp, (spec, tape, list(values), cotangents, needed))


@pytest.mark.parametrize("case", [quadratic, second_order_cone])
def test_gradcheck_of_the_operator(case):
    spec, values, *_ = spec_and_tensors(case)

    def function(*args):
        first = 0.5 * (args[0] + args[0].T) if case is quadratic else args[0]
        return tuple(torch.ops.argrad.solve(spec, True, [first, *args[1:]])[:-1])

    leaves = [v.clone().requires_grad_() for v in values]
    assert torch.autograd.gradcheck(function, leaves, eps=1e-5, atol=1e-6)


def test_vmap_in_a_graph_is_one_batch():
    function, _, many = quadratic()
    dims = (None, 0, None, 0, None, None)

    def model(*args):
        return torch.vmap(function, in_dims=dims)(*args).square().sum()

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for found, expected in zip(gradients(compiled, many), gradients(model, many), strict=True):
        assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_derivatives_of_torch_func_leave_the_graph():
    function, values, _ = quadratic()

    def loss(p):
        return function(values[0], p, *values[2:]).square().sum()

    for way in (
        torch.func.grad(loss),
        lambda p: torch.func.jvp(loss, (p,), (p,))[1],
        lambda p: torch.vmap(torch.func.grad(loss))(torch.stack([p, 2 * p])),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(way, backend="aot_eager")
        assert torch.allclose(compiled(values[1]), way(values[1]), rtol=1e-12, atol=1e-12)


def infeasible(p, **options):
    """Second sample: z <= -1 and z >= 1."""
    one = torch.ones(1, 1, dtype=DOUBLE)
    G = torch.tensor([[1.0], [-1.0]], dtype=DOUBLE)
    h = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [2.0, 1.0]], dtype=DOUBLE)
    return qp(one, p, G, h, **options)


def test_failures_in_a_graph_are_what_they_are_outside():
    p = torch.tensor([-3.0], dtype=DOUBLE)
    compiled = torch.compile(infeasible, backend="aot_eager", fullgraph=True)
    with pytest.raises(SolverError, match="1 of 3 samples not solved: sample 1: primal infeas"):
        compiled(p)
    leaf = p.clone().requires_grad_()
    found = compiled(leaf, on_failure="nan")
    assert torch.equal(found.isnan().flatten(), torch.tensor([False, True, False]))
    found[[0, 2]].sum().backward()
    assert torch.equal(leaf.grad, torch.zeros(1, dtype=DOUBLE))
    with pytest.raises(ValueError, match="p must be finite|p: .*NaN|not finite"):
        compiled(torch.tensor([float("nan")], dtype=DOUBLE), on_failure="nan")


def test_wrong_shapes_are_named_when_the_graph_is_made():
    compiled = torch.compile(qp, backend="aot_eager", fullgraph=True)
    with pytest.raises(Exception, match=r"G must have shape \(k, 2\)"):
        compiled(torch.eye(2), torch.zeros(2), torch.zeros(3, 3), torch.zeros(3))


def test_modules_report_and_start_warm_from_within_a_graph():
    made, values, _ = second_order_cone()
    compiled = torch.compile(made, backend="aot_eager", fullgraph=True)
    compiled(*values)
    assert list(made.info["status"]) == ["solved"]
    assert not made.info["warm_started"][0]
    compiled(*values, warm_start=True)
    assert made.info["warm_started"][0]
    layer, values, _ = module()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    compiled(*values)
    assert list(layer.info["status"]) == ["solved"]


@every_case
def test_exported_programs_give_the_same_bits(case):
    function, values, many = case()

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = function if isinstance(function, torch.nn.Module) else None

        def forward(self, *args):
            return function(*args)

    with torch.no_grad():
        exported = torch.export.export(Model(), tuple(many))
        stream = io.BytesIO()
        torch.export.save(exported, stream)
        stream.seek(0)
        again = torch.export.load(stream).module()
        found, expected = again(*many), function(*many)
    for one, other in zip(
        found if isinstance(found, tuple) else (found,),
        expected if isinstance(expected, tuple) else (expected,),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_an_exported_cvxpy_problem_needs_its_layer():
    spec, values, _, made = spec_and_tensors(second_order_cone)
    other = spec.replace(_targets.problem_of(made._compiled), "0" * 32)
    with pytest.raises(RuntimeError, match="of which this process has no layer; make the CvxpyL"):
        torch.ops.argrad.solve(other, False, values)


def test_the_same_problem_made_again_is_found():
    first, second = second_order_cone()[0], second_order_cone()[0]
    digests = {_targets.problem_of(made._compiled) for made in (first, second)}
    assert len(digests) == 1
    assert _targets.problem_of(geometric()[0]._compiled) not in digests


def test_an_exported_module_takes_batches_of_any_size():
    layer, _, (p, h) = module()
    sizes = ({0: torch.export.Dim("batch", min=1, max=1000)}, None)
    with torch.no_grad():
        exported = torch.export.export(layer, (p, h), dynamic_shapes=(sizes,)).module()
        for batch in (1, 3, 7):
            points = randn(batch, 3, seed=batch)
            assert torch.equal(exported(points, h), layer(points, h))
