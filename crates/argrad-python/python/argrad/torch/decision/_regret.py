"""What predicted costs lose."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch

from argrad.torch.decision._model import DecisionModel


def decision_regret(
    model: DecisionModel,
    pred_cost: torch.Tensor,
    true_cost: torch.Tensor,
    true_obj: torch.Tensor | None = None,
) -> torch.Tensor:
    """By how much the true objective of the decision for predicted costs misses the optimum.

    Args:
        model: the programs; where a prediction has several optimal decisions, theirs is the one
            that the solver finds.
        pred_cost, true_cost: (batch, d).
        true_obj: optimal values (batch,) or (batch, 1) for the true costs; None: solved for, in
            the same call.

    Returns:
        (batch,), not negative but for rounding; also where `model` maximizes. Without gradient.

    Raises ValueError for shapes and numbers that are not finite.
    """
    model.check_costs("pred_cost", pred_cost)
    model.check_costs("true_cost", true_cost)
    if pred_cost.shape != true_cost.shape:
        raise ValueError(
            f"true_cost must have the shape of pred_cost, {tuple(pred_cost.shape)}; "
            f"found {tuple(true_cost.shape)}"
        )
    with torch.no_grad():
        predicted, true = model.lift(pred_cost), model.lift(true_cost).to(pred_cost)
        if true_obj is None:
            both = model.minimize(torch.cat([predicted, true]))
            found = both[: len(predicted)]
            least = model.value(true, both[len(predicted) :])
        else:
            found = model.minimize(predicted)
            least = model.check_objectives("true_obj", true_obj, len(predicted)).to(predicted)
        return model.value(true, found) - least


def regret(
    predmodel: Callable[[torch.Tensor], torch.Tensor],
    model: DecisionModel,
    dataloader: Iterable,
    reduction: Literal["normalized", "sum", "mean", "none"] = "normalized",
) -> float | torch.Tensor:
    """The regret of a predictor over a data set.

    Args:
        predmodel: features (batch, ...) to costs (batch, d); a module is put into evaluation mode
            meanwhile.
        model: the programs.
        dataloader: batches (features, costs, decisions, objectives) as of `DecisionDataset`.
        reduction: "normalized" (the sum of regrets by the sum of the sizes of optimal values),
            "sum", "mean", or "none" for the regret (size,) of each sample.

    >>> from argrad.torch.decision import CallbackModel, DecisionDataset
    >>> cheapest = CallbackModel(lambda c: (c == c.min(1, keepdims=True)).astype(float), 2)
    >>> costs = torch.tensor([[1.0, 3.0], [4.0, 2.0]])
    >>> data = DecisionDataset(cheapest, feats=costs, costs=costs)
    >>> loader = torch.utils.data.DataLoader(data, batch_size=2)
    >>> regret(lambda x: x, cheapest, loader), regret(lambda x: -x, cheapest, loader, "sum")
    (0.0, 4.0)
    """
    if reduction not in ("normalized", "sum", "mean", "none"):
        raise ValueError(
            f'reduction must be "normalized", "sum", "mean" or "none"; found {reduction!r}'
        )
    parts, sizes = [], 0.0
    with _evaluating(predmodel) as device, torch.no_grad():
        for feats, costs, _, objs in dataloader:
            feats, costs, objs = feats.to(device), costs.to(device), objs.to(device)
            parts.append(decision_regret(model, predmodel(feats), costs, objs))
            sizes += float(objs.abs().sum())
    each = torch.cat(parts) if parts else torch.zeros(0)
    if reduction == "none":
        return each
    total = float(each.sum())
    if reduction == "sum":
        return total
    by = sizes if reduction == "normalized" else len(each)
    if by == 0:
        return 0.0 if total == 0.0 else math.copysign(math.inf, total)
    return total / by


@contextlib.contextmanager
def _evaluating(predmodel: Any) -> Iterator[torch.device]:
    """Evaluation mode, where there is one; yields the device of the parameters."""
    if not isinstance(predmodel, torch.nn.Module):
        yield torch.device("cpu")
        return
    training = predmodel.training
    parameter = next(predmodel.parameters(), None)
    predmodel.eval()
    try:
        yield torch.device("cpu") if parameter is None else parameter.device
    finally:
        predmodel.train(training)
