"""The reference of the race: solutions against optimality, gradients against differences.

The reference judges argrad and its peers, so nothing here uses any of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benches"))

from peers import cases  # noqa: E402
from peers.reference.extended import (  # noqa: E402
    Extended,
    RefinedSolver,
    extended,
    symmetric_eigen,
)
from peers.reference.quadratic import quadratic  # noqa: E402
from peers.reference.total_variation import total_variation  # noqa: E402

PRECISE = np.finfo(Extended).eps < 1e-18
# What central differences of step 1e-6 leave: 1e-12 by curvature, and the rounding of the solution.
STEP, DIFFERENCE_TOLERANCE = 1e-6, 1e-9 if PRECISE else 1e-7
CASES = [case.name for case in cases.all_cases(quick=True)]


def sample(case, index: int) -> dict:
    """Data of one sample, shared or not."""
    return {
        name: value if name in case.shared else value[index] for name, value in case.data.items()
    }


def directional(case, data: dict, cotangent: np.ndarray, change: dict) -> Extended:
    """Derivative of cotangent'x along `change`, by central differences of the solution."""

    def value(sign):
        moved = {k: extended(v) + sign * Extended(STEP) * change[k] for k, v in data.items()}
        return np.sum(extended(cotangent) * case.reference(moved, cotangent)[0])

    return (value(1) - value(-1)) / (2 * Extended(STEP))


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_differences_of_the_solution(name):
    case = cases.build(name, quick=True)
    random = np.random.default_rng(11)
    for index in range(min(1 if name.startswith("qp-200") else 3, case.batch)):
        data, cotangent = sample(case, index), case.cotangent[index]
        solution, gradients = case.reference(data, cotangent)
        assert solution.shape == cotangent.shape
        assert gradients.keys() == data.keys()
        # One argument stands for all where a solution takes a second.
        for only in ("G",) if name.startswith("qp-200") else data:
            change = {k: np.zeros_like(v) for k, v in data.items()}
            change[only] = random.standard_normal(np.shape(data[only]))
            if only in ("Q", "C"):
                change[only] = change[only] + change[only].T
            expected = directional(case, data, cotangent, change)
            found = np.sum(gradients[only] * extended(change[only]))
            scale = max(1.0, float(np.abs(gradients[only]).max(initial=0.0)))
            assert abs(found - expected) <= DIFFERENCE_TOLERANCE * scale * change[only].size, only


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("qp", "sudoku"))])
def test_quadratic_solutions_satisfy_the_optimality_conditions(name):
    case = cases.build(name, quick=True)
    for index in range(min(3, case.batch)):
        data = {k: extended(v) for k, v in sample(case, index).items()}
        z, gradients = quadratic(data, case.cotangent[index])
        slack = data["h"] - data["G"] @ z
        assert slack.min() >= -1e-16
        active = slack < 1e-12
        rows = data["G"][active]
        if "A" in data:
            assert np.abs(data["A"] @ z - data["b"]).max() < 1e-15
            rows = np.vstack([rows, data["A"]])
        # Stationary: the negative gradient is a combination of the rows, with the right signs.
        gradient = (data["Q"] @ z + data["p"]).astype(float)
        duals, *_ = np.linalg.lstsq(rows.T.astype(float), -gradient, rcond=None)
        assert np.abs(rows.T.astype(float) @ duals + gradient).max() < 1e-11
        assert duals[: active.sum()].min(initial=0.0) >= -1e-11
        assert not np.any(gradients["h"][~active])


def test_the_active_set_is_found_without_a_good_guess(monkeypatch):
    case = cases.build("qp-20-20-5", quick=True)
    data = sample(case, 0)
    z, _ = quadratic(data, case.cotangent[0])
    for guess in (0, 4):
        first = np.arange(len(data["h"])) < guess
        monkeypatch.setattr("peers.reference.quadratic._guess", lambda *_, at=first: at.copy())
        assert np.abs(quadratic(data, case.cotangent[0])[0] - z).max() < 1e-13


def test_a_degenerate_program_is_refused_not_guessed():
    data = {
        "Q": np.eye(2),
        "p": np.array([-1.0, 0.0]),
        "G": np.array([[1.0, 0.0], [1.0, 0.0]]),
        "h": np.array([0.5, 0.5]),
    }
    with pytest.raises(ArithmeticError, match="degenerate"):
        quadratic(data, np.ones(2))


def test_total_variation_satisfies_its_optimality_conditions():
    case = cases.build("total-variation", quick=True)
    for index in range(case.batch):
        data = sample(case, index)
        x, _ = total_variation(data, case.cotangent[index])
        weight = extended(data["weight"])
        # x - y = D'u with |u| <= weight, and u = -weight sign(Dx) where Dx is not 0.
        u = np.cumsum(extended(data["y"]) - x)
        assert abs(u[-1]) < 1e-14
        jumps = np.diff(x)
        assert np.abs(u[:-1]).max() <= weight * (1 + 1e-14)
        at = jumps != 0
        assert 0 < at.sum() < len(jumps)
        assert np.abs(u[:-1][at] + weight * np.sign(jumps[at])).max() < 1e-14


@pytest.mark.parametrize("weight, expected", [(0.25, [0.25, 1.75]), (1.5, [1, 1]), (9.0, [1, 1])])
def test_total_variation_of_two_samples_is_known(weight, expected):
    x, gradients = total_variation({"y": np.array([0.0, 2.0]), "weight": weight}, np.array([1, 0]))
    assert x.tolist() == expected
    assert gradients["weight"] == (1 if weight < 1 else 0)
    assert gradients["y"].tolist() == ([1, 0] if weight < 1 else [0.5, 0.5])


def test_eigenvectors_are_precise():
    random = np.random.default_rng(5)
    matrix = extended(random.standard_normal((7, 7)))
    matrix = matrix + matrix.T
    values, vectors = symmetric_eigen(matrix)
    limit = 100 * np.finfo(Extended).eps
    assert np.abs((vectors * values) @ vectors.T - matrix).max() < limit
    assert np.abs(vectors.T @ vectors - np.eye(7)).max() < limit
    assert np.allclose(np.sort(values.astype(float)), np.linalg.eigvalsh(matrix.astype(float)))


@pytest.mark.skipif(not PRECISE, reason="longdouble is double on this platform")
def test_refinement_reaches_beyond_double_precision():
    n = 8
    hilbert = extended([[1 / Extended(i + j + 1) for j in range(n)] for i in range(n)])
    right = hilbert @ np.ones(n, Extended)
    # Condition 1e10: a double would keep 6 digits.
    assert np.abs(RefinedSolver(hilbert).solve(right) - 1).max() < 1e-8
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        RefinedSolver(np.ones((3, 3), Extended)).solve(np.array([1, 2, 3], Extended))
