"""Losses and layers of decisions: PyEPO's values, enumerated paths, closed forms."""

import copy

import numpy as np
import pytest
import torch
from decision_paths import cheapest, paths

from argrad import SolverError
from argrad.torch import decision

GRID = (3, 3)


@pytest.fixture(scope="module")
def grid():
    """PyEPO's own test data: a model, its data set, four samples and predictions for them."""
    x, c = decision.data.shortest_path(32, 3, GRID, seed=42)
    model = decision.shortest_path(GRID)
    data = decision.DecisionDataset(model, x, c)
    _, costs, sols, objs = data[:4]
    predicted = np.random.RandomState(0).uniform(0.2, 2.0, costs.shape).astype(np.float32)
    arguments = {"c": costs, "w": sols, "z": objs, "p": torch.from_numpy(predicted)}
    return model, data, arguments


def called(loss, signature, arguments):
    """The output of a loss or a layer, and the gradient of its sum weighted by fixed numbers."""
    predicted = arguments["p"].clone().requires_grad_(True)
    given = {**arguments, "p": predicted}
    out = loss(*(given[name] for name in signature.split(",")))
    weights = torch.ones(())
    if out.dim():
        weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    (out * weights).sum().backward()
    return out.detach(), predicted.grad


# Sum of the output and norm of the gradient: PyEPO 2.2.7 with OR-Tools, for the same arguments.
PYEPO = {
    "SPOPlus": ("p,c,w,z", {}, 2.352081537246704, 2.449489742783178),
    "PFY": ("p,w", {"n_samples": 3, "sigma": 1.0}, 2.779580593109131, 0.9204467431128976),
    "PFYMul": ("p,w", {"n_samples": 3, "sigma": 0.5}, 1.9914634227752686, 0.9799771116249986),
    "NCE": ("p,w", {"dataset": True}, 0.19632579386234283, 0.7728015293739603),
    "CMAP": ("p,w", {"dataset": True}, 1.0385841131210327, 1.118033988749895),
    "lsLTR": ("p,c", {"dataset": True}, 1.9722923040390015, 0.2850791416970266),
    "prLTR": ("p,c", {"dataset": True}, 0.439214289188385, 0.6745369000868712),
    "ptLTR": ("p,c", {"dataset": True}, 1.1337456703186035, 1.2248854603485646),
    "DBB": ("p", {"lambd": 10.0}, 16.0, 0.3741657442528981),
    "NID": ("p", {}, 16.0, 6.698176353124608),
    "DPO": ("p", {"n_samples": 3, "sigma": 1.0}, 16.000000327825546, 8.710769751836239),
    "DPOMul": ("p", {"n_samples": 3, "sigma": 0.5}, 16.00000038743019, 26.72875233750197),
}


@pytest.mark.parametrize("name", PYEPO)
def test_values_and_gradients_are_those_of_pyepo(grid, name):
    model, data, arguments = grid
    signature, options, total, norm = PYEPO[name]
    if "dataset" in options:
        options = {**options, "dataset": data}
    out, gradient = called(getattr(decision, name)(model, **options), signature, arguments)
    assert float(out.double().sum()) == pytest.approx(total, rel=2e-6)
    assert float(gradient.double().norm()) == pytest.approx(norm, rel=2e-6)


def test_spo_plus_is_its_definition_over_all_paths(grid):
    model, _, arguments = grid
    p, c = arguments["p"].double(), arguments["c"].double()
    every = torch.from_numpy(paths(GRID))
    best = cheapest(GRID, c)
    bound = ((c - 2 * p) @ every.T).amax(1) + 2 * (p * best).sum(1) - (c * best).sum(1)
    loss = decision.SPOPlus(model, reduction="none")
    assert torch.allclose(loss(p, c, best), bound, rtol=0, atol=1e-13)
    # Solved for in the call, true decisions and objectives are the same.
    assert torch.equal(loss(p, c), loss(p, c, model.solve(c)))
    assert torch.allclose(loss(p, c, best, (c * best).sum(1)), bound, rtol=0, atol=1e-13)


def test_spo_plus_is_convex_and_bounds_the_regret():
    generator = torch.Generator().manual_seed(1)
    model = decision.shortest_path(GRID)
    shape = (64, model.num_cost)
    c, p, other = (
        torch.rand(shape, generator=generator, dtype=torch.float64) * 2 for _ in range(3)
    )
    loss = decision.SPOPlus(model, reduction="none")
    p.requires_grad_(True)
    at_p, at_other = loss(p, c), loss(other, c)
    (slope,) = torch.autograd.grad(at_p.sum(), p)
    tangent = at_p + (slope * (other - p)).sum(1)
    assert bool((at_other >= tangent - 1e-12).all())
    # Tight for some, or the inequality would say little.
    assert bool((at_other - tangent < 0.1).any())
    assert bool((at_p >= decision.decision_regret(model, p, c) - 1e-12).all())
    assert torch.equal(loss(c, c), torch.zeros(64, dtype=torch.float64))


def test_spo_plus_bounds_the_regret_of_a_quadratic_program():
    # minimize c'w + |w|^2 / 2 over the simplex: the rest of the objective counts.
    generator = torch.Generator().manual_seed(2)
    model = decision.ProgramModel.from_qp(
        np.eye(5), -np.eye(5), np.zeros(5), np.ones((1, 5)), [1.0], q=np.linspace(-1, 1, 5)
    )
    c, p = (torch.randn((32, 5), generator=generator, dtype=torch.float64) for _ in range(2))
    loss = decision.SPOPlus(model, reduction="none")
    regrets = decision.decision_regret(model, p, c)
    assert float(regrets.median()) > 0.1
    assert bool((loss(p, c) >= regrets - 1e-9).all())
    assert float(loss(c, c).abs().max()) < 1e-9
    assert torch.autograd.gradcheck(lambda at: loss(at, c), p.requires_grad_(True), eps=1e-6)


def test_maximization_is_the_minimization_of_negative_costs(grid):
    model, data, arguments = grid
    weights = np.random.RandomState(3).uniform(1, 2, 6)
    most = decision.knapsack(weights, 4.0)
    least = decision.knapsack(weights, 4.0, sense="minimize")
    generator = torch.Generator().manual_seed(4)
    c, p = (torch.rand((8, 6), generator=generator, dtype=torch.float64) + 0.5 for _ in range(2))
    start = most.solve(c)
    assert torch.equal(start, least.solve(-c))
    for name, (signature, options, _, _) in PYEPO.items():
        if "Mul" in name or name == "PFY" or name == "DPO":
            continue  # noise is not turned around
        results = []
        for program, sign in ((most, 1.0), (least, -1.0)):
            given = {**options, "dataset": start} if "dataset" in options else options
            arguments = {"p": sign * p, "c": sign * c, "w": start}
            arguments["z"] = program.objective(sign * c, start)
            loss = getattr(decision, name)(program, **given)
            torch.manual_seed(0)
            out, gradient = called(loss, signature, arguments)
            results.append((out, sign * gradient))
        for one, two in zip(*results, strict=True):
            assert torch.allclose(one, two, rtol=1e-12, atol=1e-12), name


def test_fenchel_young_gradient_is_that_of_its_values_with_the_same_noise(grid):
    model, _, arguments = grid
    p, w = arguments["p"].double(), arguments["w"].double()

    def loss(at):
        fresh = decision.PerturbedFenchelYoung(model, n_samples=64, seed=5, reduction="sum")
        return fresh(at, w)

    at = p.clone().requires_grad_(True)
    loss(at).backward()
    # Piecewise linear: the step must not cross a kink, of which there is none within 1e-6.
    step = 1e-6
    for sample, arc in ((0, 0), (1, 3), (3, 11)):
        shift = torch.zeros_like(p)
        shift[sample, arc] = step
        slope = float(loss(p + shift) - loss(p - shift)) / (2 * step)
        assert slope == pytest.approx(float(at.grad[sample, arc]), abs=1e-7)
    # And the gradient is w less the mean of decisions for the perturbed costs, path by path.
    noise = torch.randn(
        (4, 64, 12), dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    mean = cheapest(GRID, (p.unsqueeze(1) + noise).flatten(0, 1)).unflatten(0, (4, 64)).mean(1)
    assert torch.allclose(at.grad, w - mean, rtol=0, atol=1e-12)


def test_fenchel_young_loss_is_least_at_its_mean_decision():
    # Over the simplex with Gaussian noise, three equal costs: the mean decision is (1, 1, 1) / 3.
    model = decision.ProgramModel.from_qp(None, -np.eye(3), np.zeros(3), np.ones((1, 3)), [1.0])
    loss = decision.PerturbedFenchelYoung(model, n_samples=4096, seed=0)
    cost = torch.zeros((1, 3), dtype=torch.float64, requires_grad=True)
    loss(cost, torch.full((1, 3), 1 / 3, dtype=torch.float64)).backward()
    assert float(cost.grad.abs().max()) < 4 * np.sqrt(2 / 9 / 4096)


def test_perturbed_decision_of_one_variable_is_the_normal_distribution():
    # min c w over 0 <= w <= 1: E w = P(c + sigma Z < 0) = Phi(-c / sigma), slope -phi / sigma.
    model = decision.ProgramModel.from_qp(G=[[1.0], [-1.0]], h=[1.0, 0.0])
    draws, sigma = 40_000, 0.5
    layer = decision.PerturbedOpt(model, n_samples=draws, sigma=sigma, seed=0)
    cost = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    mean = layer(cost)
    mean.backward()
    normal = torch.distributions.Normal(0.0, 1.0)
    share = normal.cdf(torch.tensor(-0.3 / sigma)).item()
    slope = -normal.log_prob(torch.tensor(0.3 / sigma)).exp().item() / sigma
    assert mean.item() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / draws))
    # The deviation of (w - E w) Z / sigma is below 1 / sigma.
    assert cost.grad.item() == pytest.approx(slope, abs=4 / sigma / np.sqrt(draws))
    assert slope < -0.6


@pytest.mark.parametrize("reduced", [True, False])
@pytest.mark.parametrize("multiplicative", [True, False])
def test_perturbed_gradient_is_the_score_estimate(grid, reduced, multiplicative):
    model, _, arguments = grid
    p, sigma, draws = arguments["p"], 0.5, 7
    kind = decision.PerturbedOptMul if multiplicative else decision.PerturbedOpt
    layer = kind(model, draws, sigma, seed=9, variance_reduction=reduced)
    out, gradient = called(layer, "p", arguments)
    noise = torch.randn((4, draws, 12), generator=torch.Generator().manual_seed(9))
    at = p.unsqueeze(1)
    moved = at * torch.exp(sigma * noise - sigma**2 / 2) if multiplicative else at + sigma * noise
    found = cheapest(GRID, moved.flatten(0, 1)).unflatten(0, (4, draws))
    assert torch.allclose(out, found.mean(1), atol=1e-6)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    reward = torch.einsum("bsn,bn->bs", found, weights)
    if reduced:
        reward = (reward - reward.mean(1, keepdim=True)) * draws / (draws - 1)
    expected = torch.einsum("bsd,bs->bd", noise, reward) / (draws * sigma)
    expected = expected / p if multiplicative else expected
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_black_box_gradient_is_the_slope_between_two_paths(grid):
    model, _, arguments = grid
    p, lambd = arguments["p"], 3.0
    out, gradient = called(decision.BlackboxOpt(model, lambd), "p", arguments)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    before, after = cheapest(GRID, p), cheapest(GRID, p + lambd * weights)
    assert torch.allclose(out, before, atol=1e-6)
    assert torch.allclose(gradient, (after - before) / lambd, atol=1e-6)
    assert float(gradient.abs().max()) > 0.1


def test_pool_losses_have_the_gradient_of_their_values(grid):
    model, data, arguments = grid
    p, c, w = (arguments[name].double() for name in "pcw")
    for kind, target in (
        (decision.NoiseContrastiveEstimation, w),
        (decision.ContrastiveMAP, w),
        (decision.PointwiseLearningToRank, c),
        (decision.PairwiseLearningToRank, c),
        (decision.ListwiseLearningToRank, c),
    ):
        # solve_ratio 0: the pool, and with it the loss, stays as it is.
        loss = kind(model, solve_ratio=0.0, reduction="none", dataset=data.sols.double())
        at = p.clone().requires_grad_(True)
        assert torch.autograd.gradcheck(lambda q: loss(q, target), at, eps=1e-6), kind  # noqa: B023


def test_contrastive_map_is_zero_exactly_for_the_best_of_the_pool(grid):
    model, data, _ = grid
    costs = data.costs.double()
    loss = decision.ContrastiveMAP(model, 0.0, "none", data.sols.double())
    own = loss.pool.best(costs)
    assert torch.equal(loss(costs, own), torch.zeros(len(costs), dtype=torch.float64))
    assert bool((loss(costs, own[torch.arange(31, -1, -1)]) >= 0.0).all())


def test_solve_ratio_takes_decisions_from_the_pool(grid):
    model, data, arguments = grid
    calls = []

    def solve(costs):
        calls.append(len(costs))
        return cheapest(GRID, torch.from_numpy(costs)).numpy()

    counting = decision.CallbackModel(solve, model.num_cost)
    given = [arguments[name] for name in "pcwz"]
    never = decision.SPOPlus(counting, solve_ratio=0.0, dataset=data.sols[:1])
    never(*given)
    assert calls == [] and len(never.pool) == 1
    half = decision.SPOPlus(counting, solve_ratio=0.5, dataset=data, seed=0)
    for _ in range(60):
        half(*given)
    assert 15 <= len(calls) <= 45
    # All six paths are feasible decisions, so the pool cannot outgrow them.
    assert 1 <= len(half.pool) <= 6


def test_regret_of_a_perfect_predictor_is_zero_and_of_others_what_it_costs(grid):
    model, data, arguments = grid
    p, c = arguments["p"].double(), arguments["c"].double()
    assert torch.equal(decision.decision_regret(model, c, c), torch.zeros(4, dtype=torch.float64))
    expected = (c * (cheapest(GRID, p) - cheapest(GRID, c))).sum(1)
    found = decision.decision_regret(model, p, c)
    assert torch.allclose(found, expected, rtol=0, atol=1e-13) and float(found.max()) > 0.1
    loader = torch.utils.data.DataLoader(data, batch_size=10)
    features = torch.nn.Linear(3, model.num_cost)
    features.train()
    each = decision.regret(features, model, loader, "none")
    assert features.training and each.shape == (32,)
    total, mean = (decision.regret(features, model, loader, kind) for kind in ("sum", "mean"))
    assert total == pytest.approx(float(each.sum()), rel=1e-5)
    assert mean == pytest.approx(total / 32, rel=1e-6)
    normalized = decision.regret(features, model, loader)
    assert normalized == pytest.approx(total / float(data.objs.abs().sum()), rel=1e-5)


def test_a_sample_has_the_same_bits_in_any_batch(grid):
    model, _, arguments = grid
    whole = [arguments[name] for name in "pcwz"]
    loss = decision.SPOPlus(model, reduction="none")
    together = loss(*whole)
    for sample in range(4):
        alone = loss(*(part[sample : sample + 1] for part in whole))
        assert torch.equal(alone, together[sample : sample + 1])


@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
def test_a_sample_without_a_solution_harms_no_other():
    # min c'w, w >= 0: unbounded where a cost is negative.
    options = {"on_failure": "nan"}
    model = decision.ProgramModel.from_qp(G=-np.eye(2), h=np.zeros(2), **options)
    costs = torch.tensor([[1.0, 2.0], [-1.0, 1.0], [3.0, 1.0]])
    found = model.solve(costs)
    assert found.isnan().all(1).tolist() == [False, True, False]
    loss = decision.SPOPlus(model, reduction="none")
    assert loss(costs, costs.abs()).isnan().tolist() == [False, True, False]
    strict = decision.ProgramModel.from_qp(G=-np.eye(2), h=np.zeros(2))
    with pytest.raises(SolverError, match="1 of 3 samples not solved: sample 1"):
        strict.solve(costs)


def test_modules_copy_and_move_with_their_pool(grid):
    model, data, arguments = grid
    loss = decision.PerturbedFenchelYoung(model, solve_ratio=0.5, dataset=data, seed=3)
    twin = copy.deepcopy(loss)
    given = [arguments[name] for name in "pw"]
    assert torch.equal(loss(*given), twin(*given))
    double = twin.to(torch.float64)
    assert double.pool.solutions.dtype is torch.float64


BAD = [
    (lambda m, d: decision.SPOPlus("model"), TypeError, "model must be a DecisionModel"),
    (lambda m, d: decision.SPOPlus(m, solve_ratio=1.5), ValueError, r"solve_ratio must be .*1\.5"),
    (lambda m, d: decision.SPOPlus(m, solve_ratio=True), ValueError, "solve_ratio"),
    (lambda m, d: decision.SPOPlus(m, solve_ratio=0.5), TypeError, "pass dataset"),
    (lambda m, d: decision.SPOPlus(m, reduction="max"), ValueError, "reduction must be"),
    (lambda m, d: decision.NCE(m), TypeError, "NoiseContrastiveEstimation .* pass dataset"),
    (lambda m, d: decision.DBB(m, lambd=0.0), ValueError, "lambd must be positive"),
    (lambda m, d: decision.DPO(m, n_samples=0), ValueError, "n_samples must be an integer >= 1"),
    (lambda m, d: decision.DPO(m, sigma=float("nan")), ValueError, "sigma must be positive"),
    (lambda m, d: decision.NID(m)(torch.ones(2, 5)), ValueError, r"shape \(batch, 12\)"),
    (lambda m, d: decision.NID(m)(torch.ones(12)), ValueError, r"found \(12,\)"),
    (lambda m, d: decision.NID(m)(np.ones((2, 12))), TypeError, "pred_cost must be a tensor"),
    (lambda m, d: decision.NID(m)(torch.ones(2, 12).int()), TypeError, "float32 or float64"),
    (
        lambda m, d: decision.NID(m)(torch.full((2, 12), torch.nan)),
        ValueError,
        "entry 0 of sample 0 is nan",
    ),
    (
        lambda m, d: decision.SPOPlus(m)(torch.ones(2, 12), torch.ones(3, 12)),
        ValueError,
        "true_cost must have the shape of pred_cost",
    ),
    (
        lambda m, d: decision.SPOPlus(m)(*[torch.ones(2, 12)] * 3, torch.ones(5)),
        ValueError,
        r"true_obj must be a tensor of shape \(2,\)",
    ),
    (
        lambda m, d: decision.DPOMul(m)(torch.zeros(2, 12)),
        ValueError,
        "pred_cost must not be zero",
    ),
    (
        lambda m, d: decision.SolutionPool(m, torch.full((2, 12), torch.nan)),
        ValueError,
        "at least one decision",
    ),
    (lambda m, d: decision.regret(None, m, [], "median"), ValueError, "reduction must be"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD)
def test_malformed_arguments_are_named(grid, make, error, message):
    model, data, _ = grid
    with pytest.raises(error, match=message):
        make(model, data)
