"""A start and rates from which a few steps through a layer fit a new task (MAML).

A task is a mixture: shares on a simplex and a few noisy measurements of them. The layer projects
scores onto the simplex; a few gradient steps on the scores, through the layer, adapt to the task's
measurements. What is learned over many tasks is where the steps start and how long they are in each
coordinate (Finn et al. 2017, Li et al. 2017). The gradient of the loss after the steps contains the
second derivative of the layer; first-order MAML drops it.

    python meta_learning.py
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from command_line import count, seed

from argrad.torch import QpLayer

SHARES = 8
MEASUREMENTS = 3
NOISE = 0.02
ADAPTING = 4


def simplex() -> QpLayer:
    """Scores to the nearest shares: minimize |z - scores|^2 / 2, z >= 0, sum z = 1.

    A share may be zero with nothing to spare, where the projection has a kink; such samples add
    nothing to second derivatives.
    """
    eye = torch.eye(SHARES, dtype=torch.float64)
    return QpLayer(
        SHARES,
        inequalities=SHARES,
        equalities=1,
        Q=eye,
        G=-eye,
        h=torch.zeros(SHARES, dtype=torch.float64),
        A=torch.ones(1, SHARES, dtype=torch.float64),
        b=torch.ones(1, dtype=torch.float64),
        on_failure="zero",
    )


def tasks(number: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Measurement matrices (number, 2, MEASUREMENTS, SHARES) and what they measure, with noise: the
    first of each two adapts, the second judges. The shares are sparse, and alike."""

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    typical = torch.linspace(1.5, -1.0, SHARES, dtype=torch.float64)
    spread = torch.linspace(0.1, 1.0, SHARES, dtype=torch.float64)
    scores = typical + spread * normal(number, SHARES)
    with torch.no_grad():
        shares = simplex()(-scores)
    matrices = normal(number, 2, MEASUREMENTS, SHARES)
    noise = NOISE * normal(number, 2, MEASUREMENTS)
    return matrices, (matrices @ shares[:, None, :, None]).squeeze(-1) + noise


def loss_of(
    layer: QpLayer, scores: torch.Tensor, matrices: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """Mean square error of the measurements, one number per task."""
    shares = layer(-scores)
    return ((matrices @ shares[..., None]).squeeze(-1) - values).square().mean(-1)


def after_the_steps(
    layer: QpLayer,
    start: torch.Tensor,
    rate: torch.Tensor,
    task: tuple[torch.Tensor, ...],
    second: bool,
) -> torch.Tensor:
    """Mean loss of the judging measurements after the steps on the adapting ones; `second` keeps
    the derivative of the steps."""
    matrices, values = task
    scores = start.expand(len(matrices), SHARES)
    for _ in range(ADAPTING):
        before = loss_of(layer, scores, matrices[:, 0], values[:, 0]).sum()
        (slope,) = torch.autograd.grad(before, scores, create_graph=second)
        scores = scores - rate * slope
    return loss_of(layer, scores, matrices[:, 1], values[:, 1]).mean()


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=count, default=300)
    parser.add_argument("--tasks", type=count, default=64, help="per step")
    parser.add_argument("--seed", type=seed, default=0)
    return parser.parse_args(given)


def learn(arguments: argparse.Namespace, second: bool) -> float:
    """The loss after the steps on tasks that were not seen."""
    layer, generator = simplex(), torch.Generator().manual_seed(arguments.seed)
    start = torch.zeros(SHARES, dtype=torch.float64, requires_grad=True)
    log_rate = torch.full((SHARES,), -1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([start, log_rate], lr=0.05)
    for _ in range(arguments.steps):
        optimizer.zero_grad()
        task = tasks(arguments.tasks, generator)
        after_the_steps(layer, start, log_rate.exp(), task, second).backward()
        optimizer.step()
    unseen = tasks(2000, torch.Generator().manual_seed(arguments.seed + 1))
    return after_the_steps(layer, start, log_rate.exp(), unseen, second=False).item()


def main(given: Sequence[str] | None = None) -> dict[str, float]:
    """Prints and returns the losses after the steps, by kind of derivative."""
    arguments = parse(given)
    found = {
        "not learned": learn(argparse.Namespace(**{**vars(arguments), "steps": 0}), False),
        "first order": learn(arguments, second=False),
        "second order": learn(arguments, second=True),
    }
    for name, value in found.items():
        print(f"{name:>12}: mean square error after the steps {value:.5f}")
    return found


if __name__ == "__main__":
    main()
