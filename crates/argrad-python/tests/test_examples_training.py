"""The training example: learns, and draws what it learned."""

from __future__ import annotations

import importlib.util
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_layer.py"


def test_training_lowers_the_error_and_draws_it(tmp_path):
    spec = importlib.util.spec_from_file_location("train_layer", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    path = tmp_path / "denoising.png"
    arguments = example.parse(["--train", "256", "--test", "64", "--epochs", "3"])
    found = example.train(arguments)
    assert found["test"][-1] < 0.85 * found["test"][0]
    # It found where the signals jump, which it was not told.
    weights = found["after"].log_weights.detach().exp()
    starts = weights[example.SHIFT - 1 :: example.SHIFT]
    others = [w for i, w in enumerate(weights, 1) if i % example.SHIFT]
    assert max(starts) < min(others)
    example.plot(found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
