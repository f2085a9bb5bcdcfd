"""Layers on a card in graphs that are compiled or exported, and under the transforms of torch.func:
what they are there on the CPU, in `test_torch_compile` and `test_torch_transforms`."""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch")

from device_batches import (  # noqa: E402
    DOUBLE,
    leaves,
    program,
)
from torch import func  # noqa: E402

import argrad  # noqa: E402
from argrad._policy import Policy  # noqa: E402
from argrad.torch import QpLayer, _device, _device_solved, _samples, _targets, qp  # noqa: E402

close = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(autouse=True)
def fresh_graphs():
    """No graph was made yet."""
    torch._dynamo.reset()


def gradients(function, tensors):
    """The value, and all gradients."""
    own = leaves(tensors)
    out = function(**own)
    given = [t for t in own.values() if t is not None]
    return [out, *torch.autograd.grad(out, given)]


def loss(solve, **given):
    return sum(torch.tanh(part).sum() for part in solve(**given, duals=True))


@pytest.mark.parametrize("shared", ["", "QGA", "QpGhAb"])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_whole_graph_gives_the_bits_of_ordinary_pytorch(card, no_host, device, shared):
    def model(**given):
        return loss(lambda **more: qp(**more, device=device), **given)

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    tensors = program(shared=shared)
    for found, expected in zip(
        gradients(compiled, tensors), gradients(model, tensors), strict=True
    ):
        assert torch.equal(found, expected)
    with torch.no_grad():
        assert torch.equal(compiled(**tensors), model(**tensors))


def test_inductor_makes_a_whole_graph_too(card, no_host):
    def model(**given):
        return loss(lambda **more: qp(**more, device="cuda"), **given)

    compiled, tensors = torch.compile(model, fullgraph=True), program()
    for found, expected in zip(
        gradients(compiled, tensors), gradients(model, tensors), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_a_batch_may_have_any_size_in_one_graph(card, no_host):
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    def model(**given):
        return qp(**given, device="cuda")

    compiled = torch.compile(model, backend=count, fullgraph=True, dynamic=True)
    for size in (2, 3, 5):
        given = program(batch=size)
        assert torch.equal(compiled(**given), model(**given))
    assert len(graphs) == 1


def test_operators_pass_the_checks_of_pytorch(card):
    policy = ("exact", "raise", "direct", False, False)
    target = _targets.Target("qp", (True,) * 6, True, (), Policy(*policy), "", False)
    spec = _targets.spec_of(target)
    for shared in ("", "QpGhAb"):
        tensors = [t.requires_grad_() for t in program(shared=shared).values()]
        torch.library.opcheck(torch.ops.argrad.solve, (spec, True, tensors))
        torch.library.opcheck(torch.ops.argrad.solve, (spec, False, [t.detach() for t in tensors]))
        *outputs, tape = torch.ops.argrad.solve(spec, True, tensors)
        asked = [torch.cos(out.detach()) for out in outputs]
        needed = [True] * 5 + [False]
        torch.library.opcheck(torch.ops.argrad.vjp, (spec, tape, tensors, asked, needed))


def test_the_tape_of_a_graph_is_as_long_whoever_solves(card, fresh_warnings, monkeypatch):
    """A graph is kept with lengths; what becomes of the card later must not matter."""
    compiled = torch.compile(lambda **given: qp(**given), backend="aot_eager", fullgraph=True)
    tensors = program()
    there = gradients(lambda **given: compiled(**given).sin().sum(), tensors)

    def fail(*_):
        raise argrad.DeviceError("the card fell off the bus")

    monkeypatch.setattr(_device, "_found", fail)
    with pytest.warns(UserWarning, match="fell off the bus"):
        here = gradients(lambda **given: compiled(**given).sin().sum(), tensors)
    for one, other in zip(there, here, strict=True):
        torch.testing.assert_close(one, other, **close)


def test_a_graph_says_what_ordinary_pytorch_says(card, fresh_warnings):
    compiled = torch.compile(
        lambda p, how, **given: qp(p=p, **given, **how), backend="aot_eager", fullgraph=True
    )
    tensors = program(n=2, k=2, e=0)
    tensors["G"][1] = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    tensors["h"][1] = -1.0
    with pytest.raises(argrad.SolverError, match="1 of 5 samples not solved") as raised:
        compiled(how={"device": "cuda"}, **tensors)
    assert raised.value.indices == [1]
    marked = {"device": "cuda", "on_failure": "nan"}
    with pytest.warns(argrad.SolverWarning):
        found = compiled(how=marked, **tensors)
    assert torch.isnan(found[1]).all() and torch.isfinite(found[[0, 2, 3, 4]]).all()
    tensors["p"][2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"p.*sample 2"):
        compiled(how=marked, **tensors)
    lsqr = {"method": ("lsqr", 1e-10, 100)}
    with pytest.raises(argrad.NotOnDevice, match="lsqr"):
        compiled(how={"device": "cuda", **lsqr}, **program())
    with pytest.warns(UserWarning, match="lsqr.*is not served on a card"):
        compiled(how=lsqr, **program())


def test_modules_report_and_start_warm_from_within_a_graph(card, no_host):
    layer = QpLayer(4, 3, 1, device="cuda", warm_start=True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    tensors = program()
    first = compiled(**tensors)
    assert not layer.info["warm_started"].any()
    again = compiled(**tensors)
    assert layer.info["warm_started"].all()
    torch.testing.assert_close(again, first, **close)


def test_exported_programs_give_the_same_bits(card, no_host):
    class Model(torch.nn.Module):
        def forward(self, Q, p, G, h, A, b):
            return qp(Q, p, G, h, A, b, device="cuda")

    given = tuple(program().values())
    exported = torch.export.export(Model(), given)
    assert torch.equal(exported.module()(*given), Model()(*given))


def test_layers_stay_in_graphs(card, no_host):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, center, radius = cp.Variable(3), cp.Parameter(3), cp.Parameter(nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - center)), [cp.norm(x) <= radius])
    layer = CvxpyLayer(problem, [center, radius], [x], device="cuda")
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    given = {"center": 3 * program()["p"][:, :3], "radius": torch.tensor(0.7, dtype=DOUBLE)}
    found, expected = (
        gradients(lambda own=own, **given: own(*given.values())[0].sin().sum(), given)
        for own in (compiled, layer)
    )
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    vmapped = torch.compile(func.vmap(layer, (0, None)), backend="aot_eager", fullgraph=True)
    assert torch.equal(vmapped(*given.values())[0], layer(*given.values())[0])


def of_p_and_b(device):
    """A program of one sample, as a function of p and b, and these for five samples."""
    tensors = program()
    fixed = {k: tensors[k][0] for k in "QGhA"}

    def solve(p, b):
        return qp(p=p, b=b, **fixed, device=device)

    return solve, tensors["p"], tensors["b"]


TRANSFORMS = {
    "vmap": lambda solve: func.vmap(solve),
    "grad": lambda solve: func.vmap(func.grad(lambda p, b: solve(p, b).sin().sum(), (0, 1))),
    "jacrev": lambda solve: func.vmap(func.jacrev(solve, (0, 1))),
    "jacfwd": lambda solve: func.vmap(func.jacfwd(solve, (0, 1))),
    "jvp": lambda solve: lambda p, b: func.jvp(solve, (p[0], b[0]), (p[1], b[1])),
    "vjp": lambda solve: lambda p, b: func.vjp(func.vmap(solve), p, b)[1](p),
    "jacrev of a batch": lambda solve: func.jacrev(func.vmap(solve)),
    "vmap of vmap": lambda solve: func.vmap(func.vmap(solve, (0, None)), (None, 0)),
    "jacrev of vmap of vmap": lambda solve: func.jacrev(
        func.vmap(func.vmap(solve, (0, None)), (None, 0))
    ),
    "of some samples": lambda solve: (
        lambda p, b: func.grad(lambda p: func.vmap(solve)(p, b)[2].sum())(p)
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_are_those_of_the_cpu(card, no_host, monkeypatch, transform):
    solve, p, b = of_p_and_b("cuda")
    found = transform(solve)(p, b)
    monkeypatch.undo()
    _device._on_host, before = True, _device._on_host
    try:
        expected = transform(of_p_and_b("cpu")[0])(p, b)
    finally:
        _device._on_host = before
    torch.testing.assert_close(found, expected, **close)


def test_outer_derivatives_go_through_transforms(card, no_host):
    """A parameter of the function that vmap maps has its gradient from ordinary autograd."""
    solve, p, b = of_p_and_b("cuda")
    p = p.requires_grad_()
    (found,) = torch.autograd.grad(func.vmap(solve)(p, b).sin().sum(), p)
    rows = [torch.autograd.grad(solve(p[k], b[k]).sin().sum(), p)[0] for k in range(len(p))]
    torch.testing.assert_close(found, sum(rows), **close)


def test_marked_samples_are_marked_under_transforms(card, fresh_warnings):
    tensors = program(n=2, k=2, e=0)
    tensors["G"][1] = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    tensors["h"][1] = -1.0

    def solve(p, G, h, device):
        return qp(tensors["Q"][0], p, G, h, on_failure="nan", device=device)

    results = []
    for device in ("cuda", "cpu"):
        mapped = func.vmap(func.jacrev(lambda p, G, h, d=device: solve(p, G, h, d)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(mapped(tensors["p"], tensors["G"], tensors["h"]))
    assert torch.isnan(results[0][1]).all()
    torch.testing.assert_close(*results, **close, equal_nan=True)


def test_hessians_are_those_of_the_cpu_or_an_error(card, fresh_warnings):
    solve, p, b = of_p_and_b("auto")
    with pytest.warns(UserWarning, match="a derivative of a derivative is not served on a card"):
        found = func.hessian(lambda p: solve(p, b[0]).sin().sum())(p[0])
    expected = func.hessian(lambda p: of_p_and_b("cpu")[0](p, b[0]).sin().sum())(p[0])
    torch.testing.assert_close(found, expected, **close)
    with pytest.raises(argrad.NotOnDevice, match="a derivative of a derivative"):
        func.hessian(lambda p: of_p_and_b("cuda")[0](p, b[0]).sum())(p[0])


def test_derivatives_of_torch_func_leave_the_graph_for_the_card(card, no_host):
    solve, p, b = of_p_and_b("cuda")
    mapped = func.vmap(func.jacrev(solve))
    compiled = torch.compile(mapped, backend="aot_eager")
    torch.testing.assert_close(compiled(p, b), mapped(p, b), **close)


def test_a_copy_of_a_layer_works_in_its_own_graph(card, no_host):
    layer = QpLayer(4, 3, 1, device="cuda")
    other = copy.deepcopy(layer)
    tensors = program()
    compiled = torch.compile(other, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(**tensors), layer(**tensors))
    assert (other.info["status"] == "solved").all()


def test_copies_of_samples_are_made_as_there_is_room(card, no_host, monkeypatch):
    solve, p, b = of_p_and_b("cuda")
    mapped = func.jacrev(func.vmap(solve))
    whole = mapped(p, b)
    monkeypatch.setattr(_samples, "_ROOM", 1)
    assert torch.equal(mapped(p, b), whole)


def test_a_batch_that_only_the_cpu_takes_is_no_graph_of_the_card(card, monkeypatch):
    """Its tape would be taken for one of the card."""
    monkeypatch.setattr(_device_solved.Solved, "is_fine", False)
    compiled = torch.compile(lambda **given: qp(**given), backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert torch.isfinite(compiled(**program())).all()
    with pytest.raises(ValueError, match="the card and the CPU differ"):
        compiled(**leaves(program()))
