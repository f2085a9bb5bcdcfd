"""The race: how it judges answers, and that it runs, with a peer that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHES = Path(__file__).parents[1] / "benches"
sys.path.insert(0, str(BENCHES))

from peers import accuracy, cases, problems, report  # noqa: E402
from peers.canonical import Canonical  # noqa: E402
from peers.race import Row  # noqa: E402


@pytest.fixture(scope="module")
def sudoku():
    case = cases.build("sudoku", quick=True)
    return case, accuracy.exact(case)


def answers(case, reference, **changes):
    found = {
        "solution": reference.solution.astype(float),
        "gradients": {k: v.astype(float) for k, v in reference.gradients.items()},
        "failed": [],
    }
    return found | changes


def test_the_reference_is_right_by_its_own_measure(sudoku):
    case, reference = sudoku
    errors = accuracy.errors(case, reference, answers(case, reference))
    assert errors.right
    assert errors.solution.max() < 1e-15
    assert errors.gradient.max() < 1e-15
    # Each sample, and once what they share.
    assert errors.gradient.shape == (case.batch + 1,)


def test_errors_are_relative_and_found_in_the_sample_that_has_them(sudoku):
    case, reference = sudoku
    found = answers(case, reference)
    found["solution"][1] *= 1.01
    found["gradients"]["A"] += 1e-4 * np.abs(found["gradients"]["A"]).max()
    errors = accuracy.errors(case, reference, found)
    assert errors.solution[1] == pytest.approx(0.01)
    assert errors.gradient[-1] == pytest.approx(1e-4)
    assert errors.wrong == 1
    assert not errors.right


def test_gradients_of_a_mean_instead_of_a_sum_are_wrong(sudoku):
    case, reference = sudoku
    found = answers(case, reference)
    found["gradients"]["b"] = found["gradients"]["b"] / case.batch
    assert accuracy.errors(case, reference, found).wrong == 1


def test_samples_that_the_library_gave_up_count_as_failed_not_as_wrong(sudoku):
    case, reference = sudoku
    found = answers(case, reference, failed=[2])
    found["solution"][2] = np.nan
    errors = accuracy.errors(case, reference, found)
    assert (errors.wrong, errors.failed) == (0, 1)
    found["failed"] = []
    assert accuracy.errors(case, reference, found).wrong == 1


def test_the_best_peer_has_right_answers(sudoku):
    case, reference = sudoku
    good = accuracy.errors(case, reference, answers(case, reference))
    bad = accuracy.errors(
        case, reference, answers(case, reference, solution=2 * reference.solution)
    )
    rows = [
        Row("argrad", both=1.0, errors=good),
        Row("moreau", both=2.0, errors=bad),
        Row("qpth", both=4.0, errors=good),
        Row("proxsuite", both=3.0, errors=good, note="died"),
        Row("clarabel", forward=1.0, errors=good),
    ]
    assert report.best_peer(rows).entrant == "qpth"


@pytest.mark.parametrize("name", ["qp-10-10-5", "portfolio", "total-variation", "psd-projection"])
def test_standard_form_has_the_solution_and_the_gradients_of_the_case(name):
    """The way to the standard form and back, with Clarabel and differences in between."""
    import clarabel
    import scipy.sparse as sparse
    from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

    case = cases.build(name, quick=True)
    form, reference = Canonical(case, "CLARABEL"), accuracy.exact(case)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    found = []
    for index in range(case.batch):
        indices, indptr, shape = form.a_pattern
        p = sparse.csc_matrix((shape[1], shape[1]))
        if form.p is not None:
            p = sparse.csc_matrix((form.p[index], *form.p_pattern[:2]), p.shape)
        a = sparse.csc_matrix((form.a[index], indices, indptr), shape)
        cones = dims_to_solver_cones(form.dims)
        program = sparse.triu(p, format="csc"), form.q[index], a, form.b[index]
        found.append(clarabel.DefaultSolver(*program, cones, settings).solve().x)
    solution = form.solution(np.array(found))
    assert np.abs(solution - reference.solution).max() < 1e-3
    # The cotangent of x is that of the variable.
    for index in range(case.batch):
        inner = form.cotangent()[index] @ found[index]
        assert inner == pytest.approx((case.cotangent[index] * solution[index]).sum())
    # The way back is the adjoint of the way there: <G' g, theta> = <g, G theta> for what is linear.
    random = np.random.default_rng(1)
    dq, da, db = (random.standard_normal(v.shape) for v in (form.q, form.a, form.b))
    gradients = form.gradients(None, dq, da, db)
    numbers = problems.values(case)
    change = {k: random.standard_normal(v.shape) for k, v in numbers.items()}
    moved = cases.Case(**{**vars(case), "data": {k: numbers[k] + change[k] for k in numbers}})
    if case.form != "qp":
        ahead = Canonical(moved, "CLARABEL")
        for index in range(case.batch):
            expected = sum(
                d[index] @ (getattr(ahead, n)[index] - getattr(form, n)[index])
                for d, n in ((dq, "q"), (da, "a"), (db, "b"))
            )
            found_sum = sum((gradients[k][index] * change[k][index]).sum() for k in numbers)
            assert found_sum == pytest.approx(expected, rel=1e-9)


def test_the_race_runs_and_goes_on_without_a_peer(tmp_path):
    path = tmp_path / "found.json"
    command = [sys.executable, str(BENCHES / "peers"), "--quick", "--cases", "softmax"]
    command += ["--peers", "clarabel", "cvxpylayers-moreau", "--json", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    rows = {row["library"]: row for row in json.loads(path.read_text())["results"]}
    assert rows["argrad"]["wrong"] == rows["argrad"]["failed"] == 0
    assert rows["argrad"]["solution_error_worst"] < 1e-10
    assert rows["argrad"]["gradient_error_worst"] < 1e-10
    assert rows["argrad"]["forward_seconds"] < rows["argrad"]["forward_and_backward_seconds"]
    assert rows["clarabel"]["forward_and_backward_seconds"] is None
    absent = "cvxpylayers-moreau"
    if rows[absent]["note"]:
        assert "not installed" in rows[absent]["note"]
        assert "(1) not installed" in run.stdout
    assert "| softmax" in run.stdout
