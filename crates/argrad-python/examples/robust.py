"""A layer that keeps what a network says feasible, against penalties for what it says wrong.

    python robust.py --plot robust.png

A network learns from an expert which forces four feet exert so that a robot gets the force and
moment that is requested (`contact_forces.py`). What is possible, C(x), changes with the request x:
linear equalities, and a second-order cone per foot, since none may slip. With the network's guess
g(x) and the expert's forces f, these are compared:

    plain      minimize |g(x) - f|^2
    penalty    minimize |g(x) - f|^2 + weight * |violations of C(x) by g(x)|^2, several weights
    layer      minimize |P(g(x)) - f|^2, where P(g) is the point of C(x) nearest to g
    nothing    P(0): no network

each as it is, and with P put behind it after training, on new requests and on requests such as
none was trained on: slippery floors, other loads. A projection does not increase the distance to
any point of C(x), so P cannot make an answer worse; is it worth to train through it?

Literature: Amos and Kolter, "OptNet" (2017); Donti, Rolnick and Kolter, "DC3" (2021); Min and
Azizan, "HardNet" (2024); Grontas et al., "Pinet" (2025).

Ctrl-C ends the training after the current step, with the table and the plot so far.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from command_line import EXIT_CODE, Interruption, count, plot_file, positive, seed
from contact_forces import (
    FEATURES,
    FEET,
    FeasibleForces,
    Requests,
    impossible,
    requests,
    violations,
)
from tqdm import tqdm

import argrad

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

NOTHING, PLAIN, LAYER = "nothing", "plain", "layer"
COLORS = ["#d55e00", "#e69f00", "#cc79a7", "#56b4e9", "#505050"]
PLACES = {"new": "new requests", "other": "other floors and loads"}
OTHER: dict[str, Any] = {"friction": (0.15, 0.4), "load": (0.5, 1.6), "grip": 0.95}
QUICK = {"seeds": 2, "epochs": 20, "train": 500, "test": 200, "batch": 50, "weights": [10.0]}


@dataclass
class Judged:
    """Answers to a set of requests: their errors and how far they miss the constraints."""

    error: float  # root mean squared, of the numbers of the forces
    mean: float  # of the largest violation of each request
    most: float  # the largest violation of all


@dataclass
class Run:
    """One method from one seed.

    `judged` has an entry for each key of PLACES, with and without projection behind the network;
    `answers` are the forces for other floors and loads, with the requests.
    """

    method: str
    seed: int
    curve: list[float] = field(default_factory=list)  # error on new requests, by epoch
    seconds: float = 0.0  # of training
    judged: dict[tuple[str, bool], Judged] = field(default_factory=dict)
    answers: tuple[torch.Tensor, Requests] | None = None
    complete: bool = False


class Network(torch.nn.Module):
    """Guesses forces: two hidden layers. With `project`, the nearest possible ones follow."""

    def __init__(self, hidden: int, project: bool) -> None:
        super().__init__()
        self.guess = torch.nn.Sequential(
            torch.nn.Linear(FEATURES, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, 3 * FEET),
        ).double()
        self.feasible = FeasibleForces()
        self.project = project

    def forward(self, asked: Requests) -> torch.Tensor:
        """Requests to forces (batch, FEET, 3)."""
        guess = self.guess(asked.features).unflatten(1, (FEET, 3))
        return self.feasible(guess, asked) if self.project else guess


def error(forces: torch.Tensor, asked: Requests) -> float:
    """Root of the mean squared difference from the expert's forces."""
    return float(((forces - asked.forces) ** 2).mean().sqrt())


def judge(forces: torch.Tensor, asked: Requests) -> Judged:
    """How good and how possible these answers are."""
    worst = violations(forces, asked).amax(dim=1)
    return Judged(error(forces, asked), float(worst.mean()), float(worst.max()))


def penalty_name(weight: float) -> str:
    """The method's name in tables and plots."""
    return f"penalty {weight:g}"


def train(
    run: Run,
    sets: dict[str, Requests],
    arguments: argparse.Namespace,
    interruption: Interruption,
    bar: tqdm,
    weight: float = 0.0,
) -> Network:
    """Trains by one method, with a weight of the penalty, and writes into the run how it went."""
    torch.manual_seed(run.seed)
    model = Network(arguments.hidden, run.method == LAYER)
    order = torch.Generator().manual_seed(run.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    for _ in range(arguments.epochs):
        began = time.perf_counter()
        for batch in torch.randperm(arguments.train, generator=order).split(arguments.batch):
            if interruption.requested:
                return model
            asked = sets["train"][batch]
            optimizer.zero_grad()
            forces = model(asked)
            loss = ((forces - asked.forces) ** 2).mean()
            if weight:
                loss = loss + weight * (violations(forces, asked) ** 2).mean()
            loss.backward()
            optimizer.step()
            bar.update()
        schedule.step()
        run.seconds += time.perf_counter() - began
        with torch.no_grad():
            run.curve.append(error(model(sets["new"]), sets["new"]))
        bar.set_postfix(method=run.method, error=f"{run.curve[-1]:.4f}")
    run.complete = True
    return model


def without_network(seed: int, sets: dict[str, Requests]) -> Run:
    """The possible forces of least norm: what the constraints alone say."""
    run = Run(NOTHING, seed, complete=True)
    with torch.no_grad():
        for place in PLACES:
            asked = sets[place]
            answer = FeasibleForces()(torch.zeros_like(asked.forces), asked)
            run.judged[place, True] = judge(answer, asked)
    return run


@torch.no_grad()
def assess(model: Network, run: Run, sets: dict[str, Requests]) -> None:
    """Judges a network, with and without projection behind it."""
    for place in PLACES:
        asked = sets[place]
        answer = model(asked)
        projected = answer if model.project else model.feasible(answer, asked)
        run.judged[place, True] = judge(projected, asked)
        if not model.project:
            run.judged[place, False] = judge(answer, asked)
    run.answers = (answer, asked)  # of the last place


def experiment(arguments: argparse.Namespace, interruption: Interruption) -> list[Run]:
    """All methods from all seeds; seed by seed, so that what there is can be compared."""
    weights = {PLAIN: 0.0, **{penalty_name(w): w for w in arguments.weights}, LAYER: 0.0}
    steps = arguments.epochs * -(-arguments.train // arguments.batch)
    runs: list[Run] = []
    with tqdm(total=arguments.seeds * len(weights) * steps, unit="step", disable=None) as bar:
        for number in range(arguments.seed, arguments.seed + arguments.seeds):
            random = torch.Generator().manual_seed(number)
            sets = {
                "train": requests(arguments.train, random),
                "new": requests(arguments.test, random),
                "other": requests(arguments.test, random, **OTHER),
            }
            runs.append(without_network(number, sets))
            for method, weight in weights.items():
                run = Run(method, number)
                model = train(run, sets, arguments, interruption, bar, weight)
                if run.curve:
                    assess(model, run, sets)
                    runs.append(run)
                if interruption.requested:
                    return runs
    return runs


def refused(arguments: argparse.Namespace) -> tuple[int, int]:
    """How many of some requests that no forces can meet the layer finds to be so, and how many."""
    asked = impossible(requests(arguments.test, torch.Generator().manual_seed(arguments.seed)))
    layer = FeasibleForces(on_failure="nan")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", argrad.SolverWarning)  # that samples have no solution
        layer(torch.zeros_like(asked.forces), asked)
    said = layer.layer.info
    assert said is not None  # there was a call
    return int((said["status"] == "primal_infeasible").sum()), len(asked)


def methods(runs: list[Run]) -> dict[str, list[Run]]:
    """The runs that reached the last epoch (if none did, all), by method, in order."""
    found: dict[str, list[Run]] = {}
    trained = any(run.complete and run.method != NOTHING for run in runs)
    for run in [run for run in runs if run.complete or not trained]:
        found.setdefault(run.method, []).append(run)
    return found


def values(found: list[Run], place: str, projected: bool, name: str) -> np.ndarray:
    """One number of what was judged, of each run."""
    return np.array([getattr(run.judged[place, projected], name) for run in found])


def spread(numbers: np.ndarray, digits: int = 2) -> str:
    """Mean and standard deviation."""
    deviation = np.std(numbers, ddof=1) if len(numbers) > 1 else 0.0
    return f"{np.mean(numbers):.{digits}f} +- {deviation:.{digits}f}"


def table(runs: list[Run]) -> str:
    """What remains of all seeds; errors and violations in percent of the robot's weight."""
    found = methods(runs)
    lines = []
    for place, title in PLACES.items():
        lines.append(f"{title}, {len(found[next(iter(found))])} seeds; % of the weight")
        lines.append("  method                  error            mean violation    largest")
        for method, some in found.items():
            for projected in (False, True):
                if (place, projected) not in some[0].judged:
                    continue
                both = (place, False) in some[0].judged
                name = f"{method}, projected" if projected and both else method
                errors, means, most = (
                    100.0 * values(some, place, projected, which)
                    for which in ("error", "mean", "most")
                )
                mean = "0 to rounding" if most.max() < 1e-9 else spread(means)
                lines.append(f"  {name:22}  {spread(errors):15}  {mean:15}  {most.max():8.1e}")
    if PLAIN in found and LAYER in found:
        for place, title in PLACES.items():
            plain = {run.seed: run.judged[place, True].error for run in found[PLAIN]}
            ratio = np.array([r.judged[place, True].error / plain[r.seed] for r in found[LAYER]])
            lines.append(
                f"{title}: error of layer by that of plain, projected: {spread(ratio)}; "
                f"less {int((ratio < 1).sum())} times of {len(ratio)}"
            )
        first, last = (np.mean([run.seconds for run in found[m]]) for m in (PLAIN, LAYER))
        lines.append(f"training: plain {first:.2f} s, layer {last:.2f} s")
    return "\n".join(lines)


def plot(runs: list[Run], path: Path) -> None:
    """Errors, violations, learning curves, and the forces of one foot in its friction cone."""
    found = methods(runs)
    guesses = [method for method in found if method not in (LAYER, NOTHING)]
    colors = {**dict(zip(guesses, COLORS, strict=False)), LAYER: "#0072b2"}
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 9.5), layout="constrained")
    plot_errors(axes[0, 0], found)
    plot_violations(axes[0, 1], found, colors)
    for method, some in found.items():
        if method == NOTHING:
            level = 100 * values(some, "new", True, "error").mean()
            axes[1, 0].axhline(level, color="k", linestyle="--", label="nothing: P(0)")
            continue
        length = min(len(run.curve) for run in some)
        curves = 100 * np.array([run.curve[:length] for run in some])
        epochs = np.arange(1, length + 1)
        axes[1, 0].fill_between(
            epochs, curves.min(0), curves.max(0), color=colors[method], alpha=0.15
        )
        axes[1, 0].plot(epochs, curves.mean(0), color=colors[method], label=method)
    axes[1, 0].set(xlabel="epoch", ylabel="error, % of the weight", yscale="log")
    axes[1, 0].set_title("New requests: mean over seeds, range")
    axes[1, 0].legend(fontsize=8)
    axes[1, 0].grid(alpha=0.3, which="both")
    plot_cones(axes[1, 1], found, colors)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def plot_errors(axes: pyplot.Axes, found: dict[str, list[Run]]) -> None:
    """Errors of all methods, as they are and projected: mean and deviation over seeds."""
    kinds = [("new", False, "o", "C1"), ("new", True, "s", "C1"),
             ("other", False, "o", "C4"), ("other", True, "s", "C4")]  # fmt: skip
    for shift, (place, projected, mark, color) in enumerate(kinds):
        some = [m for m in found if (place, projected) in found[m][0].judged]
        numbers = [100 * values(found[m], place, projected, "error") for m in some]
        axes.errorbar(
            [list(found).index(m) + 0.14 * (shift - 1.5) for m in some],
            [np.mean(n) for n in numbers],
            [np.std(n, ddof=1) if len(n) > 1 else 0.0 for n in numbers],
            fmt=mark,
            capsize=3,
            color=color,
            markerfacecolor=color if projected else "white",
            label=f"{PLACES[place]}, {'projected' if projected else 'as it is'}",
        )
    axes.set_xticks(range(len(found)), list(found), fontsize=8)
    axes.set(ylabel="error, % of the weight", ylim=(0, None), title="Distance from the expert")
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8)


def plot_violations(axes: pyplot.Axes, found: dict[str, list[Run]], colors: dict[str, str]) -> None:
    """Violations of what each network says as it was trained, on a logarithmic axis."""
    found = {method: some for method, some in found.items() if method != NOTHING}
    for at, place in enumerate(PLACES):
        for shift, (method, some) in enumerate(found.items()):
            numbers = 100 * values(some, place, method == LAYER, "mean")
            x = at + 0.8 * (shift + 0.5) / len(found) - 0.4
            label = method if at == 0 else None
            axes.bar(x, np.mean(numbers), 0.7 / len(found), color=colors[method], label=label)
            axes.plot([x] * len(numbers), numbers, "k.", markersize=3)
    axes.set_xticks(range(len(PLACES)), list(PLACES.values()))
    axes.set(yscale="log", ylabel="largest violation of a request, % of the weight")
    axes.set_ylim(top=1e5)  # room for the legend
    axes.set_title("Violations: mean over requests, a dot per seed")
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8, loc="upper center", ncols=3)


def plot_cones(axes: pyplot.Axes, found: dict[str, list[Run]], colors: dict[str, str]) -> None:
    """The forces along the floor of the first foot, by what friction holds: within 1 or it slips.

    Where a network says that the foot pulls at the floor, nothing holds; these are not drawn.
    """
    for method in (PLAIN, LAYER):
        for run in found.get(method, [])[:1]:
            if run.answers is None:
                continue
            forces, asked = run.answers
            held = (asked.friction * forces[..., 2])[:, 0]
            slide = (forces[:, 0, :2] / held[:, None])[held > 0].numpy()
            slips = 100 * float((np.linalg.norm(slide, axis=1) > 1 + 1e-9).mean())
            label = f"{method}: {slips:.0f} % slip"
            axes.plot(*slide.T, ".", color=colors[method], markersize=5, label=label)
    axes.add_patch(pyplot.Circle((0, 0), 1, fill=False, color="k", label="friction cone"))
    axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    axes.set(xlabel="force in x by what friction holds", ylabel="force in y by the same")
    axes.set_title("One foot, other floors and loads")
    axes.legend(fontsize=8, loc="upper right")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads and checks the command line; a bad one ends the program with exit code 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--weights", type=positive, nargs="+", default=[1.0, 10.0, 100.0], help="of penalties"
    )
    parser.add_argument("--seeds", type=count, default=10, help="runs of each method")
    parser.add_argument("--seed", type=seed, default=0, help="the first of them")
    parser.add_argument("--train", type=count, default=1000, help="requests to learn from")
    parser.add_argument("--test", type=count, default=500, help="requests to test with, twice")
    parser.add_argument("--hidden", type=count, default=64, help="width of the two hidden layers")
    parser.add_argument("--epochs", type=count, default=40)
    parser.add_argument("--batch", type=count, default=100)
    parser.add_argument("--rate", type=positive, default=0.01, help="of Adam, at the beginning")
    parser.add_argument("--plot", type=plot_file, default=Path("robust.png"))
    parser.add_argument("--quick", action="store_true", help="a few seconds: few of everything")
    if "--quick" in argv:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(argv)
    if len(set(arguments.weights)) < len(arguments.weights) or len(arguments.weights) > 5:
        parser.error(f"--weights: expected at most 5 different ones; found {arguments.weights}")
    return arguments


def main() -> int:
    """Trains, plots, and says how it went; the exit code."""
    arguments = parse()
    # Products of matrices this small are faster in one thread; argrad has threads of its own.
    torch.set_num_threads(1)
    with Interruption() as interruption:
        runs = experiment(arguments, interruption)
    if not any(run.curve for run in runs):
        print("interrupted before the end of the first epoch: nothing to plot")
        return EXIT_CODE
    print(table(runs))
    if not interruption.requested:
        found, asked = refused(arguments)
        print(f"of {asked} requests that no forces can meet, the layer refused {found}")
    plot(runs, arguments.plot)
    print(f"plot in {arguments.plot}")
    return EXIT_CODE if interruption.requested else 0


if __name__ == "__main__":
    sys.exit(main())
