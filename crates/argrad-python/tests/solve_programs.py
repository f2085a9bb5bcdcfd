"""Random programs with interior points, and finite differences of their solutions."""

import numpy as np
import scipy.sparse as sp

CONES = {
    "zero": [("zero", 3)],
    "nonnegative": [("nonnegative", 5)],
    "second_order": [("second_order", 4), ("second_order", 3)],
    "psd_triangle": [("psd_triangle", 3)],
    "exponential": [("exponential", 2)],
    "power": [("power", 0.3), ("power", 0.6)],
    "generalized_power": [("generalized_power", [0.2, 0.5, 0.3], 2)],
    "mixed": [
        ("zero", 2),
        ("second_order", 3),
        ("nonnegative", 3),
        ("exponential", 1),
        ("psd_triangle", 2),
        ("power", 0.4),
        ("generalized_power", [0.5, 0.25, 0.25], 1),
    ],
}


def interior(cone, rng, dual):
    """A point inside a cone, or inside its dual."""
    name, *rest = cone
    if name == "zero":
        return rng.normal(size=rest[0]) if dual else np.zeros(rest[0])
    if name == "nonnegative":
        return rng.uniform(0.5, 1.5, rest[0])
    if name == "second_order":
        u = rng.normal(size=rest[0] - 1)
        return np.concatenate([[np.linalg.norm(u) + rng.uniform(0.3, 1.0)], u])
    if name == "psd_triangle":
        root = rng.normal(size=(rest[0], rest[0]))
        return svec(root @ root.T + 0.3 * np.eye(rest[0]))
    if name == "exponential":
        out = []
        for _ in range(rest[0]):
            r, slack = rng.normal(), rng.uniform(0.3, 1.0)
            y = rng.uniform(0.5, 1.5)
            primal = [r, y, y * np.exp(r / y) + slack]
            out += [-y, r, y * np.exp(-r / y - 1.0) + slack] if dual else primal
        return np.array(out)
    alphas, norm_dim = ([rest[0], 1 - rest[0]], 1) if name == "power" else rest
    alphas = np.array(alphas)
    x = rng.uniform(0.5, 1.5, alphas.size)
    bound = np.prod((x / alphas if dual else x) ** alphas)
    w = rng.normal(size=norm_dim)
    return np.concatenate([x, w / np.linalg.norm(w) * bound * rng.uniform(0.2, 0.8)])


def svec(matrix):
    """The upper triangle column by column, off-diagonal entries times sqrt 2."""
    rows, columns = np.tril_indices(matrix.shape[0])
    return matrix[columns, rows] * np.where(rows == columns, 1.0, np.sqrt(2.0))


def smat(vector):
    """The inverse of `svec`."""
    side = int((np.sqrt(8 * vector.size + 1) - 1) / 2)
    rows, columns = np.tril_indices(side)
    out = np.zeros((side, side))
    out[columns, rows] = out[rows, columns] = vector / np.where(rows == columns, 1.0, np.sqrt(2.0))
    return out


def program(cones, n, seed, density=1.0):
    """Dense (P, q, A, b) with interior primal and dual points and a unique solution."""
    rng = np.random.default_rng(seed)
    s = np.concatenate([interior(cone, rng, dual=False) for cone in cones])
    z = np.concatenate([interior(cone, rng, dual=True) for cone in cones])
    root = rng.normal(size=(n, n)) / np.sqrt(n)
    P = root @ root.T + 0.5 * np.eye(n)
    A = rng.normal(size=(s.size, n)) / np.sqrt(n)
    if density < 1.0:
        A *= rng.uniform(size=A.shape) < density
        keep = rng.uniform(size=P.shape) < density / 2
        P = P * (keep | keep.T | np.eye(n, dtype=bool)) + n * np.eye(n)
    x = rng.normal(size=n)
    return P, -P @ x - A.T @ z, A, A @ x + s


def random_symmetric(rng, n):
    matrix = rng.normal(size=(n, n))
    return matrix + matrix.T


def difference(function, step=1e-4):
    """Central difference of fourth order of a function of a number, at 0: a tuple of arrays."""
    f = {k: function(k * step) for k in (-2, -1, 1, 2)}
    return tuple(
        (8.0 * (b - a) - (d - c)) / (12.0 * step)
        for a, b, c, d in zip(f[-1], f[1], f[-2], f[2], strict=True)
    )


def dense(matrix):
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)
