"""Logistic regression with a ridge, by Newton's method."""

from __future__ import annotations

import numpy as np

from .extended import ROUNDING, Extended, RefinedSolver, extended

#: Factor of |w|^2.
RIDGE = 0.1


def logistic_regression(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates: minimize 1/N sum_i log(1 + exp(S_i w)) + RIDGE |w|^2.

    Args:
        data: `S` (N, k): features times minus their label.
        cotangent: (k,).

    Returns:
        w, (k,), and the gradient of `cotangent'w` by `S`.

    Raises:
        ArithmeticError: Newton's method did not converge.
    """
    s = extended(data["S"])
    samples, k = s.shape
    ridge = Extended(RIDGE)
    w, last = np.zeros(k, Extended), np.inf
    for _ in range(100):
        sigma = 1 / (1 + np.exp(-(s @ w)))
        slope = sigma * (1 - sigma)
        hessian = (s.T * slope) @ s / samples + 2 * ridge * np.eye(k, dtype=Extended)
        solver = RefinedSolver(hessian)
        step = solver.solve(s.T @ sigma / samples + 2 * ridge * w)
        size = np.abs(step).max()
        # The ridge bounds the curvature from below: full steps converge, then stop to shrink.
        if size >= last and size < ROUNDING:
            break
        w, last = w - step, size
    else:
        raise ArithmeticError("Newton's method did not converge in 100 steps")
    v = solver.solve(extended(cotangent))
    gradient = -(np.outer(slope * (s @ v), w) + np.outer(sigma, v)) / samples
    return w, {"S": gradient}
