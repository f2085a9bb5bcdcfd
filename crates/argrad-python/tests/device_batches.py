"""Batches that are solved where their tensors are: by the kernels compiled for the host, and the
CPU's way, to be compared."""

import numpy as np
import torch

DOUBLE = torch.float64


def program(batch=5, n=4, k=3, e=1, seed=0, shared="", dtype=DOUBLE):
    """Random programs that are feasible at the origin, with some active constraints; the arguments
    in `shared` have no batch dimension."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(batch, n, n))
    values = {
        "Q": root @ np.swapaxes(root, -1, -2) + np.eye(n),
        "p": 3 * rng.normal(size=(batch, n)),
        "G": rng.normal(size=(batch, k, n)),
        "h": 0.1 + rng.random(size=(batch, k)),
        "A": rng.normal(size=(batch, e, n)),
        "b": 0.1 * rng.normal(size=(batch, e)),
    }
    tensors = {}
    for name, value in values.items():
        absent = (name in "Gh" and k == 0) or (name in "Ab" and e == 0)
        value = value[0] if name in shared else value
        tensors[name] = None if absent else torch.tensor(value, dtype=dtype)
    return tensors


def leaves(tensors):
    """Copies that want gradients."""
    return {k: None if t is None else t.clone().requires_grad_() for k, t in tensors.items()}


def answers(solve, tensors, device):
    """Outputs, and gradients of a weighted sum of them, of a call on a device."""
    own = leaves(tensors)
    outputs = solve(**own, device=device)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = [torch.cos(torch.arange(o.numel()) + 1.0).view_as(o).to(o.dtype) for o in outputs]
    loss = sum((weight * output).sum() for weight, output in zip(weights, outputs, strict=True))
    loss.backward()
    return outputs, [t.grad for t in own.values() if t is not None]


def compare(solve, tensors, tolerance=1e-10):
    """Both ways give the same."""
    here, there = answers(solve, tensors, "cuda"), answers(solve, tensors, "cpu")
    for kind, (found, expected) in zip(
        ("output", "gradient"), zip(here, there, strict=True), strict=True
    ):
        assert len(found) == len(expected)
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert one.dtype == other.dtype and one.shape == other.shape, f"{kind} {at}"
            torch.testing.assert_close(
                one, other, rtol=tolerance, atol=tolerance, equal_nan=True, msg=f"{kind} {at}"
            )
