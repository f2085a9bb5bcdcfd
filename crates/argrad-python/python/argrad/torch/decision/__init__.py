"""Decision-focused learning: losses over programs whose costs are predicted.

A predictor makes costs c of features; a program makes a decision w(c) of costs; what counts is what
the decision costs in truth. At the vertex of a linear program the derivative of w(c) is zero, so
each class here puts something in its place. All programs of a call are solved in one batch.

- Models: `ProgramModel` (linear, quadratic and cone programs), `from_cvxpy`, `CallbackModel` (a
  solver of your own, for integer programs); `shortest_path`, `knapsack`, `portfolio`.
- Losses that know true costs: `SPOPlus`; `PointwiseLearningToRank`, `PairwiseLearningToRank`,
  `ListwiseLearningToRank`.
- Losses that know true decisions: `PerturbedFenchelYoung`, `NoiseContrastiveEstimation`,
  `ContrastiveMAP`.
- Layers that return decisions: `PerturbedOpt`, `BlackboxOpt`, `NegativeIdentity`.
- `DecisionDataset`, `regret`, `decision_regret`, `SolutionPool`, `data`.

docs/decisions.md says which to take when. The names of PyEPO work too: `perturbedFenchelYoung` and
`PFY` are `PerturbedFenchelYoung`, and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from argrad.torch.decision import data
from argrad.torch.decision._blackbox import BlackboxOpt, NegativeIdentity
from argrad.torch.decision._contrastive import ContrastiveMAP, NoiseContrastiveEstimation
from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import CallbackModel, DecisionModel
from argrad.torch.decision._perturbed import (
    PerturbedFenchelYoung,
    PerturbedFenchelYoungMul,
    PerturbedOpt,
    PerturbedOptMul,
)
from argrad.torch.decision._pool import SolutionPool
from argrad.torch.decision._problems import grid_arcs, knapsack, portfolio, shortest_path
from argrad.torch.decision._program import ProgramModel
from argrad.torch.decision._rank import (
    ListwiseLearningToRank,
    PairwiseLearningToRank,
    PointwiseLearningToRank,
)
from argrad.torch.decision._regret import decision_regret, regret
from argrad.torch.decision._surrogate import SPOPlus

if TYPE_CHECKING:
    from argrad.torch.decision._cvxpy import from_cvxpy

__all__ = [
    "BlackboxOpt",
    "CallbackModel",
    "ContrastiveMAP",
    "DecisionDataset",
    "DecisionModel",
    "ListwiseLearningToRank",
    "NegativeIdentity",
    "NoiseContrastiveEstimation",
    "PairwiseLearningToRank",
    "PerturbedFenchelYoung",
    "PerturbedFenchelYoungMul",
    "PerturbedOpt",
    "PerturbedOptMul",
    "PointwiseLearningToRank",
    "ProgramModel",
    "SPOPlus",
    "SolutionPool",
    "data",
    "decision_regret",
    "from_cvxpy",
    "grid_arcs",
    "knapsack",
    "portfolio",
    "regret",
    "shortest_path",
]

# The spelling, and the acronyms, of PyEPO.
blackboxOpt = DBB = BlackboxOpt
negativeIdentity = NID = NegativeIdentity
perturbedOpt = DPO = PerturbedOpt
perturbedOptMul = DPOMul = PerturbedOptMul
perturbedFenchelYoung = PFY = PerturbedFenchelYoung
perturbedFenchelYoungMul = PFYMul = PerturbedFenchelYoungMul
noiseContrastiveEstimation = NCE = NoiseContrastiveEstimation
contrastiveMAP = CMAP = ContrastiveMAP
pointwiseLearningToRank = ptLTR = PointwiseLearningToRank
pairwiseLearningToRank = prLTR = PairwiseLearningToRank
listwiseLearningToRank = lsLTR = ListwiseLearningToRank
optDataset = DecisionDataset


def __getattr__(name: str) -> Any:
    if name == "from_cvxpy":
        from argrad.torch.decision._cvxpy import from_cvxpy

        return from_cvxpy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
