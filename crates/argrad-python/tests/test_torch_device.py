"""Tensors that are solved where they are: the way of tensors on a card, through the kernels
compiled for the host, against the CPU's way."""

import ctypes
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from device_batches import (  # noqa: E402
    DOUBLE,
    compare,
    leaves,
    program,
)
from function_examples import EXAMPLES  # noqa: E402
from torch.autograd import forward_ad, gradcheck, gradgradcheck  # noqa: E402

import argrad  # noqa: E402
from argrad import _core  # noqa: E402
from argrad._card import load_compiler  # noqa: E402
from argrad._maps import FUNCTIONS, Matrix  # noqa: E402
from argrad.torch import QpLayer, _device, _device_solved, qp  # noqa: E402
from argrad.torch._device_maps import Rows  # noqa: E402


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
def test_programs_of_every_shape_agree_with_the_cpu(card, sizes):
    compare(lambda **given: qp(**given, duals=True), program(**sizes))


@pytest.mark.parametrize("shared", ["Q", "QGA", "p", "h", "GhAb", "Qb", "QpGhAb"])
def test_arguments_without_batch_dimension_are_shared(card, shared):
    compare(lambda **given: qp(**given, duals=True), program(shared=shared))


def test_nothing_goes_through_the_host(card, no_host):
    tensors = leaves(program())
    qp(**tensors, device="cuda").sum().backward()
    assert tensors["p"].grad is not None


def test_single_precision_is_computed_in_double(card):
    compare(lambda **given: qp(**given, duals=True), program(dtype=torch.float32), 1e-5)


def test_tensors_need_not_be_contiguous(card):
    tensors = program()
    turned = {k: t.movedim(0, -1).contiguous().movedim(-1, 0) for k, t in tensors.items()}
    assert not turned["G"].is_contiguous()
    expected, found = qp(**tensors, device="cpu"), qp(**turned, device="cuda")
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    own = leaves(tensors)
    cotangent = torch.linspace(-1, 1, 20, dtype=DOUBLE).reshape(4, 5).T
    (here,) = torch.autograd.grad(qp(**own, device="cuda"), own["G"], cotangent)
    (there,) = torch.autograd.grad(qp(**own, device="cpu"), own["G"], cotangent)
    torch.testing.assert_close(here, there, rtol=1e-10, atol=1e-10)


def test_only_what_wants_a_gradient_gets_one(card):
    tensors = program(shared="Q")
    tensors["h"].requires_grad_()
    qp(**tensors, device="cuda").sum().backward()
    assert [k for k, t in tensors.items() if t.grad is not None] == ["h"]
    assert not qp(**program(), device="cuda").requires_grad
    with torch.no_grad():
        assert not qp(**tensors, device="cuda").requires_grad
    with torch.inference_mode():
        found = qp(**program(), device="cuda")
    torch.testing.assert_close(found, qp(**program()), rtol=1e-10, atol=1e-10)


def test_a_bound_that_is_infinite_is_no_constraint(card):
    tensors = program()
    tensors["h"][0, 1] = torch.inf
    tensors["h"][1, 0] = 1e20
    compare(lambda **given: qp(**given, duals=True), tensors)


def test_the_caller_may_overwrite_what_he_passed_and_what_he_got(card):
    tensors = leaves(program())
    z, _, lam = qp(**tensors, duals=True, device="cuda")
    expected = torch.autograd.grad(z.sum() + lam.sum(), tensors["p"], retain_graph=True)
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.fill_(7.0)
        z.data.fill_(7.0)
        lam.data.fill_(7.0)
    found = torch.autograd.grad(z.sum() + lam.sum(), tensors["p"])
    assert torch.equal(found[0], expected[0])


def infeasible():
    """Of which the third sample has no solution."""
    tensors = program()
    tensors["G"][2, 1] = -tensors["G"][2, 0]
    tensors["h"][2, :2] = -1.0
    return tensors


def test_a_sample_without_a_solution_is_named(card):
    with pytest.raises(argrad.SolverError, match="1 of 5 .*sample 2: primal infeasible") as caught:
        qp(**infeasible(), device="cuda")
    assert caught.value.indices == [2] and caught.value.statuses == ["primal_infeasible"]


@pytest.mark.parametrize("shared", ["", "Q", "pb"])
@pytest.mark.parametrize("on_failure", ["nan", "zero"])
def test_samples_without_a_solution_are_marked_as_on_the_cpu(card, on_failure, shared):
    tensors = infeasible()
    tensors |= {name: tensors[name][0] for name in shared}

    def solve(**given):
        # Where a solver ended is its own affair.
        z = qp(**given, on_failure=on_failure)
        return z if on_failure == "nan" else z[[0, 1, 3, 4]]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", argrad.torch.SolverWarning)
        compare(solve, tensors)


def test_a_sample_at_a_limit_of_the_caller_has_no_derivative(card):
    tensors = leaves(program(n=20, k=30))
    limits = {"max_iterations": 1, "max_polish_steps": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", argrad.torch.SolverWarning)
        z = qp(**tensors, solver_args=limits, device="cuda")
    with pytest.raises(argrad.SolverError, match="sample 0"):
        z.sum().backward()


def spoiled(kind):
    """Malformed values."""
    tensors = program()
    if kind == "nan":
        tensors["G"][3, 1, 2] = torch.nan
    elif kind == "asymmetric":
        tensors["Q"][1, 0, 1] += 1.0
    elif kind == "not convex":
        tensors["Q"][4] = -torch.eye(4)
    else:
        tensors["h"][0, 0] = -torch.inf
    return tensors


@pytest.mark.parametrize("kind", ["nan", "asymmetric", "not convex", "bound below"])
def test_malformed_values_are_named_as_on_the_cpu(card, kind):
    said = []
    for device in ("cuda", "cpu"):
        with pytest.raises(ValueError) as caught:
            qp(**spoiled(kind), device=device)
        said.append(str(caught.value).split("pivot")[0])
    assert said[0] == said[1]


def test_shapes_dtypes_and_devices_are_checked_before(card):
    tensors = program()
    with pytest.raises(ValueError, match="G must have shape"):
        qp(**{**tensors, "G": tensors["G"][..., :2]}, device="cuda")
    with pytest.raises(TypeError, match="one dtype"):
        qp(**{**tensors, "p": tensors["p"].float()}, device="cuda")
    with pytest.raises(ValueError, match="one device; found cpu for Q and meta for h"):
        qp(**{**tensors, "h": tensors["h"].to("meta")}, device="cuda")
    with pytest.raises(ValueError, match='device must be "auto", "cpu" or "cuda"'):
        qp(**tensors, device="cuda:1")
    with pytest.raises(ValueError, match='device must be "auto", "cpu" or "cuda"'):
        QpLayer(2, device="gpu")


def test_a_batch_that_does_not_fit_is_refused_with_the_number_that_does(card, monkeypatch):
    monkeypatch.setattr(_device_solved, "free_bytes", lambda device: 20_000)
    qp(**program(batch=3), device="cuda")
    with pytest.raises(argrad.MemoryLimitError, match=r"give at most \d+ samples at a time"):
        qp(**program(batch=500), device="cuda")
    with pytest.raises(argrad.MemoryLimitError, match="not even one sample fits"):
        qp(**program(batch=1, n=100), device="cuda")
    monkeypatch.undo()
    with pytest.raises(argrad.MemoryLimitError, match="give at most"):
        qp(**program(batch=500), solver_args={"memory_limit": 200_000}, device="cuda")


def test_derivatives_pass_gradcheck(card):
    tensors = leaves(program(batch=2, n=3, k=2, shared="Ab"))

    def solve(*given):
        given = (0.5 * (given[0] + given[0].mT), *given[1:])
        return qp(*given, duals=True, device="cuda")

    assert gradcheck(solve, tuple(tensors.values()), check_forward_ad=True)


def test_forward_mode_is_that_of_the_cpu(card):
    tensors = program(shared="Qh")
    directions = {k: torch.randn_like(t) for k, t in tensors.items()}
    directions["Q"] = directions["Q"] + directions["Q"].mT
    found = []
    for device in ("cuda", "cpu"):
        with forward_ad.dual_level():
            given = {k: forward_ad.make_dual(t, directions[k]) for k, t in tensors.items()}
            given["A"] = tensors["A"]
            outputs = qp(**given, duals=True, device=device)
            found.append([forward_ad.unpack_dual(output).tangent for output in outputs])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_many_derivatives_at_once_are_those_of_the_cpu(card):
    q, p, *rest = program(batch=2, shared="Q").values()
    found = [
        torch.autograd.functional.jacobian(
            lambda p, device=device: qp(q, p, *rest, device=device), p, vectorize=True
        )
        for device in ("cuda", "cpu")
    ]
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_second_derivatives_are_those_of_the_cpu_or_an_error(card, fresh_warnings):
    tensors = tuple(leaves(program(batch=2, n=3, k=2)).values())

    def solve(*given, device="auto"):
        return qp(0.5 * (given[0] + given[0].mT), *given[1:], device=device)

    with pytest.warns(UserWarning, match="a derivative of a derivative.*is not served on a card"):
        assert gradgradcheck(solve, tensors)
    z = solve(*tensors, device="cuda")
    with pytest.raises(argrad.NotOnDevice, match="a derivative of a derivative"):
        torch.autograd.grad(z.sum(), tensors, create_graph=True)


UNSERVED = {
    "lsqr": {"method": ("lsqr", 1e-10, 100)},
    "time limit": {"solver_args": {"time_limit": 10.0}},
    "engine": {"solver_args": {"engine": "sparse"}},
}


@pytest.mark.parametrize("keywords", UNSERVED.values(), ids=UNSERVED)
def test_what_a_card_does_not_serve_goes_to_the_cpu_with_one_warning(
    card, fresh_warnings, keywords
):
    tensors = program()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            found = qp(**tensors, **keywords)
    assert len(caught) == 1, [str(one.message) for one in caught]
    assert "tensors on a CUDA device are solved on the CPU" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert torch.equal(found, qp(**tensors, **keywords, device="cpu"))
    with pytest.raises(argrad.NotOnDevice):
        qp(**tensors, **keywords, device="cuda")


def test_the_cpu_is_taken_where_it_is_asked_for_and_nothing_is_said(card, monkeypatch):
    def refuse(*_):
        raise AssertionError("the kernels were asked")

    monkeypatch.setattr(_device, "_found", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qp(**program(), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_card_that_is_not_there_is_said_with_what_to_do():
    with pytest.raises(argrad.DeviceError, match='taking card 0: .*; .*device="cpu"'):
        qp(**program(), device="cuda")


def test_tensors_on_the_cpu_stay_there():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(qp(**program()), qp(**program(), device="cpu"))


def test_modules_report_as_on_the_cpu(card):
    reports = []
    for device in ("cuda", "cpu"):
        layer = QpLayer(4, 3, 1, device=device)
        layer(**program())
        reports.append(layer.info)
    assert reports[0].keys() == reports[1].keys()
    assert (reports[0]["status"] == "solved").all()
    np.testing.assert_allclose(reports[0]["objective"], reports[1]["objective"], rtol=1e-10)


def test_warm_starts_begin_at_a_solution_on_the_same_device(card):
    layer, tensors = QpLayer(4, 3, 1, warm_start=True, device="cuda"), program()
    z = layer(**tensors)
    assert not layer.info["warm_started"].any()
    again = layer(**tensors)
    assert layer.info["warm_started"].all() and (layer.info["iterations"] == 0).all()
    torch.testing.assert_close(again, z, rtol=1e-10, atol=1e-10)
    layer(**program(batch=2))
    assert not layer.info["warm_started"].any()
    for device in ("cpu", "cuda"):
        # The last solution is of the other.
        layer.device = device
        torch.testing.assert_close(layer(**tensors), z, rtol=1e-10, atol=1e-10)
        assert not layer.info["warm_started"].any()


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (1, 40), (40, 1), (6, 6)])
def test_products_with_sparse_matrices_are_those_of_dense_ones(shape):
    rng = np.random.default_rng(shape[0])
    dense = rng.normal(size=shape) * (rng.random(size=shape) < 0.4)
    dense[0] = 0.0
    row, column = np.nonzero(dense)
    rows = Rows(Matrix(row, column, dense[row, column], shape), torch.device("cpu"))
    vectors = torch.tensor(rng.normal(size=(3, shape[1])))
    torch.testing.assert_close(rows(vectors), vectors @ torch.tensor(dense).T)
    others = torch.tensor(rng.normal(size=(3, shape[0])))
    torch.testing.assert_close(rows.transposed(others), others @ torch.tensor(dense))
    assert rows.transposed.transposed is rows


@pytest.mark.parametrize("entry", [1.0, 2.0])
def test_a_product_with_a_diagonal_is_a_copy_where_it_is_the_identity(entry):
    at = np.arange(4)
    rows = Rows(Matrix(at, at, np.full(4, entry), (4, 4)), torch.device("cpu"))
    vectors = torch.arange(12.0, dtype=DOUBLE).reshape(3, 4)
    found = rows(vectors)
    assert torch.equal(found, entry * vectors) and found.data_ptr() != vectors.data_ptr()


def portfolio(device, **options):
    """A layer with a scalar, vectors and a matrix as parameters, and a dual as output."""
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x = cp.Variable(3, name="x")
    factor = cp.Parameter((4, 3), name="factor")
    target = cp.Parameter(4, name="target")
    weight = cp.Parameter(nonneg=True, name="weight")
    limit = cp.Parameter(3, bounds=[0.0, 2.0], name="limit")
    budget = cp.sum(x) <= 1
    value = -cp.sum_squares(factor @ x - target) - weight * cp.norm1(x) + cp.sum(target)
    problem = cp.Problem(cp.Maximize(value), [x >= 0, x <= limit, budget])
    outputs = [x, budget.dual_variables[0]]
    parameters = [factor, target, weight, limit]
    return CvxpyLayer(problem, parameters, outputs, device=device, **options)


def values(batched, seed=0):
    """Parameters of the layer, those in `batched` with a batch dimension."""
    rng = np.random.default_rng(seed)
    shapes = ((4, 3), (4,), (), (3,))
    arrays = [
        rng.random(size=(5, *shape) if at in batched else shape) for at, shape in enumerate(shapes)
    ]
    return {f"p{at}": torch.tensor(array) for at, array in enumerate(arrays)}


@pytest.mark.parametrize("backend", [None, "SCIPY"])
@pytest.mark.parametrize("batched", [(), (0,), (1, 2), (3,), (0, 1, 2, 3)])
def test_layers_agree_with_the_cpu(card, batched, backend):
    layers = {device: portfolio(device, canon_backend=backend) for device in ("cpu", "cuda")}
    compare(lambda device, **given: layers[device](*given.values()), values(batched))
    here, there = layers["cuda"].info, layers["cpu"].info
    np.testing.assert_allclose(here["objective"], there["objective"], rtol=1e-10)
    assert here.keys() == there.keys()


def test_layers_in_single_precision_and_of_empty_batches(card):
    layers = {device: portfolio(device) for device in ("cpu", "cuda")}
    single = {name: value.float() for name, value in values((0, 1)).items()}
    compare(lambda device, **given: layers[device](*given.values()), single, 1e-5)
    none = {name: value[:0] for name, value in values((0, 1, 2, 3)).items()}
    compare(lambda device, **given: layers[device](*given.values()), none)


def test_attributes_of_parameters_are_checked_where_they_are(card):
    layers = {device: portfolio(device) for device in ("cpu", "cuda")}
    for name, at, value in (("p2", 3, -0.5), ("p3", (1, 2), 2.5), ("p0", (4, 0, 0), torch.nan)):
        given = values((0, 1, 2, 3))
        given[name][at] = value
        said = []
        for layer in layers.values():
            with pytest.raises(ValueError) as caught:
                layer(*given.values())
            said.append(str(caught.value))
        assert said[0] == said[1]
    given = values((0, 1, 2, 3))
    given["p2"][0] = -1e-17
    compare(lambda device, **given: layers[device](*given.values()), given)


def test_semidefinite_parameters_are_checked_where_they_are(card):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, matrix, q = cp.Variable(3), cp.Parameter((3, 3), PSD=True, name="S"), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, matrix) + q @ x), [cp.abs(x) <= 1])
    layers = {d: CvxpyLayer(problem, [matrix, q], [x], device=d) for d in ("cpu", "cuda")}
    root = torch.tensor(np.random.default_rng(0).normal(size=(4, 3, 2)))
    given = {"matrix": root @ root.mT + 0.01 * torch.eye(3), "q": torch.ones(4, 3, dtype=DOUBLE)}
    compare(lambda device, **given: layers[device](*given.values()), given)
    given["matrix"][2] = -torch.eye(3)
    for layer in layers.values():
        with pytest.raises(ValueError, match="S.* of sample 2 has the negative eigenvalue"):
            layer(*given.values())


def curved(name, cp):
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


@pytest.mark.parametrize("name", ["norm", "entropy", "semidefinite", "geometric"])
def test_layers_with_curved_cones_agree_with_the_cpu(card, name):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    problem, parameter, variable, gp = curved(name, cp)
    layers = {
        device: CvxpyLayer(problem, [parameter], [variable], gp=gp, device=device)
        for device in ("cpu", "cuda")
    }
    drawn = np.random.default_rng(2).random((5, *parameter.shape))
    given = {"parameter": torch.tensor(1 + drawn if gp else 2 * drawn - 1)}
    compare(lambda device, **given: layers[device](*given.values()), given)
    here, there = layers["cuda"].info, layers["cpu"].info
    np.testing.assert_allclose(here["objective"], there["objective"], rtol=1e-10)
    if gp:
        with pytest.raises(ValueError, match="must be positive"):
            layers["cuda"](-given["parameter"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_functions_of_parameters_stay_on_the_device(card, no_host, monkeypatch, name):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, parameter = cp.Variable(3), cp.Parameter(3, pos=True)
    target = EXAMPLES[name](cp, parameter)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - target)), [cp.sum(x) >= 1])
    layers = {d: CvxpyLayer(problem, [parameter], [x], device=d) for d in ("cpu", "cuda")}
    steps = layers["cpu"]._compiled.layer().maps()[0]
    assert name in ("several", *(of[0] for kind, *of in steps if kind == "function"))
    given = {"p": 0.3 + 2 * torch.tensor(np.random.default_rng(5).random((4, 3)))}

    def solve(device, p):
        if device == "cpu":
            monkeypatch.undo()
        return layers[device](p)

    compare(solve, given)
    monkeypatch.setattr(_device, "_on_host", True)
    tangents = []
    for device in ("cuda", "cpu"):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(given["p"], torch.sin(given["p"]))
            tangents.append(forward_ad.unpack_dual(layers[device](dual)[0]).tangent)
    torch.testing.assert_close(*tangents, rtol=1e-10, atol=1e-10)


def test_every_function_has_an_example():
    assert set(EXAMPLES) == {*FUNCTIONS, "several"}


def test_functions_without_a_value_are_named_as_on_the_cpu(card):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, rate = cp.Variable(), cp.Parameter(name="rate")
    problem = cp.Problem(cp.Minimize((x - cp.log(rate)) ** 2), [x >= 0])
    with pytest.raises(ValueError, match="log"):
        CvxpyLayer(problem, [rate], [x], device="cuda")(torch.tensor([1.0, -1.0], dtype=DOUBLE))


def test_other_functions_of_parameters_go_to_the_cpu(card, fresh_warnings):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, rates = cp.Variable(), cp.Parameter(2, name="rates")
    problem = cp.Problem(cp.Minimize((x - cp.log_sum_exp(rates)) ** 2), [x >= 0])
    given = torch.tensor([[0.0, 1.0], [1.0, 1.0]], dtype=DOUBLE)
    with pytest.warns(UserWarning, match="found log_sum_exp"):
        (found,) = CvxpyLayer(problem, [rates], [x])(given)
    torch.testing.assert_close(found, given.logsumexp(-1))
    with pytest.raises(argrad.NotOnDevice, match="found log_sum_exp"):
        CvxpyLayer(problem, [rates], [x], device="cuda")(given)


def test_products_of_parameters_stay_on_the_device(card):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x = cp.Variable(3)
    left, right = cp.Parameter((2, 2)), cp.Parameter((2, 3))
    scale, each = cp.Parameter(nonneg=True), cp.Parameter(3, nonneg=True)
    constraints = [left @ right @ x <= 1, cp.multiply(each, x) * scale >= -1]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + cp.sum(right @ x)), constraints)
    parameters = [left, right, scale, each]
    layers = {d: CvxpyLayer(problem, parameters, [x], device=d) for d in ("cpu", "cuda")}
    rng = np.random.default_rng(3)
    for batched in ((0,), (1, 3), (0, 1, 2, 3)):
        shapes = ((2, 2), (2, 3), (), (3,))
        drawn = [rng.random((5, *s) if at in batched else s) for at, s in enumerate(shapes)]
        given = {f"p{at}": torch.tensor(4 * array) for at, array in enumerate(drawn)}
        compare(lambda device, **given: layers[device](*given.values()), given)


def test_the_compiler_that_came_with_pytorch_is_found_by_its_name():
    file = load_compiler()
    if file is None:
        pytest.skip("PyTorch came without NVRTC")
    ctypes.CDLL(file.name)


def test_a_parameter_that_the_program_does_not_read_has_no_gradient(card):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, unread = cp.Variable(2), cp.Parameter(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1) + 0 * cp.sum(unread)), [x <= 0.5])
    layers = {d: CvxpyLayer(problem, [unread], [x], device=d) for d in ("cpu", "cuda")}
    for batch in ((), (3,)):
        given = {"unread": torch.ones(*batch, 2, dtype=DOUBLE)}
        compare(lambda device, **given: layers[device](*given.values()), given)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_squares_of_tall_matrices_stay_on_the_device(card, is_weighted):
    cp = pytest.importorskip("cvxpy")
    from argrad.torch import CvxpyLayer

    x, matrix, weight = cp.Variable(5), cp.Parameter((14, 5)), cp.Parameter(nonneg=True)
    squares = cp.sum_squares(matrix @ x) * (weight if is_weighted else 1)
    problem = cp.Problem(cp.Minimize(squares + weight * cp.sum(x)), [cp.abs(x) <= 1])
    layers = {d: CvxpyLayer(problem, [matrix, weight], [x], device=d) for d in ("cpu", "cuda")}
    assert "gram" in [kind for kind, *_ in layers["cpu"]._compiled.layer().maps()[0]]
    rng = np.random.default_rng(4)
    for batched in ((0,), (1,), (0, 1)):
        drawn = [rng.random((5, *s) if at in batched else s) for at, s in enumerate(((14, 5), ()))]
        given = {f"p{at}": torch.tensor(array) for at, array in enumerate(drawn)}
        compare(lambda device, **given: layers[device](*given.values()), given)


def test_the_core_says_what_it_was_built_without():
    solver = _core.Qp(1, 0, 0)
    try:
        _core.DeviceSolver.of_qp(solver, None)
    except argrad.DeviceError as error:
        assert "host" in str(error)


@pytest.mark.parametrize("mu", [1e-1, 1e-4])
def test_derivatives_of_the_central_path_are_those_of_the_cpu(card, mu):
    def solve(**given):
        return qp(**given, derivative=("smoothed", mu))

    compare(solve, program(n=6, k=8, e=2), 1e-9)
    tensors = leaves(program())
    primals = [t.detach() for t in tensors.values()]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(t, torch.sin(t)) for t in primals]
        found, expected = (
            forward_ad.unpack_dual(qp(*duals, derivative=("smoothed", mu), device=device)).tangent
            for device in ("cuda", "cpu")
        )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_smoothed_derivative_has_no_failures_of_its_own(card):
    """A sample without a solution is one here as on the CPU."""
    tensors = leaves(program(n=2, k=2, e=0))
    with torch.no_grad():
        tensors["G"][1] = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        tensors["h"][1] = torch.tensor([-1.0, -1.0])
    given = {"derivative": ("smoothed", 1e-2), "on_failure": "nan", "device": "cuda"}
    found = qp(**tensors, **given)
    found[torch.isfinite(found)].sum().backward()
    assert torch.isnan(found[1]).all()
    assert torch.isnan(tensors["p"].grad[1]).all()
    assert torch.isfinite(tensors["p"].grad[[0, 2, 3, 4]]).all()


@pytest.mark.parametrize("shared", ["", "QGA", "pb", "QpGhAb"])
def test_derivatives_by_a_finite_step_are_those_of_the_cpu(card, no_host, monkeypatch, shared):
    def solve(**given):
        if given["device"] == "cpu":
            monkeypatch.undo()
        return qp(**given, duals=True, derivative=("lpgd", 0.1))

    compare(solve, program(shared=shared), 1e-9)


def test_tangents_by_a_finite_step_are_those_of_the_cpu(card):
    tensors = program(shared="G")
    found = []
    for device in ("cuda", "cpu"):
        with forward_ad.dual_level():
            # Not along Q: a program beside a convex one may have many solutions.
            given = {
                k: t if k == "Q" else forward_ad.make_dual(t, torch.sin(t))
                for k, t in tensors.items()
            }
            outputs = qp(**given, duals=True, derivative=("lpgd", 1e-2), device=device)
            found.append([forward_ad.unpack_dual(output).tangent for output in outputs])
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-8)


def test_a_side_without_a_solution_is_a_sample_without_a_derivative(card):
    """x = b and x <= 1: a step of b to above has no solution."""
    one = torch.ones(2, 1, 1, dtype=DOUBLE)
    given = {
        "Q": one,
        "p": torch.zeros(2, 1, dtype=DOUBLE),
        "G": one,
        "h": torch.ones(2, 1, dtype=DOUBLE),
        "A": one,
        "b": torch.tensor([[0.5], [1.0]], dtype=DOUBLE),
    }
    for device in ("cuda", "cpu"):
        own = leaves(given)
        how = {"derivative": ("lpgd", 0.1), "duals": True, "device": device}
        _, nu, _ = qp(**own, **how)
        with pytest.raises(argrad.SolverError, match="sample 1: primal infeasible"):
            nu.sum().backward()
        _, nu, _ = qp(**own, **how, on_failure="nan")
        (grad,) = torch.autograd.grad(nu.sum(), own["b"])
        assert torch.isfinite(grad[0]).all() and torch.isnan(grad[1]).all()
