"""The softmax function as the solution of its program."""

from __future__ import annotations

import numpy as np

from .extended import extended


def softmax(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates: maximize y'x - sum x_i log x_i over the simplex.

    Args:
        data: `y`, (n,).
        cotangent: (n,).

    Returns:
        x = exp(y) / sum exp(y), (n,), and the gradient of `cotangent'x` by `y`.
    """
    y, c = extended(data["y"]), extended(cotangent)
    x = np.exp(y - y.max())
    x = x / x.sum()
    return x, {"y": x * (c - x @ c)}
