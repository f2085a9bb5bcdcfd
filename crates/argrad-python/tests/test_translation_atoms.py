"""Each atom of CVXPY in argrad's own language gives what CVXPY's canonicalization of it gives."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

from argrad._compile import compile_problem

rng = np.random.default_rng(0)
C = rng.normal(size=(3, 4))
SPARSE = sp.random_array((5, 4), density=0.25, rng=np.random.default_rng(1), format="csr")
ROOT = rng.normal(size=(4, 4))
SPD = ROOT @ ROOT.T + np.eye(4)

# Functions of a vector of four, convex or concave (or affine), positive arguments at the solution.
VECTORS = {
    "add and negate": lambda x: 3 - x + 2 * x[::-1],
    "multiply by a matrix": lambda x: cp.multiply(C, x),
    "multiply by a column": lambda x: cp.multiply(C[:, :1], cp.reshape(x, (1, 4), order="C")),
    "divide": lambda x: x / np.array([1.0, 2.0, 4.0, -5.0]),
    "dense product": lambda x: C @ x,
    "sparse product": lambda x: SPARSE @ x,
    "sparse product from the right": lambda x: x @ SPARSE.T,
    "matrix from the right": lambda x: cp.reshape(x, (2, 2), order="F") @ C[:2],
    "sparse times a matrix": lambda x: (
        sp.csr_array(np.diag([1.0, 0, 0])[:, :2]) @ cp.reshape(x, (2, 2), order="F")
    ),
    "matrix times sparse": lambda x: (
        cp.reshape(x, (2, 2), order="F") @ sp.csr_array(np.diag([1.0, 0, 0])[:2])
    ),
    "reshape in both orders": lambda x: (
        cp.reshape(x, (2, 2), order="F") + cp.reshape(x, (2, 2), order="C")
    ),
    "transpose": lambda x: cp.reshape(x, (2, 2), order="F").T @ np.array([1.0, 2.0]),
    "index": lambda x: x[1] + x[-1] + cp.sum(x[1:3]) + x[[0, 2]],
    "index a matrix": lambda x: (
        cp.reshape(x, (2, 2), order="F")[0, :] - x[np.array([True, False, False, True])]
    ),
    "stack": lambda x: cp.hstack([x, x[:2]]) + cp.vec(cp.vstack([x[:3], x[1:]]), order="F"),
    "blocks": lambda x: cp.bmat([[cp.reshape(x, (2, 2), order="F"), np.eye(2)], [np.ones((1, 4))]]),
    "concatenate": lambda x: cp.concatenate([x[:1], x, np.ones(2)]),
    "stacks of matrices": lambda x: cp.sum(
        cp.reshape(cp.hstack([x, x]), (2, 2, 2), order="C"), axis=1
    ),
    "sums along axes": lambda x: (
        cp.sum(cp.reshape(x, (2, 2), order="F"), axis=0)
        + cp.mean(cp.reshape(x, (2, 2), order="F"), axis=1, keepdims=True)
    ),
    "cumsum": lambda x: cp.cumsum(x),
    "cumsum along an axis": lambda x: cp.cumsum(cp.reshape(x, (2, 2), order="F"), axis=1),
    "long cumsum": lambda x: cp.cumsum(cp.hstack([x] * 20)),
    "diff": lambda x: cp.diff(x, 2),
    "diagonal matrix": lambda x: cp.diag(x),
    "diagonal": lambda x: (
        cp.diag(cp.reshape(x, (2, 2), order="F")) + cp.diag(cp.reshape(x, (2, 2), order="F"), 1)
    ),
    "trace": lambda x: cp.trace(cp.reshape(x, (2, 2), order="F")),
    "upper_tri": lambda x: cp.upper_tri(cp.diag(x) + x),
    "kron": lambda x: cp.kron(C[:, :2], cp.reshape(x, (2, 2), order="F")),
    "kron from the right": lambda x: cp.kron(cp.reshape(x, (2, 2), order="F"), C[:, :2]),
    "convolve": lambda x: cp.convolve([1.0, 0.5, -2.0], x),
    "outer": lambda x: cp.outer(x, C[0]),
    "einsum": lambda x: cp.einsum("ij,j->i", C, x),
    "partial trace": lambda x: cp.partial_trace(cp.diag(x), (2, 2), 1),
    "partial transpose": lambda x: cp.partial_transpose(cp.outer(x, C[0]), (2, 2), 1),
    "vec_to_upper_tri": lambda x: cp.vec_to_upper_tri(cp.hstack([x, x[:2]])),
    "abs": cp.abs,
    "exp": cp.exp,
    "log": cp.log,
    "log1p": cp.log1p,
    "entr": cp.entr,
    "kl_div": lambda x: cp.kl_div(x, np.array([0.5, 1.0, 2.0, 0.1])),
    "rel_entr": lambda x: cp.rel_entr(x, x[::-1] + 1),
    "logistic": cp.logistic,
    "huber": lambda x: cp.huber(x, 0.5),
    "xexp": lambda x: cp.xexp(cp.abs(x)),
    "square": cp.square,
    "power 4": lambda x: cp.power(x, 4),
    "power 3": lambda x: cp.power(x, 3, approx=False),
    "power 0.3": lambda x: cp.power(x, 0.3, approx=False),
    "power -2": lambda x: cp.power(x, -2, approx=False),
    "rounded power": lambda x: cp.power(x, 1.7),
    "sqrt": cp.sqrt,
    "inv_pos": cp.inv_pos,
    "pos and neg": lambda x: cp.pos(x - 0.4) + cp.neg(x - 0.6),
    "maximum": lambda x: cp.maximum(x, x[::-1], 0.55),
    "minimum": lambda x: cp.minimum(x, 0.65),
    "scalene": lambda x: cp.scalene(x - 0.5, 2, 3),
    "norm1": cp.norm1,
    "norm_inf": cp.norm_inf,
    "norm2": cp.norm2,
    "pnorm 3": lambda x: cp.pnorm(x, 3, approx=False),
    "pnorm 0.5": lambda x: cp.pnorm(x, 0.5),
    "rounded pnorm": lambda x: cp.pnorm(x, 2.5),
    "max": cp.max,
    "min": cp.min,
    "ptp": cp.ptp,
    "sum_largest": lambda x: cp.sum_largest(x, 2),
    "sum_smallest": lambda x: cp.sum_smallest(x, 2),
    "log_sum_exp": cp.log_sum_exp,
    "geo_mean": cp.geo_mean,
    "weighted geo_mean": lambda x: cp.geo_mean(x, [1, 0, 2, 1], approx=False),
    "harmonic_mean": lambda x: cp.harmonic_mean(x),
    "sum_squares": lambda x: cp.sum_squares(C @ x - 1),
    "sum_squares along an axis": lambda x: cp.sum_squares(cp.multiply(C, x), axis=1),
    "quad_over_lin": lambda x: cp.quad_over_lin(C @ x, x[0] + 1),
    "quad_form": lambda x: cp.quad_form(x, SPD),
    "negative quad_form": lambda x: cp.quad_form(x, -SPD),
    "diagonal quad_form": lambda x: cp.quad_form(x, sp.diags_array([1.0, 2.0, 0.0, 3.0])),
    "sparse quad_form": lambda x: cp.quad_form(
        x, sp.csr_array(np.diag([2.0] * 4) + np.diag([0.5] * 3, 1) + np.diag([0.5] * 3, -1))
    ),
    "std": cp.std,
    "var": cp.var,
    "tv": cp.tv,
    "Frobenius norm": lambda x: cp.norm(cp.reshape(x, (2, 2), order="F"), "fro"),
    "norms along axes": lambda x: (
        cp.norm(cp.multiply(C, x), 2, axis=1)
        + cp.norm(cp.multiply(C, x), 1, axis=1)
        + cp.norm(cp.multiply(C, x), np.inf, axis=1)
    ),
    "extrema along axes": lambda x: cp.max(cp.multiply(C, x), axis=0, keepdims=True),
    "least along axes": lambda x: cp.min(cp.multiply(C, x), axis=1),
    "log_sum_exp along an axis": lambda x: cp.log_sum_exp(cp.multiply(C, x), axis=1),
    "sum_largest along an axis": lambda x: cp.sum_largest(cp.multiply(C, x), 2, axis=1),
    "geo_mean along an axis": lambda x: cp.geo_mean(
        cp.multiply(np.abs(C), x), [1, 0, 2, 1], approx=False, axis=1
    ),
    "geo_mean of a matrix": lambda x: cp.geo_mean(
        cp.reshape(x, (2, 2), order="C"), [1, 0, 2, 1], approx=False
    ),
    "mixed_norm": lambda x: cp.mixed_norm(cp.multiply(C, x), 2, 1),
    "tv of a matrix": lambda x: cp.tv(cp.multiply(C, x)),
}

# Functions of a symmetric matrix of order two.
MATRICES = {
    "lambda_max": cp.lambda_max,
    "lambda_min": cp.lambda_min,
    "lambda_sum_largest": lambda x: cp.lambda_sum_largest(x, 1),
    "sigma_max": cp.sigma_max,
    "norm_nuc": cp.normNuc,
    "log_det": cp.log_det,
    "tr_inv": cp.tr_inv,
    "matrix_frac": lambda x: cp.matrix_frac(np.array([1.0, -2.0]), x),
    "constant matrix_frac": lambda x: cp.matrix_frac(x[0], np.array([[2.0, 0.5], [0.5, 1.0]])),
}


def both(problem, parameters, variables, values, with_duals=True):
    """The solutions by either way, and the gradients of a random function of the outputs."""
    duals = [dual for constraint in problem.constraints for dual in constraint.dual_variables]
    duals = duals if with_duals else []
    found = []
    for backend in ("ARGRAD", "SCIPY"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = compile_problem(
                problem, parameters, [*variables, *duals], canon_backend=backend
            )
        assert (compiled.untranslated is None) == (backend == "ARGRAD")
        solved = compiled.layer().forward(1, [np.ravel(v).astype(float) for v in values])
        assert solved.all_solved, solved.reports
        random = np.random.default_rng(5)
        weights = [random.normal(size=output.shape) for output in solved.outputs]
        found.append((solved.outputs, solved.vjp(weights), solved.objective))
    return found


def assert_same(found, tolerance=1e-12):
    """Outputs, gradients and values agree, relative to the largest entry of each."""
    (outputs, gradients, value), (others, other_gradients, other_value) = found
    assert abs(value - other_value) <= tolerance * max(1.0, abs(value))
    for one, other in zip([*outputs, *gradients], [*others, *other_gradients], strict=True):
        scale = max(1.0, np.abs(other).max(initial=0.0))
        assert np.abs(one - other).max(initial=0.0) <= tolerance * scale


def problems(f, x, target):
    """The function in the objective, and in a constraint that is active."""
    value = f(x)
    sign = -1 if value.is_concave() and not value.is_affine() else 1
    near = cp.sum_squares(x - target)
    weights = np.linspace(1.0, 1.5, value.size).reshape(value.shape)
    yield cp.Problem(cp.Minimize(sign * cp.sum(cp.multiply(weights, value)) + near))
    bound = sign * cp.sum(cp.multiply(weights, value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x.value = np.array([0.5, 0.7, 0.6, 0.53]) if x.ndim == 1 else 0.6 * np.eye(2) + 0.1
        limit = float(bound.value)
    yield cp.Problem(cp.Minimize(near), [bound <= limit])


@pytest.mark.parametrize("name", VECTORS)
def test_functions_of_vectors(name):
    x, target = cp.Variable(4), cp.Parameter(4)
    for problem in problems(VECTORS[name], x, target):
        assert_same(both(problem, [target], [x], [np.array([0.9, 0.75, 0.8, 1.1])]))


@pytest.mark.parametrize("name", MATRICES)
def test_functions_of_matrices(name):
    x, target = cp.Variable((2, 2), symmetric=True), cp.Parameter((2, 2), symmetric=True)
    for problem in problems(MATRICES[name], x, target):
        assert_same(both(problem, [target], [x], [np.array([[1.4, 0.3], [0.3, 0.9]])]))


def test_perspectives():
    """CVXPY has no canonicalization of them with parameters: what they are, written out."""
    x, s, target = cp.Variable(2), cp.Variable(nonneg=True), cp.Parameter(2)
    values = [np.array([0.9, -0.4])]
    pairs = [
        (cp.sum_squares(x) + 1, cp.quad_over_lin(x, s) + s),
        (cp.norm2(x) + x[0], cp.norm2(x) + x[0]),
        (cp.exp(x[1]), cp.exp(x[1])),
    ]
    for number, (f, written) in enumerate(pairs):
        near = cp.sum_squares(x - target) + cp.square(s - 1)
        # With s = 1 the perspective of the exponential is the exponential.
        constraints = [s == 1] if number == 2 else [s <= 0.8]
        found = []
        for value in (cp.perspective(f, s), written):
            problem = cp.Problem(cp.Minimize(value + near), constraints)
            compiled = compile_problem(problem, [target], [x, s], canon_backend="ARGRAD")
            solved = compiled.layer().forward(1, values)
            assert solved.all_solved
            weights = [np.array([[1.0, -2.0]]), np.array([[0.5]])]
            found.append((solved.outputs, solved.vjp(weights), solved.objective))
        assert_same(found, 1e-9 if number == 2 else 1e-11)
