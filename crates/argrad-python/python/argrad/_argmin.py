"""Smooth problems for every front end: what is checked, what is said about failures.

A front end implements :class:`Functions` with the derivatives of its framework; the core calls its
methods for whole batches.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from argrad import _options
from argrad._core import ARGMIN_STATUS, Argmin, ArgminSolved, SolverError
from argrad._errors import SolverWarning

_SHOWN = 8
_MEANING = {
    "saddle": "a saddle point that the solver could not leave; start elsewhere",
    "infeasible_stationary": "the constraints cannot be met near the point reached; start "
    "elsewhere or relax them",
    "unbounded": "the objective falls without bound; bound the variables",
    "iteration_limit": "iteration limit; start nearer, scale the functions or raise max_iterations",
    "stalled": "no step makes progress: are the functions smooth, and in double precision?",
    "not_stationary": "the given point does not satisfy the KKT conditions",
}


class Functions(Protocol):
    """Values and derivatives of f, h and g, in numpy, for `count` samples at once.

    `samples` are the indices of the samples in the batch, `theta` is (count, theta), `y` is
    (count, y), `nu` and `mu` are the multipliers of h and g. Results are flat or of the shape
    given, float64 in C order. L = f + nu'h + mu'g.
    """

    def values(self, samples: np.ndarray, theta: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """f (count), h (count, e), g (count, k)."""
        ...

    def derivatives(
        self, samples: np.ndarray, theta: np.ndarray, y: np.ndarray, nu: np.ndarray, mu: np.ndarray
    ) -> list[np.ndarray]:
        """By y: the gradient of f, the Jacobians of h and g, the Hessian of L."""
        ...

    def mixed_jvp(
        self,
        samples: np.ndarray,
        theta: np.ndarray,
        y: np.ndarray,
        nu: np.ndarray,
        mu: np.ndarray,
        dtheta: np.ndarray,
    ) -> list[np.ndarray]:
        """How L_y, h and g change along `dtheta`."""
        ...

    def mixed_vjp(
        self,
        samples: np.ndarray,
        theta: np.ndarray,
        y: np.ndarray,
        nu: np.ndarray,
        mu: np.ndarray,
        uy: np.ndarray,
        uh: np.ndarray,
        ug: np.ndarray,
    ) -> list[np.ndarray]:
        """The gradient by theta of uy'L_y + uh'h + ug'g."""
        ...

    def lagrangian_gradient(
        self, samples: np.ndarray, theta: np.ndarray, y: np.ndarray, nu: np.ndarray, mu: np.ndarray
    ) -> list[np.ndarray]:
        """L_theta."""
        ...


def solver(
    functions: Functions,
    sizes: tuple[int, int, int, int],
    *,
    single: bool,
    tolerance: float | None,
    max_iterations: int | None,
    on_failure: _options.OnFailure,
) -> Argmin:
    """The core's solver for functions with these numbers of theta, y, equalities, inequalities."""
    if tolerance is None and single:
        # Functions in single precision are known to this; Newton's steps go on as long as they pay.
        tolerance = 100 * float(np.finfo(np.float32).eps)
    how = _options.on_failure(on_failure)
    return Argmin(functions, *sizes, tolerance, max_iterations, how)


def check(solved: ArgminSolved, on_failure: _options.OnFailure) -> np.ndarray:
    """Indices of the samples without a solution, after raising or warning about them."""
    if solved.all_solved:
        return np.zeros(0, np.int64)
    reports = solved.reports
    status = [ARGMIN_STATUS[code] for code in reports["status"]]
    lost = [at for at, name in enumerate(status) if name != "solved"]
    named = []
    for at in lost[:_SHOWN]:
        where = reports["not_a_number"][at]
        meaning = f"{where} is not a finite number" if where else _MEANING[status[at]]
        named.append(f"sample {at}: {meaning}")
    if len(lost) > _SHOWN:
        named.append(f"and {len(lost) - _SHOWN} more")
    message = f"{len(lost)} of {len(status)} samples not solved: {'; '.join(named)}"
    if on_failure == "raise":
        error = SolverError(message)
        error.indices = lost
        error.statuses = [status[at] for at in lost]
        raise error
    _options.warn_once(
        f"argmin on_failure={on_failure}",
        f"{message}; on_failure={on_failure!r} applies",
        SolverWarning,
    )
    return np.array(lost, np.int64)


def results(
    solved: ArgminSolved, lost: np.ndarray, on_failure: _options.OnFailure
) -> list[np.ndarray]:
    """y, nu and mu, with NaN for samples without a solution where that was asked for."""
    outputs: list[np.ndarray] = [solved.y, solved.nu, solved.mu]
    if on_failure == "nan" and len(lost):
        for output in outputs:
            output[lost] = np.nan
    return outputs


def size_of(name: str, shape: tuple[int, ...]) -> int:
    """The number of constraints that a function of one sample returns, from the shape."""
    if len(shape) != 1:
        raise ValueError(
            f"{name} must return a vector for one sample (a 1-dimensional array); found shape "
            f"{tuple(shape)}; stack the constraints"
        )
    return shape[0]


def check_scalar(shape: tuple[int, ...]) -> None:
    """Raises ValueError unless f returned one number."""
    if shape != ():
        raise ValueError(
            f"f must return one number for one sample (shape ()); found shape {tuple(shape)}; "
            "f sees a single sample, batches are formed by argmin"
        )


def check_start(shape: tuple[int, ...]) -> tuple[int | None, int]:
    """Batch size (None for one sample without batch dimension) and number of variables."""
    if len(shape) not in (1, 2) or shape[-1] == 0:
        raise ValueError(f"y0 must have shape (n,) or (batch, n) with n > 0; found {tuple(shape)}")
    return (None, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def check_leaf(name: str, shape: tuple[int, ...], batch: int | None) -> tuple[int, ...]:
    """The shape of one sample of a part of theta."""
    if batch is None:
        return tuple(shape)
    if len(shape) == 0 or shape[0] != batch:
        raise ValueError(
            f"{name} must have the leading batch dimension of y0, {batch}; found shape "
            f"{tuple(shape)}; what is the same for all samples can be expanded, or closed over "
            "where it needs no gradient"
        )
    return tuple(shape[1:])


def leaves_of(theta: Any, is_leaf: Any) -> tuple[list[tuple[str, Any]], Any]:
    """The arrays of theta with their names, and how to put others in their place: one array, or a
    tuple, list or dict of such."""
    if is_leaf(theta):
        return [("theta", theta)], lambda leaves: leaves[0]
    if isinstance(theta, dict):
        keys = list(theta)
        pairs = [(f"theta[{key!r}]", theta[key]) for key in keys]
        rebuild: Any = lambda leaves: dict(zip(keys, leaves, strict=True))  # noqa: E731
    elif isinstance(theta, tuple | list):
        pairs = [(f"theta[{at}]", leaf) for at, leaf in enumerate(theta)]
        rebuild = type(theta)
    else:
        pairs, rebuild = [("theta", theta)], None
    for name, leaf in pairs:
        if rebuild is None or not is_leaf(leaf):
            raise TypeError(
                f"{name} must be an array of floating point numbers (theta: one, or a tuple, list "
                f"or dict of them); found {type(leaf).__name__}"
            )
    return pairs, rebuild
