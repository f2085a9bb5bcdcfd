"""Strictly convex quadratic programs, by the equations of their active set."""

from __future__ import annotations

import clarabel
import numpy as np
import scipy.sparse as sparse

from .extended import Extended, RefinedSolver, extended


def quadratic(data: dict, cotangent: np.ndarray) -> tuple[np.ndarray, dict]:
    """Solves and differentiates one program: minimize 1/2 z'Qz + p'z, Gz <= h, Az = b.

    Which inequalities are active is guessed with an interior point solver, corrected by single
    exchanges, and proved: with the multipliers of the equations of the active set nonnegative and
    the other inequalities satisfied, in extended precision, z is the solution.

    Args:
        data: `Q` (n, n) symmetric positive definite, `p` (n,), `G` (k, n), `h` (k,), and `A`
            (l, n), `b` (l,), which may both be missing.
        cotangent: (n,).

    Returns:
        z, (n,), and the gradients of `cotangent'z` by the same names; that of Q is symmetric.

    Raises:
        ArithmeticError: no active set was proved, as in degenerate or infeasible programs.
    """
    q, p, g, h = (extended(data[name]) for name in "QpGh")
    n = len(p)
    a = extended(data["A"]) if data.get("A") is not None else np.zeros((0, n), Extended)
    b = extended(data["b"]) if data.get("b") is not None else np.zeros(0, Extended)
    active = _guess(q, p, g, h, a, b)
    for _ in range(200):
        rows = np.flatnonzero(active)
        k, size = len(rows), n + len(rows) + len(a)
        system = np.zeros((size, size), Extended)
        system[:n, :n] = q
        system[n : n + k, :n], system[n + k :, :n] = g[rows], a
        system[:n, n:] = system[n:, :n].T
        try:
            solver = RefinedSolver(system)
            solution = solver.solve(np.concatenate([-p, h[rows], b]))
        except np.linalg.LinAlgError as error:
            raise ArithmeticError(f"the active set {rows.tolist()} is degenerate") from error
        z, multipliers, duals = np.split(solution, [n, n + k])
        slack = h - g @ z
        slack[rows] = 0
        if k and multipliers.min() < 0:
            active[rows[multipliers.argmin()]] = False
        elif len(h) and slack.min() < 0:
            active[slack.argmin()] = True
        else:
            break
    else:
        raise ArithmeticError("no active set was found in 200 exchanges")

    adjoint = solver.solve(np.concatenate([extended(cotangent), np.zeros(size - n, Extended)]))
    v, of_multipliers, of_duals = np.split(adjoint, [n, n + k])
    gradients = {
        "Q": -(np.outer(v, z) + np.outer(z, v)) / 2,
        "p": -v,
        "G": np.zeros_like(g),
        "h": np.zeros_like(h),
    }
    gradients["G"][rows] = -(np.outer(multipliers, v) + np.outer(of_multipliers, z))
    gradients["h"][rows] = of_multipliers
    if data.get("A") is not None:
        gradients["A"] = -(np.outer(duals, v) + np.outer(of_duals, z))
        gradients["b"] = of_duals
    return z, gradients


def _guess(q, p, g, h, a, b) -> np.ndarray:
    """Which inequalities an interior point solver finds active: (k,), bool."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cones = [clarabel.ZeroConeT(len(b)), clarabel.NonnegativeConeT(len(h))]
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix(np.triu(q.astype(float))),
        p.astype(float),
        sparse.csc_matrix(np.vstack([a, g]).astype(float)),
        np.concatenate([b, h]).astype(float),
        [cone for cone, rows in zip(cones, (b, h), strict=True) if len(rows)],
        settings,
    ).solve()
    duals, slacks = np.array(solution.z)[len(b) :], np.array(solution.s)[len(b) :]
    return duals > slacks
