"""The parts of `argrad.ray` that need no Ray: rows to results, files, whose work a folder holds."""

import doctest
import importlib

import numpy as np
import pytest

import argrad
from argrad.ray import SolveTable

jobs = importlib.import_module("argrad.ray._jobs")


@pytest.fixture
def table():
    # minimize |w|^2 / 2 + q'w, w >= b: bounded always; rows of b decide.
    solver = argrad.Solver(np.eye(2), -np.eye(2), [("nonnegative", 2)])
    return SolveTable(solver, fixed={"b": np.zeros(2)})


def test_blocks_of_rows_give_bitwise_the_rows_of_the_whole(table):
    random = np.random.default_rng(0)
    q, dx = random.standard_normal((2, 40, 2))
    whole = table({"day": np.arange(40), "q": q, "dx": dx})
    assert np.allclose(whole["x"], np.maximum(-q, 0.0), atol=1e-9)
    assert np.allclose(whole["dq"], np.where(q < 0.0, -dx, 0.0), atol=1e-9)
    assert set(whole) == {"day", "status", "objective", "x", "z", "s", "dq"}
    for start in range(0, 40, 7):
        rows = slice(start, start + 7)
        part = table({"day": np.arange(40)[rows], "q": q[rows], "dx": dx[rows]})
        for name, values in part.items():
            assert np.array_equal(values, whole[name][rows]), name


def test_a_row_without_a_solution_says_so_and_harms_no_other():
    solver = argrad.Solver(None, -np.eye(1), [("nonnegative", 1)])
    table = SolveTable(solver, fixed={"b": np.zeros(1)})
    found = table({"q": np.array([[1.0], [-1.0], [2.0]]), "dx": np.ones((3, 1))})
    assert found["status"].tolist() == ["solved", "dual_infeasible", "solved"]
    for name in ("objective", "x", "z", "s", "dq"):
        lost = np.isnan(found[name]).reshape(3, -1).all(1)
        assert lost.tolist() == [False, True, False], name


def test_only_asked_outputs_are_returned(table):
    few = SolveTable(table.solver, table.fixed, outputs=["x"])
    assert set(few({"q": np.ones((3, 2)), "name": np.array(["a", "b", "c"])})) == {"name", "x"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda t: SolveTable("solver"), TypeError, "must be an argrad.Solver; found str"),
        (lambda t: SolveTable(t.solver, {"c": 1}), ValueError, "expected names among P, q, A, b"),
        (lambda t: SolveTable(t.solver, outputs=["y"]), ValueError, "outputs: expected names"),
        (lambda t: t({"day": np.arange(2)}), ValueError, "expected a column P, q, A or b"),
        (lambda t: t({"b": np.ones((1, 2))}), ValueError, "b is a column and fixed"),
        (lambda t: t({"q": np.ones((2, 3))}), ValueError, "q: expected shape"),
        (
            lambda t: t({"q": np.array([[1.0, 2.0], [1.0]], dtype=object)}),
            ValueError,
            "rows of one length",
        ),
    ],
)
def test_malformed_arguments_are_named(table, make, error, message):
    with pytest.raises(error, match=message):
        make(table)


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    jobs.write_whole(tmp_path / "a", b"first")
    jobs.write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_belongs_to_one_work(tmp_path):
    one, other = jobs.fingerprint_of(b"ab", b"c"), jobs.fingerprint_of(b"a", b"bc")
    assert one != other
    jobs._claim(tmp_path, one)
    jobs._claim(tmp_path, one)
    with pytest.raises(ValueError, match="another source, solver or setting"):
        jobs._claim(tmp_path, other)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("")
    with pytest.raises(ValueError, match="expected an empty folder"):
        jobs._claim(tmp_path / "folder", one)


def test_examples_in_the_docstrings_run():
    assert doctest.testmod(importlib.import_module("argrad.ray._table")).failed == 0
