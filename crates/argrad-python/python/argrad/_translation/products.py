"""Products and quotients; factors may hold parameters, and at most one of them variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.affine.binary_operators import DivExpression, MulExpression, multiply
from cvxpy.atoms.affine.conv import conv, convolve
from cvxpy.atoms.affine.kron import kron

from argrad._translation.description import Description, NoTranslation, Term, dense

# A matrix with fewer entries than this share is written as a sparse one.
_SPARSE = 1 / 3


def elementwise(atom: Any, args: list[Term], to: Description) -> Term:
    """Products of entries, with broadcasting."""
    for number, other in (args, args[::-1]):
        if number.size == 1:
            if number.is_constant:
                scaled = to.add("scale", [other], other.shape, _number(number))
                return to.broadcast(scaled, atom.shape)
            one = to.scalar(number)
            return to.broadcast(to.add("multiply", [one, other], other.shape), atom.shape)
    for factor, other in (args, args[::-1]):
        if factor.is_constant and factor.shape == other.shape and is_sparse(factor.value):
            flat = sp.coo_array(dense(factor.value).reshape(1, -1))
            matrix = sp.csr_array(
                (flat.data, (flat.coords[1], flat.coords[1])), shape=(factor.size, factor.size)
            )
            return to.map([other], matrix, atom.shape)
    return to.add("multiply", [to.broadcast(arg, atom.shape) for arg in args], atom.shape)


def matrix(atom: Any, args: list[Term], to: Description) -> Term:
    """Matrix products of vectors and matrices."""
    left, right = args
    if not all(len(arg.shape) in (1, 2) for arg in args):
        raise NoTranslation("a product of stacks of matrices")
    if left.is_constant and is_sparse(left.value):
        columns = right.shape[1] if len(right.shape) == 2 else 1
        matrix = sp.csr_array(_two_axes(left, row=True))
        if columns > 1:
            matrix = sp.kron(matrix, sp.eye_array(columns), format="csr")
        return to.map([right], matrix, atom.shape)
    if right.is_constant and is_sparse(right.value):
        rows = left.shape[0] if len(left.shape) == 2 else 1
        matrix = sp.csr_array(_two_axes(right, row=False).T)
        if rows > 1:
            matrix = sp.kron(sp.eye_array(rows), matrix, format="csr")
        return to.map([left], matrix, atom.shape)
    return to.add("matmul", args, atom.shape)


def quotient(atom: Any, args: list[Term], to: Description) -> Term:
    """Quotients of entries, with broadcasting; denominators without variables."""
    over, under = args
    if under.is_constant:
        numbers = dense(under.value)
        if not numbers.all():
            raise NoTranslation("a division by zero")
        reciprocal = Term(under.shape, None, 1.0 / numbers)
        return elementwise(atom, [reciprocal, over], to)
    if under.size == 1:
        divided = to.add("divide", [over, to.scalar(under)], over.shape)
        return to.broadcast(divided, atom.shape)
    return to.add("divide", [to.broadcast(arg, atom.shape) for arg in args], atom.shape)


def convolution(atom: Any, args: list[Term], to: Description) -> Term:
    """Convolutions of vectors."""
    size = sum(arg.size for arg in args) - 1
    return to.reshape(to.add("convolve", [to.flat(arg) for arg in args], (size,)), atom.shape)


def kronecker(atom: Any, args: list[Term], to: Description) -> Term:
    """Kronecker products of matrices."""
    if not all(len(arg.shape) == 2 for arg in args):
        raise NoTranslation("a Kronecker product of what is no matrix")
    return to.add("kron", args, atom.shape)


def is_sparse(value: Any) -> bool:
    """Whether numbers are better kept as a sparse matrix."""
    if not sp.issparse(value):
        value = np.asarray(value)
        return value.ndim == 2 and np.count_nonzero(value) < _SPARSE * value.size
    return value.ndim == 2 and value.nnz < _SPARSE * np.prod(value.shape)


def _two_axes(term: Term, row: bool) -> Any:
    """Numbers as a matrix; a vector is a row or a column of it."""
    if len(term.shape) == 2:
        return term.value
    return dense(term.value).reshape((1, -1) if row else (-1, 1))


def _number(term: Term) -> float:
    found = float(dense(term.value).ravel()[0])
    if not np.isfinite(found):
        raise NoTranslation("a constant that is not finite")
    return found


TABLE = {
    multiply: elementwise,
    MulExpression: matrix,
    DivExpression: quotient,
    conv: convolution,
    convolve: convolution,
    kron: kronecker,
}
