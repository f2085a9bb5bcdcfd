"""Regression whose data are uncertain, with an uncertainty that is learned sensor by sensor.

    python robust_regression.py --plot robust_regression.png

Weights w are fitted to data A, b from a laboratory, but used in the field, where sensor j adds
noise of a strength that nobody knows. Robust least squares (El Ghaoui and Lebret, "Robust solutions
to least-squares problems with uncertain data", 1997) is prepared for all data near A:

    max { |(A + U R)w - b| : |U|_F <= 1 } = |Aw - b| + |Rw|,    R = diag(r),

a second-order cone program in w. Its radii r are learned: a few measurements from the field say how
good w(r) is, and the layer says how w(r) changes with r. Quantities are measured by two sensors
each, of which one is noisy in the field; nothing tells the program which.

Ctrl-C ends after the current step, with the table and the plot so far.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cvxpy as cp
import matplotlib
import numpy as np
import torch
from command_line import EXIT_CODE, Interruption, count, plot_file, positive, seed
from tqdm import tqdm

from argrad.torch import CvxpyLayer

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

METHODS = {
    "laboratory": "least squares on the laboratory's data",
    "both": "least squares on all data",
    "ridge": "ridge, its weight the best in the field",
    "one radius": "robust, one radius learned",
    "radii": "robust, a radius per sensor learned",
    "known": "least squares for the true noise",
}
QUICK = {"seeds": 2, "steps": 30}


@dataclass
class Data:
    """Measurements A, (count, sensors), and what is to be predicted from them, b (count,)."""

    A: torch.Tensor
    b: torch.Tensor

    def error(self, w: torch.Tensor) -> torch.Tensor:
        """Mean squared error of predictions."""
        return ((self.A @ w - self.b) ** 2).mean()


def measurements(arguments: argparse.Namespace, number: int) -> tuple[dict[str, Data], np.ndarray]:
    """Data of `laboratory`, `field` and `test`, and the noise of each sensor in the field."""
    random = np.random.default_rng(number)
    quantities = arguments.sensors // 2
    theta = random.standard_normal(quantities)
    strength = random.uniform(0.5, 2.0, (quantities, 1)) * [[1.0, 0.0]]
    noise = random.permuted(strength, axis=1).ravel()
    made = {}
    counts = {"laboratory": arguments.laboratory, "field": arguments.field, "test": 2000}
    for place, rows in counts.items():
        truth = random.standard_normal((rows, quantities))
        seen = np.repeat(truth, 2, axis=1) + 0.1 * random.standard_normal((rows, 2 * quantities))
        if place != "laboratory":
            seen += noise * random.standard_normal(seen.shape)
        b = truth @ theta + 0.1 * random.standard_normal(rows)
        made[place] = Data(torch.tensor(seen), torch.tensor(b))
    return made, noise


class RobustRegression(torch.nn.Module):
    """Weights w that minimize |Aw - b| + |diag(r) w|, for radii r."""

    def __init__(self, data: Data) -> None:
        super().__init__()
        w = cp.Variable(data.A.shape[1])
        self.radii = cp.Parameter(len(data.A[0]), nonneg=True)
        residual = data.A.numpy() @ w - data.b.numpy()
        objective = cp.norm(residual) + cp.norm(cp.multiply(self.radii, w))
        self.layer = CvxpyLayer(cp.Problem(cp.Minimize(objective)), [self.radii], [w])

    def forward(self, radii: torch.Tensor) -> torch.Tensor:
        """(sensors,) -> (sensors,)."""
        (w,) = self.layer(radii)
        return w


def learn_radii(
    regression: RobustRegression,
    field: Data,
    shared: bool,
    arguments: argparse.Namespace,
    interruption: Interruption,
    bar: tqdm,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Radii, one for all or one per sensor, by the error in the field; w and r of the last step."""
    sensors = field.A.shape[1]
    log_radii = torch.zeros(1 if shared else sensors, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([log_radii], lr=arguments.rate)
    for _ in range(arguments.steps):
        if interruption.requested:
            break
        optimizer.zero_grad()
        field.error(regression(log_radii.exp().expand(sensors))).backward()
        optimizer.step()
        bar.update()
    with torch.no_grad():
        radii = log_radii.exp().expand(sensors)
        return regression(radii), radii


def generalized_ridge(data: Data, penalty: torch.Tensor) -> torch.Tensor:
    """w that minimizes |Aw - b|^2 + sum_j penalty_j w_j^2."""
    return torch.linalg.solve(data.A.T @ data.A + torch.diag(penalty), data.A.T @ data.b)


def best_ridge(data: Data, field: Data) -> torch.Tensor:
    """Ridge with the weight that is best in the field, of 25: 1e-3 to 1e3 times the size of A'A."""
    size = float((data.A**2).sum() / data.A.shape[1])
    ones = torch.ones(data.A.shape[1], dtype=torch.float64)
    tried = [generalized_ridge(data, t * size * ones) for t in np.logspace(-3, 3, 25)]
    return min(tried, key=lambda w: float(field.error(w)))


@dataclass
class Run:
    """One seed: test errors by method; noise and learned radius of each sensor."""

    seed: int
    errors: dict[str, float]
    noise: np.ndarray
    radii: np.ndarray


def run_seed(
    number: int, arguments: argparse.Namespace, interruption: Interruption, bar: tqdm
) -> Run:
    """All methods on the data of one seed."""
    data, noise = measurements(arguments, number)
    lab, field = data["laboratory"], data["field"]
    regression = RobustRegression(lab)
    both = Data(torch.cat([lab.A, field.A]), torch.cat([lab.b, field.b]))
    one, _ = learn_radii(regression, field, True, arguments, interruption, bar)
    each, radii = learn_radii(regression, field, False, arguments, interruption, bar)
    # E |(A + N)w - b|^2 = |Aw - b|^2 + rows sum_j noise_j^2 w_j^2.
    true_penalty = len(lab.b) * torch.tensor(noise) ** 2
    none = torch.zeros_like(true_penalty)
    weights = {
        "laboratory": generalized_ridge(lab, none),
        "both": generalized_ridge(both, none),
        "ridge": best_ridge(lab, field),
        "one radius": one,
        "radii": each,
        "known": generalized_ridge(lab, true_penalty),
    }
    errors = {method: float(data["test"].error(w)) for method, w in weights.items()}
    return Run(number, errors, noise, radii.numpy())


def experiment(arguments: argparse.Namespace, interruption: Interruption) -> list[Run]:
    """All seeds."""
    runs: list[Run] = []
    with tqdm(total=2 * arguments.seeds * arguments.steps, unit="step", disable=None) as bar:
        for number in range(arguments.seed, arguments.seed + arguments.seeds):
            runs.append(run_seed(number, arguments, interruption, bar))
            if interruption.requested:
                break
    return runs


def table(runs: list[Run]) -> str:
    """Test errors of the methods, over the seeds."""
    lines = [f"mean squared error in the field, {len(runs)} seeds: mean +- deviation"]
    for method, what in METHODS.items():
        errors = [run.errors[method] for run in runs]
        deviation = np.std(errors, ddof=1) if len(errors) > 1 else 0.0
        lines.append(f"  {method:11} {np.mean(errors):7.3f} +- {deviation:5.3f}   {what}")
    for rival in ("both", "ridge", "one radius"):
        wins = sum(run.errors["radii"] < run.errors[rival] for run in runs)
        lines.append(f"radii have a smaller error than {rival} {wins} times of {len(runs)}")
    return "\n".join(lines)


def plot(runs: list[Run], path: Path) -> None:
    """Errors of the methods, and what was learned of each sensor."""
    figure, (errors, sensors) = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for at, method in enumerate(METHODS):
        values = [run.errors[method] for run in runs]
        errors.plot([at] * len(values), values, "o", color="#0072b2", alpha=0.4)
        errors.plot([at - 0.25, at + 0.25], [np.mean(values)] * 2, "k-")
    errors.set_xticks(range(len(METHODS)), list(METHODS))
    errors.set(ylabel="mean squared error in the field", yscale="log")
    errors.set_title("A dot per seed, a line for the mean")
    errors.grid(alpha=0.3, axis="y", which="both")
    noise = np.concatenate([run.noise for run in runs])
    radii = np.concatenate([run.radii for run in runs])
    sensors.plot(noise, radii, "o", color="#d55e00", alpha=0.5)
    sensors.axhline(1.0, color="gray", linestyle="--", label="all radii before learning")
    sensors.set(xlabel="noise of a sensor in the field", ylabel="learned radius", yscale="log")
    sensors.set_title("What was learned of the sensors")
    sensors.grid(alpha=0.3)
    sensors.legend()
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
    parser.add_argument("--sensors", type=count, default=20, help="an even number")
    parser.add_argument("--laboratory", type=count, default=60, help="measurements to fit to")
    parser.add_argument("--field", type=count, default=40, help="measurements to learn radii from")
    parser.add_argument("--seeds", type=count, default=10, help="runs")
    parser.add_argument("--seed", type=seed, default=0, help="the first of them")
    parser.add_argument("--steps", type=count, default=100, help="of Adam")
    parser.add_argument("--rate", type=positive, default=0.1, help="of Adam")
    parser.add_argument("--plot", type=plot_file, default=Path("robust_regression.png"))
    parser.add_argument("--quick", action="store_true", help="a few seconds: few of everything")
    if "--quick" in argv:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(argv)
    if arguments.sensors % 2:
        parser.error(
            f"--sensors: expected an even number, two for each quantity; found {arguments.sensors}"
        )
    if arguments.laboratory <= arguments.sensors:
        parser.error(
            f"--laboratory: expected more measurements than there are sensors, "
            f"{arguments.sensors}, so that least squares has one solution; "
            f"found {arguments.laboratory}"
        )
    return arguments


def main() -> int:
    """Learns, plots, and says how it went; the exit code."""
    arguments = parse()
    torch.set_num_threads(1)
    with Interruption() as interruption:
        runs = experiment(arguments, interruption)
    print(table(runs))
    plot(runs, arguments.plot)
    print(f"plot in {arguments.plot}")
    return EXIT_CODE if interruption.requested else 0


if __name__ == "__main__":
    sys.exit(main())
