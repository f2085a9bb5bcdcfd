"""The nearest positive semidefinite matrix."""

from __future__ import annotations

import numpy as np

from .extended import Extended, extended, symmetric_eigen


def psd_projection(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates: minimize 1/2 |X - C|^2 over positive semidefinite X.

    With C = V diag(e) V', X = V diag(max(e, 0)) V', and the derivative is an entrywise product in
    the basis V (Loewner 1934): with the divided differences of max(e, 0).

    Args:
        data: `C`, (n, n), symmetric, without eigenvalues that are 0.
        cotangent: (n, n); its symmetric part counts.

    Returns:
        X, (n, n), and the gradient of `sum(cotangent * X)` by `C`, symmetric.
    """
    c, cotangent = extended(data["C"]), extended(cotangent)
    values, vectors = symmetric_eigen(c)
    positive = np.maximum(values, 0)
    differences = values[:, None] - values[None, :]
    same = differences == 0
    ratios = (positive[:, None] - positive[None, :]) / np.where(same, 1, differences)
    derivative = (values > 0).astype(Extended)[:, None]
    ratios = np.where(same, derivative, ratios)
    inner = vectors.T @ ((cotangent + cotangent.T) / 2) @ vectors
    solution = (vectors * positive) @ vectors.T
    return solution, {"C": vectors @ (ratios * inner) @ vectors.T}
