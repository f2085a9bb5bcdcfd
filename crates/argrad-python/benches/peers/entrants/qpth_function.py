"""qpth, the batched interior point of OptNet."""

from __future__ import annotations

from importlib.metadata import version

import torch
from qpth.qp import QPFunction

from ..cases import Case
from .base import TorchRun, qp_only, quick_only, with_batch


class Qpth:
    """`QPFunction` with its batched solver."""

    differentiates = True

    def version(self) -> str:
        """Of the package."""
        return version("qpth")

    def variants(self, case: Case) -> list[str]:
        """With and without its check of Q."""
        qp_only(case)
        quick_only(case)
        unchecked = "check_Q_spd=False"
        # The check is one by one: minutes for the batches of a card.
        return [unchecked] if case.device == "cuda" else ["default", unchecked]

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The function and its tensors.

        Shared arguments are expanded first: of those qpth returns the mean over the batch.
        """
        # verbose = -1: otherwise it prints, in the time that is measured.
        function = QPFunction(verbose=-1, check_Q_spd=variant == "default")
        none = torch.empty(0, dtype=torch.float64, device=case.device)

        def call(leaves):
            of = with_batch(leaves, case)
            return function(*(of.get(name, none) for name in ("Q", "p", "G", "h", "A", "b")))

        return TorchRun(call, case.data, case.cotangent, device=case.device)

    def builder(self, case: Case):
        """None: there is nothing to construct."""
        return None
