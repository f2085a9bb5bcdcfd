"""Layers in argrad's own language: what they say of themselves, and what falls back to CVXPY."""

import copy
import pickle
import subprocess
import sys
import textwrap

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from argrad import _core
from argrad._compile import compile_problem
from argrad.torch import CvxpyLayer


def outputs(layer, *values):
    """The outputs of one sample."""
    return layer(*(torch.tensor(value, dtype=torch.float64) for value in values))


class TestExplanations:
    def test_of_a_translated_problem(self):
        p, q, x = cp.Parameter(3), cp.Parameter(), cp.Variable(3)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(x - q * p))), [p, q], [x])
        text = layer.explain()
        assert text.startswith("compiled by argrad's own language")
        assert "2 parameters with 4 numbers, from which" in text and "more are computed" in text
        for said in ("variables", "rows", "engine", "memory"):
            assert said in text

    def test_of_what_has_no_translation(self):
        p, x = cp.Parameter(3), cp.Variable(3)
        cone = cp.PowConeND(x[:2], x[2], np.array([0.3, 0.7]))
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cone])
        layer = CvxpyLayer(problem, [p], [x])
        assert layer.explain().startswith("canonicalized by CVXPY: PowConeND of (2,), (1,)")
        with pytest.raises(
            ValueError, match="cannot be stated in argrad's own language: PowConeND"
        ):
            CvxpyLayer(problem, [p], [x], canon_backend="ARGRAD")

    def test_of_geometric_programs_and_of_asking_for_cvxpy(self):
        p, x = cp.Parameter(pos=True), cp.Variable(pos=True)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(x + p / x)), [p], [x], gp=True)
        assert "canonicalized by CVXPY: it is a geometric program" in layer.explain()
        problem = cp.Problem(cp.Minimize(x + p * x))
        layer = CvxpyLayer(problem, [p], [x], canon_backend="SCIPY")
        assert "canonicalized by CVXPY: canon_backend='SCIPY' asks for it" in layer.explain()

    def test_verbose_prints_it(self, capsys):
        p, x = cp.Parameter(), cp.Variable()
        CvxpyLayer(cp.Problem(cp.Minimize(cp.square(x - p))), [p], [x], verbose=True)
        assert "compiled by argrad's own language" in capsys.readouterr().out

    def test_in_jax(self):
        from argrad.jax import CvxpyLayer as JaxLayer

        p, x = cp.Parameter(), cp.Variable()
        layer = JaxLayer(cp.Problem(cp.Minimize(cp.square(x - p))), [p], [x])
        assert layer.explain().startswith("compiled by argrad's own language")


class TestFallback:
    """What argrad's rules do not see and CVXPY's do."""

    def test_curvature_that_only_cvxpy_sees(self):
        # CVXPY takes x^3 for increasing on the whole line, argrad on its domain only.
        p, x = cp.Parameter(2), cp.Variable(2)
        objective = cp.sum(cp.power(cp.exp(x) - 1, 3, approx=False)) + cp.sum_squares(x - p)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(objective), [x >= 0.1]), [p], [x])
        assert "canonicalized by CVXPY" in layer.explain()
        (found,) = outputs(layer, [1.0, -1.0])
        assert found[1] == pytest.approx(0.1, abs=1e-9)

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda x: x <= np.inf, "entries that are not finite"),
            (lambda x: cp.dotsort(x, np.arange(4.0)) <= 20, "dotsort of"),
            (lambda x: cp.cummax(x) <= 3, "cummax of"),
        ],
    )
    def test_parts_are_named(self, make, said):
        p, x = cp.Parameter(4), cp.Variable(4)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [make(x)])
        layer = CvxpyLayer(problem, [p], [x])
        assert "canonicalized by CVXPY" in layer.explain() and said in layer.explain()
        (found,) = outputs(layer, [1.0, -1.0, 2.0, 0.5])
        assert torch.allclose(found, torch.tensor([1.0, -1.0, 2.0, 0.5], dtype=torch.float64))


class TestCopies:
    def test_pickles_and_copies_solve_the_same(self):
        p, x = cp.Parameter((2, 2), PSD=True), cp.Variable(2)
        problem = cp.Problem(cp.Minimize(cp.quad_form(x, p) - cp.sum(x)), [x <= 0.4])
        layer = CvxpyLayer(problem, [p], [x], solver_args={"tolerance": 1e-11})
        value = [[2.0, 0.5], [0.5, 1.0]]
        (expected,) = outputs(layer, value)
        for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
            assert other.explain() == layer.explain()
            assert torch.equal(outputs(other, value)[0], expected)

    def test_settings_of_a_call(self):
        p, x = cp.Parameter(2), cp.Variable(2)
        layer = CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [x >= 0]), [p], [x])
        value = torch.tensor([1.0, -1.0], dtype=torch.float64)
        (found,) = layer(value, solver_args={"engine": "sparse"})
        assert torch.allclose(found, torch.tensor([1.0, 0.0], dtype=torch.float64))


class TestDuals:
    @pytest.mark.parametrize("axis", [0, 1])
    def test_cones_along_an_axis(self, axis):
        x, t, p = cp.Variable((3, 2)), cp.Variable(3 if axis else 2), cp.Parameter((3, 2))
        cone = cp.SOC(t, x - 1, axis=axis)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cone, t <= 0.5])
        value = 3.0 * np.random.default_rng(0).normal(size=6)
        found = []
        for backend in ("ARGRAD", "SCIPY"):
            variables = [x, *cone.dual_variables]
            compiled = compile_problem(problem, [p], variables, canon_backend=backend)
            solved = compiled.layer().forward(1, [value])
            weights = [np.arange(1.0, 1.0 + o.size).reshape(o.shape) for o in solved.outputs]
            found.append([*solved.outputs, *solved.vjp(weights)])
        for own, other in zip(*found, strict=True):
            assert np.abs(own - other).max() < 1e-11

    def test_each_entry_of_a_power_cone_has_its_exponent(self):
        x, p = cp.Variable((2, 3)), cp.Parameter(2)
        cone = cp.PowCone3D(x[:, 0], x[:, 1], x[:, 2], np.array([0.3, 0.6]))
        problem = cp.Problem(
            cp.Maximize(p @ x[:, 2] - cp.sum_squares(x[:, :2])), [cone, x[:, :2] <= 2]
        )
        found = [
            compile_problem(problem, [p], [x, *cone.dual_variables], canon_backend=backend)
            .layer()
            .forward(1, [np.array([1.0, 2.0])])
            .outputs
            for backend in ("ARGRAD", "SCIPY")
        ]
        for own, other in zip(*found, strict=True):
            assert np.abs(own - other).max() < 1e-12


class TestAttributes:
    def test_of_variables(self):
        target = cp.Parameter((2, 2))
        value = np.array([[1.0, -2.0], [0.5, -3.0]])
        low = cp.Parameter((2, 2))
        for attributes, given in (
            ({"NSD": True}, []),
            ({"PSD": True}, []),
            ({"nonpos": True}, []),
            ({"bounds": [-1.0, np.array([[0.5, np.inf], [0.2, 1.0]])]}, []),
            ({"bounds": [low, 0.7]}, [(low, np.array([[0.1, -0.5], [0.3, -9.0]]))]),
        ):
            x = cp.Variable((2, 2), **attributes)
            problem = cp.Problem(cp.Minimize(cp.sum_squares(x - target)))
            parameters = [target, *(parameter for parameter, _ in given)]
            values = [value.ravel(), *(number.ravel() for _, number in given)]
            found = [
                compile_problem(problem, parameters, [x], canon_backend=backend)
                .layer()
                .forward(1, values)
                .outputs[0]
                for backend in ("ARGRAD", "SCIPY")
            ]
            assert np.abs(found[0] - found[1]).max() < 1e-12, attributes

    def test_values_are_checked_unless_that_is_turned_off(self):
        p, x = cp.Parameter(nonneg=True, name="p"), cp.Variable()
        problem = cp.Problem(cp.Minimize(cp.square(x) + p * cp.square(x) - x))
        layer = CvxpyLayer(problem, [p], [x])
        with pytest.raises(ValueError, match=r"parameter 0 \(p\) must be nonnegative"):
            outputs(layer, -1e-3)
        (found,) = outputs(CvxpyLayer(problem, [p], [x], check_attributes=False), -1e-3)
        assert float(found) == pytest.approx(0.5 / (1.0 - 1e-3), abs=1e-12)

    def test_the_gradient_of_a_symmetric_parameter_is_symmetric(self):
        p, x = cp.Parameter((2, 2), symmetric=True), cp.Variable(2)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + cp.sum(p @ x)), [x <= 9])
        layer = CvxpyLayer(problem, [p], [x])
        value = torch.tensor([[1.0, 4.0], [2.0, 3.0]], dtype=torch.float64, requires_grad=True)
        layer(value)[0][0].backward()
        assert torch.allclose(
            value.grad, torch.tensor([[-0.5, -0.25], [-0.25, 0.0]], dtype=torch.float64)
        )


class TestBadDescriptions:
    """The core refuses what is not a description; nobody panics."""

    X = ("variable", [], (2,), "x", [])

    @pytest.mark.parametrize(
        ("expressions", "said"),
        [
            ([("variable",)], "expected a name and a list of arguments"),
            ([("no_such_function", [])], "no_such_function: expected the name of a function"),
            ([("abs", [0])], "expected arguments that stand before it"),
            ([X, ("abs", [0, 0])], "abs: expected 1 arguments, found 2"),
            ([X, ("scale", [0], "two")], "scale: expected a number as datum 0"),
            ([("variable", [], (2, 2, 2), "x", [])], "variable: expected at most two axes"),
            ([("variable", [], (2,), "x", ["complex"])], "expected attributes that are known"),
            (
                [X, ("map", [0], (1,), np.array([0, 9]), np.array([0]), np.ones(1))],
                "map: expected rows in order",
            ),
            (
                [X, ("map", [0], (1,), np.array([0, 1]), np.array([7]), np.ones(1))],
                "names no row or no input",
            ),
            ([X, ("gather", [0], (1,), np.array([2]))], "names no row or no input"),
            ([X, ("gather", [0], (3,), np.array([0]))], "expected 3 rows for a vector of 3"),
        ],
    )
    def test_of_expressions(self, expressions, said):
        with pytest.raises(ValueError, match=said):
            _core.compile_model(expressions, [], len(expressions) - 1, False, [], [])

    def test_of_the_rest(self):
        total = ("sum", [0])
        for arguments, said in (
            (([], 9, [], []), "no expression 9"),
            (([("no_such", [0], "")], 1, [], []), "expected the name of a constraint"),
            (([], 1, [1], []), "expected a parameter"),
            (
                ([], 1, [], [("x", False, [0], np.array([5]), np.ones(1))]),
                "output x: no such entry",
            ),
            (([], 1, [], [("x", True, [0], np.array([0]), np.ones(1))]), "output x: no constraint"),
            (([], 1, [], [("x", False, [0], np.array([0]), np.ones(2))]), "as many factors"),
        ):
            constraints, objective, parameters, rows = arguments
            with pytest.raises(ValueError, match=said):
                _core.compile_model(
                    [self.X, total], constraints, objective, False, parameters, rows
                )


def test_sparse_constants_stay_sparse():
    """A difference matrix of order 200,000 has 80 GB where it is dense."""
    n = 200_000
    differences = sp.diags_array(
        [-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n)
    )
    y, x = cp.Parameter(n), cp.Variable(n)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - y) + cp.sum_squares(differences @ x)))
    compiled = compile_problem(problem, [y], [x], canon_backend="ARGRAD")
    assert compiled.layer().sizes[3] < 8 * n


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory")
def test_trend_filtering_of_a_long_signal():
    """With the signal a parameter, which takes CVXPY 60 GB."""
    code = """
        import resource
        import cvxpy as cp
        from argrad._compile import compile_problem

        n = 100_000
        y, x = cp.Parameter(n), cp.Variable(n)
        objective = cp.sum_squares(y - x) + 50 * cp.norm1(cp.diff(x, 2))
        before = resource.getrusage(resource.RUSAGE_SELF)
        compile_problem(cp.Problem(cp.Minimize(objective)), [y], [x], canon_backend="ARGRAD")
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(after.ru_maxrss - before.ru_maxrss, after.ru_utime - before.ru_utime)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 1e6 and seconds < 10.0
