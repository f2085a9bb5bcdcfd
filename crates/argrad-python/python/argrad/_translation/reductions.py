"""Norms, squares, extrema and other functions of many entries, along axes or of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cvxpy import atoms

from argrad._translation.affine import sums
from argrad._translation.description import Description, NoTranslation, Term

Translator = Callable[[Any, list[Term], Description], Term]


def rows_of(atom: Any, x: Term, to: Description) -> Term:
    """A matrix with one row for each result: the entries along the axes of the atom."""
    axes = (atom.axis,) if isinstance(atom.axis, (int, np.integer)) else tuple(atom.axis)
    axes = tuple(int(a) % len(x.shape) for a in axes)
    kept = [k for k in range(len(x.shape)) if k not in axes]
    count = int(np.prod([x.shape[k] for k in kept]))
    numbers = np.arange(x.size).reshape(x.shape).transpose([*kept, *axes])
    return to.gather([x], numbers, (count, x.size // count if count else 0))


def reduced(whole: str, by_row: str) -> Translator:
    """A function of the core that has a version for the rows of a matrix."""

    def translate(atom: Any, args: list[Term], to: Description) -> Term:
        (x,) = args
        if atom.axis is None:
            return to.reshape(to.add(whole, [x], ()), atom.shape)
        rows = rows_of(atom, x, to)
        return to.reshape(to.add(by_row, [rows], rows.shape[:1]), atom.shape)

    return translate


def sum_of_sizes(atom: Any, args: list[Term], to: Description) -> Term:
    """The 1-norm."""
    sizes = to.add("abs", args, args[0].shape)
    if atom.axis is None:
        return to.reshape(to.add("sum", [sizes], ()), atom.shape)
    return to.map([sizes], sums(sizes.shape, atom.axis), atom.shape)


def largest_size(atom: Any, args: list[Term], to: Description) -> Term:
    """The infinity norm."""
    return _norm(atom, args[0], np.inf, to)


def p_norm(atom: Any, args: list[Term], to: Description) -> Term:
    """Other norms; where CVXPY rounds p to a fraction, that is p."""
    if float(atom.p) == 2.0:
        return reduced("norm2", "norm2_rows")(atom, args, to)
    return _norm(atom, args[0], float(atom.p), to)


def _norm(atom: Any, x: Term, p: float, to: Description) -> Term:
    if atom.axis is None:
        return to.reshape(to.add("pnorm", [x], (), p), atom.shape)
    rows = rows_of(atom, x, to)
    return to.reshape(to.add("pnorm_rows", [rows], rows.shape[:1], p), atom.shape)


def squares(atom: Any, args: list[Term], to: Description) -> Term:
    """Sums of squares, over a denominator."""
    x, y = args
    if atom.axis is None:
        found = to.add("quad_over_lin", [x, to.scalar(y)], ())
        if y.is_constant and float(np.ravel(y.value)[0]) == 1.0:
            found = to.add("sum_squares", [x], ())
        return to.reshape(found, atom.shape)
    if not y.is_constant:
        raise NoTranslation("quad_over_lin along an axis over what is no number")
    squared = to.add("power", [x], x.shape, 2.0)
    total = to.map([squared], sums(x.shape, atom.axis), atom.shape)
    return to.add("scale", [total], atom.shape, 1.0 / float(np.ravel(y.value)[0]))


def row_by_row(atom: Any, x: Term, to: Description, function: Callable[[Term], Term]) -> Term:
    """A function of one vector, of all entries or of those along the axes of the atom."""
    if atom.axis is None:
        return to.reshape(function(to.flat(x)), atom.shape)
    rows = rows_of(atom, x, to)
    count, length = rows.shape
    numbers = np.arange(count * length).reshape(count, length)
    found = [function(to.gather([rows], row, (length,))) for row in numbers]
    return to.gather(found, np.arange(count), atom.shape)


def largest(atom: Any, args: list[Term], to: Description) -> Term:
    """The sum of the k largest entries."""

    def of(row: Term) -> Term:
        return to.add("sum_largest", [row], (), float(atom.k))

    return row_by_row(atom, args[0], to, of)


def geometric(atom: Any, args: list[Term], to: Description) -> Term:
    """Geometric means with weights; entries without weight take no part."""
    (x,) = args
    if atom.axis is None and len(x.shape) > 1:
        # CVXPY numbers entries column by column.
        order = np.arange(x.size).reshape(x.shape).ravel(order="F")
        x = to.gather([x], order, (x.size,))
    kept = np.flatnonzero(np.asarray(atom._keep).ravel())
    weights = np.array([float(w) for w in atom.w])

    def of(row: Term) -> Term:
        entries = to.gather([row], kept, (kept.size,))
        if kept.size == 1:
            return to.scalar(entries)
        return to.add("geo_mean", [entries], (), weights)

    return row_by_row(atom, x, to, of)


TABLE = {
    atoms.norm1: sum_of_sizes,
    atoms.norm_inf: largest_size,
    atoms.Pnorm: p_norm,
    atoms.quad_over_lin: squares,
    atoms.max: reduced("max", "max_rows"),
    atoms.min: reduced("min", "min_rows"),
    atoms.log_sum_exp: reduced("log_sum_exp", "log_sum_exp_rows"),
    atoms.sum_largest: largest,
    atoms.GeoMean: geometric,
}
