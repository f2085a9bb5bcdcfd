"""Infeasible samples, solved with violated constraints: `on_infeasible="elastic"`.

Every sample is solved as usual. If any is found infeasible, the relaxed program is solved, for
these and no others: a batch has a fixed size here, so feasible samples lend their places to one
that is infeasible, and their results are not looked at. So feasible samples are bitwise what they
are without it, and batches without infeasible ones cost what they cost without it, also in a
compiled function; under vmap, XLA takes both ways always.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from argrad import _core, _options
from argrad._compiled import Compiled
from argrad._cvxpy_program import CvxpyProgram
from argrad._elastic import NO_VIOLATION, constraint_rows
from argrad._errors import INFEASIBLE
from argrad._policy import Policy
from argrad._programs import Program
from argrad.jax import _primitives

_FAILED = [
    code for code, name in enumerate(_core.STATUS) if name not in ("solved", "almost_solved")
]


Violation = bool | str
"""Whether violations are returned: False, True (in total) or ``"each"`` (by constraint)."""


@functools.lru_cache(maxsize=64)
def relaxed_program(
    compiled: Compiled,
    settings: tuple[tuple[str, Any], ...],
    policy: Policy,
    elastic: _options.Elastic,
) -> CvxpyProgram:
    """The relaxed program of a compiled one."""
    return CvxpyProgram(compiled, settings, policy, elastic)


def check_violation(violation: Any, elastic: _options.Elastic | None) -> None:
    """Raises ValueError for a `violation` that is none, or that asks for what is not there."""
    if violation is not True and violation is not False and violation != "each":
        raise ValueError(f'violation must be True, False or "each"; found {violation!r}')
    if violation and elastic is None:
        raise ValueError(NO_VIOLATION)


class Elastic(NamedTuple):
    """A program, whose policy is that of an elastic one, with its relaxed program."""

    program: Program
    relaxed: CvxpyProgram

    def size_of(self, violation: jax.Array) -> jax.Array:
        """The violation of each sample as a number, in the norm; its gradient at zero is zero."""
        assert self.relaxed.elastic is not None
        if self.relaxed.elastic[1] == "l1":
            return jnp.abs(violation).sum(-1)
        squares = (violation * violation).sum(-1)
        is_zero = squares == 0.0
        return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, squares)))

    def sizes(self, wanted: Violation, violation: jax.Array) -> list[Any]:
        """What is returned of the violation: nothing, its size, or that of each constraint by its
        name."""
        if not wanted:
            return []
        if wanted is True:
            return [self.size_of(violation)]
        rows = constraint_rows(self.relaxed.relaxed_constraints)
        return [{name: self.size_of(violation[..., own]) for name, own in rows.items()}]


class Solved(NamedTuple):
    """Outputs and status codes as of `_primitives.solve`, and the violation, row by row."""

    outputs: list[jax.Array]
    status: jax.Array
    violation: jax.Array


def solve(
    elastic: Elastic, batch: int | None, values: Sequence[jax.Array], dtype: np.dtype
) -> Solved:
    """The outputs at `values`, as `_primitives.solve` takes them."""
    program, relaxed = elastic
    outputs, status = _primitives.solve(program, batch, values, dtype)
    lost = status == INFEASIBLE
    rows = relaxed.outputs[-1]

    def leave() -> Solved:
        return Solved(outputs, status, jnp.zeros((*lost.shape, *rows), dtype))

    def relax() -> Solved:
        moved = list(values)
        if batch is not None:
            places = jnp.where(lost, jnp.arange(batch), jnp.argmax(lost))
            moved = [
                value[places] if jnp.ndim(value) > len(shape) else value
                for value, shape in zip(values, relaxed.inputs, strict=True)
            ]
        found, codes = _primitives.solve(relaxed, batch, moved, dtype)
        chosen = [_where(lost, b, a) for a, b in zip(outputs, found[:-1], strict=True)]
        nothing = jnp.zeros_like(found[-1])
        return Solved(chosen, jnp.where(lost, codes, status), _where(lost, found[-1], nothing))

    solved = _if(jnp.any(lost), relax, leave)
    if program.policy.on_failure != "nan":
        return solved
    failed = jnp.isin(solved.status, jnp.array(_FAILED))
    masked = [_where(failed, jnp.full_like(one, jnp.nan), one) for one in solved.outputs]
    return solved._replace(outputs=masked)


def _if(condition: jax.Array, yes: Callable[[], Solved], no: Callable[[], Solved]) -> Solved:
    """One of the two: at once where the condition is known, so that exceptions arrive unchanged."""
    try:
        known = bool(condition)
    except jax.errors.ConcretizationTypeError:
        return jax.lax.cond(condition, yes, no)
    return yes() if known else no()


def _where(samples: jax.Array, these: jax.Array, others: Any) -> jax.Array:
    """`these` for the samples, `others` for the rest."""
    lead = samples.reshape(samples.shape + (1,) * (these.ndim - samples.ndim))
    return jnp.where(lead, these, others)
