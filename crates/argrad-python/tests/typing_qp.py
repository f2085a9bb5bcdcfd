"""What a type checker must know of `argrad.torch.qp`. Checked by mypy, never run."""

from __future__ import annotations

import torch
from typing_extensions import assert_type

from argrad.torch import qp

Duals = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def check(Q: torch.Tensor, p: torch.Tensor, wanted: bool) -> None:
    assert_type(qp(Q, p), torch.Tensor)
    assert_type(qp(Q, p, G=Q, h=p, duals=False, on_failure="nan"), torch.Tensor)
    assert_type(qp(Q, p, Q, p, Q, p, duals=True, method=("lsqr", 1e-9, 50)), Duals)
    assert_type(qp(Q, p, duals=wanted, derivative=("smoothed", 1e-2)), torch.Tensor | Duals)
    qp(Q, p, on_failure="ignore")  # type: ignore[call-overload]
