"""The KKT conditions of quadratic programs over tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from argrad import _conditions, _options
from argrad._policy import settings_key
from argrad.torch._qp import check_tensors
from argrad.torch._qp_program import plan_of


def qp_conditions(
    tensors: Sequence[torch.Tensor | None],
    z: torch.Tensor,
    nu: torch.Tensor | None,
    lam: torch.Tensor | None,
    solver_args: Mapping[str, Any] | None,
) -> _conditions.KktConditions | list[_conditions.KktConditions]:
    """The KKT conditions of quadratic programs, arguments in the order of `NAMES`, at points."""
    settings = settings_key(_options.solver_options(solver_args).settings) if solver_args else ()
    check_tensors(tensors)
    like = tensors[1]
    shapes = tuple(None if tensor is None else tuple(tensor.shape) for tensor in tensors)
    single = like is not None and like.dtype is torch.float32
    plan = plan_of(shapes, settings, True, single)
    arrays = [
        None if gone or tensor is None else _doubles(tensor)
        for gone, tensor in zip(plan.absent, tensors, strict=True)
    ]
    lengths = [shape[0] for shape in plan.program.results]
    points = dict(zip(("z", "nu", "lam"), (z, nu, lam), strict=True))
    batch = plan.batch
    for point in points.values():
        if point is not None and point.dim() == 2 and batch is None:
            batch = point.shape[0]
    rows: list[np.ndarray | None] = []
    for (name, point), length in zip(points.items(), lengths, strict=True):
        if point is None:
            rows.append(None)
            continue
        if tuple(point.shape) not in ((length,), (batch or 1, length)):
            wanted = f"({length},)" if batch is None else f"({length},) or ({batch}, {length})"
            raise ValueError(f"{name} must have shape {wanted}; found {tuple(point.shape)}")
        rows.append(np.ascontiguousarray(np.broadcast_to(_doubles(point), (batch or 1, length))))
    core: Any = plan.program.core
    found = _conditions.read(core.conditions(batch or 1, *arrays, *rows))
    return found if batch is not None else found[0]


def _doubles(tensor: torch.Tensor) -> np.ndarray:
    """As the core takes it."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)
