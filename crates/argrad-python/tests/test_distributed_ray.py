"""The Ray example: shards give bitwise what one call gives, and without Ray it says what to do."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "ray_batch.py"
spec = importlib.util.spec_from_file_location("ray_batch", EXAMPLE)
ray_batch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ray_batch)


@pytest.mark.parametrize("shards", [1, 3, 7, 40])
def test_shards_give_bitwise_what_one_call_gives(shards):
    solver, mu = ray_batch.portfolio_solver(), ray_batch.expected_returns(37)
    weights = np.random.default_rng(3).standard_normal(ray_batch.ASSETS)

    def run(parts):
        # As Ray does: arguments and results travel pickled, and arrive in another order.
        for number, part in reversed(list(enumerate(parts))):
            arguments = pickle.loads(pickle.dumps((solver, part, weights)))
            yield number, pickle.loads(pickle.dumps(ray_batch.solve_shard(*arguments)))

    x, gradients = ray_batch.solve_sharded(run, mu, shards)
    whole = ray_batch.solve_shard(solver, mu, weights)
    assert np.array_equal(x, whole[0])
    assert np.array_equal(gradients, whole[1])
    assert np.abs(x.sum(axis=1) - 1).max() < 1e-12


def test_gradients_agree_with_differences():
    solver, mu = ray_batch.portfolio_solver(), ray_batch.expected_returns(4)
    random = np.random.default_rng(4)
    weights, change = random.standard_normal(ray_batch.ASSETS), random.standard_normal(mu.shape)
    _, gradients = ray_batch.solve_shard(solver, mu, weights)
    ahead, behind = (
        ray_batch.solve_shard(solver, mu + step * change, weights)[0] for step in (1e-6, -1e-6)
    )
    expected = (ahead - behind) @ weights / 2e-6
    assert np.allclose((gradients * change).sum(axis=1), expected, rtol=1e-7, atol=1e-8)


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit, match="pip install ray"):
        ray_batch.on_ray(ray_batch.portfolio_solver(), np.ones(ray_batch.ASSETS), 1)


def test_the_example_runs_on_ray():
    pytest.importorskip("ray")
    command = [sys.executable, str(EXAMPLE), "--samples", "300", "--shards", "3"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert "bitwise the same solutions and gradients: True" in run.stdout
