"""Keyword options that every front end takes: checked and brought to one form.

Solver settings come as a dictionary (``solver_args`` of a layer). Its keys are those of argrad;
keys of other solvers are translated where they mean the same and otherwise reported once.
"""

from __future__ import annotations

import math
import numbers
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Literal, NamedTuple

Derivative = str | tuple[str, float]
"""``"exact"``, ``("smoothed", mu)`` or ``("lpgd", tau)``."""

Method = str | tuple[str, float, int]
"""``"direct"`` or ``("lsqr", tolerance, max_iterations)``."""

OnFailure = Literal["raise", "nan", "zero"]
"""What becomes of samples without a solution."""

Device = Literal["auto", "cpu", "cuda"]
"""Where programs are solved."""

OnInfeasible = str | tuple[str, str, float]
"""``"fail"``, ``"elastic"`` or ``("elastic", norm, weight)``."""

Elastic = tuple[str, str, float]
"""``("elastic", norm, weight)``."""

ELASTIC: Elastic = ("elastic", "l2", 1e4)
"""What ``"elastic"`` stands for: squares of the violations, 10,000 times the objective, both in the
units of the program."""

SETTINGS = (
    "tolerance",
    "reduced_tolerance",
    "infeasibility_tolerance",
    "data_rounding",
    "max_iterations",
    "time_limit",
    "max_polish_steps",
    "check_convexity",
    "convexity_tolerance",
    "memory_limit",
    "share_matrices",
    "chordal_decomposition",
    "engine",
)
"""The settings of the solver itself, by name."""

SINGLE = 1e-5
"""What passes for rounding in a matrix of single precision, relative to its largest entry."""

SINGLE_SETTINGS: dict[str, Any] = {
    "convexity_tolerance": SINGLE,
    "reduced_tolerance": SINGLE,
    "data_rounding": 2.0**-23,
}
"""Settings for data of single precision: equalities, convexity and certificates are judged at its
rounding."""

ENGINES = ("auto", "lanes", "sparse", "matrix_free")
"""The values of the setting ``engine``."""

MAX_POLISH_STEPS = 10
"""The number of polish steps where nothing is said."""

# Keys of other solvers that say how accurate a solution must be; the tightest one counts.
_TOLERANCES = (
    "eps",
    "eps_abs",
    "eps_rel",
    "tol_gap_abs",
    "tol_gap_rel",
    "tol_feas",
    "tol",
    "abstol",
)
_INFEASIBILITY = ("eps_infeas", "eps_prim_inf", "eps_dual_inf", "tol_infeas_abs", "tol_infeas_rel")
_ITERATIONS = ("max_iters", "max_iter", "maxit")
_TIMES = ("time_limit_secs", "max_time")
# Known elsewhere, and of no consequence for the result here.
_SILENT = ("verbose", "raise_on_error", "warm_start", "warm_starts", "use_quad_obj")


class SolverOptions(NamedTuple):
    """Settings of the solver, ready for the core, and what the caller limited."""

    settings: dict[str, Any]
    """Arguments of the core; only those that were given."""
    limited: bool
    """The caller bounded iterations or time, so ending at that bound is no surprise."""


_warned: set[str] = set()
_warned_lock = threading.Lock()


def warn_once(key: str, message: str, category: type[Warning]) -> None:
    """Warn with `message`, where argrad was called, unless `key` has been warned about in this
    process."""
    with _warned_lock:
        if key in _warned:
            return
        _warned.add(key)
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_below(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_below(frame: FrameType) -> bool:
    """Whether a frame is argrad's, or a framework's on the way to it."""
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in ("argrad", "torch", "jax", "tensorflow", "contextlib", "functools")


def _positive(name: str, value: Any) -> float:
    """`value` as a positive finite float, or an error that names the option."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number; found {type(value).__name__}")
    value = float(value)
    if not (value > 0.0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive and finite; found {value}")
    return value


def _count(name: str, value: Any) -> int:
    """`value` as a nonnegative integer, or an error that names the option."""
    whole = isinstance(value, numbers.Real) and float(value).is_integer()
    if isinstance(value, bool) or not whole:
        raise TypeError(f"{name} must be a whole number; found {value!r}")
    value = int(value)
    if value < 0:
        raise ValueError(f"{name} must not be negative; found {value}")
    return value


def _flag(name: str, value: Any) -> bool:
    """`value` as a bool, or an error that names the option."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; found {value!r}")
    return value


def _seconds(name: str, value: Any) -> float | None:
    """`value` as seconds or None, or an error that names the option."""
    return None if value is None else _positive(name, value)


def _bytes(name: str, value: Any) -> int | None:
    """`value` as a number of bytes or None, or an error that names the option."""
    return None if value is None else _count(name, value)


def _engine(name: str, value: Any) -> str:
    """`value` as the name of an engine, or an error that lists them."""
    if value not in ENGINES:
        raise ValueError(f"{name} must be one of {', '.join(ENGINES)}; found {value!r}")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "tolerance": _positive,
    "reduced_tolerance": _positive,
    "infeasibility_tolerance": _positive,
    "data_rounding": _positive,
    "max_iterations": _count,
    "time_limit": _seconds,
    "max_polish_steps": _count,
    "check_convexity": _flag,
    "convexity_tolerance": _positive,
    "memory_limit": _bytes,
    "share_matrices": _flag,
    "chordal_decomposition": _flag,
    "engine": _engine,
}


def solver_options(solver_args: Mapping[str, Any] | None, *, strict: bool = False) -> SolverOptions:
    """Checks solver settings and translates those of other solvers.

    `tolerance` is a bound on the relative residuals, `reduced_tolerance` that up to which a sample
    is almost solved, `time_limit` is in seconds, `memory_limit` in
    bytes (None: the memory of the machine). Of other solvers,
    ``eps``, ``eps_abs``, ``eps_rel``, ``tol_gap_abs``, ``tol_gap_rel``, ``tol_feas`` become
    `tolerance` (the least of them); ``eps_infeas`` and the like `infeasibility_tolerance`;
    ``max_iters``, ``max_iter``, ``maxit`` become `max_iterations` and also bound
    `max_polish_steps`; ``time_limit_secs`` becomes `time_limit`. Any other key is ignored with one
    warning that names it, or, where `strict`, a TypeError. A key of argrad wins over a translated
    one.

    Raises TypeError or ValueError naming the key, what it must be, and what was found.
    """
    settings: dict[str, Any] = {}
    if not solver_args:
        return SolverOptions(settings, False)
    if not isinstance(solver_args, Mapping):
        raise TypeError(f"solver_args must be a dictionary; found {type(solver_args).__name__}")
    translated: dict[str, Any] = {}
    for key, value in solver_args.items():
        if key in _CHECKS:
            settings[key] = _CHECKS[key](key, value)
        elif strict:
            raise TypeError(f"unknown solver setting {key!r}; settings are {', '.join(SETTINGS)}")
        elif key in _TOLERANCES:
            eps = _positive(key, value)
            translated["tolerance"] = min(eps, translated.get("tolerance", eps))
        elif key in _INFEASIBILITY:
            eps = _positive(key, value)
            known = translated.get("infeasibility_tolerance", eps)
            translated["infeasibility_tolerance"] = min(eps, known)
        elif key in _ITERATIONS:
            count = _count(key, value)
            translated["max_iterations"] = count
            translated["max_polish_steps"] = min(count, MAX_POLISH_STEPS)
        elif key in _TIMES:
            translated["time_limit"] = _seconds(key, value)
        elif key not in _SILENT:
            warn_once(
                f"solver_args:{key}",
                f"solver_args: {key!r} has no meaning for argrad and is ignored "
                f"(its settings are {', '.join(SETTINGS)})",
                UserWarning,
            )
    settings = {**translated, **settings}
    limited = "max_iterations" in settings or settings.get("time_limit") is not None
    return SolverOptions(settings, limited)


def derivative(value: Any) -> Derivative:
    """Checks a derivative mode: ``"exact"``, ``("smoothed", mu)`` or ``("lpgd", tau)``.

    mu (unit of the objective) and tau are positive. Raises TypeError or ValueError.
    """
    if value == "exact" and isinstance(value, str):
        return "exact"
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] in ("smoothed", "lpgd"):
        name = "mu" if value[0] == "smoothed" else "tau"
        return (value[0], _positive(f"derivative: {name} of {value[0]!r}", value[1]))
    raise ValueError(
        'derivative must be "exact", ("smoothed", mu) or ("lpgd", tau) with positive mu or tau; '
        f"found {value!r}"
    )


def method(value: Any) -> Method:
    """Checks how the derivative's system is solved.

    ``"direct"`` or ``("lsqr", tolerance, max_iterations)``. Raises TypeError or ValueError.
    """
    if value == "direct" and isinstance(value, str):
        return "direct"
    if isinstance(value, (tuple, list)) and len(value) == 3 and value[0] == "lsqr":
        tolerance = _positive("method: tolerance of 'lsqr'", value[1])
        return ("lsqr", tolerance, _count("method: max_iterations of 'lsqr'", value[2]))
    raise ValueError(
        f'method must be "direct" or ("lsqr", tolerance, max_iterations); found {value!r}'
    )


def on_failure(value: Any) -> OnFailure:
    """Checks what becomes of samples without a solution: "raise", "nan" or "zero"."""
    if value in ("raise", "nan", "zero"):
        return value
    raise ValueError(f'on_failure must be "raise", "nan" or "zero"; found {value!r}')


def device(value: Any) -> Device:
    """Checks where programs are solved: "auto", "cpu" or "cuda"."""
    if isinstance(value, str) and value in ("auto", "cpu", "cuda"):
        return value  # type: ignore[return-value]
    raise ValueError(
        f'device must be "auto", "cpu" or "cuda" (which card: that of the tensors); found {value!r}'
    )


def on_infeasible(value: Any) -> Elastic | None:
    """Checks what becomes of infeasible samples: ``"fail"`` (None is returned), ``"elastic"`` or
    ``("elastic", norm, weight)`` with the norm ``"l1"`` or ``"l2"`` and a positive weight."""
    if isinstance(value, str) and value in ("fail", "elastic"):
        return None if value == "fail" else ELASTIC
    if isinstance(value, (tuple, list)) and len(value) == 3 and value[0] == "elastic":
        if value[1] in ("l1", "l2"):
            return ("elastic", value[1], _positive("on_infeasible: weight", value[2]))
    raise ValueError(
        'on_infeasible must be "fail", "elastic" or ("elastic", norm, weight) with norm "l1" or '
        f'"l2" and a positive weight; found {value!r}'
    )
