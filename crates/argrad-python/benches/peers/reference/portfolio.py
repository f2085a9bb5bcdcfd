"""Portfolio selection with a factor model of risk, by Newton's method on the assets held."""

from __future__ import annotations

import clarabel
import numpy as np
import scipy.sparse as sparse

from .extended import ROUNDING, Extended, RefinedSolver, extended

#: Aversion to risk.
GAMMA = 0.3


def portfolio(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates: maximize mu'x - GAMMA |(F x, d * x)| with x >= 0, 1'x = 1.

    Which assets are held is guessed with an interior point solver, corrected by single exchanges,
    and proved: with nonnegative holdings and nonnegative multipliers of those that are zero, in
    extended precision, x is the solution. On the assets that are held the objective is smooth.

    Args:
        data: `mu` (n,), `F` (k, n), `d` (n,).
        cotangent: (n,).

    Returns:
        x, (n,), and the gradients of `cotangent'x` by `mu`, `F` and `d`.

    Raises:
        ArithmeticError: no set of assets was proved.
    """
    mu, factors, specific = (extended(data[name]) for name in ("mu", "F", "d"))
    n, gamma = len(mu), Extended(GAMMA)
    root = np.vstack([factors, np.diag(specific)])
    x = extended(_guess(mu, root))
    held = x > 1e-6
    for _ in range(200):
        rows = np.flatnonzero(held)
        x = np.where(held, np.maximum(x, Extended(1e-3) / n), 0)
        x = x / x.sum()
        x[rows], budget, solver = _newton(mu[rows], root[:, rows], gamma, x[rows])
        risk = root @ x
        # Multipliers of x >= 0, where x = 0.
        multipliers = gamma * root.T @ risk / np.sqrt(risk @ risk) - mu + budget
        multipliers[rows] = 0
        if x.min() < 0:
            held[x.argmin()] = False
        elif multipliers.min() < 0:
            held[multipliers.argmin()] = True
        else:
            break
    else:
        raise ArithmeticError("no set of assets was found in 200 exchanges")

    v = np.zeros(n, Extended)
    v[rows] = solver.solve(np.append(extended(cotangent)[rows], Extended(0)))[:-1]
    # The equations hold gamma root'root x / |root x| - mu + budget: their product with v, by root.
    a, size = root @ v, np.sqrt(risk @ risk)
    by_root = np.outer(risk, v) + np.outer(a, x) - (a @ risk) / size**2 * np.outer(risk, x)
    by_root = -gamma / size * by_root
    k = len(factors)
    return x, {"mu": v, "F": by_root[:k], "d": np.diag(by_root[k:]).copy()}


def _newton(mu, root, gamma, x):
    """x > 0 and the budget's multiplier on the assets that are held, and the last system."""
    gram, budget, last = root.T @ root, Extended(0), np.inf
    n = len(x)
    system = np.zeros((n + 1, n + 1), Extended)
    system[n, :n] = system[:n, n] = 1
    for _ in range(200):
        slope = gram @ x
        size = np.sqrt(x @ slope)
        system[:n, :n] = gamma * (gram / size - np.outer(slope, slope) / size**3)
        solver = RefinedSolver(system)
        gradient = gamma * slope / size - mu + budget
        step = solver.solve(np.append(gradient, x.sum() - 1))
        change = np.abs(step[:n]).max()
        if change >= last and change < ROUNDING:
            return x, budget, solver
        # Far from the solution the model is not: bounded steps.
        length = min(Extended(1), Extended(0.5) * size / np.sqrt(step[:n] @ gram @ step[:n]))
        x, budget, last = x - length * step[:n], budget - step[n], change
    raise ArithmeticError("Newton's method did not converge in 200 steps")


def _guess(mu, root) -> np.ndarray:
    """The holdings that an interior point solver finds, with variables (x, t): (n,)."""
    n, k = len(mu), len(root)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    rows = np.zeros((1 + n + 1 + k, n + 1))
    rows[0, :n] = 1
    rows[1 : 1 + n, :n] = -np.eye(n)
    rows[1 + n, n] = -1
    rows[2 + n :, :n] = -root
    right = np.zeros(len(rows))
    right[0] = 1
    cones = [
        clarabel.ZeroConeT(1),
        clarabel.NonnegativeConeT(n),
        clarabel.SecondOrderConeT(1 + k),
    ]
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix((n + 1, n + 1)),
        np.append(-mu.astype(float), GAMMA),
        sparse.csc_matrix(rows),
        right,
        cones,
        settings,
    ).solve()
    return np.array(solution.x)[:n]
