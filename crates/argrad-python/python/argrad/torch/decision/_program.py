"""Linear and quadratic programs, and cone programs, whose linear costs are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch

from argrad._standard import Solver
from argrad._standard.values import check_finite, is_single, numbers
from argrad.torch.decision._model import DecisionModel, Sense


class ProgramModel(DecisionModel):
    """A program in standard form that argrad solves, many samples in one call:

        minimize    (M c + q)'w + 1/2 w'Pw
        subject to  Aw + s = b,  s in K

    and with ``sense="maximize"``: maximize (M c + q)'w - 1/2 w'Pw. Linear programs have P = None.
    A decision w has all n variables of the program.

    Args:
        P, A, cones: see `argrad.Solver`; one matrix each, since the batch shares them.
        b: shape (m,).
        q: known linear costs, (n,). None for zero.
        constant: what is added to the objective.
        costs: where the predicted costs go: None if c has one entry for each variable; the indices
            (d,) of the variables to which they belong; or a matrix M of shape (n, d).
        sense, on_failure: see `DecisionModel`.
        settings: of the solver, see `argrad.Solver`.

    Raises:
        ValueError: an argument that is malformed, by name.

    >>> A = np.vstack([np.ones((1, 3)), -np.eye(3)])  # the simplex
    >>> cones = [("zero", 1), ("nonnegative", 3)]
    >>> model = ProgramModel(None, A, [1.0, 0.0, 0.0, 0.0], cones)
    >>> model.solve(torch.tensor([[3.0, 1.0, 2.0]])).abs().round(decimals=6).tolist()
    [[0.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        P: Any,
        A: Any,
        b: Any,
        cones: Sequence,
        *,
        q: Any = None,
        constant: float = 0.0,
        costs: Any = None,
        sense: Sense = "minimize",
        on_failure: Literal["raise", "nan"] = "raise",
        **settings: Any,
    ) -> None:
        n = None
        if P is None and A is None:
            if q is None:
                raise ValueError("P, A and q are all None: a program without any numbers")
            n = numbers("q", q).size
        self.solver = Solver(P, A, cones, n=n, **settings)
        n = self.solver.n
        given = np.zeros(n) if q is None else np.array(numbers("q", q), dtype=np.float64)
        if given.shape != (n,):
            raise ValueError(f"q: expected shape ({n},), found {given.shape}")
        check_finite("q", given)
        places = None if costs is None else _cost_matrix(costs, n)
        super().__init__(n if places is None else places.shape[1], n, sense, on_failure)
        self.b = np.zeros(0) if b is None else np.array(numbers("b", b), dtype=np.float64)
        if self.b.shape != (self.solver.m,):
            raise ValueError(f"b: expected shape ({self.solver.m},), found {self.b.shape}")
        self._q = self.sign * given
        self._has_q = bool(given.any())
        self._constant = self.sign * float(numbers("constant", constant))
        self._P = None if P is None else sp.csr_array(P, dtype=np.float64)
        self._places = None if places is None else self.sign * places
        # What every solve takes as it is. Costs are checked before; the solver would look again.
        values, _ = self.solver._read(None, np.zeros(n), None, self.b)
        self._values = self.solver._core_values(values)
        self._is_single = is_single(values["P"])
        # Tensors of these, by name, dtype and device, made when they are first used.
        self._tensors: dict[tuple, torch.Tensor] = {}

    @classmethod
    def from_qp(
        cls,
        Q: Any = None,
        G: Any = None,
        h: Any = None,
        A: Any = None,
        b: Any = None,
        **options: Any,
    ) -> ProgramModel:
        """The program of `argrad.torch.qp`: minimize c'z + 1/2 z'Qz, Gz <= h, Az = b.

        Args:
            Q: (n, n), or None in a linear program; G (k, n), h (k,), A (e, n), b (e,): tensors,
                arrays or scipy matrices.
            options: `q`, `costs`, `sense`, `on_failure` and settings, as of `ProgramModel`.

        >>> box = ProgramModel.from_qp(G=[[1.0], [-1.0]], h=[1.0, 0.0], sense="maximize")
        >>> box.solve(torch.tensor([[2.0]])).round(decimals=6).tolist()
        [[1.0]]
        """
        blocks, sides, cones = [], [], []
        for cone, left, matrix, right, side in (
            ("zero", "A", A, "b", b),
            ("nonnegative", "G", G, "h", h),
        ):
            if (matrix is None) != (side is None):
                missing, present = (left, right) if matrix is None else (right, left)
                raise ValueError(f"{missing} is None but {present} is not; pass both or neither")
            if matrix is None:
                continue
            rows = matrix if sp.issparse(matrix) else np.atleast_2d(numbers(left, matrix))
            vector = np.asarray(numbers(right, side), dtype=np.float64)
            if vector.shape != (rows.shape[0],):
                raise ValueError(
                    f"{right} must have shape ({rows.shape[0]},), since {left} has "
                    f"{rows.shape[0]} rows; found {vector.shape}"
                )
            blocks.append(sp.csr_array(rows))
            sides.append(vector)
            cones.append((cone, rows.shape[0]))
        if len({block.shape[1] for block in blocks}) > 1:
            widths = " and ".join(str(block.shape[1]) for block in blocks)
            raise ValueError(f"A and G must have equally many columns; found {widths}")
        stacked = sp.vstack(blocks, format="csr") if blocks else None
        return cls(Q, stacked, np.concatenate(sides) if sides else None, cones, **options)

    def _tensor(self, name: str, array: Any, like: torch.Tensor) -> torch.Tensor:
        """A fixed matrix or vector in the dtype and on the device of `like`."""
        key = (name, like.dtype, like.device)
        found = self._tensors.get(key)
        if found is None:
            dense = array.toarray() if sp.issparse(array) else array
            found = torch.from_numpy(np.array(dense)).to(like)
            self._tensors[key] = found
        return found

    def lift(self, cost: torch.Tensor) -> torch.Tensor:
        if self._places is None:
            return cost if self.sense == "minimize" else -cost
        return cost @ self._tensor("places", self._places, cost).T

    def rest(self, decision: torch.Tensor) -> torch.Tensor:
        total = decision.new_full(decision.shape[:-1], self._constant)
        if self._has_q:
            total = total + decision @ self._tensor("q", self._q, decision)
        if self._P is not None:
            product = decision @ self._tensor("P", self._P, decision)
            total = total + 0.5 * (product * decision).sum(-1)
        return total

    def _minimize(self, coefficients: np.ndarray) -> np.ndarray:
        q = coefficients + self._q if self._has_q else coefficients
        P, _, A, b = self._values
        solved = self._core.forward(len(q), P, q, A, b, start=None, differentiable=False)
        if not solved.all_solved:
            self._policy.check(solved)
        return self._policy.mask([solved.x], solved)[0]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(costs={self.num_cost}, variables={self.num_variables}, "
            f"rows={self.solver.m}, sense={self.sense!r})"
        )

    @property
    def _core(self) -> Any:
        """The solver of the core, for the precision of P."""
        return self.solver._core_for(self._is_single)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tensors": {}}


def _cost_matrix(costs: Any, n: int) -> sp.csr_array:
    """M (n, d), from indices of variables or from a matrix."""
    if sp.issparse(costs):
        matrix = sp.csr_array(costs, dtype=np.float64)
    else:
        given = numbers("costs", costs)
        if given.ndim == 1:
            if given.dtype.kind not in "iu" or ((given < 0) | (given >= n)).any():
                raise ValueError(
                    f"costs: expected indices of variables, integers from 0 to {n - 1}, or a "
                    f"matrix of {n} rows; found {given.tolist()}"
                )
            if len(np.unique(given)) < given.size:
                raise ValueError(f"costs: a variable is named twice: {given.tolist()}")
            ones = np.ones(given.size)
            return sp.csr_array((ones, (given, np.arange(given.size))), shape=(n, given.size))
        matrix = sp.csr_array(np.asarray(given, dtype=np.float64)) if given.ndim == 2 else None
    if matrix is None or matrix.shape[0] != n or matrix.shape[1] == 0:
        shape = costs.shape if hasattr(costs, "shape") else np.shape(costs)
        raise ValueError(f"costs: expected a matrix of shape ({n}, d), found shape {shape}")
    check_finite("costs", matrix.data)
    return matrix
