"""Trains a denoiser that is a convex program, and plots what it learned.

    python train_layer.py --plot denoising.png

The layer is minimize 1/2 |x - y|^2 + sum_i w_i |x_{i+1} - x_i| for a noisy signal y: total
variation with a weight of its own for every pair of neighbours. The weights are learned from pairs
of noisy and clean signals. These jump seldom, and mostly at the same places, the starts of shifts;
nothing tells the layer so. It starts from the one weight for all that is best.

Code for cvxpylayers runs after a change of one line, the import below.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cvxpy as cp
import matplotlib
import numpy as np
import torch
from tqdm import tqdm

from argrad.torch import CvxpyLayer  # was: from cvxpylayers.torch import CvxpyLayer

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

NOISE, SHIFT = 10.0, 8


def signals(count: int, samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean and noisy signals, (count, samples): levels 10 to 100, noise 10 N(0,1).

    The level changes with probability 1/2 at every SHIFT-th sample, else with probability 1/100.
    """
    random = np.random.default_rng(seed)
    chance = np.where(np.arange(samples) % SHIFT == 0, 0.5, 0.01)
    segment = np.cumsum(random.random((count, samples)) < chance, axis=1)
    levels = random.uniform(10, 100, (count, samples + 1))
    clean = np.take_along_axis(levels, segment, axis=1)
    noisy = clean + NOISE * random.standard_normal(clean.shape)
    return torch.tensor(clean), torch.tensor(noisy)


class Denoiser(torch.nn.Module):
    """x minimizes 1/2 |x - y|^2 + sum_i w_i |x_{i+1} - x_i|.

    Args:
        samples: of a signal.
        weight: all weights at the beginning.
    """

    def __init__(self, samples: int, weight: float) -> None:
        super().__init__()
        x, y = cp.Variable(samples), cp.Parameter(samples)
        w = cp.Parameter(samples - 1, nonneg=True)
        objective = cp.Minimize(0.5 * cp.sum_squares(x - y) + w @ cp.abs(cp.diff(x)))
        self.layer = CvxpyLayer(cp.Problem(objective), parameters=[y, w], variables=[x])
        # The logarithm keeps the weights positive.
        start = torch.full((samples - 1,), weight, dtype=torch.float64)
        self.log_weights = torch.nn.Parameter(start.log())

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """(batch, samples) -> (batch, samples)."""
        (x,) = self.layer(y, self.log_weights.exp())
        return x


def mean_square(model: Denoiser, clean: torch.Tensor, noisy: torch.Tensor) -> float:
    """Mean squared error of the denoised signals, without gradients."""
    with torch.no_grad():
        return float(torch.mean((model(noisy) - clean) ** 2))


def best_weight(clean: torch.Tensor, noisy: torch.Tensor) -> float:
    """The one weight that denoises these signals best, by golden section."""
    model, ratio = Denoiser(clean.shape[1], 1.0), (5**0.5 - 1) / 2

    def error(weight: float) -> float:
        torch.nn.init.constant_(model.log_weights, np.log(weight))
        return mean_square(model, clean, noisy)

    low, high = 1.0, 100.0
    for _ in range(12):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if error(left) < error(right) else (left, high)
    return (low + high) / 2


def train(arguments: argparse.Namespace) -> dict:
    """Trains; the errors on the way, the model before and after, and the test signals."""
    clean, noisy = signals(arguments.train, arguments.samples, arguments.seed)
    test = signals(arguments.test, arguments.samples, arguments.seed + 1)
    weight = best_weight(clean, noisy)
    before, model = Denoiser(arguments.samples, weight), Denoiser(arguments.samples, weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    steps = len(clean) // arguments.batch
    train_errors, test_errors = [], [mean_square(model, *test)]
    order = torch.Generator().manual_seed(arguments.seed)
    began = time.perf_counter()
    with tqdm(total=arguments.epochs * steps, unit="step", disable=None) as bar:
        for _ in range(arguments.epochs):
            shuffled = torch.randperm(len(clean), generator=order)
            total = 0.0
            for batch in shuffled[: steps * arguments.batch].split(arguments.batch):
                optimizer.zero_grad()
                loss = torch.mean((model(noisy[batch]) - clean[batch]) ** 2)
                loss.backward()
                optimizer.step()
                total += loss.item()
                bar.update()
                bar.set_postfix(train=f"{loss.item():.1f}", test=f"{test_errors[-1]:.1f}")
            schedule.step()
            train_errors.append(total / steps)
            test_errors.append(mean_square(model, *test))
    return {
        "weight": weight,
        "train": train_errors,
        "test": test_errors,
        "seconds": time.perf_counter() - began,
        "before": before,
        "after": model,
        "signals": test,
    }


def plot(found: dict, path: Path) -> None:
    """The error by epoch, the weights, and a test signal."""
    figure = pyplot.figure(figsize=(11, 7), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    curves, weights = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    signal = figure.add_subplot(grid[1, :])
    epochs = range(len(found["test"]))
    curves.plot(list(epochs)[1:], found["train"], "o-", markersize=3, label="training signals")
    curves.plot(epochs, found["test"], "o-", markersize=3, label="test signals")
    best = found["test"][0]
    curves.axhline(best, color="gray", linestyle="--", label="best single weight, test signals")
    curves.set(xlabel="epoch", ylabel="mean squared error", title="Denoising error", ylim=(0, None))
    curves.legend(loc="center right")

    learned = found["after"].log_weights.detach().exp().numpy()
    places = np.arange(1, len(learned) + 1)
    weights.bar(places, learned, color=["C1" if i % SHIFT == 0 else "C0" for i in places])
    weights.axhline(found["weight"], color="gray", linestyle="--", label="best single weight")
    weights.bar([0], [0], color="C1", label="starts of shifts")
    weights.set(xlabel="between sample i - 1 and i", title="Learned weights", xlim=(0, None))
    weights.legend()

    clean, noisy = found["signals"]
    with torch.no_grad():
        denoised = [found[name](noisy) for name in ("before", "after")]
    errors = [((x - clean) ** 2).mean(dim=1) for x in denoised]
    # A typical signal: the one whose gain is the median.
    which = int(torch.argsort(errors[0] - errors[1])[len(clean) // 2])
    signal.plot(noisy[which], ".", color="gray", label="noisy")
    signal.step(range(clean.shape[1]), clean[which], "k", where="mid", label="clean")
    for x, error, label in zip(denoised, errors, ("best single weight", "learned"), strict=True):
        label = f"{label}: error {error[which]:.1f}"
        signal.step(range(clean.shape[1]), x[which], where="mid", label=label)
    signal.set(xlabel="sample", title="The test signal with the median gain")
    signal.legend()
    figure.savefig(path, dpi=110)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=48, help="of a signal")
    parser.add_argument("--train", type=int, default=512, help="signals to learn from")
    parser.add_argument("--test", type=int, default=256, help="signals to test with")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--rate", type=float, default=0.1, help="of Adam")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("denoising.png"))
    return parser.parse_args(argv)


def main() -> None:
    """Trains, plots, and says how it went."""
    arguments = parse()
    found = train(arguments)
    plot(found, arguments.plot)
    first, last = found["test"][0], found["test"][-1]
    print(f"test error {first:.1f} (one weight, {found['weight']:.1f}) -> {last:.1f}")
    print(f"{found['seconds']:.1f} s; plot in {arguments.plot}")


if __name__ == "__main__":
    main()
