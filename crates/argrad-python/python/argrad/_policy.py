"""What front ends with host callbacks do about derivatives and about failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from argrad import _options
from argrad._errors import (
    ALMOST_SOLVED,
    INFEASIBLE,
    SOLVED,
    SolverWarning,
    failed,
    failures,
    raise_failures,
)

_LIMITS = {"iteration_limit", "time_limit"}


class Policy(NamedTuple):
    """The options that decide about derivatives and failures; hashable."""

    derivative: _options.Derivative
    on_failure: _options.OnFailure
    method: _options.Method
    limited: bool
    is_elastic: bool = False
    """An infeasible sample is no failure: it is solved again by the relaxed program."""

    @property
    def derivative_options(self) -> tuple[Any, Any, Any]:
        """Mode, failures and method, as the core takes them."""
        failure = "zero" if self.is_elastic else self.on_failure
        return self.derivative, failure, self.method

    def check(self, solved: Any) -> None:
        """Raises or warns if a sample of a solution of the core is not solved."""
        if not solved.all_solved:
            self.check_reports(solved.reports)

    def check_reports(self, reports: Mapping[str, np.ndarray]) -> None:
        """`check`, where it is known that not all samples are solved."""
        if self.is_elastic:
            codes = reports["status"]
            reports = {**reports, "status": np.where(codes == INFEASIBLE, SOLVED, codes)}
        found = failures(reports)
        if not found:
            self._warn_of_almost_solved(reports)
            return
        if self.on_failure == "raise":
            if not (self.limited and {status for _, status in found} <= _LIMITS):
                raise_failures(reports)
            _options.warn_once(
                "limit",
                f"{len(found)} of {len(reports['status'])} samples ended at the limit that "
                "solver_args set; their values are not solutions",
                SolverWarning,
            )
            return
        at, status = found[0]
        _options.warn_once(
            f"on_failure={self.on_failure}",
            f"{len(found)} of {len(reports['status'])} samples not solved (the first is sample "
            f"{at}: {status.replace('_', ' ')}); on_failure={self.on_failure!r} applies",
            SolverWarning,
        )

    @staticmethod
    def _warn_of_almost_solved(reports: Mapping[str, np.ndarray]) -> None:
        almost = np.flatnonzero(reports["status"] == ALMOST_SOLVED)
        if not almost.size:
            return
        worst = almost[np.argmax(reports["residual"][almost])]
        _options.warn_once(
            "almost_solved",
            f"{len(almost)} of {len(reports['status'])} samples almost solved: the largest "
            f"relative residual is {reports['residual'][worst]:.1e}, of sample {worst}. "
            "Constraints that contradict each other by as little look like this; setting "
            "reduced_tolerance to the tolerance makes it an error",
            SolverWarning,
        )

    def mask(self, outputs: list[np.ndarray], solved: Any) -> list[np.ndarray]:
        """The outputs, with NaN for samples without a solution where that was asked for."""
        if self.on_failure != "nan" or self.is_elastic or solved.all_solved:
            return outputs
        lost = np.flatnonzero(failed(solved.reports))
        outputs = [np.array(output) for output in outputs]
        for output in outputs:
            output[lost] = np.nan
        return outputs


def warn_of_derivative(
    batch: int, unfinished: list[int], inaccurate: int, worst: int, error: float
) -> None:
    """Warn once of derivatives that are none, or that have lost half of their digits.

    The core calls it: `unfinished` are samples that LSQR left at its limit of iterations,
    `inaccurate` is how many have a large estimated relative error, the largest being `error`, of
    sample `worst`.
    """
    if unfinished:
        _options.warn_once(
            "unfinished",
            f"the derivatives of {len(unfinished)} of {batch} samples are not accurate (the first "
            f"is sample {unfinished[0]}): LSQR stopped at its limit of iterations. Give it more by "
            'method=("lsqr", tolerance, max_iterations), or differentiate with ("smoothed", mu)',
            SolverWarning,
        )
    if inaccurate:
        _options.warn_once(
            "inaccurate",
            f"the derivatives of {inaccurate} of {batch} samples may have lost more than half of "
            f"their digits: the linear system of sample {worst} is so ill-conditioned that its "
            f"relative error is estimated at {error:.0e}. Other units of the data, or a small "
            "quadratic term in the objective, help",
            SolverWarning,
        )


def warn_of_kinks(batch: int, samples: list[int]) -> None:
    """Warn once of solved samples that have no second derivative. The core calls it."""
    _options.warn_once(
        "kinks",
        f"{len(samples)} of {batch} samples have no second derivative (the first is sample "
        f"{samples[0]}): their solution has a kink there (an active constraint without a dual), or "
        "is not unique; info['weakly_active'] and info['unique'] say of which. on_failure applies",
        SolverWarning,
    )


def status_codes(solved: Any, batch: int) -> np.ndarray:
    """Codes into `argrad._core.STATUS`, one per sample; 0 is solved."""
    if solved.all_solved:
        return np.zeros(batch, np.int32)
    return solved.reports["status"].astype(np.int32)


def settings_key(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Settings as a hashable value."""
    return tuple(sorted(settings.items()))
