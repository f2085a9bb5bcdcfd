"""Which gradient of a decision to train with: a picture, and a race over shortest paths.

    python decisions.py --picture decisions.svg
    python decisions.py --train

The picture follows predictions along a line through the truth: what the regret does, what losses
make of it, and the slopes that layers give. The race trains one linear predictor with each loss, on
costs that no linear predictor can fit, and prints the regret on new data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch

from argrad.torch import decision, qp

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

GRID = (5, 5)
FEATURES = 5
BATCH = 32
# Of the derivatives that `qp` takes: in units of the objective, and a step along the gradient.
SMOOTHED, LPGD = ("smoothed", 0.02), ("lpgd", 1.0)


def path_program(grid: tuple[int, int]) -> Callable[..., torch.Tensor]:
    """The shortest path as `qp`: decisions of costs, with the derivative that is asked for."""
    arcs = decision.grid_arcs(grid)
    nodes, count = grid[0] * grid[1], len(arcs)
    balance = torch.zeros(nodes, count, dtype=torch.float64)
    for at, (left, entered) in enumerate(arcs):
        balance[left, at], balance[entered, at] = -1.0, 1.0
    flow = torch.zeros(nodes - 1, dtype=torch.float64)
    flow[0] = -1.0
    nothing = torch.zeros(count, count, dtype=torch.float64)
    positive = (-torch.eye(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64))

    def solve(costs: torch.Tensor, derivative: object) -> torch.Tensor:
        found = qp(nothing, costs.double(), *positive, balance[:-1], flow, derivative=derivative)
        return found.to(costs)

    return solve


def along_a_line(points: int = 201, draws: int = 1000) -> dict[str, dict[str, np.ndarray]]:
    """Values and slopes over t for the predictions c + t d, of losses and of layers."""
    model, layer = decision.shortest_path(GRID), path_program(GRID)
    generator = torch.Generator().manual_seed(6)
    c, d = (torch.rand(model.num_cost, generator=generator, dtype=torch.float64) for _ in range(2))
    d = 2.0 * d - 1.0
    t = torch.linspace(-2.0, 2.0, points, dtype=torch.float64)
    true = c.expand(points, -1)
    best = model.solve(c)

    def regret(decisions: torch.Tensor) -> torch.Tensor:
        return (true * (decisions - best)).sum(1)

    samples = {"n_samples": draws, "sigma": 0.25}
    losses = {
        "regret": lambda p: decision.decision_regret(model, p, true) + 0.0 * p.sum(1),
        "SPO+": lambda p: decision.SPOPlus(model, reduction="none")(p, true),
        "perturbed Fenchel-Young": lambda p: decision.PFY(model, **samples, reduction="none")(
            p, best.expand(points, -1)
        ),
        "regret of the perturbed": lambda p: regret(decision.DPO(model, **samples)(p)),
        "exact": lambda p: regret(layer(p, "exact")),
        "smoothed": lambda p: regret(layer(p, SMOOTHED)),
        "LPGD": lambda p: regret(layer(p, LPGD)),
        "interpolated": lambda p: regret(decision.DBB(model, lambd=1.0)(p)),
    }
    found = {"t": {"t": t.numpy()}, "value": {}, "slope": {}}
    for name, loss in losses.items():
        p = (c + t[:, None] * d).requires_grad_(True)
        values = loss(p)
        (gradient,) = torch.autograd.grad(values.sum(), p)
        found["value"][name] = values.detach().numpy()
        found["slope"][name] = (gradient @ d).numpy()
    return found


COLORS = {
    "regret": "#000000",
    "SPO+": "#d55e00",
    "perturbed Fenchel-Young": "#cc79a7",
    "regret of the perturbed": "#0072b2",
    "exact": "#000000",
    "smoothed": "#009e73",
    "LPGD": "#e69f00",
    "interpolated": "#56b4e9",
}
PANELS = (
    ("value", "losses", ("regret", "regret of the perturbed", "SPO+", "perturbed Fenchel-Young")),
    ("slope", "their slopes", ("regret of the perturbed", "SPO+", "perturbed Fenchel-Young")),
    (
        "slope",
        "slopes that layers give the regret",
        ("exact", "smoothed", "LPGD", "interpolated"),
    ),
)


def picture(path: Path) -> None:
    """Draws what `along_a_line` finds."""
    found = along_a_line()
    t = found["t"]["t"]
    # A file that does not change where the picture does not.
    matplotlib.rcParams["svg.hashsalt"] = "decisions"
    figure, axes = pyplot.subplots(3, 1, figsize=(7.5, 9.0), sharex=True, layout="constrained")
    for axis, (kind, title, names) in zip(axes, PANELS, strict=True):
        for name in names:
            values = found[kind][name]
            # Slopes of piecewise linear losses, and the regret, jump.
            step = name in ("regret", "exact", "SPO+") and (kind == "slope" or name == "regret")
            draw = {"drawstyle": "steps-mid"} if step else {}
            width = 2.2 if name in ("regret", "exact") else 1.4
            axis.plot(t, values, color=COLORS[name], label=name, linewidth=width, **draw)
        axis.axvline(0.0, color="#b0b0b0", linewidth=0.8, zorder=0)
        axis.axhline(0.0, color="#b0b0b0", linewidth=0.8, zorder=0)
        axis.set_title(title, loc="left", fontsize=11)
        axis.legend(fontsize=8, loc="upper center", ncols=2, frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.0, y=0.15)
    axes[0].set_ylim(-0.1, 2.2)
    axes[-1].set_xlabel("t, where costs c + t d are predicted and the true ones are c")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def methods(model: decision.ProgramModel, data: decision.DecisionDataset) -> dict[str, Callable]:
    """Losses of (predicted costs, true costs, decisions, objectives), by name."""
    layer = path_program(GRID)
    pool = {"dataset": data, "solve_ratio": 0.05, "seed": 0}

    def cost_of(decide: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
        return lambda p, c, w, z: (c * decide(p)).sum(1).mean()

    spo, fenchel_young = decision.SPOPlus(model), decision.PFY(model, sigma=0.5)
    contrastive = {"NCE": decision.NCE(model, **pool), "CMAP": decision.CMAP(model, **pool)}
    ranking = {
        "pointwise": decision.ptLTR(model, **pool),
        "pairwise": decision.prLTR(model, **pool),
        "listwise": decision.lsLTR(model, **pool),
    }
    return {
        "squared error": lambda p, c, w, z: (p - c).square().mean(),
        "exact": cost_of(lambda p: layer(p, "exact")),
        "smoothed": cost_of(lambda p: layer(p, SMOOTHED)),
        "LPGD": cost_of(lambda p: layer(p, LPGD)),
        "interpolated": cost_of(decision.DBB(model, lambd=1.0)),
        "negative identity": cost_of(decision.NID(model)),
        "perturbed": cost_of(decision.DPO(model, sigma=0.5)),
        "SPO+": spo,
        "perturbed Fenchel-Young": lambda p, c, w, z: fenchel_young(p, w),
        **{n: lambda p, c, w, z, loss=loss: loss(p, w) for n, loss in contrastive.items()},
        **{n: lambda p, c, w, z, loss=loss: loss(p, c) for n, loss in ranking.items()},
    }


def train(
    name: str, seed: int, epochs: int, samples: int, degree: int, new: int = 1000
) -> tuple[float, float, float]:
    """The regret on new samples before and after training, and the seconds of an epoch."""
    x, c = decision.data.shortest_path(
        samples + new, FEATURES, GRID, deg=degree, noise_width=0.5, seed=seed
    )
    model = decision.shortest_path(GRID)
    data = decision.DecisionDataset(model, x[:samples], c[:samples])
    unseen = decision.DecisionDataset(model, x[samples:], c[samples:])
    judge = torch.utils.data.DataLoader(unseen, batch_size=new)
    loss = methods(model, data)[name]
    torch.manual_seed(seed)
    net = torch.nn.Linear(FEATURES, model.num_cost)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    before = decision.regret(net, model, judge)
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.randperm(samples).split(BATCH):
            feats, *known = data[batch]
            value = loss(net(feats), *known)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    seconds = (time.perf_counter() - start) / epochs
    return before, decision.regret(net, model, judge), seconds


def race(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Trains with every method from several seeds; prints and returns the regrets."""
    data = {name: [] for name in methods_named()}
    print("| trained with | regret on new data, % | epoch, ms |")
    print("|---|---|---|")
    for name, regrets in data.items():
        seconds = []
        for seed in range(arguments.seeds):
            _, after, taken = train(
                name, seed, arguments.epochs, arguments.samples, arguments.degree
            )
            regrets.append(after)
            seconds.append(taken)
        percent = 100 * np.array(regrets)
        print(
            f"| {name} | {percent.mean():.1f} +- {percent.std(ddof=min(1, len(percent) - 1)):.1f} "
            f"| {1e3 * np.median(seconds):.0f} |",
            flush=True,
        )
    return data


def methods_named() -> list[str]:
    """The names of all methods."""
    model = decision.shortest_path(GRID)
    feats, costs = decision.data.shortest_path(2, FEATURES, GRID)
    return list(methods(model, decision.DecisionDataset(model, feats, costs)))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="where to draw, .svg or .png")
    parser.add_argument("--train", action="store_true", help="race all methods")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--degree", type=int, default=6, help="of the polynomial of the costs")
    found = parser.parse_args(arguments)
    if not (found.picture or found.train):
        parser.error("nothing to do: --picture FILE, or --train")
    return found


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    if arguments.picture:
        picture(arguments.picture)
    if arguments.train:
        race(arguments)


if __name__ == "__main__":
    main()
