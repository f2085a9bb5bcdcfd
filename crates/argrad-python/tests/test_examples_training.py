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


def test_losses_of_decisions_lower_the_regret_and_the_exact_derivative_does_not(tmp_path):
    spec = importlib.util.spec_from_file_location("decisions", EXAMPLE.with_name("decisions.py"))
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    for name in example.methods_named():
        before, after, _ = example.train(name, seed=1, epochs=4, samples=64, degree=2, new=100)
        if name == "exact":
            # Vertices: no gradient, no step.
            assert abs(after - before) < 1e-3 * before
        elif name not in ("interpolated", "pointwise"):  # which need longer than that
            assert after < before, name
    found = example.along_a_line(points=21, draws=20)
    regret, bound = found["value"]["regret"], found["value"]["SPO+"]
    assert (bound >= regret - 1e-12).all() and regret[10] == 0.0 and regret.max() > 0.1
    assert abs(found["slope"]["exact"]).max() < 1e-6 < abs(found["slope"]["smoothed"]).max()
    example.picture.__globals__["along_a_line"] = lambda: found
    example.picture(tmp_path / "decisions.svg")
    assert (tmp_path / "decisions.svg").read_text().startswith("<?xml")
