"""What a call of PyTorch costs: ordinary, and as an operator of a compiled graph.

One quadratic program of n = 10 variables and inequalities, without and with the backward pass, and
beside it what PyTorch itself takes for a graph of nothing and for a graph with an operator, of the
same arguments and outputs, that computes nothing. Prints the least time of a single call in
microseconds, all kinds in turn, so that what else the machine does is the same for all:

    python benches/torch_calls.py [SECONDS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from turns import least

from argrad.torch import qp

N = 10
BACKENDS = ("aot_eager", "inductor")

_LIBRARY = torch.library.Library("argrad_bench", "FRAGMENT")
_LIBRARY.define("nothing(str spec, bool taped, Tensor[] tensors) -> Tensor[]")
_LIBRARY.define("nothing_back(Tensor tape, Tensor[] tensors, Tensor z) -> Tensor[]")


def _nothing(spec: str, taped: bool, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.empty_like(tensors[1]), tensors[0].new_empty(4)]


def _nothing_back(
    tape: torch.Tensor, tensors: list[torch.Tensor], z: torch.Tensor
) -> list[torch.Tensor]:
    return [torch.empty_like(tensor) for tensor in tensors]


def _keep(ctx: Any, inputs: tuple, output: list[torch.Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[-1], *inputs[2])


def _back(ctx: Any, cotangents: list[torch.Tensor]) -> tuple[Any, ...]:
    tape, *tensors = ctx.saved_tensors
    return None, None, torch.ops.argrad_bench.nothing_back(tape, tensors, cotangents[0])


for _name, _kernel in (("nothing", _nothing), ("nothing_back", _nothing_back)):
    _LIBRARY.impl(_name, _kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"argrad_bench::{_name}", _kernel, lib=_LIBRARY)
torch.library.register_autograd("argrad_bench::nothing", _back, setup_context=_keep, lib=_LIBRARY)


def nothing(*tensors: torch.Tensor) -> torch.Tensor:
    """An operator with the arguments and outputs of `qp`, whose numbers mean nothing."""
    taped = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return torch.ops.argrad_bench.nothing("qp", taped, list(tensors))[0]


def both(function: Callable[..., torch.Tensor], tensors: list[torch.Tensor]) -> Callable[[], Any]:
    """Forward and backward."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    ones = torch.ones(N, dtype=torch.float64)
    return lambda: torch.autograd.grad(function(*leaves), leaves, ones)


def program() -> list[torch.Tensor]:
    """Q, p, G, h."""
    generator = torch.Generator().manual_seed(0)
    root, p, G, h = (
        torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in ((N, N), (N,), (N, N), (N,))
    )
    return [root @ root.T / N + torch.eye(N, dtype=torch.float64), p, G, 0.1 + h.abs()]


def main(seconds: float) -> None:
    tensors = program()
    calls: dict[str, Callable[[], Any]] = {}
    functions: dict[str, Callable[..., torch.Tensor]] = {"ordinary: qp": qp}
    for backend in BACKENDS:
        for name, function in (
            ("qp", qp),
            ("an operator of nothing", nothing),
            ("p + 1", lambda Q, p, G, h: p + 1.0),
        ):
            functions[f"{backend}: {name}"] = torch.compile(
                function, backend=backend, fullgraph=True
            )
    for name, function in functions.items():
        with torch.no_grad():
            function(*tensors)
        calls[f"{name}, forward"] = lambda f=function: f(*tensors)
        if "+" not in name:
            calls[f"{name}, forward + backward"] = both(function, tensors)
            calls[f"{name}, forward + backward"]()
    for name, value in least(calls, seconds).items():
        print(f"{name:48} {value:8.1f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
