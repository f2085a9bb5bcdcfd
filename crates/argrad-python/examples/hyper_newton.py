"""Newton's method on the hyperparameters of a model that a layer trains.

The layer fits a Huber-like regression with nonnegative coefficients, as a quadratic program; its
parameters are the logarithms of a ridge weight for each of two groups of features. The validation
error is a function of these two numbers through the fit. Its gradient (the hypergradient) takes a
derivative of the layer, its Hessian a second one, and with both Newton's method ends in a few
steps.

    python hyper_newton.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from command_line import count, seed

from argrad.torch import qp

FEATURES = 10
SAMPLES = 20
HELD_BACK = 400


def data(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Features and targets to train and to validate with; the second group of features says
    little."""

    def drawn(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(number, FEATURES, generator=generator, dtype=torch.float64)
        noise = torch.randn(number, generator=generator, dtype=torch.float64)
        return x, x @ truth + 2 * noise

    truth = torch.rand(FEATURES, generator=generator, dtype=torch.float64)
    truth[FEATURES // 2 :] *= 0.5
    return (*drawn(SAMPLES), *drawn(HELD_BACK))


def validation_error(x: torch.Tensor, y: torch.Tensor, held_x: torch.Tensor, held_y: torch.Tensor):
    """The mean square error on what was held back, as a function of the two logarithms:

    minimize |X w - y|^2 / 2 + sum_j exp(log_ridge_j) w_j^2 / 2  subject to  w >= 0
    """
    eye = torch.eye(FEATURES, dtype=torch.float64)
    zero = torch.zeros(FEATURES, dtype=torch.float64)

    def error(log_ridge: torch.Tensor) -> torch.Tensor:
        ridge = log_ridge.exp().repeat_interleave(FEATURES // 2)
        w = qp(x.T @ x + torch.diag(ridge), -(x.T @ y), -eye, zero)
        return (held_x @ w - held_y).square().mean()

    return error


def newton(error: Callable, at: torch.Tensor, steps: int) -> list[tuple[float, float]]:
    """Error and size of its gradient before each of `steps` steps, and after the last.

    Where the Hessian is not positive definite, its eigenvalues count by their size; a step is no
    longer than 1.
    """
    seen = []
    for step in range(steps + 1):
        slope = torch.func.grad(error)(at)
        seen.append((error(at).item(), slope.norm().item()))
        if step < steps:
            values, vectors = torch.linalg.eigh(torch.func.hessian(error)(at))
            move = vectors @ ((vectors.T @ slope) / values.abs())
            at = at - move / max(1.0, move.norm().item())
    return seen


def descent(error: Callable, at: torch.Tensor, steps: int) -> list[tuple[float, float]]:
    """The same by gradient descent with a rate of 1."""
    seen = []
    for step in range(steps + 1):
        slope = torch.func.grad(error)(at)
        seen.append((error(at).item(), slope.norm().item()))
        if step < steps:
            at = at - slope
    return seen


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--steps", type=count, default=8)
    parser.add_argument("--seed", type=seed, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> dict[str, list[tuple[float, float]]]:
    """Prints and returns what both methods saw."""
    arguments = parse(given)
    error = validation_error(*data(torch.Generator().manual_seed(arguments.seed)))
    start = torch.full((2,), 1.0, dtype=torch.float64)
    found = {
        "Newton": newton(error, start, arguments.steps),
        "gradient descent": descent(error, start, arguments.steps),
    }
    for name, seen in found.items():
        print(name)
        for step, (value, slope) in enumerate(seen):
            print(f"  step {step}: validation error {value:.9f}, gradient {slope:.1e}")
    return found


if __name__ == "__main__":
    main()
