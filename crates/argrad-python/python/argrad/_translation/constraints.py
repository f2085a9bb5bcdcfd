"""Constraints, and where their duals are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from cvxpy import constraints as kinds

from argrad._translation.description import Description, NoTranslation, Term
from argrad._translation.walk import Walk, named


class Dual(NamedTuple):
    """A dual variable: constraints of the description, and which of all their dual numbers, one
    constraint after the other, its row-major entries are."""

    constraints: list[int]
    positions: np.ndarray


Duals = list[Dual]
"""Those of a constraint, in the order of its `dual_variables`."""


def translate(constraint: Any, walk: Walk) -> Duals:
    """States a constraint; returns its duals. Raises NoTranslation where it cannot."""
    for kind in type(constraint).__mro__:
        found = TABLE.get(kind)
        if found is not None:
            return found(constraint, [walk.term(arg) for arg in constraint.args], walk.to)
    raise NoTranslation(f"{named(constraint)} has no counterpart in argrad's language")


def _label(constraint: Any) -> str:
    return constraint.label or ""


def _zero(args: list[Term]) -> Term:
    return Term((), None, np.zeros(()))


def compared(name: str) -> Callable[..., Duals]:
    """An equality, or an inequality with the smaller side first."""

    def state(constraint: Any, args: list[Term], to: Description) -> Duals:
        shape = tuple(constraint.shape)
        sides = [side if side.size == 1 else to.broadcast(side, shape) for side in args]
        if all(side.size == 1 for side in sides):
            sides = [to.broadcast(sides[0], shape), to.scalar(sides[1])]
        sides = [to.scalar(side) if side.size == 1 else side for side in sides]
        at = to.constrain(name, sides, _label(constraint))
        return [Dual([at], np.arange(int(np.prod(shape))))]

    return state


def against_zero(name: str, zero_first: bool) -> Callable[..., Duals]:
    """One expression that is zero, nonnegative or nonpositive."""

    def state(constraint: Any, args: list[Term], to: Description) -> Duals:
        sides = [_zero(args), *args] if zero_first else [*args, _zero(args)]
        at = to.constrain(name, sides, _label(constraint))
        return [Dual([at], np.arange(args[0].size))]

    return state


def semidefinite(constraint: Any, args: list[Term], to: Description) -> Duals:
    """A positive semidefinite matrix."""
    (x,) = args
    if len(x.shape) != 2:
        raise NoTranslation("a constraint on a stack of matrices")
    at = to.constrain("semidefinite", args, _label(constraint))
    return [Dual([at], np.arange(x.size))]


def second_order(constraint: Any, args: list[Term], to: Description) -> Duals:
    """Second-order cones, one for each column or row."""
    t, x = args
    if x.size == 0:
        raise NoTranslation("a second-order cone of nothing")
    numbers = np.arange(x.size).reshape(x.shape)
    cones = numbers.reshape(1, -1) if t.size == 1 else numbers
    if t.size > 1 and constraint.axis == 0:
        cones = numbers.T
    made = []
    for k, row in enumerate(cones):
        head = to.gather([t], np.array([k]), ())
        tail = to.gather([x], row, (row.size,))
        made.append(to.constrain("second_order", [head, tail], _label(constraint)))
    width = 1 + cones.shape[1]
    starts = np.arange(len(made)) * width
    # Entry of x by entry of x, where its dual is.
    places = np.empty(x.size, dtype=np.int64)
    places[cones.ravel()] = (starts[:, None] + np.arange(1, width)).ravel()
    return [Dual(made, starts), Dual(made, places)]


def exponential(constraint: Any, args: list[Term], to: Description) -> Duals:
    """Exponential cones, one for each entry."""
    at = to.constrain("exponential", args, _label(constraint))
    return [Dual([at], 3 * np.arange(args[0].size) + part) for part in range(3)]


def power(constraint: Any, args: list[Term], to: Description) -> Duals:
    """Power cones, one for each entry, with an exponent each."""
    exponents = np.ravel(constraint.alpha.value)
    size = args[0].size
    if (exponents == exponents[0]).all():
        at = to.constrain("power", args, _label(constraint), float(exponents[0]))
        return [Dual([at], 3 * np.arange(size) + part) for part in range(3)]
    made = []
    for k, exponent in enumerate(exponents):
        ends = [to.gather([arg], np.array([k]), ()) for arg in args]
        made.append(to.constrain("power", ends, _label(constraint), float(exponent)))
    return [Dual(made, 3 * np.arange(size) + part) for part in range(3)]


TABLE = {
    kinds.Equality: compared("equal"),
    kinds.Inequality: compared("less_equal"),
    kinds.Zero: against_zero("equal", zero_first=False),
    kinds.NonPos: against_zero("less_equal", zero_first=False),
    kinds.NonNeg: against_zero("less_equal", zero_first=True),
    kinds.PSD: semidefinite,
    kinds.SOC: second_order,
    kinds.ExpCone: exponential,
    kinds.PowCone3D: power,
}
