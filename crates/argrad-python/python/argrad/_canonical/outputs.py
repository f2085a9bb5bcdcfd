"""The way out: from x and z of the cone program to the variables and duals of the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from argrad._canonical.canonical import Canonical
from argrad._canonical.duals import DualEntries, dual_entries
from argrad._canonical.leaves import lowered
from argrad._canonical.maps import compressed_rows
from argrad._compiled import Output


class Outputs(NamedTuple):
    """What a layer returns."""

    outputs: list[Output]
    """What the user gets."""
    rows: list[tuple]
    """How the core makes it of x or z: (name, source, size, indptr, indices, data, base)."""


def read_variables(
    problem: cp.Problem, variables: Sequence[cp.Variable], canonical: Canonical, gp: bool
) -> Outputs:
    """Finds the entries of x and z that the variables and dual variables are."""
    own = set(problem.variables())
    wanted = {variable.id for variable in variables if variable not in own}
    constraints = [
        constraint
        for constraint in problem.constraints
        if wanted & {dual.id for dual in constraint.dual_variables}
    ]
    entries = dual_entries(constraints, canonical) if constraints else {}
    infos, rows = [], []
    for variable in variables:
        dual = variable not in own
        if dual:
            pick = _dual_rows(entries[variable.id], canonical.rows)
        else:
            pick = _primal_entries(variable, canonical)
        info = Output(variable.name(), tuple(variable.shape), gp and not dual, dual)
        infos.append(info)
        source, constant = "z" if dual else "x", np.zeros(info.size)
        rows.append((info.name, source, info.size, *compressed_rows(pick), constant))
    return Outputs(infos, rows)


def _dual_rows(entries: DualEntries, m: int) -> sp.csr_array:
    """The rows that pick the row-major entries of a dual variable from z."""
    source, scale = entries
    used = np.flatnonzero(scale)
    return sp.csr_array((scale[used], (used, source[used])), shape=(scale.size, m))


def _primal_entries(variable: cp.Variable, canonical: Canonical) -> sp.csr_array:
    """The rows that pick the row-major entries of a variable from x."""
    conic, n, size = canonical.conic, canonical.variables, variable.size
    ident = canonical.ids.variable(variable.id)
    start = conic.var_id_to_col.get(ident)
    if start is None:
        # CVXPY dropped it: it has no entries, or nothing depends on it. Its value is zero.
        return sp.csr_array((size, n))
    entries, places, weights, stored = lowered(variable)
    if conic.id_to_var[ident].size != stored:
        raise NotImplementedError(
            f"Variable {variable.name()} has attributes that CVXPY lowers in a way which is not "
            "known here"
        )
    return sp.csr_array((weights, (entries, places + start)), shape=(size, n))
