"""Functions of matrices, and quadratic forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy import atoms

from argrad._translation.description import Description, NoTranslation, Term, dense
from argrad._translation.elementwise import Translator

# From so many entries on, a matrix is not looked at entry by entry.
_LARGEST_DENSE = 4_000_000


def of_matrix(name: str) -> Translator:
    """A function of the core with one matrix as its argument."""

    def translate(atom: Any, args: list[Term], to: Description) -> Term:
        if len(args[0].shape) != 2:
            raise NoTranslation(f"{type(atom).__name__} of a stack of matrices")
        return to.reshape(to.add(name, args, ()), atom.shape)

    return translate


def largest_eigenvalues(atom: Any, args: list[Term], to: Description) -> Term:
    """The sum of the k largest eigenvalues."""
    if len(args[0].shape) != 2:
        raise NoTranslation("lambda_sum_largest of a stack of matrices")
    return to.reshape(to.add("lambda_sum_largest", args, (), float(atom.k)), atom.shape)


def fraction(atom: Any, args: list[Term], to: Description) -> Term:
    """x' P^-1 x."""
    return to.reshape(to.add("matrix_frac", args, ()), atom.shape)


def perspective(atom: Any, args: list[Term], to: Description) -> Term:
    """s f(x / s); f is the second argument."""
    s, f = args
    return to.reshape(to.add("perspective", [to.scalar(f), to.scalar(s)], ()), atom.shape)


def quadratic(atom: Any, args: list[Term], to: Description) -> Term:
    """x' P x."""
    x, p = args
    if p.is_constant:
        # What is neither convex nor concave is refused by the core.
        sign = 1.0 if (p.value.diagonal() > 0.0).any() else -1.0
        if sp.issparse(p.value):
            found = _sparse_form(to.flat(x), sp.coo_array(p.value), sign, to)
            if found is not None:
                return to.reshape(found, atom.shape)
        if p.size > _LARGEST_DENSE:
            raise NoTranslation(f"quad_form with a matrix of {p.shape[0]} rows")
        p = Term(p.shape, None, sign * _symmetric(dense(p.value)))
    elif atom.args[1].is_nsd():
        raise NoTranslation("quad_form with a parameter that is negative semidefinite")
    else:
        sign = 1.0
    found = to.add("quad_form", [to.flat(x), p], ())
    if sign < 0.0:
        found = to.add("negate", [found], ())
    return to.reshape(found, atom.shape)


def _sparse_form(x: Term, matrix: Any, sign: float, to: Description) -> Term | None:
    """x' P x with a diagonal P, as a sum of squares."""
    rows, columns = matrix.coords
    if (rows != columns).any() or (sign * matrix.data < 0.0).any():
        return None
    roots = sp.csr_array((np.sqrt(np.abs(matrix.data)), (rows, columns)), shape=matrix.shape)
    scaled = to.map([x], roots[np.unique(rows)], (np.unique(rows).size,))
    found = to.add("sum_squares", [scaled], ())
    return found if sign > 0.0 else to.add("negate", [found], ())


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)


TABLE = {
    atoms.lambda_sum_largest: largest_eigenvalues,
    atoms.lambda_max: of_matrix("lambda_max"),
    atoms.log_det: of_matrix("log_det"),
    atoms.tr_inv: of_matrix("tr_inv"),
    atoms.sigma_max: of_matrix("sigma_max"),
    atoms.normNuc: of_matrix("norm_nuc"),
    atoms.MatrixFrac: fraction,
    atoms.QuadForm: quadratic,
    atoms.perspective: perspective,
}
