"""What CVXPY makes of a problem."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cvxpy as cp
import cvxpy.settings as cvxpy_settings
from cvxpy.utilities import scopes

from argrad._canonical.face import CANONICALIZER
from argrad._canonical.leaves import LeafIds


class Canonical(NamedTuple):
    """A cone program whose numbers are affine in CVXPY's parameter vector, and where it is from."""

    conic: Any
    """CVXPY's `ParamConeProg`."""
    chain: Any
    """The reductions that led to it."""
    inverse: Sequence[Any]
    """What these reductions need to bring a solution back."""
    ids: LeafIds
    """Where the reductions took variables and parameters."""

    @property
    def variables(self) -> int:
        """Number of variables of the cone program."""
        return int(self.conic.x.size)

    @property
    def rows(self) -> int:
        """Number of rows of its constraints."""
        return int(self.conic.A.shape[0]) // (self.variables + 1)


def canonicalize(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    gp: bool,
    backend: str | None,
    verbose: bool,
) -> Canonical:
    """Has CVXPY rewrite a problem as a cone program, with its parameters kept."""
    sparse = any(leaf.sparse_idx is not None for leaf in [*parameters, *problem.variables()])
    with (
        scopes.quad_form_dpp_scope() if not gp else contextlib.nullcontext(),
        _without_sparse_warnings() if sparse else contextlib.nullcontext(),
    ):
        # A problem of its own: CVXPY's cache of the user's one is neither read nor written.
        fresh = cp.Problem(problem.objective, problem.constraints)
        data, chain, inverse = fresh.get_problem_data(
            solver=CANONICALIZER,
            gp=gp,
            enforce_dpp=True,
            canon_backend=backend,
            verbose=verbose,
        )
    return Canonical(data[cvxpy_settings.PARAM_PROB], chain, inverse, LeafIds(chain))


@contextlib.contextmanager
def _without_sparse_warnings() -> Iterator[None]:
    """Silences what CVXPY says to itself when it lowers sparse variables and parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading from a sparse CVXPY", RuntimeWarning)
        yield
