"""torch.func, forward mode and torch.compile over layers."""

import pytest

torch = pytest.importorskip("torch")
cp = pytest.importorskip("cvxpy")

import torch.autograd.forward_ad as forward_ad  # noqa: E402
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

from argrad import _core  # noqa: E402
from argrad.torch import CvxpyLayer, QpLayer, qp  # noqa: E402

DOUBLE = torch.float64
BATCH = 4


def randn(*shape, seed=0):
    """Reproducible normal numbers."""
    return torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def quadratic():
    """`qp`, and values for six arguments; p and h have more of them along a batch."""
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
    return qp, values, many, (None, 0, None, 0, None, None)


def layer():
    """A second-order cone program from CVXPY with two outputs, of which one is a dual."""
    x, a, b = cp.Variable(3), cp.Parameter((4, 3)), cp.Parameter(4)
    ball = cp.norm(x) <= 0.7
    problem = cp.Problem(cp.Minimize(cp.sum_squares(a @ x - b) + 0.1 * cp.sum_squares(x)), [ball])
    made = CvxpyLayer(problem, [a, b], [x, ball.dual_variables[0]])
    values = [randn(4, 3), 3 * randn(4, seed=1)]
    return made, values, [values[0], 3 * randn(BATCH, 4, seed=2)], (None, 0)


def geometric():
    """A geometric program: logarithms of parameters, exponentials of variables."""
    x, y = cp.Variable(pos=True), cp.Variable(2, pos=True)
    a, c = cp.Parameter(2, pos=True), cp.Parameter(pos=True)
    objective = a[0] * x + y[0] + 2 * y[1] + 1 / (x * y[0])
    problem = cp.Problem(cp.Minimize(objective), [y[1] * x >= a[1], x**0.5 <= c * y[0]])
    made = CvxpyLayer(problem, [a, c], [x, y], gp=True)
    values = [0.5 + randn(2).abs(), 1.0 + randn(seed=1).abs()]
    return made, values, [0.5 + randn(BATCH, 2, seed=2).abs(), values[1]], (0, None)


def flat(function):
    """A function with one tensor as its result."""

    def run(*args):
        result = function(*args)
        if isinstance(result, tuple):
            return torch.cat([r.reshape(-1) for r in result])
        return result

    return run


CASES = [quadratic, layer, geometric]
both = pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)


def close(one, two, atol=1e-12):
    """Equal up to rounding, tuples too."""
    if isinstance(one, tuple):
        return all(close(a, b, atol) for a, b in zip(one, two, strict=True))
    return one.shape == two.shape and torch.allclose(one, two, rtol=0, atol=atol)


def jacobians(function, values):
    """Jacobians row by row by ordinary autograd."""
    leaves = [v.clone().requires_grad_() for v in values]
    out = function(*leaves)
    rows = [torch.autograd.grad(out[i], leaves, retain_graph=True) for i in range(len(out))]
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


@both
def test_jacobians_by_all_ways(case):
    function, values, _, _ = case()
    function = flat(function)
    expected = jacobians(function, values)
    positions = tuple(range(len(values)))
    assert close(jacrev(function, positions)(*values), expected)
    assert close(jacfwd(function, positions)(*values), expected, atol=1e-11)
    for vectorize in (False, True):
        found = torch.autograd.functional.jacobian(function, tuple(values), vectorize=vectorize)
        assert close(found, expected)


@both
def test_jvp_and_vjp(case):
    function, values, _, _ = case()
    function = flat(function)
    expected = jacobians(function, values)
    tangents = [randn(*v.shape, seed=40 + i) for i, v in enumerate(values)]
    wanted = sum(
        (j.reshape(len(j), -1) @ t.flatten()) for j, t in zip(expected, tangents, strict=True)
    )
    out, tangent = jvp(function, tuple(values), tuple(tangents))
    assert close(out, function(*values), atol=1e-13)
    assert close(tangent, wanted, atol=1e-11)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(v, t) for v, t in zip(values, tangents, strict=True)]
        assert close(forward_ad.unpack_dual(function(*duals)).tangent, wanted, atol=1e-11)
    out, pull = vjp(function, *values)
    weights = randn(*out.shape, seed=50)
    wanted = tuple(torch.tensordot(weights, j, 1) for j in expected)
    assert close(pull(weights), wanted, atol=1e-11)


@both
def test_vmap_is_one_batch(case, monkeypatch):
    function, _, many, dims = case()
    expected = function(*many)
    calls = []
    import argrad.torch._call as machinery

    solve = machinery.Call.solve
    monkeypatch.setattr(
        machinery.Call,
        "solve",
        lambda self, batch, *a: calls.append(batch) or solve(self, batch, *a),
    )
    got = vmap(function, in_dims=dims)(*many)
    assert calls == [BATCH]
    assert close(got, expected, atol=0)
    moved = [m.movedim(0, -1) if d == 0 else m for m, d in zip(many, dims, strict=True)]
    last = tuple(None if d is None else -1 for d in dims)
    assert close(vmap(function, in_dims=last)(*moved), expected, atol=0)


@both
def test_vmap_of_a_batch_and_of_vmap(case):
    function, _, many, dims = case()
    function = flat(function) if case is quadratic else (lambda *a: layer_[0](*a)[0])
    layer_ = [case()[0]]
    stacked = [torch.stack([m, 1.1 * m]) if d == 0 else m for m, d in zip(many, dims, strict=True)]
    expected = torch.stack(
        [
            function(*many),
            function(*(1.1 * m if d == 0 else m for m, d in zip(many, dims, strict=True))),
        ]
    )
    assert close(vmap(function, in_dims=dims)(*stacked), expected, atol=0)
    assert close(vmap(vmap(function, in_dims=dims), in_dims=dims)(*stacked), expected, atol=0)


@both
def test_derivatives_under_vmap_are_those_of_each_sample(case):
    function, values, many, dims = case()
    function = flat(function)
    positions = tuple(range(len(values)))

    def loss(*args):
        return function(*args).square().sum()

    def sample(i):
        return [m[i] if d == 0 else m for m, d in zip(many, dims, strict=True)]

    each = [grad(loss, positions)(*sample(i)) for i in range(BATCH)]
    expected = tuple(torch.stack(column) for column in zip(*each, strict=True))
    assert close(vmap(grad(loss, positions), in_dims=dims)(*many), expected)
    # Unbatched arguments: the gradient of the sum is the sum of the gradients.
    total = grad(lambda *a: vmap(loss, in_dims=dims)(*a).sum(), positions)(*many)
    summed = tuple(e if d == 0 else e.sum(0) for e, d in zip(expected, dims, strict=True))
    assert close(total, summed, atol=1e-11)
    leaves = [m.clone().requires_grad_() for m in many]
    vmap(loss, in_dims=dims)(*leaves).sum().backward()
    assert close(tuple(leaf.grad for leaf in leaves), summed, atol=1e-11)

    jacobian = [jacobians(function, sample(i)) for i in range(BATCH)]
    expected = tuple(torch.stack(column) for column in zip(*jacobian, strict=True))
    assert close(vmap(jacrev(function, positions), in_dims=dims)(*many), expected, atol=1e-11)
    assert close(vmap(jacfwd(function, positions), in_dims=dims)(*many), expected, atol=1e-11)


def test_jacobian_of_a_batch_is_block_diagonal():
    function, _, many, _ = quadratic()
    found = jacrev(lambda p: function(many[0], p, *many[2:]))(many[1])
    for i in range(BATCH):
        alone = [m[i] if m.shape[:1] == (BATCH,) and k in (1, 3) else m for k, m in enumerate(many)]
        expected = jacobians(function, alone)[1]
        for j in range(BATCH):
            block = found[i, :, j]
            assert close(block, expected if i == j else torch.zeros_like(block))


def test_vmap_over_a_backward_pass_that_began_outside():
    function, values, _, _ = quadratic()
    leaves = [v.clone().requires_grad_() for v in values]
    out = function(*leaves)
    weights = randn(5, 4, seed=9)
    expected = [torch.autograd.grad(out, leaves, w, retain_graph=True) for w in weights]
    expected = tuple(torch.stack(column) for column in zip(*expected, strict=True))
    by_vmap = vmap(lambda w: torch.autograd.grad(out, leaves, w, retain_graph=True))(weights)
    assert close(by_vmap, expected)
    batched = torch.autograd.grad(out, leaves, weights, is_grads_batched=True)
    assert close(batched, expected)


def test_functional_call_of_a_module():
    _, values, *_ = quadratic()
    module = QpLayer(4, 3, Q=torch.nn.Parameter(values[0]), G=values[2])

    def loss(params, p, h):
        return functional_call(module, params, (p, h)).square().sum()

    params = {"Q": values[0] + torch.eye(4, dtype=DOUBLE)}
    ps = randn(BATCH, 4, seed=8)
    found = vmap(grad(loss), in_dims=(None, 0, None))(params, ps, values[3])["Q"]
    for i in range(BATCH):
        leaf = params["Q"].clone().requires_grad_()
        qp(leaf, ps[i], values[2], values[3]).square().sum().backward()
        assert close(found[i], leaf.grad)


def test_failures_under_vmap_are_named():
    function = lambda h: qp(  # noqa: E731
        torch.eye(1, dtype=DOUBLE),
        torch.zeros(1, dtype=DOUBLE),
        torch.tensor([[1.0], [-1.0]], dtype=DOUBLE),
        h,
    )
    h = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=DOUBLE)
    with pytest.raises(_core.SolverError, match="sample 1: primal infeasible"):
        vmap(function)(h)


@both
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.filterwarnings("ignore")
def test_compile_leaves_layers_as_they_are(case, backend):
    function, values, many, _ = case()
    function = flat(function)

    def model(*args):
        scaled = [2.0 * a for a in args]
        return torch.tanh(function(*scaled)) + 1.0

    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=False)
    for args in (values, [1.5 * v for v in values]):
        leaves = [v.clone().requires_grad_() for v in args]
        again = [v.clone().requires_grad_() for v in args]
        got, expected = compiled(*leaves), model(*again)
        assert torch.equal(got, expected)
        got.square().sum().backward()
        expected.square().sum().backward()
        for one, two in zip(leaves, again, strict=True):
            assert close(one.grad, two.grad)
    assert close(compiled(*many), model(*many), atol=0)


@pytest.mark.filterwarnings("ignore")
def test_compiled_modules():
    made, values, *_ = layer()
    module = QpLayer(4, Q=quadratic()[1][0])
    torch._dynamo.reset()
    for one, args in ((made, values), (module, [randn(4)])):
        compiled = torch.compile(one, backend="eager")
        got, expected = compiled(*args), one(*args)
        assert close(got, expected, atol=0)
        assert list(one.info["status"]) == ["solved"]
