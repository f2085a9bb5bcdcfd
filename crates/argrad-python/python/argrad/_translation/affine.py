"""Affine atoms that move, add and scale entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.affine import (
    add_expr,
    broadcast_to,
    concatenate,
    conj,
    cumsum,
    diag,
    hstack,
    index,
    promote,
    real,
    reshape,
    transpose,
    unary_operators,
    upper_tri,
    vstack,
    wraps,
)
from cvxpy.atoms.affine.sum import Sum
from cvxpy.atoms.affine.trace import Trace

from argrad._translation.description import Description, NoTranslation, Term

# Running sums of so many entries are written out; longer ones get variables for the sums.
_LONGEST_SUM = 64


def moved(atom: Any, args: list[Term], to: Description) -> Term:
    """Whatever only moves entries or puts zeros between them: CVXPY moves their numbers."""
    offset, numbers = 1, []
    for arg in args:
        numbers.append(np.arange(offset, offset + arg.size, dtype=np.float64).reshape(arg.shape))
        offset += arg.size
    found = np.asarray(atom.numeric(numbers)).reshape(atom.shape)
    return to.gather(args, np.rint(found).astype(np.int64) - 1, atom.shape)


def added(atom: Any, args: list[Term], to: Description) -> Term:
    """A sum of expressions, with broadcasting."""
    return to.add("add", [to.broadcast(arg, atom.shape) for arg in args], atom.shape)


def negated(atom: Any, args: list[Term], to: Description) -> Term:
    """The negative."""
    return to.add("negate", args, atom.shape)


def same(atom: Any, args: list[Term], to: Description) -> Term:
    """What is the argument, as far as numbers go."""
    return args[0]


def promised(atom: Any, args: list[Term], to: Description) -> Term:
    """A matrix that is positive semidefinite because the user says so."""
    return to.add("assume_psd", args, atom.shape)


def summed(atom: Any, args: list[Term], to: Description) -> Term:
    """Sums along axes."""
    (x,) = args
    if atom.axis is None:
        return to.reshape(to.add("sum", [x], ()), atom.shape)
    return to.map([x], sums(x.shape, atom.axis), atom.shape)


def sums(shape: tuple[int, ...], axis: Any) -> sp.csr_array:
    """The matrix that sums along axes; results are numbered row-major."""
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(int(a) % len(shape) for a in axes)
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    count, size = int(np.prod(kept)), int(np.prod(shape))
    rows = np.broadcast_to(np.arange(count).reshape(kept), shape).ravel()
    return sp.csr_array((np.ones(size), (rows, np.arange(size))), shape=(count, size))


def traced(atom: Any, args: list[Term], to: Description) -> Term:
    """The trace of a matrix."""
    if len(args[0].shape) != 2:
        raise NoTranslation("the trace of a stack of matrices")
    return to.add("trace", args, ())


def diagonal(atom: Any, args: list[Term], to: Description) -> Term:
    """The diagonal of a matrix, or the diagonal matrix of a vector."""
    return to.add("diag", args, atom.shape) if atom.k == 0 else moved(atom, args, to)


def transposed(atom: Any, args: list[Term], to: Description) -> Term:
    """Axes in another order."""
    if len(args[0].shape) == 2 and atom.axes in (None, (1, 0), [1, 0]):
        return to.add("transpose", args, atom.shape)
    return moved(atom, args, to)


def running(atom: Any, args: list[Term], to: Description) -> Term:
    """Running sums. Long ones are variables s with s_1 = x_1 and s_(k+1) - s_k = x_(k+1)."""
    (x,) = args
    axis = 0 if atom.axis is None else atom.axis
    shape = (x.size,) if atom.axis is None else x.shape
    if not shape:
        return x
    axis %= len(shape)
    length = shape[axis]
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    if length <= _LONGEST_SUM:
        triangle = sp.csr_array(np.tril(np.ones((length, length))))
        return to.map([x], _along(triangle, before, after), atom.shape)
    if not atom.args[0].is_affine():
        raise NoTranslation("long running sums of what is not affine")
    steps = sp.eye_array(length) - sp.eye_array(length, k=-1)
    total = to.add("variable", [], (x.size,), (x.size,), "cumsum", [])
    difference = to.map([total], _along(steps, before, after), (x.size,))
    to.constrain("equal", [difference, to.flat(x)], "")
    return to.reshape(to.flat(total), atom.shape)


def _along(matrix: Any, before: int, after: int) -> Any:
    """A matrix along one axis of an array."""
    return sp.kron(sp.eye_array(before), sp.kron(matrix, sp.eye_array(after)), format="csr")


TABLE = {
    add_expr.AddExpression: added,
    unary_operators.NegExpression: negated,
    Sum: summed,
    Trace: traced,
    diag.diag_vec: diagonal,
    diag.diag_mat: diagonal,
    transpose.transpose: transposed,
    cumsum.cumsum: running,
    wraps.psd_wrap: promised,
    wraps.symmetric_wrap: same,
    wraps.nonneg_wrap: same,
    wraps.nonpos_wrap: same,
    conj.conj: same,
    real.real: same,
    **dict.fromkeys(
        [
            broadcast_to.broadcast_to,
            concatenate.Concatenate,
            hstack.Hstack,
            index.index,
            index.special_index,
            promote.Promote,
            reshape.reshape,
            upper_tri.upper_tri,
            vstack.Vstack,
        ],
        moved,
    ),
}
