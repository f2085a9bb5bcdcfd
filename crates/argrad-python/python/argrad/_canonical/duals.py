"""Which entries of the duals z the dual variables of the user are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cvxpy.settings as cvxpy_settings
import numpy as np
import scipy.sparse as sp
from cvxpy.reductions.solution import Solution
from cvxpy.reductions.solvers import utilities

from argrad._canonical.canonical import Canonical

DualEntries = tuple[np.ndarray, np.ndarray]
"""For each row-major entry of a dual variable: the entry of z that it is, and the factor."""


def dual_entries(constraints: Sequence[Any], canonical: Canonical) -> dict[int, DualEntries]:
    """The entries of the dual variables of constraints, by id of the dual variable.

    CVXPY knows how to bring z back to the constraints of the user, and it does so linearly with one
    entry of z for each entry of a dual. So it is asked twice, with z = 1 and with z = 1, 2, ..., m,
    and the answers tell factor and entry.
    """
    m = canonical.rows
    ones = _invert_duals(np.ones(m), canonical)
    counts = _invert_duals(np.arange(1.0, m + 1.0), canonical)
    found = {}
    for constraint in constraints:
        factors = _dual_values(constraint, ones.get(constraint.id))
        products = _dual_values(constraint, counts.get(constraint.id))
        for dual, factor, product in zip(constraint.dual_variables, factors, products, strict=True):
            used = factor != 0.0
            position = np.zeros(factor.size)
            position[used] = product[used] / factor[used] - 1.0
            source = np.rint(position).astype(np.int64)
            if np.abs(position - source).max(initial=0.0) > 1e-6:
                raise NotImplementedError(
                    f"The dual variable of the constraint {constraint} is not an entry of the "
                    "dual of the cone program"
                )
            found[dual.id] = (source, factor)
    return found


def constraint_rows(problem: Any, canonical: Canonical) -> list[tuple[str, list[int]]] | None:
    """The rows of the cone program that are the constraints of the user, by label or text; None
    where that cannot be said. The other rows define what atoms are."""
    try:
        entries = dual_entries(problem.constraints, canonical)
    except NotImplementedError:
        return None
    found = []
    for constraint in problem.constraints:
        rows: set[int] = set()
        for dual in constraint.dual_variables:
            source, factor = entries[dual.id]
            rows.update(source[factor != 0.0].tolist())
        found.append((constraint.label or str(constraint), sorted(rows)))
    return found


def _invert_duals(z: np.ndarray, canonical: Canonical) -> dict[int, Any]:
    """What CVXPY makes of a dual vector z of the cone program: values by id of constraint."""
    values = utilities.get_dual_values(z, utilities.extract_dual_value, canonical.conic.constraints)
    # A status without a primal solution keeps CVXPY from looking for one.
    solution = Solution(cvxpy_settings.INFEASIBLE, None, {}, values, {})
    reductions, inverse = canonical.chain.reductions, canonical.inverse
    steps = list(zip(reductions[:-1], inverse[:-1], strict=True))
    for reduction, data in reversed(steps):
        solution = reduction.invert(solution, data)
    return solution.dual_vars


def _dual_values(constraint: Any, value: Any) -> list[np.ndarray]:
    """The dual variables of a constraint, row-major, if CVXPY saves `value` for it."""
    if value is None:
        # Dropped as empty, or as trivially true.
        return [np.zeros(dual.size) for dual in constraint.dual_variables]
    kept = [dual._value for dual in constraint.dual_variables]
    try:
        constraint.save_dual_value(value)
        saved = [dual._value for dual in constraint.dual_variables]
    finally:
        for dual, old in zip(constraint.dual_variables, kept, strict=True):
            dual.save_value(old)
    flat = []
    for dual, one in zip(constraint.dual_variables, saved, strict=True):
        one = np.asarray(one.toarray() if sp.issparse(one) else one, dtype=np.float64)
        flat.append(np.reshape(one, dual.shape, order="F").ravel(order="C"))
    return flat
