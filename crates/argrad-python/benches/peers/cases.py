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
    `peers.problems`. The first `draws` samples differ, and the others repeat them in their order.
    `device` is where libraries are given the numbers.
    """

    name: str
    form: str
    batch: int
    data: dict
    cotangent: np.ndarray
    reference: Callable[[dict, np.ndarray], tuple[np.ndarray, dict]]
    target: float
    draws: int
    shared: frozenset = frozenset()
    device: str = "cpu"

    @property
    def parts(self) -> list[slice]:
        """The samples, in parts that have the same numbers."""
        return [slice(start, start + self.draws) for start in range(0, self.batch, self.draws)]


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

# On a card: n, which is the number of inequalities, and how many samples differ. The reference of
# all takes a minute that way.
_CARD = [(10, 128), (32, 128), (50, 128), (100, 128), (200, 32)]
_CARD_BATCHES = (128, 4096, 65536)
#: Bytes of a case on a card. Gradients are as many, and libraries keep several times that.
_CARD_BYTES = 4e9
_CARD_CONES = {"portfolio", "logistic-regression", "softmax", "psd-projection"}
#: How many times faster than the best peer argrad is meant to be on a card.
_CARD_TARGET = 5.0

_CPU, _CUDA = ("cpu",), ("cuda",)


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
    draws: int | None = None
    devices: tuple[str, ...] = _CPU


def _plans() -> list[_Plan]:
    plans = []

    def add(name, form, batch, make, reference, output, target, **how):
        plans.append(_Plan(name, form, batch, make, reference, output, target, **how))

    def dense(name, n, inequalities, equalities, batch, target, **how):
        def make(size):
            return data.dense_qp(n, inequalities, equalities, size, SEED)

        add(name, "qp", batch, make, quadratic, (n,), target, **how)

    for n, inequalities, equalities, batch, target in _DENSE:
        name = f"qp-{n}-{inequalities}-{equalities}" + ("-batch4096" if batch == 4096 else "")
        dense(name, n, inequalities, equalities, batch, target)
    dense("qp-10-10-5-batch1", 10, 10, 5, 1, 1.0)

    for n, draws in _CARD:
        for batch in _CARD_BATCHES:
            if 8 * batch * (2 * n * n + 2 * n) <= _CARD_BYTES:
                name = f"qp-{n}-{n}-0-batch{batch}"
                dense(name, n, n, 0, batch, _CARD_TARGET, draws=draws, devices=_CUDA)

    def sudoku(batch):
        return data.sudoku(batch, SEED)

    shared = {"shared": data.SUDOKU_SHARED, "devices": _CPU + _CUDA}
    add("sudoku", "qp", 150, sudoku, quadratic, (64,), 15.0, **shared)
    cones = [
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
    ]
    for name, batch, *what in cones:
        add(name, name, batch, *what, 8.0)
    for name, _, *what in cones:
        if name in _CARD_CONES:
            many = {"draws": 128, "devices": _CUDA}
            add(f"{name}-batch4096", name, 4096, *what, _CARD_TARGET, **many)
    return plans


def names(device: str | None = None) -> list[str]:
    """Of the cases of a device, or of all, in the order of the table."""
    return [plan.name for plan in _plans() if device is None or device in plan.devices]


def _plan(name: str) -> _Plan:
    for plan in _plans():
        if plan.name == name:
            return plan
    raise ValueError(f"no case {name!r}; there are: {', '.join(names())}")


def _sizes(plan: _Plan, quick: bool) -> tuple[int, int]:
    """How many samples it has, and how many differ."""
    batch = min(plan.batch, QUICK_BATCH) if quick else plan.batch
    return batch, min(batch, plan.draws or batch)


def size(name: str, quick: bool = False) -> int:
    """The batch of the case `name`, which is not built for that."""
    return _sizes(_plan(name), quick)[0]


def target(name: str, device: str = "cpu") -> float:
    """How many times faster than the best peer argrad is meant to be there."""
    return _CARD_TARGET if device == "cuda" else _plan(name).target


def build(name: str, quick: bool = False, device: str = "cpu") -> Case:
    """The case `name`, with its numbers; a small batch where `quick`.

    Raises:
        ValueError: there is no such case.
    """
    plan = _plan(name)
    batch, draws = _sizes(plan, quick)
    cotangent = np.random.default_rng(SEED + 1).standard_normal((draws, *plan.output))

    def repeated(value):
        return value if draws == batch else np.concatenate([value] * (batch // draws))

    return Case(
        plan.name,
        plan.form,
        batch,
        {
            key: value if key in plan.shared else repeated(value)
            for key, value in plan.make(draws).items()
        },
        repeated(cotangent),
        plan.reference,
        target(name, device),
        draws,
        plan.shared,
        device,
    )


def all_cases(quick: bool = False) -> list[Case]:
    """The cases of the CPU, in order of the table; where `quick`, without the largest programs."""
    wanted = [name for name in names("cpu") if not (quick and name in _LARGE)]
    return [build(name, quick) for name in wanted]
