"""The applications in Python: their numbers in a short setting, their layers, bad input, Ctrl-C."""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Imports an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield importlib.import_module
    torch.set_num_threads(threads)


def stop_after(steps, interruption, monkeypatch, module):
    """Has the progress bar of an example ask for the end after some steps."""

    class Bar(module.tqdm):
        def update(self, n=1):
            super().update(n)
            interruption.requested = interruption.requested or self.n >= steps

    # Enabled, since only then it counts.
    monkeypatch.setattr(module, "tqdm", lambda **given: Bar(**{**given, "disable": False}))


def test_ctrl_c_asks_for_the_end_and_a_second_one_ends(example):
    Interruption = example("command_line").Interruption
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("name", ["classify", "robust", "robust_regression"])
@pytest.mark.parametrize(
    "option, value, said",
    [
        ("--seeds", "0", "whole number of at least 1"),
        ("--seeds", "many", "whole number of at least 1"),
        ("--rate", "nan", "positive number"),
        ("--rate", "-1", "positive number"),
        ("--seed", "-1", "at least 0"),
        ("--plot", "plot.jpg", "ends in .png"),
        ("--plot", "no-such-folder/plot.png", "no folder"),
        ("--see", "3", "unrecognized"),
    ],
)
def test_bad_arguments_are_refused_by_name(example, capsys, name, option, value, said):
    with pytest.raises(SystemExit) as ended:
        example(name).parse([f"{option}={value}"])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert option in message and said in message, message


@pytest.mark.parametrize(
    "name, arguments, said",
    [
        ("classify", ["--train", "1700", "--test", "98"], "at most 1797 images"),
        ("classify", ["--sizes", "10", "0"], "whole number of at least 1"),
        ("robust", ["--weights", "1", "0"], "positive number"),
        ("robust", ["--weights", "1", "1"], "different"),
        ("robust_regression", ["--sensors", "7"], "even number"),
        ("robust_regression", ["--sensors", "60"], "more measurements than there are sensors, 60"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(example, capsys, name, arguments, said):
    with pytest.raises(SystemExit) as ended:
        example(name).parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


# classify


def random_layer(classify, size, inequalities, seed, scale):
    """An `OptNet` with random numbers everywhere."""
    torch.manual_seed(seed)
    layer = classify.OptNet(size, inequalities)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return layer


def test_gradients_of_the_digit_layer_are_finite_differences(example):
    layer = random_layer(example("classify"), 5, 4, seed=0, scale=1.0)
    names = [name for name, _ in layer.named_parameters()]
    p = 3.0 * torch.randn(6, 5, dtype=torch.float64)
    z = layer(p)
    active = layer.G @ layer.z0 + layer.log_s0.exp() - z @ layer.G.T < 1e-9
    assert 4 <= int(active.sum()) < active.numel()

    def run(p, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (p,))

    inputs = [p, *(parameter.detach() for parameter in layer.parameters())]
    inputs = [value.clone().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(run, inputs, eps=1e-6, atol=1e-7, rtol=1e-6)


def test_the_digit_layer_is_feasible_whatever_it_learns(example):
    for seed in range(20):
        layer = random_layer(example("classify"), 4, 9, seed, scale=3.0)
        with torch.no_grad():
            z = layer(torch.randn(8, 4, dtype=torch.float64))
            h = layer.G @ layer.z0 + layer.log_s0.exp()
            scale = (z[:, None, :] * layer.G).abs().sum(2) + h.abs()
            assert bool((z @ layer.G.T - h <= 1e-9 * scale).all())


def test_networks_have_the_parameters_that_the_table_says(example):
    classify = example("classify")
    for size, hidden in [(5, 0), (10, 32), (40, 7)]:
        counts = {}
        for kind in classify.KINDS:
            model, counts[kind] = classify.network(kind, size, hidden)
            unused = size * (size - 1) // 2 if kind == "optnet" else 0  # above L's diagonal
            assert counts[kind] == sum(p.numel() for p in model.parameters()) - unused
        width = (hidden or classify.PIXELS) + 1 + classify.CLASSES  # parameters per unit
        assert 2 * abs(counts["wider"] - counts["optnet"]) <= width


def test_digits_to_test_with_are_not_trained_on(example):
    train, _, test, labels = example("classify").digits(1200, 597, seed=3)
    assert len(train) == 1200 and len(test) == 597 and set(labels.tolist()) == set(range(10))
    # Of 1797 images in random order none is in both parts: the set has no two equal images.
    assert len({tuple(image.tolist()) for image in torch.cat([train, test])}) == 1797


def test_classify_learns_digits_and_draws_them(example, tmp_path):
    classify = example("classify")
    path = tmp_path / "classify.png"
    arguments = classify.parse(["--quick", "--plot", str(path)])
    runs = classify.experiment(arguments, classify.Interruption())
    assert len(runs) == 6 and all(run.complete for run in runs)
    for kind, factor in [("optnet", 8.0), ("relu", 4.0), ("wider", 4.0)]:
        found = classify.select(runs, kind, 10)
        assert all(run.train_loss[-1] < run.train_loss[0] / factor for run in found)
    optnet = classify.select(runs, "optnet", 10)
    assert all(run.test_error[-1] < 9.0 for run in optnet)
    assert all(0.0 < run.layer_seconds < run.seconds for run in optnet)
    # So few steps are too few for the others: the layer learns in fewer.
    assert all((classify.paired(runs, 10, rival) < 0).all() for rival in ("relu", "wider"))
    again = classify.Run("optnet", 10, 0, 0)
    split = classify.digits(arguments.train, arguments.test, 0)
    classify.train(again, split, arguments, classify.Interruption(), classify.tqdm(disable=True))
    assert again.train_loss == optnet[0].train_loss  # to the last bit
    table = classify.table(runs)
    assert "n = 10: optnet less wider" in table and "935" in table
    classify.plot(runs, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_interrupted_classify_draws_what_there_is(example, tmp_path, monkeypatch):
    classify = example("classify")
    interruption = classify.Interruption()
    stop_after(7, interruption, monkeypatch, classify)
    arguments = classify.parse(["--quick", "--batch", "200"])
    runs = classify.experiment(arguments, interruption)
    # 3 steps an epoch: two epochs, and one that was not finished.
    assert [len(run.test_error) for run in runs] == [2] and not runs[0].complete
    classify.plot(runs, tmp_path / "plot.png")
    assert "optnet" in classify.table(runs) and (tmp_path / "plot.png").exists()


# robust


def test_wrench_is_the_sum_of_forces_and_moments(example):
    contact = example("contact_forces")
    torch.manual_seed(0)
    feet, forces = torch.randn(2, 5, contact.FEET, 3, dtype=torch.float64)
    wrench = (contact.wrench_matrix(feet) @ forces.flatten(1)[..., None])[..., 0]
    moment = torch.linalg.cross(feet, forces).sum(1)
    assert torch.allclose(wrench, torch.cat([forces.sum(1), moment], dim=1), atol=1e-14)


def test_the_expert_is_optimal_by_another_solver(example):
    contact = example("contact_forces")
    asked = contact.requests(5, torch.Generator().manual_seed(1), friction=(0.2, 0.5))
    assert float(contact.violations(asked.forces, asked).max()) < 1e-12
    matrices, costs = contact.wrench_matrix(asked.feet), contact.expert_costs(asked.feet)
    for i in range(len(asked)):
        f = cp.Variable((contact.FEET, 3))
        mu = asked.friction[i].numpy()
        possible = [matrices[i].numpy() @ cp.vec(f, order="C") == asked.wrench[i].numpy()]
        possible += [cp.norm(f[k, :2]) <= mu[k] * f[k, 2] for k in range(contact.FEET)]
        possible += [f[:, 2] <= contact.LIMIT]
        cost = sum(float(costs[i, k]) * cp.sum_squares(f[k]) for k in range(contact.FEET))
        cp.Problem(cp.Minimize(cost), possible).solve(solver=cp.CLARABEL)
        assert np.abs(f.value - asked.forces[i].numpy()).max() < 1e-5


def test_projection_brings_guesses_nearer_to_every_possible_answer(example):
    contact = example("contact_forces")
    asked = contact.requests(200, torch.Generator().manual_seed(2))
    torch.manual_seed(2)
    guess = asked.forces + 0.3 * torch.randn_like(asked.forces)
    projected = contact.FeasibleForces()(guess, asked)
    assert float(contact.violations(guess, asked).max()) > 0.1
    assert float(contact.violations(projected, asked).max()) < 1e-12
    before = (guess - asked.forces).flatten(1).norm(dim=1)
    assert bool(((projected - asked.forces).flatten(1).norm(dim=1) < before).all())


def test_gradients_of_the_projection_are_finite_differences(example):
    contact = example("contact_forces")
    asked = contact.requests(4, torch.Generator().manual_seed(3))
    torch.manual_seed(3)
    guess = asked.forces + 0.1 * torch.randn_like(asked.forces)
    project = contact.FeasibleForces()
    costs = contact.expert_costs(asked.feet)
    held = project(guess, asked, costs)
    assert bool(project.layer.info["unique"].all())
    assert not project.layer.info["weakly_active"].any()
    slack = asked.friction * held[..., 2] - held[..., :2].norm(dim=-1)
    assert 2 <= int((slack < 1e-9).sum()) < slack.numel()  # cones that hold and cones that do not

    def run(guess, friction, costs):
        given = contact.Requests(asked.feet, asked.wrench, friction, asked.forces)
        return project(guess, given, costs)

    inputs = [value.clone().requires_grad_() for value in (guess, asked.friction, costs)]
    assert torch.autograd.gradcheck(run, inputs, eps=1e-6, atol=1e-7, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::argrad.SolverWarning")
def test_requests_that_no_forces_meet_are_refused_and_others_answered(example):
    contact = example("contact_forces")
    asked = contact.requests(6, torch.Generator().manual_seed(4))
    beyond = contact.impossible(asked)
    which = torch.tensor([True, False, True, False, False, True])
    wrench = torch.where(which[:, None], beyond.wrench, asked.wrench)
    mixed = contact.Requests(asked.feet, wrench, asked.friction, asked.forces)
    guess = torch.zeros_like(asked.forces)
    layer = contact.FeasibleForces(on_failure="nan")
    answer = layer(guess, mixed)
    statuses = layer.layer.info["status"] == "primal_infeasible"
    assert statuses.tolist() == which.tolist()
    assert bool(answer[which].isnan().all())
    assert torch.equal(answer[~which], contact.FeasibleForces()(guess[~which], asked[~which]))


def test_robust_is_possible_and_nearer_and_draws_it(example, tmp_path):
    robust, report = example("robust"), example("robust_report")
    path = tmp_path / "robust.png"
    arguments = robust.parse(["--quick", "--plot", str(path)])
    runs = robust.experiment(arguments, robust.Interruption())
    found = report.methods(runs)
    assert list(found) == ["nothing", "plain", "penalty 10", "layer"]

    def numbers(method, place, projected, name):
        return report.values(found[method], place, projected, name)

    for place in robust.PLACES:
        trained_through = numbers("layer", place, True, "error")
        assert (numbers("layer", place, True, "most") < 1e-12).all()
        assert (trained_through < 0.9 * numbers("nothing", place, True, "error")).all()
        for method in ("plain", "penalty 10"):
            # By more than a twentieth of the weight on average, before they are projected.
            assert (numbers(method, place, False, "mean") > 0.05).all()
            assert (numbers(method, place, True, "most") < 1e-12).all()
            as_it_is = numbers(method, place, False, "error")
            projected = numbers(method, place, True, "error")
            assert (projected < 0.9 * as_it_is).all()
            assert (trained_through < 0.8 * as_it_is).all()
            assert trained_through.mean() < projected.mean()
    assert robust.refused(arguments) == (200, 200)
    assert "error of layer by that of plain, projected" in robust.table(runs)
    robust.plot(runs, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_interrupted_robust_draws_what_there_is(example, tmp_path, monkeypatch):
    robust = example("robust")
    interruption = robust.Interruption()
    stop_after(13, interruption, monkeypatch, robust)
    runs = robust.experiment(robust.parse(["--quick"]), interruption)
    # 10 steps an epoch: one epoch, and one that was not finished.
    assert [(run.method, len(run.curve)) for run in runs] == [("nothing", 0), ("plain", 1)]
    robust.plot(runs, tmp_path / "plot.png")
    assert "plain, projected" in robust.table(runs) and (tmp_path / "plot.png").exists()


# robust_regression


def test_the_worst_data_cost_what_the_robust_program_says(example):
    robust = example("robust_regression")
    data, _ = robust.measurements(robust.parse(["--sensors", "6"]), 0)
    lab = data["laboratory"]
    torch.manual_seed(0)
    radii = torch.rand(6, dtype=torch.float64) + 0.5
    w = robust.RobustRegression(lab)(radii)
    residual, stretched = lab.A @ w - lab.b, radii * w
    promised = residual.norm() + stretched.norm()
    # The worst U has rank one; random ones of norm one cost less.
    worst = torch.outer(residual / residual.norm(), stretched / stretched.norm())
    assert torch.allclose((residual + worst @ stretched).norm(), promised, rtol=1e-12)
    for _ in range(100):
        u = torch.randn(len(lab.b), 6, dtype=torch.float64)
        assert (residual + u / u.norm() @ stretched).norm() < promised
    # And no other weights promise less.
    for _ in range(100):
        other = w + 0.1 * torch.randn_like(w)
        assert (lab.A @ other - lab.b).norm() + (radii * other).norm() > promised


def test_gradients_of_the_error_in_the_field_are_finite_differences(example):
    robust = example("robust_regression")
    data, _ = robust.measurements(robust.parse(["--sensors", "6"]), 1)
    regression = robust.RobustRegression(data["laboratory"])
    torch.manual_seed(1)
    log_radii = torch.randn(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda log_radii: data["field"].error(regression(log_radii.exp())),
        [log_radii],
        eps=1e-5,
        atol=1e-8,
        rtol=1e-6,
    )


def test_radii_find_the_noisy_sensors(example, tmp_path):
    robust = example("robust_regression")
    path = tmp_path / "robust_regression.png"
    arguments = robust.parse(["--quick", "--plot", str(path)])
    runs = robust.experiment(arguments, robust.Interruption())
    assert len(runs) == 2
    for run in runs:
        # Of nine pairs of sensors in ten the noisy one got the larger radius, which nothing said;
        # of a quantity that hardly matters nothing can be learned.
        noise, radii = run.noise.reshape(-1, 2), run.radii.reshape(-1, 2)
        assert (noise.argmax(1) == radii.argmax(1)).mean() >= 0.9
        for rival in ("laboratory", "ridge", "one radius"):
            assert run.errors["radii"] < run.errors[rival] / 5
        assert run.errors["radii"] < 1.5 * run.errors["known"]
    assert "a smaller error than ridge 2 times of 2" in robust.table(runs)
    robust.plot(runs, path)
    assert path.read_bytes().startswith(b"\x89PNG")
