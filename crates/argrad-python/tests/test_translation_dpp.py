"""What is DCP with its parameters held fixed is a layer, also where it is not DPP."""

import cvxpy as cp
import numpy as np
import pytest

from argrad._compile import compile_problem

C = np.array([[1.0, 0.5, -0.2], [0.3, 2.0, 0.1], [0.0, -0.4, 1.5]])
SPD = C @ C.T

# Each form of docs/dpp.md: terms of the objective of a vector x of three, and constraints.
# p, q, g are scalars (g and h nonnegative), a a vector, A, B matrices, P positive semidefinite.
FORMS = {
    "affine": lambda x, p, a, A: p * cp.sum(x) + (2 * p + 1) * x[0] + cp.sum(A @ C @ x) + a @ x,
    "diagonal and trace": lambda x, a, A: cp.sum(cp.diag(a) @ x) + cp.trace(A) * x[1],
    "norms": lambda x, A, a, g: cp.norm2(A @ x - a) + g * cp.norm2(x),
    "squares": lambda x, A, g: cp.sum_squares(A @ x) + g * cp.quad_form(x, SPD),
    "maximum": lambda x, a: cp.sum(cp.maximum(x, a)),
    "function beside": lambda x, p: cp.sum(cp.exp(p) + x),
    "product of products": lambda x, p, q: cp.sum(p * (q * x)),
    "matrices of matrices": lambda x, A, B: cp.norm1(A @ (B @ x)),
    "parameters against both": lambda x, p, a: cp.sum(p * (x + a)),
    "scaled norm": lambda x, g, A: g * cp.norm2(A @ x),
    "scaled squares": lambda x, g, A: g * cp.sum_squares(A @ x),
    "scaled distance": lambda x, g, a: g * cp.sum_squares(x - a),
    "squares of both": lambda x, A, a: cp.sum_squares(A @ (x - a)),
    "quad_form of both": lambda x, a: cp.quad_form(x - a, SPD),
    "product of parameters": lambda x, p, q: cp.sum(p * q * x),
    "matrix of parameters": lambda x, A, B: cp.sum((A @ B) @ x),
    "norm within a product": lambda x, g, h: [cp.norm2(x - 2) <= g * h],
    "quotient": lambda x, g: cp.sum(x / g),
    "square of a parameter": lambda x, p: cp.sum(cp.square(p) * x),
    "exponential of a parameter": lambda x, a: cp.exp(a) @ x,
    "absolute value of a parameter": lambda x, a: [x <= cp.abs(a)],
    "parametric quad_form of both": lambda x, g, a, P: g * cp.quad_form(x - a, P),
    "parametric quad_form in a constraint": lambda x, a, P, g: [cp.quad_form(x - a, P) <= g],
    "largest of a parameter": lambda x, a: cp.max(cp.abs(a)) * cp.sum_squares(x),
    "power of a parameter": lambda x, g: cp.power(g, 3) * cp.norm2(x) + cp.log(g) * x[0],
    "threshold of huber": lambda x, a, g: cp.sum(cp.huber(x - a, g)),
    "kl_div": lambda x, g: cp.sum(cp.kl_div(x + 4, g)),
    "matrix_frac": lambda x, P: cp.matrix_frac(x, P),
    "inverse of a parameter": lambda x, g: cp.inv_pos(g) * cp.norm1(x),
    "sums of parameters": lambda x, A, p: cp.sum(cp.multiply(cp.sum(A, axis=1) * p, x)),
    "convolution": lambda x, a: cp.sum(cp.convolve(a, x) ** 2),
    "kron": lambda x, A: cp.norm2(cp.kron(A, cp.reshape(x, (3, 1), order="F")) - 1),
    "bounds": lambda x, a, g: [x >= a - g, x <= cp.square(a) + g],
}

VALUES = {
    "p": 0.7,
    "q": -1.2,
    "g": 0.8,
    "h": 1.1,
    "a": np.array([0.4, -0.9, 1.3]),
    "A": np.array([[1.2, 0.1, -0.3], [0.2, 0.9, 0.5], [-0.6, 0.3, 1.1]]),
    "B": np.array([[0.8, -0.2, 0.4], [0.1, 1.3, 0.2], [0.5, -0.7, 0.6]]),
    "P": SPD + np.eye(3),
}
ATTRIBUTES = {"g": {"nonneg": True}, "h": {"nonneg": True}, "P": {"PSD": True}}


def problem_of(form, given):
    """The problem of a form, whose letters are parameters or numbers."""
    x = cp.Variable(3)
    found = form(x, **given)
    terms, constraints = ([], found) if isinstance(found, list) else ([found], [])
    near = cp.sum_squares(x - np.array([1.0, -0.5, 0.3]))
    return cp.Problem(cp.Minimize(cp.sum([near, *terms]) if terms else near), constraints), x


def parameters_of(form):
    """The letters of a form as parameters."""
    letters = form.__code__.co_varnames[1 : form.__code__.co_argcount]
    return {
        letter: cp.Parameter(np.shape(VALUES[letter]), name=letter, **ATTRIBUTES.get(letter, {}))
        for letter in letters
    }


@pytest.mark.parametrize("name", FORMS)
def test_solutions_are_those_of_numbers_in_place_of_parameters(name):
    form, given = FORMS[name], parameters_of(FORMS[name])
    problem, x = problem_of(form, given)
    own = compile_problem(problem, list(given.values()), [x], canon_backend="ARGRAD")
    assert own.untranslated is None
    problem, x = problem_of(form, {letter: VALUES[letter] for letter in given})
    fixed = compile_problem(problem, [], [x], canon_backend="SCIPY")
    values = [np.ravel(VALUES[letter]).astype(float) for letter in given]
    found, expected = own.layer().forward(1, values), fixed.layer().forward(1, [])
    assert found.all_solved and expected.all_solved
    assert np.abs(found.outputs[0] - expected.outputs[0]).max() < 1e-10
    assert abs(found.objective[0] - expected.objective[0]) < 1e-10


@pytest.mark.parametrize("name", FORMS)
def test_gradients_are_those_of_differences(name):
    given = parameters_of(FORMS[name])
    problem, x = problem_of(FORMS[name], given)
    layer = compile_problem(problem, list(given.values()), [x]).layer()
    values = [np.ravel(VALUES[letter]).astype(float) for letter in given]
    weights = np.array([[1.0, -2.0, 0.5]])
    gradients = layer.forward(1, values).vjp([weights])
    rng = np.random.default_rng(3)
    for at, letter in enumerate(given):
        direction = rng.normal(size=values[at].shape)
        if letter == "P":
            direction = (direction.reshape(3, 3) + direction.reshape(3, 3).T).ravel()

        def outputs(step, at=at, direction=direction):
            moved = [v + step * direction if k == at else v for k, v in enumerate(values)]
            return (weights * layer.forward(1, moved, differentiable=False).outputs[0]).sum()

        h = 1e-4
        # Of fourth order.
        slope = (8 * (outputs(h) - outputs(-h)) - (outputs(2 * h) - outputs(-2 * h))) / (12 * h)
        assert abs(slope - gradients[at] @ direction) < 1e-8 * max(1.0, abs(slope)), letter


def test_what_is_not_dcp_is_refused_in_both_languages():
    x, p = cp.Variable(2), cp.Parameter(name="p")
    problem = cp.Problem(cp.Minimize(p * cp.norm2(x) + cp.sum_squares(x)))
    expected = r"Problem must be DPP; .*p \* .*argrad takes what is DCP, but: .*unknown sign"
    with pytest.raises(ValueError, match=expected):
        compile_problem(problem, [p], [x])


def test_a_callback_parameter_is_a_parameter():
    p = cp.Parameter(nonneg=True)
    cube = cp.CallbackParam(callback=lambda: p.value**3, nonneg=True)
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cube * cp.norm2(x) + p * cp.sum_squares(x - 1)))
    layer = compile_problem(problem, [p, cube], [x], canon_backend="ARGRAD").layer()
    solved = layer.forward(1, [np.array([1.0]), np.array([0.5])])
    # The point on the way from the origin to (1, 1) where the norm pulls as hard as the distance.
    expected = 1.0 - 0.25 / np.sqrt(2.0)
    assert np.abs(solved.outputs[0] - expected).max() < 1e-10
