"""What remains of the runs of `robust.py`: a table and a plot."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import torch
from contact_forces import Requests

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend without a screen)

NOTHING, PLAIN, LAYER = "nothing", "plain", "layer"
COLORS = ["#d55e00", "#e69f00", "#cc79a7", "#56b4e9", "#505050"]
PLACES = {"new": "new requests", "other": "other floors and loads"}


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
