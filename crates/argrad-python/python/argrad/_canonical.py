"""From a CVXPY problem to a compiled layer: parameters in, values of variables out.

CVXPY canonicalizes; what it yields is one affine map from its own parameter vector to the numbers
of a cone program. Here that map is composed with the way in (row-major parameters, symmetric
matrices averaged, diagonal and sparse ones picked) and with the way out (row-major variables and
duals), so that the core sees plain vectors on both sides and its gradients are those of the user's
arrays. Nothing here depends on PyTorch, JAX or TensorFlow.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cvxpy as cp
import cvxpy.settings as cvxpy_settings
import numpy as np
import scipy.sparse as sp
from cvxpy.constraints import SOC, ExpCone, PowCone3D, PowConeND, SvecPSD
from cvxpy.reductions.dgp2dcp.dgp2dcp import Dgp2Dcp
from cvxpy.reductions.flip_objective import FlipObjective
from cvxpy.reductions.solution import Solution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver
from cvxpy.utilities import scopes
from cvxpy.utilities.psd_utils import TriangleKind

from argrad._compiled import Compiled, Input, Output, Parameter

_SYMMETRIC = ("symmetric", "PSD", "NSD")


class _Canonicalizer(ConicSolver):
    """The face that CVXPY's reductions see: every cone, and quadratic objectives.

    It ends the chain of reductions with the parametrized program and never applies parameters.
    """

    MIP_CAPABLE = False
    BOUNDED_VARIABLES = False
    SUPPORTED_CONSTRAINTS = ConicSolver.SUPPORTED_CONSTRAINTS + [
        SOC,
        ExpCone,
        PowCone3D,
        PowConeND,
        SvecPSD,
    ]
    EXP_CONE_ORDER = [0, 1, 2]
    PSD_TRIANGLE_KIND = TriangleKind.UPPER
    PSD_SQRT2_SCALING = True

    def name(self) -> str:
        return "ARGRAD_LAYER"

    def import_solver(self) -> None:
        pass

    def supports_quad_obj(self) -> bool:
        return True

    def apply(self, problem: Any) -> tuple[dict, dict]:
        problem, data, inverse = self._prepare_data_and_inv_data(problem)
        return data, inverse

    def solve_via_data(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("this canonicalizes for a layer; to solve, use argrad.cvxpy")

    def cite(self, data: Any) -> str:
        return ""


_CANONICALIZER = _Canonicalizer()


def compile_problem(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    variables: Sequence[cp.Variable],
    gp: bool = False,
    solver_options: Mapping[str, Any] | None = None,
    canon_backend: str | None = None,
    verbose: bool = False,
) -> Compiled:
    """Compiles a CVXPY problem into a layer.

    `problem` follows the rules of disciplined parametrized programming (of geometric programs with
    `gp`); a parametric matrix in a quad_form of the objective is allowed. `parameters` are all of
    its parameters, in the order in which values will be passed. `variables` are those whose values
    will be returned: variables of the problem or dual variables of its constraints, with CVXPY's
    signs. `solver_options` are settings of the core, `canon_backend` is handed to CVXPY, and
    `verbose` prints what CVXPY does.

    Raises ValueError in the words of cvxpylayers where the problem is not DPP or the lists do not
    match, and where a variable is boolean or integer; NotImplementedError for complex variables
    and parameters.
    """
    duals = {dual.id: con for con in problem.constraints for dual in con.dual_variables}
    _validate(problem, parameters, variables, gp, duals)
    sparse = any(leaf.sparse_idx is not None for leaf in [*parameters, *problem.variables()])
    with (
        scopes.quad_form_dpp_scope() if not gp else contextlib.nullcontext(),
        _without_sparse_warnings() if sparse else contextlib.nullcontext(),
    ):
        # A problem of its own: CVXPY's cache of the user's one is neither read nor written.
        fresh = cp.Problem(problem.objective, problem.constraints)
        data, chain, inverse = fresh.get_problem_data(
            solver=_CANONICALIZER,
            gp=gp,
            enforce_dpp=True,
            canon_backend=canon_backend,
            verbose=verbose,
        )
    conic = data[cvxpy_settings.PARAM_PROB]
    ids = _LeafIds(chain)

    infos, inputs, theta = _inputs(parameters, conic, ids)
    n = int(conic.x.size)
    program = _maps(conic, n, theta)
    outputs, rows = _outputs(problem, variables, conic, ids, gp, duals, chain, inverse, program)
    program |= {
        "n": n,
        "cones": _cones(conic.cone_dims),
        "parameters": [
            (
                f"log({infos[i.parameter].name})" if i.log else infos[i.parameter].name,
                infos[i.parameter].size,
            )
            for i in inputs
        ],
        "outputs": rows,
        "maximize": any(isinstance(r, FlipObjective) for r in chain.reductions),
    }
    return Compiled(tuple(infos), tuple(inputs), tuple(outputs), gp, program, solver_options or {})


@contextlib.contextmanager
def _without_sparse_warnings() -> Iterator[None]:
    """Silences what CVXPY says to itself when it lowers sparse variables and parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading from a sparse CVXPY", RuntimeWarning)
        yield


def _validate(
    problem: cp.Problem,
    parameters: Sequence[cp.Parameter],
    variables: Sequence[cp.Variable],
    gp: bool,
    duals: Mapping[int, Any],
) -> None:
    """Raises ValueError if the problem or the lists are not what a layer needs."""
    if gp:
        if not problem.is_dpp("dgp"):
            raise ValueError("Problem must be DPP for geometric programming.")
    elif not problem.is_dpp(quad_form_dpp="qp"):
        raise ValueError(
            "Problem must be DPP. Note: quad_form(x, P) with parametric P "
            "is only supported in the objective, not in constraints."
        )
    if set(problem.parameters()) != set(parameters):
        raise ValueError("The layer's parameters must exactly match problem.parameters")
    if not isinstance(parameters, (list, tuple)):
        raise ValueError("The layer's parameters must be provided as a list or tuple")
    if len(set(parameters)) != len(parameters):
        raise ValueError(
            "The layer's parameters must exactly match problem.parameters: one is listed twice"
        )
    if not isinstance(variables, (list, tuple)):
        raise ValueError("The layer's variables must be provided as a list or tuple")
    own = set(problem.variables())
    for variable in variables:
        if variable not in own and getattr(variable, "id", None) not in duals:
            raise ValueError(
                f"Variable {variable} must be a subset of problem.variables "
                "or a constraint dual variable"
            )
    if not own:
        raise ValueError("The problem has no variables: there is nothing to solve for")
    for variable in own:
        if variable.attributes["boolean"] or variable.attributes["integer"]:
            raise ValueError(
                f"Variable {variable.name()} is boolean or integer; a layer needs a continuous "
                "problem (relax it, for instance with bounds=[0, 1])"
            )
        if variable.is_complex():
            raise NotImplementedError("Complex variables are not yet supported.")
    for parameter in parameters:
        if parameter.is_complex():
            raise NotImplementedError("Complex parameters are not yet supported.")


class _LeafIds:
    """Where CVXPY's reductions took the leaves of a problem."""

    def __init__(self, chain: Any) -> None:
        logs = [r for r in chain.reductions if isinstance(r, Dgp2Dcp)]
        self._log_parameters = _merged(r.param_id_map for r in logs)
        self._log_variables = _merged(r.var_id_map for r in logs)
        rest = [r for r in chain.reductions if not isinstance(r, Dgp2Dcp)]
        self._parameters = [r.param_id_map for r in rest]
        self._variables = [r.var_id_map for r in rest]

    def parameter(self, ident: int) -> int:
        """The id in the cone program of a parameter used as it is."""
        return _follow(ident, self._parameters)

    def log_parameter(self, ident: int) -> int | None:
        """The id in the cone program of the logarithm of a parameter, or None."""
        found = self._log_parameters.get(ident)
        return None if found is None else _follow(found[0], self._parameters)

    def variable(self, ident: int) -> int:
        """The id in the cone program of a variable (of its logarithm, in a geometric program)."""
        start = self._log_variables.get(ident, [ident])[0]
        return _follow(start, self._variables)


def _merged(maps: Iterator[dict]) -> dict[int, list[int]]:
    """The union of dictionaries."""
    merged: dict[int, list[int]] = {}
    for one in maps:
        merged |= one
    return merged


def _follow(ident: int, steps: Sequence[Mapping[int, list[int]]]) -> int:
    """An id after all steps."""
    for step in steps:
        found = step.get(ident)
        if found is not None:
            if len(found) != 1:
                raise NotImplementedError("Complex variables are not yet supported.")
            ident = found[0]
    return ident


def _lowered(leaf: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """How CVXPY stores a leaf: triplets (entry of the leaf, stored entry, weight), stored size.

    Entries of the leaf are numbered row-major. Reading a variable, entry = sum of weight * stored,
    always with weight 1; a parameter's stored entries are the averages of those that they stand
    for, which is what makes gradients of symmetric matrices symmetric.
    """
    shape = tuple(leaf.shape)
    size = int(np.prod(shape, dtype=np.int64))
    numbers = np.arange(size).reshape(shape)
    if any(leaf.attributes[a] for a in _SYMMETRIC):
        side = shape[-1]
        rows, columns = np.triu_indices(side)
        stored_shape = (*shape[:-2], rows.size)
        stored = np.arange(int(np.prod(stored_shape))).reshape(stored_shape, order="F")
        upper, lower = numbers[..., rows, columns], numbers[..., columns, rows]
        off = np.broadcast_to(rows != columns, upper.shape).ravel()
        entries = np.concatenate([upper.ravel(), lower.ravel()[off]])
        places = np.concatenate([stored.ravel(), stored.ravel()[off]])
        return entries, places, np.ones(entries.size), stored.size
    if leaf.attributes["diag"]:
        entries = np.diagonal(numbers).copy()
    elif leaf.attributes["sparsity"]:
        entries = numbers[leaf.sparse_idx]
    else:
        entries = numbers.ravel(order="F")
    return entries, np.arange(entries.size), np.ones(entries.size), entries.size


def _inputs(
    parameters: Sequence[cp.Parameter], conic: Any, ids: _LeafIds
) -> tuple[list[Parameter], list[Input], sp.csr_array]:
    """The layer's parameters, the core's vectors, and CVXPY's parameter vector as a linear map of
    their concatenation (one more row than map: none; the constant 1 is not part of it)."""
    columns = conic.param_id_to_col
    width = int(conic.total_param_size)
    infos, inputs = [], []
    triplets: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    offset = 0
    for number, parameter in enumerate(parameters):
        raw, log = ids.parameter(parameter.id), ids.log_parameter(parameter.id)
        infos.append(Parameter(parameter.name(), tuple(parameter.shape), log is not None))
        for ident, is_log in ((raw, False), (log, True)):
            if ident is None or ident not in columns:
                continue
            if ident == parameter.id or is_log:
                order = np.arange(parameter.size).reshape(parameter.shape).ravel(order="F")
                entries, places, weights = order, np.arange(order.size), np.ones(order.size)
                stored = order.size
            else:
                entries, places, weights, stored = _lowered(parameter)
                # Where two entries share a place, it holds their mean.
                weights = weights / np.bincount(places, minlength=stored)[places]
            if conic.param_id_to_size[ident] != stored:
                raise NotImplementedError(
                    f"Parameter {parameter.name()} has attributes that CVXPY lowers in a way "
                    "which is not known here"
                )
            triplets.append((places + columns[ident], entries + offset, weights))
            inputs.append(Input(number, is_log))
            offset += parameter.size
    if triplets:
        rows, entries, weights = (np.concatenate(part) for part in zip(*triplets, strict=True))
    else:
        rows, entries, weights = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    theta = sp.csr_array((weights, (rows, entries)), shape=(width, offset))
    return infos, inputs, theta


def _maps(conic: Any, n: int, theta: sp.csr_array) -> dict[str, Any]:
    """Patterns of P and A, and the five affine maps to the numbers of the cone program."""
    width = theta.shape[0] + 1
    # Augmented matrix [A b] of A x + b in K, flattened by columns.
    tensor = _triplets(conic.A, width)
    m = int(conic.A.shape[0]) // (n + 1)
    row, column, value = tensor
    in_b = row >= n * m
    in_a = ~in_b
    a_slots, a_row = np.unique(row[in_a], return_inverse=True)
    a_map = _affine(a_row, column[in_a], -value[in_a], a_slots.size, theta)
    b_map = _affine(row[in_b] - n * m, column[in_b], value[in_b], m, theta)

    row, column, value = _triplets(conic.q, width)
    last = row == n
    q_map = _affine(row[~last], column[~last], value[~last], n, theta)
    constant = _affine(np.zeros(last.sum(), int), column[last], value[last], 1, theta)

    row, column, value = (
        _triplets(conic.P, width) if conic.P is not None else (np.zeros(0, np.int64),) * 3
    )
    i, j = row % n, row // n
    low, high = np.minimum(i, j), np.maximum(i, j)
    # Only the symmetric part of P counts; an entry off the diagonal is half of either place.
    value = np.where(i == j, 1.0, 0.5) * value
    p_slots, p_row = np.unique(high * n + low, return_inverse=True)
    p_map = _affine(p_row, column, value, p_slots.size, theta)
    return {
        "m": m,
        "p_pattern": _pattern(p_slots, n, n),
        "a_pattern": _pattern(a_slots, m, n),
        "maps": (p_map, q_map, a_map, b_map, constant),
    }


def _triplets(tensor: Any, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nonzero entries of a map from CVXPY's parameter vector: row, column, value."""
    if tensor is None or 0 in tensor.shape:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    if tensor.shape[1] != width:
        raise NotImplementedError(
            f"CVXPY's parameter vector has {tensor.shape[1]} entries; expected {width}"
        )
    entries = sp.coo_array(tensor)
    keep = entries.data != 0.0
    row, column = entries.coords
    return row[keep].astype(np.int64), column[keep].astype(np.int64), entries.data[keep]


def _affine(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, slots: int, theta: sp.csr_array
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The affine map theta -> slots as (indptr, indices, data, base)."""
    width = theta.shape[0]
    fixed = column == width
    base = np.bincount(row[fixed], weights=value[fixed], minlength=slots).astype(np.float64)
    free = ~fixed
    linear = sp.csr_array((value[free], (row[free], column[free])), shape=(slots, width))
    return (*_csr(linear @ theta), base)


def _csr(matrix: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, data) of a matrix in compressed rows with sorted indices."""
    rows = sp.csr_array(matrix)
    rows.sum_duplicates()
    rows.sort_indices()
    return (
        np.ascontiguousarray(rows.indptr, dtype=np.int64),
        np.ascontiguousarray(rows.indices, dtype=np.int64),
        np.ascontiguousarray(rows.data, dtype=np.float64),
    )


def _pattern(slots: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(indptr, indices) in compressed columns of the sorted positions column * rows + row."""
    rows = max(rows, 1)
    counts = np.bincount(slots // rows, minlength=columns)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return indptr, np.ascontiguousarray(slots % rows, dtype=np.int64)


def _cones(dims: Any) -> list[tuple]:
    """The cones of a CVXPY program, in the order of its rows."""
    cones: list[tuple] = []
    if dims.zero:
        cones.append(("zero", int(dims.zero)))
    if dims.nonneg:
        cones.append(("nonnegative", int(dims.nonneg)))
    for dim in dims.soc:
        cones.append(("second_order", int(dim)) if dim > 1 else ("nonnegative", int(dim)))
    for side in dims.psd:
        cones.append(("psd_triangle", int(side)))
    if dims.exp:
        cones.append(("exponential", int(dims.exp)))
    for alpha in dims.p3d:
        cones.append(("power", float(alpha)))
    for alphas in dims.pnd:
        # CVXPY lets their sum differ from one by rounding.
        total = sum(float(a) for a in alphas)
        cones.append(("generalized_power", [float(a) / total for a in alphas], 1))
    return cones


def _outputs(
    problem: cp.Problem,
    variables: Sequence[cp.Variable],
    conic: Any,
    ids: _LeafIds,
    gp: bool,
    duals: Mapping[int, Any],
    chain: Any,
    inverse: Sequence[Any],
    program: Mapping[str, Any],
) -> tuple[list[Output], list[tuple]]:
    """What the layer returns, and the rows that pick it from x or z."""
    own = set(problem.variables())
    n, m = int(conic.x.size), program["m"]
    infos, rows = [], []
    probe: dict[int, tuple[np.ndarray, np.ndarray]] | None = None
    for variable in variables:
        name, shape = variable.name(), tuple(variable.shape)
        dual = variable not in own
        info = Output(name, shape, gp and not dual, dual)
        if dual:
            if probe is None:
                wanted = {v.id for v in variables if v not in own}
                constraints = {duals[v].id: duals[v] for v in wanted}
                probe = _dual_entries(constraints.values(), conic, chain, inverse, m)
            source, scale = probe[variable.id]
            pick = sp.csr_array(
                (scale[scale != 0.0], (np.flatnonzero(scale), source[scale != 0.0])),
                shape=(info.size, m),
            )
        else:
            ident = ids.variable(variable.id)
            pick = _primal_entries(variable, ident, conic, n, info.size, gp)
        infos.append(info)
        constant = np.zeros(info.size)
        rows.append((name, "z" if dual else "x", info.size, *_csr(pick), constant))
    return infos, rows


def _primal_entries(
    variable: cp.Variable, ident: int, conic: Any, n: int, size: int, gp: bool
) -> sp.csr_array:
    """The rows that pick the row-major entries of a variable from x."""
    start = conic.var_id_to_col.get(ident)
    if start is None:
        # CVXPY dropped it: it has no entries, or nothing depends on it. Its value is zero.
        return sp.csr_array((size, n))
    entries, places, weights, stored = _lowered(variable)
    if conic.id_to_var[ident].size != stored:
        raise NotImplementedError(
            f"Variable {variable.name()} has attributes that CVXPY lowers in a way which is not "
            "known here"
        )
    return sp.csr_array((weights, (entries, places + start)), shape=(size, n))


def _dual_entries(
    constraints: Any, conic: Any, chain: Any, inverse: Sequence[Any], m: int
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each dual variable: which entry of z each of its row-major entries is, and the factor.

    CVXPY knows how to bring z back to the constraints of the user, and it does so linearly with one
    entry of z for each entry of a dual. So it is asked twice, with z = 1 and with z = 1, 2, ..., m,
    and the answers tell factor and entry.
    """
    ones = _invert_duals(np.ones(m), conic, chain, inverse)
    counts = _invert_duals(np.arange(1.0, m + 1.0), conic, chain, inverse)
    found = {}
    for constraint in constraints:
        factors = _dual_values(constraint, ones.get(constraint.id))
        products = _dual_values(constraint, counts.get(constraint.id))
        for dual, factor, product in zip(constraint.dual_variables, factors, products, strict=True):
            used = factor != 0.0
            position = np.zeros(factor.size)
            position[used] = product[used] / factor[used] - 1.0
            source = np.rint(position).astype(np.int64)
            if np.abs(position - source).max(initial=0.0) > 1e-6:
                raise NotImplementedError(
                    f"The dual variable of the constraint {constraint} is not an entry of the "
                    "dual of the cone program"
                )
            found[dual.id] = (source, factor)
    return found


def _invert_duals(z: np.ndarray, conic: Any, chain: Any, inverse: Sequence[Any]) -> dict[int, Any]:
    """What CVXPY makes of a dual vector z of the cone program: values by id of constraint."""
    values = utilities.get_dual_values(z, utilities.extract_dual_value, conic.constraints)
    # A status without a primal solution keeps CVXPY from looking for one.
    solution = Solution(cvxpy_settings.INFEASIBLE, None, {}, values, {})
    steps = list(zip(chain.reductions[:-1], inverse[:-1], strict=True))
    for reduction, data in reversed(steps):
        solution = reduction.invert(solution, data)
    return solution.dual_vars


def _dual_values(constraint: Any, value: Any) -> list[np.ndarray]:
    """The dual variables of a constraint, row-major, if CVXPY saves `value` for it."""
    if value is None:
        # Dropped as empty, or as trivially true.
        return [np.zeros(dual.size) for dual in constraint.dual_variables]
    kept = [dual._value for dual in constraint.dual_variables]
    try:
        constraint.save_dual_value(value)
        saved = [dual._value for dual in constraint.dual_variables]
    finally:
        for dual, old in zip(constraint.dual_variables, kept, strict=True):
            dual.save_value(old)
    flat = []
    for dual, one in zip(constraint.dual_variables, saved, strict=True):
        one = np.asarray(one.toarray() if sp.issparse(one) else one, dtype=np.float64)
        flat.append(np.reshape(one, dual.shape, order="F").ravel(order="C"))
    return flat
