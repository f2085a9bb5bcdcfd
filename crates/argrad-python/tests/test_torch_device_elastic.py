"""`on_infeasible="elastic"` where tensors are on a card, against the CPU's way."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from device_batches import DOUBLE, compare, leaves, program  # noqa: E402
from torch import func  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402

import argrad  # noqa: E402
from argrad.torch import QpLayer, _device, _device_elastic, _device_solved, qp  # noqa: E402

close = {"rtol": 1e-9, "atol": 1e-9}
WAYS = ["elastic", ("elastic", "l1", 10.0), ("elastic", "l2", 1e2)]


def contradicting(**sizes):
    """`program`, in whose second and fourth sample two inequalities contradict each other."""
    tensors = program(**sizes)
    for at in (1, 3):
        tensors["G"][at, 1] = -tensors["G"][at, 0]
        tensors["h"][at, :2] = -1.0
    return tensors


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("shared", ["", "QA", "pb", "h"])
def test_points_of_least_violation_are_those_of_the_cpu(card, no_host, monkeypatch, way, shared):
    tensors = contradicting()
    tensors |= {name: tensors[name][1] for name in shared}

    def solve(**given):
        if given["device"] == "cpu":
            monkeypatch.undo()
        return qp(**given, duals=True, violation=True, on_infeasible=way)

    compare(solve, tensors, 1e-8)


def test_feasible_samples_are_bitwise_what_they_are_without_it(card, no_host):
    tensors = contradicting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = qp(**tensors, device="cuda", on_failure="zero")
    found = qp(**tensors, device="cuda", on_infeasible="elastic")
    assert torch.equal(found[[0, 2, 4]], plain[[0, 2, 4]])
    assert not torch.isclose(found[[1, 3]], plain[[1, 3]]).all()


def test_one_program_without_batch_dimension(card):
    tensors = {name: tensor[1] for name, tensor in contradicting().items()}
    compare(lambda **given: qp(**given, violation=True, on_infeasible="elastic"), tensors, 1e-8)
    assert tensors["p"].dim() == 1


def test_forward_mode_is_that_of_the_cpu(card):
    tensors = contradicting()
    found = []
    for device in ("cuda", "cpu"):
        with forward_ad.dual_level():
            given = {k: forward_ad.make_dual(t, torch.sin(t)) for k, t in tensors.items()}
            outputs = qp(**given, device=device, violation=True, on_infeasible="elastic")
            found.append([forward_ad.unpack_dual(output).tangent for output in outputs])
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-8)


def test_transforms_are_those_of_the_cpu(card):
    tensors = contradicting()
    fixed = {k: tensors[k][1] for k in "QGhA"}

    def jacobians(device):
        def solve(p, b):
            given = {"on_infeasible": "elastic", "violation": True, "device": device}
            return qp(p=p, b=b, **fixed, **given)

        mapped = func.vmap(func.jacrev(solve, (0, 1)))
        return mapped(tensors["p"], tensors["b"])

    torch.testing.assert_close(jacobians("cuda"), jacobians("cpu"), rtol=1e-8, atol=1e-8)


def test_graphs_give_the_bits_of_ordinary_pytorch(card, no_host):
    torch._dynamo.reset()

    def model(**given):
        parts = qp(**given, violation=True, on_infeasible="elastic", device="cuda")
        return sum(part.sin().sum() for part in parts)

    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for tensors in (contradicting(), program(), contradicting(batch=7)):
        found = []
        for function in (compiled, model):
            own = leaves(tensors)
            value = function(**own)
            found.append([value, *torch.autograd.grad(value, list(own.values()))])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)


def test_a_cuda_graph_looks_at_nothing(card, no_host, monkeypatch):
    """While one is captured every sample is solved both ways, and each gets what is its own."""
    tensors = contradicting()
    results = []
    for is_capturing in (False, True):
        for module in (_device, _device_elastic, _device_solved):
            monkeypatch.setattr(module, "is_capturing", lambda _, held=is_capturing: held)
        if is_capturing:
            monkeypatch.setattr(_device_solved.Reading, "_all", None)
        own = leaves(tensors)
        z, size = qp(**own, violation=True, on_infeasible="elastic", device="cuda")
        (z.sin().sum() + size.sum()).backward()
        results.append([z, size, *(t.grad for t in own.values())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, **close)


@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_other_failures_are_what_they_are_on_the_cpu(card, on_failure):
    tensors = program(n=2, k=2, e=0)
    tensors["Q"][2] = 0.0
    tensors["G"][2] = torch.eye(2, dtype=DOUBLE)
    tensors["p"][2] = 1.0
    for at in (1, 3):
        tensors["G"][at, 1] = -tensors["G"][at, 0]
        tensors["h"][at, :2] = -1.0
    elastic = {"on_infeasible": "elastic", "violation": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here, there = (
            qp(**tensors, **elastic, on_failure=on_failure, device=device)
            for device in ("cuda", "cpu")
        )
    for one, other in zip(here, there, strict=True):
        kept = [0, 1, 3, 4]
        torch.testing.assert_close(one[kept], other[kept], **close)
        assert torch.equal(torch.isnan(one), torch.isnan(other))
    with pytest.raises(argrad.SolverError, match="sample 2: dual infeasible"):
        qp(**tensors, **elastic, device="cuda")


def test_modules_report_violations_as_on_the_cpu(card):
    infos = []
    for device in ("cuda", "cpu"):
        layer = QpLayer(4, 3, 1, on_infeasible="elastic", device=device)
        layer(**contradicting())
        infos.append(layer.info)
    here, there = infos
    assert list(here) == list(there) and list(here["violations"]) == list(there["violations"])
    assert (here["status"] == there["status"]).all()
    assert (here["violation"] > 0).tolist() == [False, True, False, True, False]
    for name, expected in there["violations"].items():
        torch.testing.assert_close(here["violations"][name], expected, **close)


def test_layers_are_relaxed_as_on_the_cpu(card):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, center, radius = cp.Variable(3), cp.Parameter(3), cp.Parameter(nonneg=True)
    constraints = [cp.norm(x - center) <= radius, x >= 1]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), constraints)
    given = {
        "center": 0.5 * program()["p"][:, :3],
        "radius": torch.linspace(0.1, 6.0, 5, dtype=DOUBLE),
    }
    for way in WAYS:
        layers = {
            device: CvxpyLayer(problem, [center, radius], [x], on_infeasible=way, device=device)
            for device in ("cuda", "cpu")
        }

        def solve(device, center, radius, layers=layers):
            return layers[device](center, radius, violation=True)

        compare(solve, given, 1e-7)
        assert 0 < (layers["cuda"].info["violation"] > 0).sum() < 5


def test_second_derivatives_are_those_of_the_cpu(card, fresh_warnings):
    tensors = contradicting()
    found = []
    for device in ("auto", "cpu"):
        own = leaves(tensors)
        z = qp(**own, on_infeasible="elastic", device=device)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (first,) = torch.autograd.grad(z.sin().sum(), own["p"], create_graph=True)
        assert len(caught) == (device == "auto")
        found.append(torch.autograd.grad(first.square().sum(), own["b"]))
    torch.testing.assert_close(*found, rtol=1e-7, atol=1e-7)
