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
from pathlib import Path
from typing import Any

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
from robust_report import LAYER, NOTHING, PLACES, PLAIN, Judged, Run, plot, table
from tqdm import tqdm

import argrad

OTHER: dict[str, Any] = {"friction": (0.15, 0.4), "load": (0.5, 1.6), "grip": 0.95}
QUICK = {"seeds": 2, "epochs": 20, "train": 500, "test": 200, "batch": 50, "weights": [10.0]}


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
