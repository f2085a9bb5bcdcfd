"""What a compiled call of JAX costs: by the door without Python, by the other, and in the core.

Dense quadratic programs of n variables and n inequalities, everything varying, alone (batch 0: no
batch axis) and in batches. Prints the least time of a single call in microseconds, all kinds in
turn, so that what else the machine does is the same for all:

    python benches/jax_calls.py [SECONDS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from turns import least

from argrad import _core
from argrad.jax import _ffi, qp

CASES = ((10, 0), (10, 128), (50, 128))


def program(n: int, batch: int) -> list[np.ndarray]:
    """Q, p, G, h."""
    rng, lead = np.random.default_rng(0), (batch,) if batch else ()
    root = rng.normal(size=(*lead, n, n))
    return [
        root @ np.swapaxes(root, -1, -2) / n + np.eye(n),
        rng.normal(size=(*lead, n)),
        rng.normal(size=(*lead, n, n)),
        rng.uniform(0.1, 1.0, size=(*lead, n)),
    ]


def compiled(values: list[jax.Array]) -> dict[str, Callable[[], Any]]:
    """Calls of functions that were compiled just now."""
    forward = jax.jit(lambda *a: qp(*a))
    both = jax.jit(jax.grad(lambda *a: jnp.sum(qp(*a)), argnums=(0, 1, 2, 3)))
    jax.block_until_ready((forward(*values), both(*values)))
    return {
        "forward": lambda: jax.block_until_ready(forward(*values)),
        "forward + backward": lambda: jax.block_until_ready(both(*values)),
    }


def core(n: int, batch: int, values: list[np.ndarray]) -> dict[str, Callable[[], Any]]:
    """The same without JAX, and the parts of the way by a flat tape."""
    layer, count = _core.Qp(n, 0, n, {}), max(batch, 1)
    cotangent, solved = np.ones((count, n)), layer.forward(count, *values)
    flat_tape = solved.flat_tape()
    return {
        "core: forward": lambda: layer.forward(count, *values, differentiable=False),
        "core: forward + backward": lambda: layer.forward(count, *values).vjp(cotangent),
        "core: flat tape written": solved.flat_tape,
        "core: flat tape restored": lambda: layer.restore(count, flat_tape, *values),
        "core: backward": lambda: solved.vjp(cotangent),
    }


def main(seconds: float) -> None:
    jax.config.update("jax_enable_x64", True)
    serves = _ffi.serves
    for n, batch in CASES:
        numbers = program(n, batch)
        values = [jnp.asarray(value) for value in numbers]
        nothing = jax.jit(lambda *a: a[1] + 1)
        calls: dict[str, Callable[[], Any]] = {
            "jit of nothing": lambda f=nothing, v=values: jax.block_until_ready(f(*v))
        }
        calls |= {f"jit: {name}": call for name, call in compiled(values).items()}
        _ffi.serves = lambda dtype: False
        calls |= {f"jit with Python: {name}": call for name, call in compiled(values).items()}
        _ffi.serves = serves
        calls |= core(n, batch, numbers)
        print(f"n = {n}, batch {batch}")
        for name, value in least(calls, seconds).items():
            print(f"  {name:36} {value:10.1f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
