"""Cones, checked and brought to the form of the core."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Cone names and what their tuple holds after the name.
CONES = {
    "zero": "number of rows",
    "nonnegative": "number of rows",
    "second_order": "number of rows, the bound first",
    "psd_triangle": "side of the matrix",
    "exponential": "number of cones of three rows",
    "power": "exponent between 0 and 1",
    "generalized_power": "exponents, norm_dim",
}


def size_of(value: Any, where: str, meaning: str) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        size = operator.index(value)
    except TypeError:
        raise ValueError(f"{where}: expected an integer ({meaning}), found {value!r}") from None
    if size < 0:
        raise ValueError(f"{where}: expected at least 0 ({meaning}), found {size}")
    return size


def _exponent(value: Any, where: str) -> float:
    try:
        alpha = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: expected an exponent, found {value!r}") from None
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"{where}: expected an exponent between 0 and 1, found {alpha}")
    return alpha


def _checked(cone: Sequence, where: str) -> tuple[tuple, int]:
    """A cone in the form that the core takes, and its rows."""
    name, *rest = cone
    if name not in CONES:
        raise ValueError(f"{where}: unknown cone {name!r}; known are {', '.join(CONES)}")
    expected = 2 if name == "generalized_power" else 1
    if len(rest) != expected:
        raise ValueError(f"{where}: expected ({name!r}, {CONES[name]}), found {cone!r}")
    if name == "power":
        alpha = _exponent(rest[0], where)
        if alpha == 1.0:
            raise ValueError(f"{where}: expected an exponent below 1, found {alpha}")
        return (name, alpha), 3
    if name == "generalized_power":
        alphas, norm_dim = _exponents(rest[0], where), size_of(rest[1], where, "norm_dim")
        if norm_dim == 0:
            raise ValueError(f"{where}: expected norm_dim of at least 1, found 0")
        return (name, alphas, norm_dim), len(alphas) + norm_dim
    size = size_of(rest[0], where, CONES[name])
    rows = {"psd_triangle": size * (size + 1) // 2, "exponential": 3 * size}
    return (name, size), rows.get(name, size)


def _exponents(value: Any, where: str) -> list[float]:
    """The exponents of a generalized power cone, with the sum 1 to the last bit."""
    if isinstance(value, str) or not np.iterable(value):
        raise ValueError(f"{where}: expected a list of exponents, found {value!r}")
    alphas = [_exponent(alpha, where) for alpha in value]
    total = sum(alphas)
    if not alphas or abs(total - 1.0) > 1e-9:
        raise ValueError(
            f"{where}: expected exponents that add up to 1, found {alphas} with the sum {total}"
        )
    return [alpha / total for alpha in alphas]


def check_cones(cones: Any) -> tuple[list[tuple], list[int]]:
    """Cones in the form that the core takes, and the rows of A that each takes.

    Cones without rows are left out. Raises ValueError that names the position in the list.
    """
    known = ", ".join(f"({name!r}, {meaning})" for name, meaning in CONES.items())
    if isinstance(cones, (str, dict)) or not isinstance(cones, Sequence):
        raise ValueError(f"cones: expected a list of tuples {known}; found {cones!r}")
    checked: list[tuple] = []
    rows: list[int] = []
    for index, cone in enumerate(cones):
        where = f"cones[{index}]"
        is_tuple = isinstance(cone, (tuple, list)) and len(cone) > 0
        if not is_tuple or not isinstance(cone[0], str):
            raise ValueError(f"{where}: expected one of {known}; found {cone!r}")
        item, taken = _checked(cone, where)
        if taken > 0:
            checked.append(item)
            rows.append(taken)
    return checked, rows
