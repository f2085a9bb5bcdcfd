"""The walk over the tree of a CVXPY problem: arguments first, each expression once."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
from cvxpy import atoms

from argrad._translation import affine, elementwise, leaves, matrices, products, reductions
from argrad._translation.description import Description, NoTranslation, Term

TABLE: dict[type, elementwise.Translator] = {
    **affine.TABLE,
    **products.TABLE,
    **elementwise.TABLE,
    **reductions.TABLE,
    **matrices.TABLE,
}
"""How each kind of expression is translated; a kind that is not there is translated as what it is
derived from."""

_FREE = Term((), None)
"""Stands for what holds neither variables nor parameters: numbers, evaluated where they are
needed."""


class Walk:
    """What the expressions of a problem have become."""

    def __init__(self, to: Description) -> None:
        self.to = to
        self.variables: dict[int, Term] = {}
        self.parameters: dict[int, Term] = {}
        # The positions of the parameters' own expressions.
        self.positions: dict[int, int] = {}
        self._leaves: list[cp.Variable] = []
        # By id; the expressions are kept, so that no other gets the id.
        self._known: dict[int, tuple[Any, Term]] = {}

    def term(self, expression: Any) -> Term:
        """The translation of an expression.

        Raises NoTranslation for the first part that has none.
        """
        known = self._known
        order = [(expression, False)]
        while order:
            at, ready = order.pop()
            if id(at) in known:
                continue
            below = parts(at)
            if not ready and below:
                order.append((at, True))
                order.extend((part, False) for part in reversed(below))
                continue
            known[id(at)] = (at, self._translate(at, below))
        return self._of(expression)

    def new_bounds(self) -> list[Any]:
        """Bounds that are expressions, of variables met since the last call, as constraints."""
        fresh, self._leaves = self._leaves, []
        return [constraint for leaf in fresh for constraint in leaves.bound_expressions(leaf)]

    def _of(self, expression: Any) -> Term:
        """What an expression has become; numbers are evaluated."""
        term = self._known[id(expression)][1]
        if term is not _FREE:
            return term
        value = expression.value
        if value is None:
            raise NoTranslation(f"{named(expression)}, a constant without a value")
        term = Term(tuple(expression.shape), None, value)
        self._known[id(expression)] = (expression, term)
        return term

    def _translate(self, expression: Any, below: list[Any]) -> Term:
        if isinstance(expression, cp.Variable):
            if expression.id not in self.variables:
                self.variables[expression.id] = leaves.variable(expression, self.to)
                self._leaves.append(expression)
            return self.variables[expression.id]
        if isinstance(expression, cp.Parameter):
            if expression.id not in self.parameters:
                self.positions[expression.id] = len(self.to.expressions)
                self.parameters[expression.id] = leaves.parameter(expression, self.to)
            return self.parameters[expression.id]
        if all(self._known[id(part)][1] is _FREE for part in below):
            return _FREE
        for kind in type(expression).__mro__:
            translate = TABLE.get(kind)
            if translate is not None:
                return translate(expression, [self._of(part) for part in below], self.to)
        raise NoTranslation(f"{named(expression)} has no counterpart in argrad's language")


def parts(expression: Any) -> list[Any]:
    """What an expression is made of, with what CVXPY does not count among its arguments."""
    if isinstance(expression, atoms.huber):
        return [*expression.args, expression.M]
    if isinstance(expression, atoms.perspective):
        return [expression.args[0], expression.f]
    return list(expression.args)


def named(expression: Any) -> str:
    """The name of an atom with the shapes of its arguments: its text may be long."""
    shapes = ", ".join(str(arg.shape) for arg in expression.args)
    return f"{type(expression).__name__} of {shapes}" if shapes else type(expression).__name__
