"""Total variation denoising of a short signal, along its path of weights."""

from __future__ import annotations

import numpy as np

from .extended import Extended, extended


def total_variation(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates: minimize 1/2 |x - y|^2 + weight sum_i |x_{i+1} - x_i|.

    As the weight grows from 0, where x = y, neighbours become equal and stay so (the fused lasso
    signal approximator, Friedman et al. 2007): x is constant on segments, which move with constant
    speed until two of them meet. Following these events is exact.

    Args:
        data: `y` (n,) with all neighbours different, `weight` positive, () .
        cotangent: (n,).

    Returns:
        x, (n,), and the gradients of `cotangent'x` by `y` and `weight`.
    """
    y, weight = extended(data["y"]), Extended(data["weight"])
    n = len(y)
    # Segment s holds the samples starts[s] .. starts[s + 1].
    starts, values, at = np.arange(n), y.copy(), Extended(0)
    while True:
        lengths = np.diff(np.append(starts, n))
        jumps = np.sign(np.diff(values))
        speeds = (np.append(jumps, 0) - np.append(0, jumps)) / lengths
        closing = -jumps * np.diff(speeds)
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(closing > 0, np.abs(np.diff(values)) / closing, np.inf)
        first = times.argmin() if len(times) else 0
        if len(times) == 0 or at + times[first] >= weight:
            values = values + (weight - at) * speeds
            break
        at, values = at + times[first], values + times[first] * speeds
        starts, values = np.delete(starts, first + 1), np.delete(values, first + 1)
    segments = np.repeat(np.arange(len(starts)), lengths)
    # Means again from the data: events accumulate no rounding errors.
    values = np.add.reduceat(y, starts) / lengths + weight * speeds
    totals = np.add.reduceat(extended(cotangent), starts)
    gradients = {"y": (totals / lengths)[segments], "weight": totals @ speeds}
    return values[segments], gradients
