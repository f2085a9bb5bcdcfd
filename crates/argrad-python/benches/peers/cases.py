"""What is measured: the rows of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import data
from .reference.logistic_regression import logistic_regression
from .reference.portfolio import portfolio
from .reference.psd_projection import psd_projection
from .reference.quadratic import quadratic
from .reference.softmax import softmax
from .reference.total_variation import total_variation

SEED = 1
#: Batch of a case with `--quick`.
QUICK_BATCH = 4


@dataclass(frozen=True)
class Case:
    """A batch of programs of one form.

    `data` has an array for each argument, with a leading axis for the batch except in those named
    in `shared`; `cotangent`, (batch, ...), is that of the solution; `reference` solves and
    differentiates one sample. `target` is how many times faster than the best peer argrad is meant
    to be in forward and backward together. `form` is "qp" or the name of a problem in
    `peers.problems`.
    """

    name: str
    form: str
    batch: int
    data: dict
    cotangent: np.ndarray
    reference: Callable[[dict, np.ndarray], tuple[np.ndarray, dict]]
    target: float
    shared: frozenset = frozenset()


# n, inequalities, equalities, batch, target.
_DENSE = [
    (10, 10, 5, 128, 10.0),
    (20, 20, 5, 128, 10.0),
    (50, 50, 10, 128, 10.0),
    (100, 100, 0, 128, 6.0),
    (200, 200, 50, 16, 3.0),
    (10, 10, 5, 4096, 10.0),
    (300, 150, 30, 8, 2.5),
    (500, 250, 50, 4, 2.5),
    (800, 400, 80, 2, 2.5),
    (1500, 750, 150, 1, 2.5),
]
#: Programs for which the reference takes seconds.
_LARGE = {"qp-300-150-30", "qp-500-250-50", "qp-800-400-80", "qp-1500-750-150"}


@dataclass(frozen=True)
class _Plan:
    """A case before its numbers are made."""

    name: str
    form: str
    batch: int
    make: Callable[[int], dict]
    reference: Callable
    output: tuple
    target: float
    shared: frozenset = frozenset()


def _plans() -> list[_Plan]:
    plans = []

    def dense(name, n, inequalities, equalities, batch, target):
        def make(size):
            return data.dense_qp(n, inequalities, equalities, size, SEED)

        plans.append(_Plan(name, "qp", batch, make, quadratic, (n,), target))

    for n, inequalities, equalities, batch, target in _DENSE:
        name = f"qp-{n}-{inequalities}-{equalities}" + ("-batch4096" if batch == 4096 else "")
        dense(name, n, inequalities, equalities, batch, target)
    dense("qp-10-10-5-batch1", 10, 10, 5, 1, 1.0)

    def add(name, form, batch, make, reference, output, target, shared=frozenset()):
        plans.append(_Plan(name, form, batch, make, reference, output, target, shared))

    add(
        "sudoku",
        "qp",
        150,
        lambda batch: data.sudoku(batch, SEED),
        quadratic,
        (64,),
        15.0,
        data.SUDOKU_SHARED,
    )
    for name, batch, make, reference, output in [
        ("portfolio", 64, lambda k: data.portfolio(50, 5, k, SEED), portfolio, (50,)),
        (
            "total-variation",
            64,
            lambda k: data.total_variation(100, k, SEED),
            total_variation,
            (100,),
        ),
        (
            "logistic-regression",
            16,
            lambda k: data.logistic_regression(50, 10, k, SEED),
            logistic_regression,
            (10,),
        ),
        ("softmax", 128, lambda k: data.softmax(20, k, SEED), softmax, (20,)),
        ("psd-projection", 32, lambda k: data.psd_projection(6, k, SEED), psd_projection, (6, 6)),
    ]:
        add(name, name, batch, make, reference, output, 8.0)
    return plans


def names() -> list[str]:
    """Of all cases, in the order of the table."""
    return [plan.name for plan in _plans()]


def build(name: str, quick: bool = False) -> Case:
    """The case `name`, with its numbers; a small batch where `quick`.

    Raises:
        ValueError: there is no such case.
    """
    for plan in _plans():
        if plan.name == name:
            batch = min(plan.batch, QUICK_BATCH) if quick else plan.batch
            cotangent = np.random.default_rng(SEED + 1).standard_normal((batch, *plan.output))
            return Case(
                plan.name,
                plan.form,
                batch,
                plan.make(batch),
                cotangent,
                plan.reference,
                plan.target,
                plan.shared,
            )
    raise ValueError(f"no case {name!r}; there are: {', '.join(names())}")


def all_cases(quick: bool = False) -> list[Case]:
    """All cases, in the order of the table; where `quick`, without the largest programs."""
    wanted = [name for name in names() if not (quick and name in _LARGE)]
    return [build(name, quick) for name in wanted]
