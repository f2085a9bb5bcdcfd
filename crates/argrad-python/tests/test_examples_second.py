"""The examples of second derivatives, in a short setting."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(monkeypatch):
    """Imports an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def test_newton_on_hyperparameters_converges_quadratically(example, capsys):
    found = example("hyper_newton").main(["--steps", "7"])
    slopes = [slope for _, slope in found["Newton"]]
    assert slopes[0] > 1e-2
    assert slopes[-1] < 1e-13
    # Near the end a step squares the size of the gradient, up to a constant.
    near = [at for at, slope in enumerate(slopes[:-1]) if 1e-7 < slope < 1e-2]
    assert near
    assert all(slopes[at + 1] < 10 * slopes[at] ** 2 for at in near)
    assert found["gradient descent"][-1][1] > 1e-3
    assert "Newton\n  step 0: validation error" in capsys.readouterr().out


def test_meta_learning_fits_unseen_tasks_better(example, capsys):
    found = example("meta_learning").main(["--steps", "30", "--tasks", "32"])
    assert found["second order"] < 0.8 * found["not learned"]
    # The two kinds of gradients are not the same.
    assert found["second order"] != found["first order"]
    assert "second order: mean square error" in capsys.readouterr().out
