"""Programs that predict-then-optimize is measured on, ready to take costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from argrad._standard.values import check_finite, numbers
from argrad.torch.decision._module import check_count, check_positive
from argrad.torch.decision._program import ProgramModel


def grid_arcs(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """The arcs (from, to) of a grid of (rows, columns) nodes: to the right and down, those of a row
    first to the right, then down; nodes are counted row by row.

    >>> grid_arcs((2, 2))
    [(0, 1), (0, 2), (1, 3), (2, 3)]
    """
    rows, columns = check_grid(grid)
    arcs = []
    for row in range(rows):
        first = row * columns
        arcs += [(node, node + 1) for node in range(first, first + columns - 1)]
        if row + 1 < rows:
            arcs += [(node, node + columns) for node in range(first, first + columns)]
    return arcs


def shortest_path(grid: tuple[int, int], **options: Any) -> ProgramModel:
    """The path of least cost from the first to the last node of a grid, to the right and down.

    A decision has one entry per arc of `grid_arcs`, 1 on the path: a flow of one unit. The program
    is linear with integral vertices. There are no bounds from above, since an acyclic flow of one
    unit keeps them by itself, and no row for the last node, which those of the others imply.

    Args:
        grid: numbers of (rows, columns), at least two nodes.
        options: of `ProgramModel`.

    >>> import torch
    >>> shortest_path((2, 2)).solve(torch.tensor([[1.0, 2.0, 1.0, 1.0]])).abs().round().tolist()
    [[1.0, 0.0, 1.0, 0.0]]
    """
    arcs = np.array(grid_arcs(grid))
    count, nodes = len(arcs), grid[0] * grid[1]
    at = np.arange(count)
    leaves = sp.coo_array((-np.ones(count), (arcs[:, 0], at)), shape=(nodes, count))
    enters = sp.coo_array((np.ones(count), (arcs[:, 1], at)), shape=(nodes, count))
    balance = sp.csr_array(leaves + enters)[:-1]
    A = sp.vstack([balance, -sp.eye_array(count)], format="csc")
    b = np.zeros(A.shape[0])
    b[0] = -1.0
    return ProgramModel(None, A, b, [("zero", nodes - 1), ("nonnegative", count)], **options)


def knapsack(weights: Any, capacity: Any, **options: Any) -> ProgramModel:
    """The relaxed knapsack of largest value: maximize c'w, W w <= capacity, 0 <= w <= 1.

    Args:
        weights: (dimensions, items), or (items,) for one dimension.
        capacity: (dimensions,), or a number.
        options: of `ProgramModel`.

    >>> import torch
    >>> model = knapsack([1.0, 1.0, 1.0], 1.5)
    >>> model.solve(torch.tensor([[3.0, 1.0, 2.0]])).round(decimals=6).tolist()
    [[1.0, 0.0, 0.5]]
    """
    rows = np.atleast_2d(numbers("weights", weights).astype(np.float64))
    limits = np.atleast_1d(numbers("capacity", capacity).astype(np.float64))
    if rows.ndim != 2 or limits.shape != rows.shape[:1]:
        raise ValueError(
            "expected weights of shape (dimensions, items) and capacity of shape (dimensions,); "
            f"found {rows.shape} and {limits.shape}"
        )
    items = rows.shape[1]
    A = sp.vstack([rows, -sp.eye_array(items), sp.eye_array(items)], format="csc")
    b = np.concatenate([limits, np.zeros(items), np.ones(items)])
    return ProgramModel(
        None, A, b, [("nonnegative", A.shape[0])], **{"sense": "maximize", **options}
    )


def portfolio(covariance: Any, gamma: float = 2.25, **options: Any) -> ProgramModel:
    """The portfolio of largest return within a risk: maximize c'w, w'Cw <= gamma mean(C), w >= 0,
    with sum 1.

    A second-order cone program, whose decisions move smoothly with the returns c.

    Args:
        covariance: C, (assets, assets), positive semidefinite.
        gamma: the risk, in units of the mean entry of C.
        options: of `ProgramModel`.

    >>> import torch
    >>> model = portfolio(np.eye(2), gamma=1.25)  # w'w <= 0.625
    >>> model.solve(torch.tensor([[1.0, 0.0]])).round(decimals=6).tolist()
    [[0.75, 0.25]]
    """
    C = numbers("covariance", covariance).astype(np.float64)
    if C.ndim != 2 or C.shape[0] != C.shape[1]:
        raise ValueError(f"covariance must be a square matrix; found shape {C.shape}")
    check_finite("covariance", C)
    risk = check_positive("gamma", gamma) * C.mean()
    if not risk > 0.0:
        raise ValueError(f"covariance must have a positive mean entry; found {C.mean()}")
    assets = len(C)
    F = _factor((C + C.T) / 2)
    rows = F.shape[0]
    blocks = [np.ones((1, assets)), -sp.eye_array(assets), sp.csr_array((1, assets)), -F]
    b = np.concatenate([[1.0], np.zeros(assets), [np.sqrt(risk)], np.zeros(rows)])
    cones = [("zero", 1), ("nonnegative", assets), ("second_order", rows + 1)]
    return ProgramModel(
        None, sp.vstack(blocks, format="csc"), b, cones, **{"sense": "maximize", **options}
    )


def _factor(C: np.ndarray) -> sp.csr_array:
    """F with F'F = C, for a covariance; raises ValueError unless C is positive semidefinite.

    A factor model, few common factors and errors that are alike, has few eigenvalues above the
    least one, d. Then C = d I + L'L, and a diagonal over few dense rows is a far sparser factor
    than a square one.
    """
    sizes, directions = np.linalg.eigh(C)
    rounding = len(C) * np.finfo(np.float64).eps * np.abs(sizes).max()
    # Data of single precision, and sums over few samples, are less exact than that.
    if sizes[0] < -np.sqrt(rounding * np.abs(sizes).max()):
        raise ValueError(
            f"covariance must be positive semidefinite; its least eigenvalue is {sizes[0]:.2e}, "
            f"its largest {sizes[-1]:.2e}"
        )
    least = max(sizes[0], 0.0)
    above = sizes > least + rounding
    if least > rounding and 2 * np.count_nonzero(above) < len(C):
        common = np.sqrt(sizes[above] - least)[:, None] * directions[:, above].T
        return sp.vstack([np.sqrt(least) * sp.eye_array(len(C)), common], format="csr")
    kept = sizes > rounding
    return sp.csr_array(np.sqrt(sizes[kept])[:, None] * directions[:, kept].T)


def check_grid(grid: Any) -> tuple[int, int]:
    """(rows, columns); raises ValueError unless they are two counts with at least two nodes."""
    if not isinstance(grid, (tuple, list)) or len(grid) != 2:
        raise ValueError(f"grid must be (rows, columns); found {grid!r}")
    rows, columns = (check_count(f"grid[{at}]", count) for at, count in enumerate(grid))
    if rows * columns < 2:
        raise ValueError(f"grid must have at least two nodes; found {grid!r}")
    return rows, columns
