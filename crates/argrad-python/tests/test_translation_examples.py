"""The layers of cvxpylayers' examples: all in argrad's own language, with CVXPY's answers."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benches"))

from construction.problems import LAYERS  # noqa: E402
from test_translation_atoms import assert_same, both  # noqa: E402


@pytest.mark.parametrize("build", LAYERS, ids=lambda build: build.__name__)
def test_answers_are_those_of_canonicalization(build):
    problem, given, variables = build()
    values = [np.asarray(value, float) for _, value in given]
    parameters = [parameter for parameter, _ in given]
    # Some of the constraints follow from others, so that duals are not unique.
    assert_same(both(problem, parameters, variables, values, with_duals=False))
