"""The function qp and the module QpLayer."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402

import argrad  # noqa: E402
from argrad.torch import QpLayer, SolverWarning, qp  # noqa: E402

DOUBLE = torch.float64
NAMES = ("Q", "p", "G", "h", "A", "b")


def program(batch=None, n=4, k=3, e=1, seed=0):
    """A random program that is feasible at the origin, with some active constraints."""
    rng = np.random.default_rng(seed)
    lead = () if batch is None else (batch,)
    root = rng.normal(size=(*lead, n, n))
    values = (
        root @ np.swapaxes(root, -1, -2) + np.eye(n),
        3 * rng.normal(size=(*lead, n)),
        rng.normal(size=(*lead, k, n)),
        0.1 + rng.random(size=(*lead, k)),
        rng.normal(size=(*lead, e, n)),
        0.1 * rng.normal(size=(*lead, e)),
    )
    return [torch.tensor(v).requires_grad_() for v in values]


def kkt(tensors, active):
    """The solution of one program from its optimality conditions with the active rows known."""
    q, p, g, h, a, b = tensors
    rows, right = torch.cat([g[active], a]), torch.cat([h[active], b])
    zeros = torch.zeros(len(rows), len(rows), dtype=DOUBLE)
    matrix = torch.cat([torch.cat([q, rows.T], 1), torch.cat([rows, zeros], 1)])
    solution = torch.linalg.solve(matrix, torch.cat([-p, right]))
    n, count = len(p), int(active.sum())
    lam = torch.zeros(len(h), dtype=DOUBLE).masked_scatter(active, solution[n : n + count])
    return solution[:n], solution[n + count :], lam


def gradients(outputs, tensors):
    """Gradients of a weighted sum of outputs."""
    loss = sum(
        (one * torch.cos(torch.arange(one.numel()) + 1.0).view_as(one)).sum() for one in outputs
    )
    return torch.autograd.grad(loss, [t for t in tensors if t is not None])


@pytest.mark.parametrize("seed", range(6))
def test_solution_duals_and_gradients_are_exact(seed):
    tensors = program(n=6, k=5, e=2, seed=seed)
    z, nu, lam = qp(*tensors, duals=True)
    active = lam.detach() > 1e-6
    slack = (tensors[3] - tensors[2] @ z).detach()
    assert ((slack > 1e-6) ^ active).all()
    exact = kkt(tensors, active)
    for got, want in zip((z, nu, lam), exact, strict=True):
        assert torch.allclose(got, want, rtol=0, atol=1e-10)
    wanted = list(gradients(exact, tensors))
    wanted[0] = (wanted[0] + wanted[0].T) / 2
    for got, want in zip(gradients((z, nu, lam), tensors), wanted, strict=True):
        assert torch.allclose(got, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("mask", range(1, 64))
def test_any_argument_may_be_batched(mask):
    batch = 3
    alone = [program(seed=s) for s in range(batch)]
    tensors = []
    for i in range(6):
        if mask >> i & 1:
            value = torch.stack([one[i].detach() for one in alone])
        else:
            value = alone[0][i].detach().clone()
        tensors.append(value.requires_grad_())
    z, nu, lam = qp(*tensors, duals=True)
    assert (z.shape, nu.shape, lam.shape) == ((3, 4), (3, 1), (3, 3))
    weights = torch.randn(batch, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    grads = torch.autograd.grad((z * weights).sum(), tensors)
    summed = [torch.zeros_like(t) for t in tensors]
    for s in range(batch):
        single = [
            (t[s] if mask >> i & 1 else t).detach().requires_grad_() for i, t in enumerate(tensors)
        ]
        one = qp(*single)
        if mask & 0b010101 or not mask:
            assert torch.equal(one, z[s])
        else:  # the batch shares its matrices, which it solves in another way
            assert torch.allclose(one, z[s], rtol=0, atol=1e-13)
        for i, grad in enumerate(torch.autograd.grad(one @ weights[s], single)):
            if mask >> i & 1:
                summed[i][s] = grad
            else:
                summed[i] += grad
    for got, want in zip(grads, summed, strict=True):
        assert torch.allclose(got, want, rtol=0, atol=1e-13)


class TestAbsentBlocks:
    def test_no_constraints(self):
        q, p, *_ = program()
        z = qp(q, p)
        exact = -torch.linalg.solve(q, p)
        assert torch.allclose(z, exact, rtol=0, atol=1e-11)
        for got, want in zip(gradients([z], [p]), gradients([exact], [p]), strict=True):
            assert torch.allclose(got, want, rtol=0, atol=1e-11)

    @pytest.mark.parametrize(
        "empty",
        [
            lambda: (None, None),
            lambda: (torch.empty(0), torch.empty(0)),
            lambda: (torch.empty(0, 4, dtype=DOUBLE), torch.empty(0, dtype=DOUBLE)),
            lambda: (torch.empty(2, 0, 4, dtype=DOUBLE), torch.empty(2, 0, dtype=DOUBLE)),
        ],
    )
    def test_the_ways_to_leave_one_out(self, empty):
        tensors = program(batch=2)
        for first in (2, 4):
            given = list(tensors)
            given[first : first + 2] = empty()
            z, nu, lam = qp(*given, duals=True)
            assert (nu if first == 4 else lam).shape == (2, 0)
            plain = list(tensors)
            plain[first : first + 2] = None, None
            assert torch.equal(z, qp(*plain))
            for grad in torch.autograd.grad(z.sum(), [tensors[0], tensors[1]]):
                assert torch.isfinite(grad).all()

    def test_an_empty_tensor_that_wants_a_gradient(self):
        tensors = program()
        tensors[4] = torch.zeros(0, 4, dtype=DOUBLE, requires_grad=True)
        tensors[5] = torch.zeros(0, dtype=DOUBLE, requires_grad=True)
        grads = torch.autograd.grad(qp(*tensors).sum(), tensors, allow_unused=True)
        assert grads[4] is None and grads[5] is None
        assert all(g is not None for g in grads[:4])

    def test_infinite_bounds_remove_rows(self):
        q, p, g, h, a, b = program()
        wide = h.detach().clone()
        wide[1] = float("inf")
        wide.requires_grad_()
        z = qp(q, p, g, wide, a, b)
        keep = [0, 2]
        assert torch.allclose(z, qp(q, p, g[keep], h[keep], a, b), rtol=0, atol=1e-12)
        (grad,) = torch.autograd.grad(z.sum(), wide)
        assert grad[1] == 0 and torch.isfinite(grad).all()

    def test_a_linear_program(self):
        z = qp(
            torch.zeros(2, 2, dtype=DOUBLE),
            torch.tensor([-1.0, -2.0], dtype=DOUBLE),
            torch.tensor([[1.0, 1.0], [-1, 0], [0, -1]], dtype=DOUBLE),
            torch.tensor([1.0, 0, 0], dtype=DOUBLE),
        )
        assert torch.allclose(z, torch.tensor([0.0, 1.0], dtype=DOUBLE), rtol=0, atol=1e-12)

    def test_batch_of_none(self):
        tensors = program(batch=0)
        z = qp(*tensors)
        assert z.shape == (0, 4)
        for grad, tensor in zip(torch.autograd.grad(z.sum(), tensors), tensors, strict=True):
            assert grad.shape == tensor.shape


def test_gradcheck_forward_and_reverse():
    for batch in (None, 2):
        q, *rest = program(batch=batch, seed=3)
        assert gradcheck(
            lambda q, *rest: qp((q + q.mT) / 2, *rest, duals=True),
            (q, *rest),
            atol=1e-6,
            rtol=1e-6,
            check_forward_ad=True,
            check_batched_grad=True,
        )


def test_single_precision():
    tensors = [t.detach().float().requires_grad_() for t in program(batch=2)]
    tensors[0] = ((tensors[0] + tensors[0].mT) / 2).detach().requires_grad_()
    z = qp(*tensors)
    double = [t.detach().double().requires_grad_() for t in tensors]
    exact = qp(*double)
    assert z.dtype == torch.float32 and torch.equal(z, exact.float())
    for got, want in zip(
        torch.autograd.grad(z.sum(), tensors), torch.autograd.grad(exact.sum(), double), strict=True
    ):
        assert torch.equal(got, want.float())


class TestMessages:
    def broken(self, change, error, message):
        tensors = dict(zip(NAMES, program(), strict=True))
        tensors.update(change)
        with pytest.raises(error, match=message):
            qp(**tensors)

    @pytest.mark.parametrize(
        ("name", "shape", "message"),
        [
            ("Q", (4, 3), r"Q must have shape \(4, 4\) or \(batch, 4, 4\).*found \(4, 3\)"),
            ("p", (), r"p must have shape \(n,\) or \(batch, n\); found \(\)"),
            ("p", (0,), "at least one entry"),
            ("G", (3, 5), r"G must have shape \(k, 4\) or \(batch, k, 4\); found \(3, 5\)$"),
            ("G", (4, 3), r"G must have .* found \(4, 3\); did you mean its transpose\?$"),
            ("A", (2, 4, 3), r"A must have .* found \(2, 4, 3\); did you mean its transpose\?$"),
            ("h", (2,), r"h must have shape \(3,\) or \(batch, 3\), since G has 3 rows"),
            ("A", (4,), r"A must have shape \(k, 4\)"),
            ("b", (2, 2, 1), r"b must have shape \(1,\)"),
        ],
    )
    def test_shapes(self, name, shape, message):
        self.broken({name: torch.zeros(shape, dtype=DOUBLE)}, ValueError, message)

    def test_batch_sizes(self):
        change = {"p": torch.zeros(2, 4, dtype=DOUBLE), "h": torch.ones(3, 3, dtype=DOUBLE)}
        self.broken(change, ValueError, "Inconsistent batch sizes.*p: 2, h: 3")

    def test_half_of_a_pair(self):
        self.broken({"h": None}, ValueError, "h is None but G is not")
        self.broken({"A": None}, ValueError, "A is None but b is not")

    def test_types(self):
        self.broken({"h": np.ones(3)}, TypeError, "h must be a tensor; found ndarray")
        self.broken({"h": torch.ones(3)}, TypeError, "one dtype; found torch.float64 for Q")
        self.broken({"Q": torch.ones(4, 4, dtype=int)}, TypeError, "Q must be float32 or float64")
        self.broken(
            {"p": torch.ones(4, dtype=DOUBLE, device="meta")}, ValueError, "must be on one device"
        )

    @pytest.mark.parametrize("name", ["Q", "p", "G", "h", "A", "b"])
    def test_numbers_that_are_none(self, name):
        tensors = dict(zip(NAMES, (t.detach() for t in program(batch=3)), strict=True))
        tensors[name].view(3, -1)[2, 0] = float("nan")
        with pytest.raises(ValueError, match=rf"^{name}\b.*2.*NaN"):
            qp(**tensors)

    def test_a_matrix_that_is_not_convex(self):
        change = {"Q": -torch.eye(4, dtype=DOUBLE)}
        self.broken(change, ValueError, "Q")

    def test_options(self):
        self.broken({"on_failure": "ignore"}, ValueError, "on_failure must be")
        self.broken({"derivative": ("lpgd",)}, ValueError, "derivative must be")
        self.broken({"method": ("lsqr", 1e-9)}, ValueError, "method must be")
        self.broken({"solver_args": {"tolerance": "x"}}, TypeError, "tolerance must be a number")


class TestFailures:
    def tensors(self):
        """Sample 1 has contradicting inequalities."""
        q = torch.eye(1, dtype=DOUBLE, requires_grad=True)
        p = torch.tensor([[-3.0], [-3.0], [-1.0]], dtype=DOUBLE, requires_grad=True)
        g = torch.tensor([[1.0], [-1.0]], dtype=DOUBLE)
        h = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]], dtype=DOUBLE, requires_grad=True)
        return q, p, g, h

    def test_raise(self):
        with pytest.raises(argrad.SolverError, match="1 of 3 samples.*sample 1: primal inf") as e:
            qp(*self.tensors())
        assert e.value.indices == [1]

    def test_the_error_is_that_of_diffcp_too(self):
        diffcp = pytest.importorskip("diffcp")
        with pytest.raises(diffcp.SolverError) as e:
            qp(*self.tensors())
        assert isinstance(e.value, argrad.SolverError)
        again = pickle.loads(pickle.dumps(e.value))
        assert (again.indices, str(again)) == ([1], str(e.value))

    @pytest.mark.parametrize("mode", ["nan", "zero"])
    def test_the_others_are_as_if_alone(self, mode):
        q, p, g, h = self.tensors()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SolverWarning)
            z = qp(q, p, g, h, on_failure=mode)
            dq, dp, dh = torch.autograd.grad(z.sum(), (q, p, h))
        total = torch.zeros_like(q)
        for i in (0, 2):
            # A batch of one, which shares its matrices as that of three does.
            one = [t.detach().requires_grad_() for t in (q, p[i : i + 1], h[i : i + 1])]
            alone = qp(one[0], one[1], g, one[2])
            grads = torch.autograd.grad(alone.sum(), one)
            assert torch.equal(alone[0], z[i])
            assert torch.equal(grads[1][0], dp[i]) and torch.equal(grads[2][0], dh[i])
            total += grads[0]
        assert torch.allclose(dq, total, rtol=0, atol=1e-15)
        if mode == "nan":
            assert torch.isnan(z[1]).all() and torch.isnan(dp[1]).all() and torch.isnan(dh[1]).all()
        else:
            assert (dp[1] == 0).all() and (dh[1] == 0).all()

    def test_one_warning_in_a_process(self):
        argrad._options._warned.discard("on_failure=nan")
        with pytest.warns(SolverWarning, match="1 of 3 samples not solved"):
            qp(*self.tensors(), on_failure="nan")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            qp(*self.tensors(), on_failure="nan")


def test_derivative_modes_differ_and_lsqr_agrees():
    tensors = program(seed=2)
    exact = gradients([qp(*tensors)], tensors)
    iterative = gradients([qp(*tensors, method=("lsqr", 1e-14, 1000))], tensors)
    for one, two in zip(exact, iterative, strict=True):
        assert torch.allclose(one, two, rtol=0, atol=1e-8)
    smooth = gradients([qp(*tensors, derivative=("smoothed", 1e-3))], tensors)
    assert (smooth[3] - exact[3]).abs().max() > 1e-6
    near = gradients([qp(*tensors, derivative=("smoothed", 1e-8))], tensors)
    for one, two in zip(exact, near, strict=True):
        assert torch.allclose(one, two, rtol=0, atol=1e-5)


def test_writing_into_inputs_and_outputs_changes_no_gradient():
    grads = []
    for overwrite in (False, True):
        tensors = program(batch=2)
        z, nu, lam = qp(*tensors, duals=True)
        loss = sum(t.clone().square().sum() for t in (z, nu, lam))
        if overwrite:
            with torch.no_grad():
                for t in (*tensors, z, nu, lam):
                    t.mul_(2.0)
        grads.append(torch.autograd.grad(loss, tensors))
    for one, two in zip(*grads, strict=True):
        assert torch.equal(one, two)


def test_solvers_are_shared_between_threads():
    work = [program(batch=2, n=n, k=2, seed=n) for n in (3, 4, 5, 6)] * 2
    expected = [torch.autograd.grad(qp(*t).square().sum(), t) for t in work]
    errors = []

    def run(tensors, wanted):
        try:
            for _ in range(25):
                grads = torch.autograd.grad(qp(*tensors).square().sum(), tensors)
                for one, two in zip(grads, wanted, strict=True):
                    assert torch.equal(one, two)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(work, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


class TestQpLayer:
    def test_learned_fixed_and_fed(self):
        q, p, g, h, a, b = (t.detach() for t in program())
        layer = QpLayer(4, 3, 1, Q=q, G=torch.nn.Parameter(g), A=a, b=torch.nn.Parameter(b))
        assert layer.fed == ("p", "h")
        assert {name for name, _ in layer.named_parameters()} == {"G", "b"}
        assert set(layer.state_dict()) == {"Q", "G", "A", "b"}
        expected = qp(q, p, g, h, a, b)
        assert torch.equal(layer(p, h), expected)
        assert torch.equal(layer(h=h, p=p), expected)
        assert torch.equal(layer(p, h=h), expected)
        layer(p.expand(5, 4), h).sum().backward()
        assert layer.G.grad.shape == g.shape and layer.b.grad.shape == b.shape
        assert list(layer.info["status"]) == ["solved"] * 5

    def test_buffers_follow_the_dtype(self):
        q, p, *_ = (t.detach() for t in program())
        layer = QpLayer(4, Q=q).float()
        assert layer(p.float()).dtype == torch.float32

    def test_duals_and_warm_start(self):
        tensors = [t.detach() for t in program(batch=3)]
        layer = QpLayer(4, 3, 1, duals=True, warm_start=True)
        first = layer(*tensors)
        second = layer(*tensors)
        assert layer.info["warm_started"].all()
        for one, two in zip(first, second, strict=True):
            assert torch.allclose(one, two, rtol=0, atol=1e-12)
        layer(*tensors, warm_start=False)
        assert not layer.info["warm_started"].any()

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))]
    )
    def test_copies(self, duplicate):
        q, p, g, h, *_ = (t.detach() for t in program())
        layer = QpLayer(4, 3, Q=torch.nn.Parameter(q), G=g, derivative=("lpgd", 0.1))
        expected = layer(p, h)
        other = duplicate(layer)
        assert other.info is None and other.derivative == ("lpgd", 0.1)
        assert torch.equal(other(p, h), expected)
        assert "n=4, inequalities=3" in repr(other)

    def test_messages(self):
        p = torch.zeros(4, dtype=DOUBLE)
        with pytest.raises(ValueError, match="n must be an integer >= 1; found 0"):
            QpLayer(0)
        with pytest.raises(ValueError, match=r"Q must have shape \(4, 4\); found \(3, 3\)"):
            QpLayer(4, Q=torch.eye(3))
        with pytest.raises(TypeError, match="Q must be a tensor"):
            QpLayer(4, Q=np.eye(4))
        layer = QpLayer(4, Q=torch.eye(4, dtype=DOUBLE))
        with pytest.raises(TypeError, match="missing: p"):
            layer()
        with pytest.raises(TypeError, match="fed 1 arguments"):
            layer(p, p)
        with pytest.raises(TypeError, match="p was given twice"):
            layer(p, p=p)
        with pytest.raises(TypeError, match="'Q' is not fed"):
            layer(p, Q=p)

    def test_the_argument_that_does_not_fit_is_blamed(self):
        layer = QpLayer(3, 5, Q=torch.eye(3))
        p, g, h = torch.zeros(3), torch.ones(5, 3), torch.ones(5)
        wrong = r"p must have shape \(3,\) or \(batch, 3\), since .*n=3, .* found \(4,\)"
        with pytest.raises(ValueError, match=wrong):
            layer(torch.zeros(4), g, h)
        with pytest.raises(ValueError, match=r"h must .*inequalities=5.* found \(4,\)"):
            layer(p, g, torch.ones(4))
        with pytest.raises(ValueError, match=r"found \(3, 5\); did you mean its transpose\?"):
            layer(p, g.T, h)
        with pytest.raises(ValueError, match=r"found \(2, 3, 5\); did you mean its transpose\?"):
            layer(p, torch.ones(2, 3, 5), h)
        with pytest.raises(ValueError, match=r"G must .* found \(3, 5\); did you mean its transp"):
            QpLayer(3, 5, G=g.T)
        with pytest.raises(TypeError, match="p must be a tensor; found float"):
            layer(0.1, g, h)

    def test_rows_that_the_layer_was_not_told_of(self):
        message = "h was given with 5 rows, but the layer has no inequalities: pass inequalities=5"
        with pytest.raises(ValueError, match=message):
            QpLayer(3, h=torch.ones(5))
        with pytest.raises(ValueError, match="A was given .* no equalities: pass equalities=2"):
            QpLayer(3, A=torch.ones(2, 3))

    def test_explanation(self):
        said = QpLayer(4, 3, 1, solver_args={"engine": "sparse"}).explain()
        assert said.startswith("4 variables, 4 rows\nsparse engine")
        assert "lane engine" in QpLayer(4, 3, 1).explain()
