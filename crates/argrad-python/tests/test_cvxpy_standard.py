"""CVXPY's own solver tests, at their own tolerances. Mixed-integer ones are not for this solver."""

import inspect
import sys
import types

import pytest

pytest.importorskip("cvxpy")
from cvxpy.tests import solver_test_helpers as standard  # noqa: E402

from argrad.cvxpy import ARGRAD  # noqa: E402

# CVXPY says which of its backends it takes.
pytestmark = pytest.mark.filterwarnings("ignore:The problem has an expression with dimension")

TESTS = {
    f"{group_name}.{name}": test
    for group_name, group in inspect.getmembers(standard, inspect.isclass)
    if group_name.startswith("StandardTest")
    for name, test in inspect.getmembers(group, callable)
    if name.startswith("test_") and not name.startswith("test_mi_")
}
WITH_DUALS = [name for name in TESTS if "duals" in inspect.signature(TESTS[name]).parameters]


@pytest.fixture(autouse=True)
def _runs_the_test_for_high_precision(monkeypatch):
    # test_lp_7 asks the solver it was written for whether it is installed in high precision.
    backend = types.SimpleNamespace(get_backend_info=lambda: {"gmp": True})
    stand_in = types.SimpleNamespace(sdpacall=types.SimpleNamespace(sdpacall=backend))
    monkeypatch.setitem(sys.modules, "sdpap", stand_in)


def test_every_group_is_run():
    groups = {name.split(".")[0] for name in TESTS}
    assert groups == {
        f"StandardTest{kind}"
        for kind in (
            "LPs",
            "QPs",
            "SOCPs",
            "SDPs",
            "ECPs",
            "MixedCPs",
            "PCPs",
            "InfeasibleProblems",
        )
    }
    assert len(TESTS) >= 37


@pytest.mark.parametrize("name", TESTS)
def test_standard(name):
    TESTS[name](ARGRAD())


@pytest.mark.parametrize("name", WITH_DUALS)
def test_standard_with_duals(name):
    TESTS[name](ARGRAD(), duals=True)
