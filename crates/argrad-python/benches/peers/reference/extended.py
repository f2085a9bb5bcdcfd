"""Linear algebra in extended precision, for small matrices."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.linalg

#: The type of all numbers of the reference.
Extended = np.longdouble
#: A step of Newton's method below this, in numbers of size 1, is rounding.
ROUNDING = 1000 * float(np.finfo(Extended).eps)


def extended(array) -> np.ndarray:
    """A copy of `array` in extended precision."""
    return np.array(array, dtype=Extended)


class RefinedSolver:
    """Solves K x = r for one K: LU factors in double, the rest in extended precision.

    Iterative refinement (Wilkinson) makes the error about `condition * 1e-19` while the condition
    is well below 1e16.

    Args:
        matrix: K, (n, n), extended.

    Raises:
        numpy.linalg.LinAlgError: K is singular to working precision, so refinement does not
            converge.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        with warnings.catch_warnings():
            # Of singular matrices: `solve` sees them itself.
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
            self.factors = scipy.linalg.lu_factor(matrix.astype(float), check_finite=False)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """x with K x = `right`, (n,), extended."""
        solution, residual, last = np.zeros(right.shape, Extended), right, np.inf
        for _ in range(40):
            with np.errstate(all="ignore"):
                step = scipy.linalg.lu_solve(
                    self.factors, residual.astype(float), check_finite=False
                )
            size = np.abs(step).max(initial=0.0)
            if not size < 0.5 * last:
                break
            solution, last = solution + step, size
            residual = right - self.matrix @ solution
        # No more progress: at the limit of the precision, or never on the way there.
        terms = (np.abs(self.matrix) @ np.abs(solution) + np.abs(right)).max(initial=0.0)
        if np.abs(residual).max(initial=0.0) <= ROUNDING * terms:
            return solution
        raise np.linalg.LinAlgError(
            f"refinement of a system of {len(right)} equations does not converge: it is singular"
        )


def symmetric_eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and orthonormal eigenvectors (columns) of a small symmetric matrix.

    Cyclic Jacobi rotations, which keep extended precision; LAPACK has none.

    Args:
        matrix: (n, n), symmetric, extended.
    """
    a = matrix.copy()
    n = len(a)
    vectors = np.eye(n, dtype=Extended)
    scale = np.abs(a).max(initial=Extended(0))
    for _ in range(50):
        off = np.abs(a - np.diag(np.diag(a))).max(initial=Extended(0))
        if off <= np.finfo(Extended).eps * scale:
            return np.diag(a).copy(), vectors
        for i in range(n):
            for j in range(i + 1, n):
                if a[i, j] == 0:
                    continue
                theta = (a[j, j] - a[i, i]) / (2 * a[i, j])
                sign = Extended(1) if theta >= 0 else Extended(-1)
                tangent = sign / (abs(theta) + np.sqrt(theta * theta + 1))
                cosine = 1 / np.sqrt(tangent * tangent + 1)
                sine = tangent * cosine
                rotation = np.array([[cosine, sine], [-sine, cosine]], Extended)
                pair = [i, j]
                a[:, pair] = a[:, pair] @ rotation
                a[pair, :] = rotation.T @ a[pair, :]
                a[i, j] = a[j, i] = 0
                vectors[:, pair] = vectors[:, pair] @ rotation
    raise np.linalg.LinAlgError("Jacobi rotations did not converge")
