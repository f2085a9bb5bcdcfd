"""Options that all front ends share."""

import subprocess
import sys
import warnings

import pytest

from argrad import _options


class TestSolverOptions:
    def test_nothing(self):
        assert _options.solver_options(None) == ({}, False)
        assert _options.solver_options({}) == ({}, False)

    def test_own_settings_pass(self):
        given = {
            "tolerance": 1e-8,
            "infeasibility_tolerance": 1e-7,
            "time_limit": None,
            "max_polish_steps": 3,
            "check_convexity": False,
            "memory_limit": 10**9,
            "engine": "sparse",
        }
        assert _options.solver_options(given) == (given, False)
        assert _options.solver_options({"max_iterations": 30.0}) == ({"max_iterations": 30}, True)
        assert _options.solver_options({"time_limit": 2}).limited

    def test_settings_of_other_solvers_are_translated(self):
        found = _options.solver_options({"eps_abs": 1e-6, "eps_rel": 1e-8, "max_iters": 5000})
        assert found.settings == {
            "tolerance": 1e-8,
            "max_iterations": 5000,
            "max_polish_steps": _options.MAX_POLISH_STEPS,
        }
        found = _options.solver_options({"max_iter": 2, "time_limit_secs": 4.0})
        assert found.settings == {"max_iterations": 2, "max_polish_steps": 2, "time_limit": 4.0}
        found = _options.solver_options({"eps_infeas": 1e-5, "eps_prim_inf": 1e-6})
        assert found.settings == {"infeasibility_tolerance": 1e-6}

    def test_own_settings_win(self):
        for given in ({"tolerance": 1e-5, "eps": 1e-9}, {"eps": 1e-9, "tolerance": 1e-5}):
            assert _options.solver_options(given).settings == {"tolerance": 1e-5}

    def test_other_keys_are_named_once(self):
        with pytest.warns(UserWarning, match="'no_such_key' has no meaning for argrad"):
            assert _options.solver_options({"no_such_key": 1}) == ({}, False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _options.solver_options({"no_such_key": 1, "verbose": True})

    def test_strict(self):
        for key in ("eps", "no_such_key"):
            with pytest.raises(TypeError, match=f"unknown solver setting '{key}'; settings are"):
                _options.solver_options({key: 1}, strict=True)

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            ({"tolerance": 0}, ValueError, "tolerance must be positive and finite; found 0.0"),
            ({"tolerance": float("nan")}, ValueError, "found nan"),
            ({"eps": "small"}, TypeError, "eps must be a number; found str"),
            ({"max_iterations": 2.5}, TypeError, "max_iterations must be a whole number"),
            ({"max_iters": -1}, ValueError, "max_iters must not be negative; found -1"),
            ({"max_polish_steps": True}, TypeError, "max_polish_steps must be a whole number"),
            ({"check_convexity": 1}, TypeError, "check_convexity must be True or False"),
            ({"engine": "gpu"}, ValueError, "engine must be one of auto, lanes, sparse"),
            ({"time_limit": -1.0}, ValueError, "time_limit must be positive"),
            ({"memory_limit": 1.5}, TypeError, "memory_limit must be a whole number; found 1.5"),
            ({"memory_limit": -1}, ValueError, "memory_limit must not be negative; found -1"),
            ([("tolerance", 1)], TypeError, "solver_args must be a dictionary; found list"),
        ],
    )
    def test_bad_values(self, given, error, message):
        with pytest.raises(error, match=message):
            _options.solver_options(given)


class TestDerivativeOptions:
    def test_good_values(self):
        assert _options.derivative("exact") == "exact"
        assert _options.derivative(["smoothed", 1]) == ("smoothed", 1.0)
        assert _options.derivative(("lpgd", 0.1)) == ("lpgd", 0.1)
        assert _options.method("direct") == "direct"
        assert _options.method(["lsqr", 1e-9, 50.0]) == ("lsqr", 1e-9, 50)
        assert [_options.on_failure(v) for v in ("raise", "nan", "zero")] == [
            "raise",
            "nan",
            "zero",
        ]

    @pytest.mark.parametrize("value", ["smoothed", ("smoothed",), ("exact", 1.0), None, 3, ()])
    def test_bad_modes(self, value):
        with pytest.raises(ValueError, match="derivative must be"):
            _options.derivative(value)

    def test_bad_numbers(self):
        with pytest.raises(ValueError, match="mu of 'smoothed' must be positive"):
            _options.derivative(("smoothed", 0.0))
        with pytest.raises(TypeError, match="tau of 'lpgd' must be a number"):
            _options.derivative(("lpgd", "a"))
        with pytest.raises(ValueError, match="tolerance of 'lsqr' must be positive"):
            _options.method(("lsqr", -1.0, 5))

    @pytest.mark.parametrize("value", ["lsqr", ("lsqr", 1e-9), ("direct", 1, 1), None])
    def test_bad_methods(self, value):
        with pytest.raises(ValueError, match="method must be"):
            _options.method(value)

    @pytest.mark.parametrize("value", ["error", None, 0])
    def test_bad_on_failure(self, value):
        with pytest.raises(ValueError, match='on_failure must be "raise", "nan" or "zero"'):
            _options.on_failure(value)


def test_imports_are_lean():
    """Quadratic programs in PyTorch need neither CVXPY nor the compiler of PyTorch."""
    pytest.importorskip("torch")
    code = (
        "import sys, torch; before = set(sys.modules); import argrad.torch;"
        "new = set(sys.modules) - before;"
        "assert 'cvxpy' not in new and 'torch._dynamo' not in new, sorted(new);"
        "q = torch.eye(2); argrad.torch.qp(q, q[0]);"
        "assert 'torch._dynamo' not in sys.modules or 'torch._dynamo' in before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
