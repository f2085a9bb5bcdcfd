"""Features and true costs, with the decisions that are optimal for them."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from argrad.torch.decision._model import DecisionModel


class DecisionDataset(Dataset):
    """Samples (feats, costs, sols, objs) for a `torch.utils.data.DataLoader`.

    All programs are solved once, here, in one call.

    Args:
        model: the programs.
        feats: features (size, ...), an array or a tensor.
        costs: true costs (size, d).
        dtype: of all four tensors; torch's default.

    Attributes:
        feats, costs: as given.
        sols: optimal decisions (size, n).
        objs: optimal values (size, 1) of the user's objective.

    Raises ValueError where numbers of samples differ or costs are malformed, `argrad.SolverError`
    for costs without a solution.
    """

    def __init__(
        self, model: DecisionModel, feats: Any, costs: Any, dtype: torch.dtype | None = None
    ) -> None:
        if not isinstance(model, DecisionModel):
            raise TypeError(f"model must be a DecisionModel; found {type(model).__name__}")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        self.model = model
        self.feats = torch.as_tensor(feats, dtype=dtype)
        # Solved for the costs that losses will see, after their rounding.
        self.costs = model.check_costs("costs", torch.as_tensor(costs, dtype=dtype))
        if len(self.feats) != len(self.costs):
            raise ValueError(
                f"feats and costs must have equally many samples; found {len(self.feats)} and "
                f"{len(self.costs)}"
            )
        self.sols = model.solve(self.costs)
        self.objs = model.objective(self.costs, self.sols).unsqueeze(1)

    def __len__(self) -> int:
        return len(self.costs)

    def __getitem__(
        self, index: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.feats[index], self.costs[index], self.sols[index], self.objs[index]
