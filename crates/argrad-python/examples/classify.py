"""Digits classified by a network with a quadratic program as a layer, against networks without.

    python classify.py --plot classify.png

The layer is that of OptNet's experiment on MNIST (Amos and Kolter, "OptNet: Differentiable
Optimization as a Layer in Neural Networks", 2017, supplement): for the output p of the layer before

    z = argmin 1/2 z'Qz + p'z  subject to  Gz <= h,   Q = LL' + eps I,  h = G z0 + s0,  s0 > 0

with L, G, z0 and s0 learned: Q is positive definite and z0 feasible, whatever they become. Three
networks classify the 8 x 8 digits that scikit-learn ships, for several sizes n of z:

    optnet   64 -> n -> quadratic program -> 10
    relu     64 -> n -> ReLU -> 10, the same network with the layer replaced
    wider    64 -> w -> ReLU -> 10, where w gives it the number of parameters of optnet

With --hidden each begins with a ReLU layer of that width, as OptNet's networks did.

Ctrl-C ends the training after the current step, with the table and the plot so far.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import torch
from command_line import EXIT_CODE, Interruption, count, plot_file, positive, seed
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm

from argrad.torch import qp

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

KINDS = ("optnet", "relu", "wider")
COLORS = {"optnet": "#0072b2", "relu": "#d55e00", "wider": "#009e73"}
PIXELS, CLASSES = 64, 10
QUICK = {"sizes": [10], "seeds": 2, "epochs": 6, "train": 600}


class OptNet(torch.nn.Module):
    """z minimizes 1/2 z'(LL' + eps I)z + p'z subject to Gz <= G z0 + s0.

    Args:
        size: n, of z and p.
        inequalities: rows of G.

    Attributes:
        seconds: what its solves and their derivatives took, since it was set to zero.
    """

    EPS = 1e-4

    def __init__(self, size: int, inequalities: int) -> None:
        super().__init__()
        rows = normalize(torch.randn(inequalities, size, dtype=torch.float64), dim=1)
        self.L = torch.nn.Parameter(torch.eye(size, dtype=torch.float64))
        self.G = torch.nn.Parameter(rows)
        self.z0 = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64))
        # The logarithm keeps s0 positive, so that every program has a solution.
        self.log_s0 = torch.nn.Parameter(torch.zeros(inequalities, dtype=torch.float64))
        self.register_buffer("ridge", self.EPS * torch.eye(size, dtype=torch.float64))
        self.seconds = 0.0

    def forward(self, p: torch.Tensor) -> torch.Tensor:
        """(batch, n) -> (batch, n)."""
        factor = self.L.tril()
        h = self.G @ self.z0 + self.log_s0.exp()
        began = time.perf_counter()
        z = qp(factor @ factor.T + self.ridge, p, self.G, h)
        self.seconds += time.perf_counter() - began
        if z.requires_grad and p.requires_grad:
            self._time_derivative(z, p)
        return z

    def _time_derivative(self, z: torch.Tensor, p: torch.Tensor) -> None:
        """The derivative begins when the gradient by z is there and ends with that by p."""
        began = 0.0

        def begin(_: torch.Tensor) -> None:
            nonlocal began
            began = time.perf_counter()

        def end(_: torch.Tensor) -> None:
            self.seconds += time.perf_counter() - began

        z.register_hook(begin)
        p.register_hook(end)


def optnet_parameters(size: int, inequalities: int) -> int:
    """Numbers that an `OptNet` learns; of L those on and below the diagonal."""
    return size * (size + 1) // 2 + inequalities * size + size + inequalities


def network(kind: str, size: int, hidden: int) -> tuple[torch.nn.Sequential, int]:
    """A network of one of `KINDS`, (batch, PIXELS) -> (batch, CLASSES), and its parameters.

    Args:
        size: n, of the layer that is compared; it has as many inequalities.
        hidden: width of a ReLU layer before, 0 for none.
    """
    inputs = hidden or PIXELS
    width = size
    if kind == "wider":
        # (inputs + 1 + CLASSES) w = the weights and biases around z, and the layer's own.
        around = (inputs + 1 + CLASSES) * size + optnet_parameters(size, size)
        width = round(around / (inputs + 1 + CLASSES))
    layers: list[torch.nn.Module] = []
    if hidden:
        layers += [torch.nn.Linear(PIXELS, hidden), torch.nn.ReLU()]
    layers.append(torch.nn.Linear(inputs, width))
    layers.append(OptNet(size, size) if kind == "optnet" else torch.nn.ReLU())
    layers.append(torch.nn.Linear(width, CLASSES))
    parameters = (PIXELS + 1) * hidden + (inputs + 1 + CLASSES) * width + CLASSES
    if kind == "optnet":
        parameters += optnet_parameters(size, size)
    return torch.nn.Sequential(*layers).double(), parameters


@dataclass
class Run:
    """One network, trained from one seed. Lists have an entry per epoch."""

    kind: str
    size: int
    seed: int
    parameters: int
    train_loss: list[float] = field(default_factory=list)
    test_error: list[float] = field(default_factory=list)  # percent
    seconds: float = 0.0  # of training
    layer_seconds: float = 0.0  # of these, in solves and their derivatives
    complete: bool = False


Split = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def digits(train: int, test: int, seed: int) -> Split:
    """Images (count, PIXELS) in [0, 1] and labels to train on, and others to test with."""
    data = load_digits()
    images, labels = torch.tensor(data.data) / 16.0, torch.tensor(data.target)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    # From both ends: the test images stay the same, however many are trained on.
    first, last = order[:train], order[len(order) - test :]
    return images[first], labels[first], images[last], labels[last]


def train(
    run: Run, split: Split, arguments: argparse.Namespace, interruption: Interruption, bar: tqdm
) -> torch.nn.Sequential:
    """Trains the network of a run and writes into the run how it went.

    All kinds see the same images in the same order; the seed is that of the weights too.
    """
    images, labels, test_images, test_labels = split
    torch.manual_seed(run.seed)
    model, _ = network(run.kind, run.size, arguments.hidden)
    order = torch.Generator().manual_seed(run.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    layer = model[-2]
    for _ in range(arguments.epochs):
        began, total = time.perf_counter(), 0.0
        if isinstance(layer, OptNet):
            layer.seconds = 0.0
        for batch in torch.randperm(len(images), generator=order).split(arguments.batch):
            if interruption.requested:
                return model
            optimizer.zero_grad()
            loss = cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            bar.update()
        schedule.step()
        run.seconds += time.perf_counter() - began
        if isinstance(layer, OptNet):
            run.layer_seconds += layer.seconds
        run.train_loss.append(total / len(images))
        with torch.no_grad():
            wrong = model(test_images).argmax(dim=1) != test_labels
        run.test_error.append(100.0 * float(wrong.double().mean()))
        bar.set_postfix(kind=run.kind, n=run.size, error=f"{run.test_error[-1]:.1f} %")
    run.complete = True
    return model


def experiment(arguments: argparse.Namespace, interruption: Interruption) -> list[Run]:
    """All kinds and sizes from all seeds; seed by seed, so that what there is can be compared."""
    runs: list[Run] = []
    steps = arguments.epochs * -(-arguments.train // arguments.batch)
    total = arguments.seeds * len(arguments.sizes) * len(KINDS) * steps
    with tqdm(total=total, unit="step", disable=None) as bar:
        for number in range(arguments.seed, arguments.seed + arguments.seeds):
            split = digits(arguments.train, arguments.test, number)
            for size in arguments.sizes:
                for kind in KINDS:
                    run = Run(kind, size, number, network(kind, size, arguments.hidden)[1])
                    train(run, split, arguments, interruption, bar)
                    if run.test_error:
                        runs.append(run)
                    if interruption.requested:
                        return runs
    return runs


def finished(runs: list[Run]) -> list[Run]:
    """The runs that reached the last epoch; if none did, all."""
    return [run for run in runs if run.complete] or runs


def select(runs: list[Run], kind: str, size: int) -> list[Run]:
    """The finished runs of one network."""
    return [run for run in finished(runs) if (run.kind, run.size) == (kind, size)]


def paired(runs: list[Run], size: int, rival: str) -> np.ndarray:
    """Test error of optnet less that of a rival, in points, of the seeds that both have."""
    errors = {
        kind: {run.seed: run.test_error[-1] for run in select(runs, kind, size)}
        for kind in ("optnet", rival)
    }
    both = sorted(errors["optnet"].keys() & errors[rival].keys())
    return np.array([errors["optnet"][seed] - errors[rival][seed] for seed in both])


def spread(values: np.ndarray | list[float]) -> str:
    """Mean and standard deviation."""
    deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):6.2f} +- {deviation:4.2f}"


def table(runs: list[Run]) -> str:
    """What remains of all seeds, for each size and kind."""
    lines = [
        "   n  network  parameters  seeds  test error, %  training loss  ms/epoch  in the layer",
    ]
    sizes = sorted({run.size for run in finished(runs)})
    for size in sizes:
        for kind in KINDS:
            found = select(runs, kind, size)
            if not found:
                continue
            loss = np.mean([run.train_loss[-1] for run in found])
            epochs = sum(len(run.test_error) for run in found)
            seconds = sum(run.seconds for run in found)
            share = sum(run.layer_seconds for run in found) / seconds
            lines.append(
                f"{size:4}  {kind:7}  {found[0].parameters:10}  {len(found):5}  "
                f"{spread([run.test_error[-1] for run in found])}  {loss:13.4f}  "
                f"{1e3 * seconds / epochs:8.1f}  {100 * share:10.0f} %"
            )
    for size in sizes:
        for rival in KINDS[1:]:
            less = paired(runs, size, rival)
            if len(less):
                better, worse = int((less < 0).sum()), int((less > 0).sum())
                lines.append(
                    f"n = {size}: optnet less {rival}, {spread(less)} points; "
                    f"better {better} times, worse {worse} times of {len(less)}"
                )
    return "\n".join(lines)


def band(axes: pyplot.Axes, runs: list[Run], values: Callable[[Run], list[float]]) -> None:
    """Curves over the epochs: the mean over seeds in the range of all."""
    size = max(run.size for run in finished(runs))
    for kind in KINDS:
        found = select(runs, kind, size)
        if not found:
            continue
        length = min(len(run.test_error) for run in found)
        curves = np.array([values(run)[:length] for run in found])
        epochs = np.arange(1, length + 1)
        axes.fill_between(epochs, curves.min(0), curves.max(0), color=COLORS[kind], alpha=0.15)
        label = f"{kind} ({found[0].parameters} parameters)"
        axes.plot(epochs, curves.mean(0), ".-", color=COLORS[kind], label=label)
    axes.set(xlabel="epoch", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(title=f"n = {size}: mean, range of {len(found)} seeds", fontsize=8)


def plot(runs: list[Run], path: Path) -> None:
    """Training loss and test error by epoch; test error and time by size of the layer."""
    figure, ((loss, error), (ablation, clock)) = pyplot.subplots(
        2, 2, figsize=(12, 8), layout="constrained"
    )
    band(loss, runs, lambda run: run.train_loss)
    loss.set(ylabel="cross entropy", title="Training loss")
    band(error, runs, lambda run: run.test_error)
    error.set(ylabel="wrong test images, %", title="Test error")
    sizes = sorted({run.size for run in finished(runs)})
    for shift, kind in enumerate(KINDS, start=-1):
        chosen = [(at, select(runs, kind, size)) for at, size in enumerate(sizes)]
        found = [(at + 0.2 * shift, some) for at, some in chosen if some]
        errors = [[run.test_error[-1] for run in some] for _, some in found]
        ablation.errorbar(
            [at for at, _ in found],
            [np.mean(values) for values in errors],
            [np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in errors],
            fmt="o",
            capsize=4,
            color=COLORS[kind],
            label=kind,
        )
        epoch = [1e3 * sum(r.seconds for r in s) / sum(len(r.test_error) for r in s)
                 for _, s in found]  # fmt: skip
        clock.bar([at for at, _ in found], epoch, 0.18, color=COLORS[kind], label=kind)
        if kind == "optnet":
            solve = [1e3 * sum(r.layer_seconds for r in s) / sum(len(r.test_error) for r in s)
                     for _, s in found]  # fmt: skip
            label = "of it, the quadratic programs"
            places = [at for at, _ in found]
            clock.bar(places, solve, 0.18, color="none", edgecolor="k", hatch="//", label=label)
    for axes in (ablation, clock):
        axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        axes.set(xlabel="size n of the layer", xlim=(-0.6, len(sizes) - 0.4), ylim=(0, None))
        axes.grid(alpha=0.3, axis="y")
        axes.legend(fontsize=8)
    ablation.set(ylabel="wrong test images, %", title="Test error by size: mean, deviation")
    clock.set(ylabel="ms per epoch", title="Time of training")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads and checks the command line; a bad one ends the program with exit code 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--sizes", type=count, nargs="+", default=[5, 10, 20, 40], help="n, of the layer"
    )
    parser.add_argument("--hidden", type=count, default=0, help="width of a ReLU layer before it")
    parser.add_argument("--seeds", type=count, default=10, help="runs of each network")
    parser.add_argument("--seed", type=seed, default=0, help="the first of them")
    parser.add_argument("--train", type=count, default=1200, help="images to train on")
    parser.add_argument("--test", type=count, default=597, help="images to test with")
    parser.add_argument("--epochs", type=count, default=40)
    parser.add_argument("--batch", type=count, default=50)
    parser.add_argument("--rate", type=positive, default=0.03, help="of Adam, at the beginning")
    parser.add_argument("--plot", type=plot_file, default=Path("classify.png"))
    parser.add_argument("--quick", action="store_true", help="a few seconds: one size, few epochs")
    if "--quick" in argv:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(argv)
    there = len(load_digits().target)
    if arguments.train + arguments.test > there:
        parser.error(
            f"--train and --test: expected at most {there} images together, which is all there "
            f"are; found {arguments.train} + {arguments.test}"
        )
    return arguments


def main() -> int:
    """Trains, plots, and says how it went; the exit code."""
    arguments = parse()
    # Products of matrices this small are faster in one thread; argrad has threads of its own.
    torch.set_num_threads(1)
    with Interruption() as interruption:
        runs = experiment(arguments, interruption)
    if not runs:
        print("interrupted before the end of the first epoch: nothing to plot")
        return EXIT_CODE
    print(table(runs))
    plot(runs, arguments.plot)
    print(f"plot in {arguments.plot}")
    return EXIT_CODE if interruption.requested else 0


if __name__ == "__main__":
    sys.exit(main())
