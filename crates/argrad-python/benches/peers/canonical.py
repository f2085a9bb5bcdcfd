"""Cases in standard form, for solvers that take nothing else: CVXPY's canonicalization, by hand.

Putting the numbers in this form and the gradients back is not part of anyone's time.
"""

from __future__ import annotations

import numpy as np

from .cases import Case
from .problems import modelled, values


class Canonical:
    """A batch as: minimize 1/2 x'Px + q'x, Ax + s = b, s in K.

    Args:
        case: what to canonicalize.
        solver: the CVXPY solver whose order of rows is used, e.g. `cvxpy.CLARABEL`.
        quadratic: whether a quadratic objective stays one; without it P is None.

    Attributes:
        p, q, a, b: values, (batch, k); P full symmetric and A in compressed columns.
        p_pattern, a_pattern: (indices, indptr, shape).
        dims: CVXPY's cone dimensions.
    """

    def __init__(self, case: Case, solver: str, quadratic: bool = True) -> None:
        model, numbers = modelled(case), values(case)
        options = {} if quadratic else {"use_quad_obj": False}
        for name, parameter in model.parameters.items():
            parameter.value = numbers[name] if name in case.shared else numbers[name][0]
        data, *_ = model.problem.get_problem_data(solver, solver_opts=options)
        program = data["param_prob"]
        self.dims = data["dims"]
        self.case, self.model = case, model
        program.reduced_A.cache(keep_zeros=False)
        indices, indptr, (rows, columns) = program.reduced_A.problem_data_index
        self._map_a = program.reduced_A.reduced_mat
        # A arrives as [A b] with the sign of A turned.
        self._split = indptr[columns - 1]
        self.a_pattern = (indices[: self._split], indptr[:columns], (rows, columns - 1))
        self._rows_b = indices[self._split :]
        self._map_q = program.q.tocsr()
        self._map_p, self.p_pattern = None, None
        if quadratic and program.reduced_P.matrix_data is not None:
            program.reduced_P.cache()
            self._map_p = program.reduced_P.reduced_mat
            self.p_pattern = program.reduced_P.problem_data_index

        theta = np.zeros((case.batch, program.total_param_size + 1))
        theta[:, -1] = 1.0
        self._columns = {}
        for name, parameter in model.parameters.items():
            start = program.param_id_to_col[parameter.id]
            self._columns[name] = slice(start, start + parameter.size)
            value = np.broadcast_to(numbers[name], (case.batch, *parameter.shape))
            theta[:, self._columns[name]] = self._fortran(value)
        augmented = (self._map_a @ theta.T).T
        self.a = np.ascontiguousarray(-augmented[:, : self._split])
        self.b = np.zeros((case.batch, rows))
        self.b[:, self._rows_b] = augmented[:, self._split :]
        self.q = np.ascontiguousarray((self._map_q @ theta.T).T[:, :-1])
        self.p = None if self._map_p is None else np.ascontiguousarray((self._map_p @ theta.T).T)
        self._first = program.var_id_to_col[model.variable.id]
        self._symmetric = model.variable.is_symmetric() and model.variable.ndim == 2

    @staticmethod
    def _fortran(value: np.ndarray) -> np.ndarray:
        """(batch, ...) -> (batch, size), each sample column by column."""
        return value.transpose(0, *range(value.ndim - 1, 0, -1)).reshape(len(value), -1)

    def solution(self, x: np.ndarray) -> np.ndarray:
        """The variable of the case in x: (batch, n) -> (batch, ...)."""
        shape = self.model.variable.shape
        if self._symmetric:
            side = shape[0]
            found = np.zeros((len(x), side, side))
            rows, columns = np.triu_indices(side)
            entries = x[:, self._first : self._first + len(rows)]
            found[:, rows, columns] = entries
            found[:, columns, rows] = entries
            return found
        return x[:, self._first : self._first + self.model.variable.size].reshape(-1, *shape)

    def cotangent(self) -> np.ndarray:
        """The cotangent of the case as one of x: (batch, n)."""
        found, given = np.zeros_like(self.q), self.case.cotangent
        if self._symmetric:
            side = given.shape[1]
            rows, columns = np.triu_indices(side)
            entries = given[:, rows, columns] + given[:, columns, rows] * (rows != columns)
            found[:, self._first : self._first + len(rows)] = entries
        else:
            flat = given.reshape(len(given), -1)
            found[:, self._first : self._first + flat.shape[1]] = flat
        return found

    def gradients(self, dp, dq, da, db) -> dict[str, np.ndarray]:
        """Gradients by (P, q, A, b), as the values are laid out, to those by the parameters."""
        augmented = np.hstack([-da, db[:, self._rows_b]])
        theta = self._map_a.T @ augmented.T
        theta = theta + self._map_q.T @ np.hstack([dq, np.zeros((len(dq), 1))]).T
        if self._map_p is not None and dp is not None:
            theta = theta + self._map_p.T @ dp.T
        found = {}
        for name, columns in self._columns.items():
            shape = self.model.parameters[name].shape
            block = theta[columns].T.reshape(-1, *reversed(shape))
            block = block.transpose(0, *range(block.ndim - 1, 0, -1))
            found[name] = block.sum(axis=0) if name in self.case.shared else block
        return found
