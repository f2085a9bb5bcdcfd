"""Random programs: the numbers of each case, from a seed."""

from __future__ import annotations

import numpy as np


def dense_qp(n: int, inequalities: int, equalities: int, batch: int, seed: int) -> dict:
    """Strictly convex, feasible programs, each with numbers of its own.

    Q = LL'/n + 0.01 I with L ~ N(0,1); G, A, z0, p ~ N(0,1); h = G z0 + U(0,1); b = A z0.
    """
    random = np.random.default_rng(seed)
    root = random.standard_normal((batch, n, n))
    interior = random.standard_normal((batch, n))
    g = random.standard_normal((batch, inequalities, n))
    q = root @ root.transpose(0, 2, 1) / n + 0.01 * np.eye(n)
    data = {
        "Q": (q + q.transpose(0, 2, 1)) / 2,
        "p": random.standard_normal((batch, n)),
        "G": g,
        "h": (g @ interior[:, :, None])[:, :, 0] + random.random((batch, inequalities)),
    }
    if equalities:
        data["A"] = random.standard_normal((batch, equalities, n))
        data["b"] = (data["A"] @ interior[:, :, None])[:, :, 0]
    return data


#: What the samples of the Sudoku layer have in common; L is the factor of Q.
SUDOKU_SHARED = frozenset({"Q", "L", "G", "h", "A", "b"})


def sudoku(batch: int, seed: int) -> dict:
    """OptNet's layer for 4 x 4 boards (Amos and Kolter 2017, section 4.4), before training.

    64 variables, z >= 0, Q = 0.1 I, 40 dense equalities A ~ U(0,1) with b = A exp(w),
    w ~ 0.1 N(0,1); p = -puzzle, one-hot by cell and digit, 11 of 16 cells blank. Only p varies.
    """
    random = np.random.default_rng(seed)
    side, variables, equalities, blanks = 4, 64, 40, 11
    a = random.random((equalities, variables))
    puzzles = np.zeros((batch, side * side, side))
    solved = np.array([[0, 1, 2, 3], [2, 3, 0, 1], [1, 0, 3, 2], [3, 2, 1, 0]])
    for puzzle in puzzles:
        # Exchanges of digits, of bands, of rows in a band, and the same for columns.
        rows, columns = (
            (2 * random.permutation(2)[:, None] + [random.permutation(2) for _ in "ab"]).ravel()
            for _ in "rc"
        )
        board = random.permutation(side)[solved[np.ix_(rows, columns)]].ravel()
        given = random.permutation(side * side)[blanks:]
        puzzle[given, board[given]] = 1.0
    return {
        "Q": 0.1 * np.eye(variables),
        "p": -puzzles.reshape(batch, variables),
        "G": -np.eye(variables),
        "h": np.zeros(variables),
        "A": a,
        "b": a @ np.exp(0.1 * random.standard_normal(variables)),
    }


def portfolio(assets: int, factors: int, batch: int, seed: int) -> dict:
    """mu ~ 0.1 N(0,1), F ~ N(0,1) / sqrt(factors), d ~ U(0.2, 1)."""
    random = np.random.default_rng(seed)
    return {
        "mu": 0.1 * random.standard_normal((batch, assets)),
        "F": random.standard_normal((batch, factors, assets)) / np.sqrt(factors),
        "d": random.uniform(0.2, 1.0, (batch, assets)),
    }


def total_variation(samples: int, batch: int, seed: int) -> dict:
    """Steps N(0,1), each 25 samples on average, noise 0.3 N(0,1); weight ~ U(0.3, 0.7)."""
    random = np.random.default_rng(seed)
    step = np.cumsum(random.random((batch, samples)) < 1 / 25, axis=1)
    levels = random.standard_normal((batch, samples + 1))
    noise = 0.3 * random.standard_normal((batch, samples))
    return {
        "y": np.take_along_axis(levels, step, axis=1) + noise,
        "weight": random.uniform(0.3, 0.7, batch),
    }


def logistic_regression(samples: int, features: int, batch: int, seed: int) -> dict:
    """Features N(0,1) with labels drawn from the model of a w ~ N(0,1)."""
    random = np.random.default_rng(seed)
    feature = random.standard_normal((batch, samples, features))
    truth = random.standard_normal((batch, features, 1))
    positive = random.random((batch, samples, 1)) < 1 / (1 + np.exp(-(feature @ truth)))
    return {"S": np.where(positive, -feature, feature)}


def softmax(n: int, batch: int, seed: int) -> dict:
    """y ~ N(0,1)."""
    return {"y": np.random.default_rng(seed).standard_normal((batch, n))}


def psd_projection(side: int, batch: int, seed: int) -> dict:
    """C symmetric with entries N(0,1)."""
    matrix = np.random.default_rng(seed).standard_normal((batch, side, side))
    return {"C": np.tril(matrix) + np.tril(matrix, -1).transpose(0, 2, 1)}
