"""A CVXPY problem becomes the cone program, the solution and the duals that CVXPY has for it."""

import pickle
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

from argrad import _core
from argrad._canonical import compile_problem
from argrad._compiled import ParameterTypeError

TIGHT = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}


def spd(rng, n):
    """A random positive definite matrix."""
    root = rng.normal(size=(n, n))
    return root @ root.T + np.eye(n)


def least_squares(rng):
    x, a, b = cp.Variable(3), cp.Parameter((5, 3), name="a"), cp.Parameter(5, name="b")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(a @ x - b)), [x >= 0, cp.sum(x) <= 1])
    return problem, [a, b], [x], [rng.normal(size=(5, 3)), rng.normal(size=5)]


def linear(rng):
    x, c = cp.Variable((2, 3)), cp.Parameter((2, 3))
    problem = cp.Problem(
        cp.Maximize(cp.sum(cp.multiply(c, x)) + 3), [cp.sum(x, axis=1) <= 1, x >= 0]
    )
    return problem, [c], [x], [rng.normal(size=(2, 3))]


def norms(rng):
    x, c, d = cp.Variable(4), cp.Parameter(4), cp.Parameter()
    f = np.array(rng.normal(size=(3, 4)))
    cons = [cp.norm(f @ x) <= d, cp.norm(x[:2] - 1) <= 2, x[3] == 0.2, cp.norm1(x) <= 3]
    return cp.Problem(cp.Minimize(c @ x), cons), [d, c], [x], [1.5, rng.normal(size=4)]


def semidefinite(rng):
    x, c = cp.Variable((3, 3), symmetric=True), cp.Parameter((3, 3), symmetric=True)
    y = cp.Variable((2, 2), PSD=True)
    cons = [x >> 0, cp.trace(x) == 1, y << np.eye(2)]
    c_value = rng.normal(size=(3, 3))
    objective = cp.Minimize(cp.trace(c @ x) - cp.trace(spd(rng, 2) @ y))
    return cp.Problem(objective, cons), [c], [y, x], [c_value + c_value.T]


def exponentials(rng):
    x, a, t = cp.Variable(3), cp.Parameter((4, 3)), cp.Parameter(pos=True)
    objective = cp.sum(cp.logistic(a @ x)) + t * cp.sum_squares(x) - cp.sum(cp.entr(x + 3))
    cons = [cp.exp(x[0]) <= 2, cp.sum(x) >= -1]
    return cp.Problem(cp.Minimize(objective), cons), [t, a], [x], [0.7, rng.normal(size=(4, 3))]


def powers(rng):
    x, a = cp.Variable(3), cp.Parameter(3, nonneg=True)
    y = cp.Variable(2)
    cons = [
        cp.PowCone3D(x[0:2], x[1:3], y, [0.3, 0.6]),
        a @ x <= 2,
        x <= 3,
        cp.power(x[0], 2.7) <= 1.5,
    ]
    objective = cp.Maximize(cp.sum(y) - 0.1 * cp.sum_squares(x))
    return cp.Problem(objective, cons), [a], [y, x], [1 + rng.random(3)]


def power_nd(rng):
    x, z, a = cp.Variable((3, 2)), cp.Variable(2), cp.Parameter((3, 2), nonneg=True)
    alpha = np.array([[0.2, 0.5], [0.3, 0.25], [0.5, 0.25]])
    cons = [cp.PowConeND(x, z, alpha), cp.sum(cp.multiply(a, x)) <= 2, x <= 1.5]
    objective = cp.Maximize(cp.sum(z) - 0.05 * cp.sum_squares(x))
    return cp.Problem(objective, cons), [a], [z, x], [1 + rng.random((3, 2))]


def parametric_quad_form(rng):
    x, p, q = cp.Variable(3), cp.Parameter((3, 3), PSD=True), cp.Parameter(3)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, p) + q @ x), [cp.sum(x) == 1, x >= 0])
    return problem, [q, p], [x], [rng.normal(size=3), spd(rng, 3)]


def attributes(rng):
    d = cp.Variable((3, 3), diag=True)
    s = cp.Variable((2, 3), sparsity=[(0, 1, 1), (2, 0, 1)])
    w = cp.Variable(4, bounds=[np.array([-1.0, 0.0, -np.inf, 0.5]), np.array([1.0, 2, 3, np.inf])])
    u = cp.Variable(2, nonneg=True)
    c, e = cp.Parameter((3, 3), diag=True), cp.Parameter((2, 3), sparsity=[(0, 1), (1, 2)])
    target = rng.normal(size=(3, 3))
    objective = (
        cp.sum_squares(d - target - c)
        + cp.sum_squares(s - e - 1)
        + cp.sum_squares(w - np.array([2.0, -1, 1, 0]))
        + cp.sum_squares(u + np.array([1.0, -1.0]))
    )
    sparse = np.zeros((2, 3))
    sparse[0, 1], sparse[1, 2] = 0.7, -0.4
    values = [np.diag(rng.normal(size=3)), sparse]
    return cp.Problem(cp.Minimize(objective), [cp.sum(w) >= 1]), [c, e], [d, s, w, u], values


def tensors(rng):
    x, a = cp.Variable((2, 3, 2)), cp.Parameter((2, 3, 2))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [cp.sum(x) == 1, x >= -0.5])
    return problem, [a], [x], [rng.normal(size=(2, 3, 2))]


def unconstrained(rng):
    x, b = cp.Variable(3), cp.Parameter(3)
    unused = cp.Variable(2)
    objective = cp.quad_form(x, spd(rng, 3)) - b @ x + cp.sum_squares(unused - 1)
    return cp.Problem(cp.Minimize(objective)), [b], [unused, x], [rng.normal(size=3)]


def without_parameters(rng):
    x = cp.Variable(2)
    return cp.Problem(cp.Minimize(cp.sum_squares(x - 2)), [x <= 1.5]), [], [x], []


FAMILIES = [
    least_squares,
    linear,
    norms,
    semidefinite,
    exponentials,
    powers,
    power_nd,
    parametric_quad_form,
    attributes,
    tensors,
    unconstrained,
    without_parameters,
]


def assign(parameters, values):
    """Gives CVXPY's parameters their values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parameter, value in zip(parameters, values, strict=True):
            if parameter.sparse_idx is not None:
                at = parameter.sparse_idx
                parameter.value_sparse = sp.coo_array((value[at], at), shape=value.shape)
            else:
                parameter.value = value


def value_of(leaf):
    """A leaf's value as a dense array."""
    value = leaf.value_sparse if leaf.sparse_idx is not None else leaf.value
    return value.toarray() if sp.issparse(value) else np.asarray(value)


def apply(affine, theta):
    """base + map @ theta."""
    indptr, indices, data, base = affine
    return base + sp.csr_array((data, indices, indptr), shape=(base.size, theta.size)) @ theta


def flat(values):
    """The core's parameter vector."""
    return np.concatenate([np.ravel(v).astype(float) for v in values] or [np.zeros(0)])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_maps_give_the_numbers_of_cvxpy(family):
    problem, parameters, variables, values = family(np.random.default_rng(1))
    compiled = compile_problem(problem, parameters, variables)
    assign(parameters, values)
    program = compiled.program
    with cp.utilities.scopes.quad_form_dpp_scope():
        data, _, _ = problem.get_problem_data(cp.CLARABEL)
    theta = flat(values)
    p, q, a, b, constant = (apply(affine, theta) for affine in program["maps"])
    n, m = program["n"], program["m"]
    upper = sp.csc_array((p, *program["p_pattern"][::-1]), shape=(n, n)).toarray()
    expected = data["P"].toarray() if "P" in data else np.zeros((n, n))
    assert np.allclose(upper, np.triu((expected + expected.T) / 2), rtol=0, atol=1e-14)
    matrix = sp.csc_array((a, *program["a_pattern"][::-1]), shape=(m, n)).toarray()
    assert np.allclose(matrix, data["A"].toarray(), rtol=0, atol=1e-14)
    assert np.allclose(q, data["c"], rtol=0, atol=1e-14)
    assert np.allclose(b, data["b"], rtol=0, atol=1e-14)
    assert program["maximize"] == isinstance(problem.objective, cp.Maximize)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_variables_duals_and_value_are_those_of_cvxpy(family):
    problem, parameters, variables, values = family(np.random.default_rng(2))
    duals = [dual for constraint in problem.constraints for dual in constraint.dual_variables]
    compiled = compile_problem(problem, parameters, [*variables, *duals])
    assign(parameters, values)
    problem.solve(cp.CLARABEL, **TIGHT)
    solved = compiled.layer().forward(1, [np.ravel(v).astype(float) for v in values])
    assert solved.all_solved
    assert solved.objective[0] == pytest.approx(problem.value, abs=1e-7)
    for leaf, output, info in zip(
        [*variables, *duals], solved.outputs, compiled.outputs, strict=True
    ):
        got = output.reshape(info.shape)
        # Clarabel is accurate to about the square root of its tolerance where curvature vanishes.
        assert np.allclose(got, np.reshape(value_of(leaf), info.shape), rtol=0, atol=2e-6), info


def test_saved_duals_stay_as_they_were():
    x, b = cp.Variable(2), cp.Parameter(2)
    constraint = x >= b
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [constraint])
    constraint.dual_variables[0].save_value(np.array([7.0, 8.0]))
    compile_problem(problem, [b], [constraint.dual_variables[0]])
    assert np.array_equal(constraint.dual_value, [7.0, 8.0])


def test_a_parameter_of_a_geometric_program_can_appear_as_it_is_and_as_logarithm():
    x = cp.Variable(pos=True)
    a, c = cp.Parameter(pos=True, name="a"), cp.Parameter(name="c")
    problem = cp.Problem(cp.Minimize(a * x + 1 / x**2), [x >= a**0.5, x**c <= 20.0])
    compiled = compile_problem(problem, [c, a], [x], gp=True)
    assert [(i.parameter, i.log) for i in compiled.inputs] == [(0, False), (1, True)]
    assert [p.positive for p in compiled.parameters] == [False, True]
    assert compiled.outputs[0].exp and compiled.log_objective
    solved = compiled.layer().forward(1, [np.array([1.5]), np.log([0.5])])
    a.value, c.value = 0.5, 1.5
    problem.solve(gp=True, solver=cp.CLARABEL, **TIGHT)
    assert np.exp(solved.outputs[0][0, 0]) == pytest.approx(float(x.value), abs=1e-7)
    assert np.exp(solved.objective[0]) == pytest.approx(problem.value, abs=1e-7)


def test_compiling_leaves_the_problem_solvable_and_can_be_repeated():
    problem, parameters, variables, values = least_squares(np.random.default_rng(3))
    first = compile_problem(problem, parameters, variables)
    assign(parameters, values)
    problem.solve(cp.CLARABEL)
    again = compile_problem(problem, parameters, variables)
    for one, two in zip(first.program["maps"], again.program["maps"], strict=True):
        for left, right in zip(one, two, strict=True):
            assert np.array_equal(left, right)


def test_pickle_keeps_everything_and_copies_share():
    import copy

    problem, parameters, variables, values = semidefinite(np.random.default_rng(4))
    compiled = compile_problem(
        problem, parameters, variables, solver_options={"max_iterations": 70}
    )
    assert copy.deepcopy(compiled) is compiled
    other = pickle.loads(pickle.dumps(compiled))
    assert other.settings == {"max_iterations": 70}
    flat_values = [np.ravel(v) for v in values]
    one, two = compiled.layer().forward(1, flat_values), other.layer().forward(1, flat_values)
    for left, right in zip(one.outputs, two.outputs, strict=True):
        assert np.array_equal(left, right)


def test_layers_are_kept_by_settings():
    problem, parameters, variables, _ = least_squares(np.random.default_rng(5))
    compiled = compile_problem(problem, parameters, variables)
    assert compiled.layer() is compiled.layer({})
    assert compiled.layer({"tolerance": 1e-7}) is compiled.layer({"tolerance": 1e-7})
    assert compiled.layer({"tolerance": 1e-7}) is not compiled.layer()
    with pytest.raises((TypeError, ValueError)):
        compiled.layer({"tolerance": -1.0})


class TestRefusals:
    def test_not_dpp(self):
        x, p = cp.Variable(2), cp.Parameter(nonneg=True)
        problem = cp.Problem(cp.Minimize(p * p * cp.sum_squares(x)))
        with pytest.raises(ValueError, match="Problem must be DPP"):
            compile_problem(problem, [p], [x])
        y = cp.Variable(pos=True)
        with pytest.raises(ValueError, match="Problem must be DPP for geometric programming"):
            compile_problem(cp.Problem(cp.Minimize(y - 1)), [], [y], gp=True)

    def test_what_breaks_the_rules_is_named(self):
        x, y = cp.Variable(2, name="x"), cp.Variable(name="y")
        p = cp.Parameter(2, nonneg=True, name="p")
        bounded = cp.Variable(2, bounds=[cp.multiply(p, p), None], name="bounded")
        squares, product = cp.sum_squares(x), cp.multiply(p, p)
        cases = [
            (cp.Minimize(squares + cp.sqrt(y)), [], r"DCP either. See quad_over_lin.* objective$"),
            (cp.Minimize(y), [cp.sqrt(x) <= 1], r"DCP either. See constraint 0: PowerApprox\(x"),
            (cp.Maximize(squares), [], "DCP either. See the objective, which is maximized and not"),
            (cp.Minimize(cp.sqrt(y)), [], "See the objective, which is minimized and not convex"),
            (cp.Minimize(squares), [x <= 1, product @ x <= 1], r"constraint 1, in which p \* p$"),
            (cp.Minimize(product @ x), [], r"parameters count as variables. See p \* p in the obj"),
            (cp.Minimize(cp.sum(bounded)), [], "See the bounds of variable bounded"),
        ]
        for objective, constraints, message in cases:
            problem = cp.Problem(objective, constraints)
            with pytest.raises(ValueError, match=message):
                compile_problem(problem, problem.parameters(), problem.variables())

    def test_parametric_quad_form_in_a_constraint(self):
        x, p = cp.Variable(2), cp.Parameter((2, 2), PSD=True)
        problem = cp.Problem(cp.Minimize(cp.sum(x)), [cp.quad_form(x, p) <= 1])
        with pytest.raises(ValueError, match="only supported in the objective"):
            compile_problem(problem, [p], [x])

    def test_lists_that_do_not_match(self):
        x, p, q = cp.Variable(2), cp.Parameter(2, name="left"), cp.Parameter(2, name="right")
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)))
        with pytest.raises(ValueError, match="must exactly match .*: missing: left$"):
            compile_problem(problem, [], [x])
        with pytest.raises(ValueError, match="must exactly match .*: not in the problem: right$"):
            compile_problem(problem, [p, q], [x])
        with pytest.raises(ValueError, match="missing: left; not in the problem: right"):
            compile_problem(problem, [q], [x])
        with pytest.raises(ValueError, match="one is listed twice"):
            compile_problem(problem, [p, p], [x])
        with pytest.raises(ValueError, match="parameters must be provided as a list or tuple"):
            compile_problem(problem, {p}, [x])
        with pytest.raises(ValueError, match="variables must be provided as a list or tuple"):
            compile_problem(problem, [p], {x})
        with pytest.raises(ValueError, match="must be a subset of problem.variables"):
            compile_problem(problem, [p], [x, cp.Variable(2)])
        with pytest.raises(ValueError, match="must be a subset of problem.variables"):
            compile_problem(problem, [p], [x, {"x": x}])

    def test_what_cannot_be_differentiated(self):
        b = cp.Variable(2, boolean=True, name="b")
        with pytest.raises(ValueError, match=r"Variable b is boolean.*boolean or integer"):
            compile_problem(cp.Problem(cp.Minimize(cp.sum(b))), [], [b])
        k = cp.Variable(2, integer=True, name="k")
        words = r"Variable k is integer.*Relaxations.*bounds=\[0, 1\].*rounding.*penalty"
        with pytest.raises(ValueError, match=words):
            compile_problem(cp.Problem(cp.Minimize(cp.sum(k)), [k >= 0.5]), [], [k])
        z = cp.Variable(2, complex=True)
        with pytest.raises(NotImplementedError, match="Complex variables"):
            compile_problem(cp.Problem(cp.Minimize(cp.norm(z))), [], [z])
        x, p = cp.Variable(2), cp.Parameter(2, complex=True)
        with pytest.raises(NotImplementedError, match="Complex parameters"):
            compile_problem(cp.Problem(cp.Minimize(cp.norm(x - cp.real(p)))), [p], [x])
        constant = cp.Parameter()
        with pytest.raises(ValueError, match="no variables"):
            compile_problem(cp.Problem(cp.Minimize(constant)), [constant], [])


class TestBatchOf:
    @pytest.fixture
    def compiled(self):
        problem, parameters, variables, _ = least_squares(np.random.default_rng(6))
        return compile_problem(problem, parameters, variables)

    def test_sizes(self, compiled):
        a, b = np.zeros((5, 3)), np.zeros(5)
        assert compiled.batch_of([a, b]) == (None, (False, False))
        assert compiled.batch_of([a[None], b]) == (1, (True, False))
        assert compiled.batch_of([a, np.zeros((0, 5))]) == (0, (False, True))
        assert compiled.batch_of([np.zeros((4, 5, 3)), np.zeros((4, 5))]) == (4, (True, True))

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            ([(5, 3)], r"received 1 tensors, expected 2"),
            ([(5, 4), (5,)], r"parameter 0\. Expected: \(5, 3\), Got: \(5, 4\)"),
            (
                [(2, 5, 4), (5,)],
                r"parameter 0\. Expected batched shape: \(batch_size, 5, 3\), Got: \(2, 5, 4\)",
            ),
            ([(5, 3), (2, 2, 5)], r"parameter 1\. Expected 1 or 2 dimensions, Got: 3 dimensions"),
            ([(2, 5, 3), (3, 5)], r"Inconsistent batch sizes.*\[2, 3\]"),
            ([(0, 5, 3), (3, 5)], r"Inconsistent batch sizes.*\[0, 3\]"),
        ],
    )
    def test_messages(self, compiled, shapes, message):
        with pytest.raises(ValueError, match=message):
            compiled.batch_of([np.zeros(shape) for shape in shapes])

    def test_something_without_a_shape(self, compiled):
        for kind in (ParameterTypeError, TypeError, AttributeError):
            with pytest.raises(kind, match=r"parameter 1 \(b\) must be an array"):
                compiled.batch_of([np.zeros((5, 3)), None])


def test_statuses_are_known():
    assert _core.STATUS[0] == "solved"
    assert {"iteration_limit", "time_limit"} <= set(_core.STATUS)


def test_a_geometric_program_can_be_compiled_twice():
    # The second time CVXPY would find its cache, and read values that parameters do not have.
    a, x = cp.Parameter(pos=True), cp.Variable(pos=True)
    problem = cp.Problem(cp.Minimize(x), [x >= a])
    for _ in range(2):
        compiled = compile_problem(problem, [a], [x], gp=True)
        assert len(compiled.outputs) == 1
