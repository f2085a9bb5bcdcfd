"""How far solutions and gradients are from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cases import Case
from .reference.extended import extended

#: A solution is wrong when it is off by more, relative to its largest entry.
WRONG_SOLUTION = 1e-3
#: A gradient is wrong when it is off by more.
WRONG_GRADIENT = 1e-2


@dataclass(frozen=True)
class Exact:
    """Solutions and gradients of the samples that differ; those of shared arguments are summed."""

    solution: np.ndarray
    gradients: dict[str, np.ndarray]


def exact(case: Case, progress=iter) -> Exact:
    """The reference of every sample that differs; `progress` wraps the iteration."""
    solutions, gradients = [], []
    for index in progress(range(case.draws)):
        data = {
            name: value if name in case.shared else value[index]
            for name, value in case.data.items()
        }
        solution, gradient = case.reference(data, case.cotangent[index])
        if "Q" in gradient:
            # Q = L'L with L upper triangular, for those that take L.
            root = extended(np.linalg.cholesky(data["Q"]).T)
            gradient["L"] = 2 * root @ gradient["Q"]
        solutions.append(solution)
        gradients.append(gradient)
    collected = {}
    for name in gradients[0]:
        column = np.array([gradient[name] for gradient in gradients])
        if name in case.shared:
            column = column.sum(axis=0) * len(case.parts)
        collected[name] = column
    return Exact(np.array(solutions), collected)


@dataclass(frozen=True)
class Errors:
    """Relative errors of a batch.

    `solution` and `gradient` have one number per sample; the gradients of arguments that the batch
    shares follow as one more. `failed` samples, which the library itself gave up, have NaN.
    """

    solution: np.ndarray
    gradient: np.ndarray
    failed: int

    @property
    def wrong(self) -> int:
        """Samples that were said to be solved and are not: the solution or its gradient is off."""
        off = np.zeros(max(len(self.solution), len(self.gradient)), bool)
        off[: len(self.solution)] |= ~(self.solution <= WRONG_SOLUTION)
        off[: len(self.gradient)] |= ~(self.gradient <= WRONG_GRADIENT)
        return int(off.sum()) - self.failed

    @property
    def right(self) -> bool:
        """Whether every sample is solved and differentiated."""
        return self.failed == 0 and self.wrong == 0


def errors(case: Case, reference: Exact, found: dict) -> Errors:
    """Compares what an entrant found: `solution`, `gradients` (may be empty), `failed` indices."""
    solution = np.asarray(found["solution"], float)
    failed = sorted(set(found.get("failed", ())))
    scale = _scale(reference.solution)
    # Part by part: large batches in extended precision are many gigabytes.
    error = np.concatenate(
        [_per_sample(solution[part], reference.solution) / scale for part in case.parts]
    )
    error[failed] = np.nan
    gradients = {name: np.asarray(value, float) for name, value in found["gradients"].items()}
    each = [name for name in gradients if name not in case.shared]
    worst = np.zeros(0)
    if each:
        worst = np.concatenate(
            [
                _gradient_error(
                    {name: gradients[name][part] for name in each}, reference.gradients, each
                )
                for part in case.parts
            ]
        )
        worst[failed] = np.nan
    together = [name for name in gradients if name in case.shared]
    if together:
        lifted = {name: gradients[name][None] for name in together}
        expected = {name: reference.gradients[name][None] for name in together}
        worst = np.append(worst, _gradient_error(lifted, expected, together))
    return Errors(error, worst, len(failed))


#: Symmetric arguments: both places of an off-diagonal entry are one number, and only the sum of
#: their gradients is defined.
_SYMMETRIC = ("Q", "C")


def _gradient_error(found: dict, expected: dict, names: list[str]) -> np.ndarray:
    """The largest relative error over the arguments, for each sample.

    Relative to the argument's largest entry, or to a thousandth of that of all arguments, if that
    is larger: gradients that vanish are not relative to themselves.
    """
    found = {
        name: (value + np.swapaxes(value, -1, -2)) / 2 if name in _SYMMETRIC else value
        for name, value in found.items()
    }
    scales = {name: _scale(expected[name]) for name in names}
    floor = 1e-3 * np.max([scales[name] for name in names], axis=0)
    return np.max(
        [
            _per_sample(found[name], expected[name]) / np.maximum(scales[name], floor)
            for name in names
        ],
        axis=0,
    )


def _per_sample(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    difference = np.abs(extended(found) - expected).reshape(len(expected), -1)
    return difference.max(axis=1, initial=0.0).astype(float)


def _scale(expected: np.ndarray) -> np.ndarray:
    flat = np.abs(expected).reshape(len(expected), -1)
    return flat.max(axis=1, initial=np.finfo(float).tiny).astype(float)
