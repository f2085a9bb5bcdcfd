"""Elementwise functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cvxpy import atoms

from argrad._translation.description import Description, NoTranslation, Term

Translator = Callable[[Any, list[Term], Description], Term]


def plain(name: str) -> Translator:
    """A function of the core that has the same arguments."""

    def translate(atom: Any, args: list[Term], to: Description) -> Term:
        return to.add(name, [to.broadcast(arg, atom.shape) for arg in args], atom.shape)

    return translate


def extremum(name: str) -> Translator:
    """The largest or the smallest of several expressions."""

    def translate(atom: Any, args: list[Term], to: Description) -> Term:
        args = [to.broadcast(arg, atom.shape) for arg in args]
        if len(args) == 2:
            return to.add(name, args, atom.shape)
        size, count = args[0].size, len(args)
        # One row for each entry, one column for each argument.
        positions = np.arange(count * size).reshape(count, size).T
        rows = to.gather(args, positions, (size, count))
        one = to.add(f"{name[:3]}_rows", [rows], (size,))
        return to.reshape(one, atom.shape)

    return translate


def powered(atom: Any, args: list[Term], to: Description) -> Term:
    """Powers; where CVXPY rounds the exponent to a fraction, that is the exponent."""
    if atom.p_used is None:
        raise NoTranslation("a power whose exponent is a parameter")
    return to.add("power", args, atom.shape, float(atom.p_used))


def hubered(atom: Any, args: list[Term], to: Description) -> Term:
    """Huber's function; its threshold is the second argument."""
    x, threshold = args
    return to.add("huber", [x, to.scalar(threshold)], atom.shape)


TABLE = {
    atoms.abs: plain("abs"),
    atoms.exp: plain("exp"),
    atoms.log1p: plain("log1p"),
    atoms.log: plain("log"),
    atoms.entr: plain("entr"),
    atoms.kl_div: plain("kl_div"),
    atoms.rel_entr: plain("rel_entr"),
    atoms.logistic: plain("logistic"),
    atoms.xexp: plain("xexp"),
    atoms.maximum: extremum("maximum"),
    atoms.minimum: extremum("minimum"),
    atoms.Power: powered,
    atoms.huber: hubered,
}
