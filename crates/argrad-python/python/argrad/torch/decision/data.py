"""Synthetic features and costs, with the distributions and the seeds of PyEPO.

Each draws features x ~ N(0, I) and a matrix B of zeros and ones; costs are a polynomial of B x of
degree `deg`, so that a linear predictor fits them the worse the larger `deg` is (Elmachtoub and
Grigas 2022, section 6; knapsack and portfolio: Tang and Khalil 2024, "PyEPO"). The order of the
draws from `numpy.random.RandomState(seed)` is that of PyEPO, so that its data are these.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from argrad.torch.decision._module import check_count
from argrad.torch.decision._problems import check_grid

__all__ = ["knapsack", "portfolio", "shortest_path"]


def shortest_path(
    num_data: int,
    num_features: int,
    grid: tuple[int, int],
    deg: int = 1,
    noise_width: float = 0.0,
    seed: int = 135,
) -> tuple[np.ndarray, np.ndarray]:
    """Features (num_data, num_features) and costs (num_data, arcs) of the arcs of a grid.

    Costs are ((B x / sqrt(features) + 3)^deg + 1) / 3.5^deg, each times a uniform number within
    `noise_width` of 1.

    >>> x, c = shortest_path(100, 5, grid=(5, 5), deg=4, noise_width=0.5)
    >>> x.shape, c.shape
    ((100, 5), (100, 40))
    """
    rows, columns = check_grid(grid)
    arcs = rows * (columns - 1) + columns * (rows - 1)
    size, features = _sizes(num_data, num_features, deg)
    width = _not_negative("noise_width", noise_width)
    random = np.random.RandomState(seed)
    B = random.binomial(1, 0.5, (arcs, features))
    x = random.normal(0, 1, (size, features))
    costs = ((x @ B.T / math.sqrt(features) + 3) ** deg + 1) / 3.5**deg
    costs *= random.uniform(1 - width, 1 + width, (size, arcs))
    return x, costs.astype(np.float32)


def knapsack(
    num_data: int,
    num_features: int,
    num_items: int,
    dim: int = 1,
    deg: int = 1,
    noise_width: float = 0.0,
    seed: int = 135,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (dim, num_items) of items, from 3 to 8; features (num_data, num_features); values
    (num_data, num_items), whole numbers.

    Values are 5 ((B x / sqrt(features) + 3)^deg + 1) / 3.5^deg, each times a uniform number within
    `noise_width` of 1, rounded up.

    >>> weights, x, c = knapsack(100, 5, num_items=8, dim=2)
    >>> weights.shape, x.shape, c.shape
    ((2, 8), (100, 5), (100, 8))
    """
    items, dim = check_count("num_items", num_items), check_count("dim", dim)
    size, features = _sizes(num_data, num_features, deg)
    width = _not_negative("noise_width", noise_width)
    random = np.random.RandomState(seed)
    weights = random.choice(range(300, 800), size=(dim, items)) / 100
    B = random.binomial(1, 0.5, (items, features))
    x = random.normal(0, 1, (size, features))
    values = ((x @ B.T / math.sqrt(features) + 3) ** deg + 1) * 5 / 3.5**deg
    values *= random.uniform(1 - width, 1 + width, (size, items))
    return weights, x, np.ceil(values).astype(np.float32)


def portfolio(
    num_data: int,
    num_features: int,
    num_assets: int,
    deg: int = 1,
    noise_level: float = 1.0,
    seed: int = 135,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance (num_assets, num_assets) of returns; features (num_data, num_features); returns
    (num_data, num_assets).

    Returns are (0.05 B x / sqrt(features) + 0.1^(1/deg))^deg + L f + 0.01 noise_level e, with L
    uniform of size 0.0025 noise_level and f, e normal; their covariance is L L' + (0.01
    noise_level)^2 I.

    >>> covariance, x, r = portfolio(100, 5, num_assets=50)
    >>> covariance.shape, x.shape, r.shape
    ((50, 50), (100, 5), (100, 50))
    """
    assets = check_count("num_assets", num_assets)
    size, features = _sizes(num_data, num_features, deg)
    level = _not_negative("noise_level", noise_level)
    random = np.random.RandomState(seed)
    B = random.binomial(1, 0.5, (assets, features))
    L = random.uniform(-0.0025 * level, 0.0025 * level, (assets, features))
    x = random.normal(0, 1, (size, features))
    returns = (0.05 * (x @ B.T) / math.sqrt(features) + 0.1 ** (1 / deg)) ** deg
    factors, errors = np.split(random.randn(size, features + assets), [features], axis=1)
    returns += factors @ L.T + 0.01 * level * errors
    covariance = L @ L.T + (0.01 * level) ** 2 * np.eye(assets)
    return covariance, x, returns.astype(np.float32)


def _sizes(num_data: Any, num_features: Any, deg: Any) -> tuple[int, int]:
    check_count("deg", deg)
    return check_count("num_data", num_data), check_count("num_features", num_features)


def _not_negative(name: str, found: Any) -> float:
    is_number = isinstance(found, numbers.Real) and not isinstance(found, bool)
    if not is_number or not 0.0 <= found < math.inf:
        raise ValueError(f"{name} must be a number, finite and not negative; found {found!r}")
    return float(found)
