"""cuPIQP, a proximal interior point on cards, by its torch layer for dense programs."""

from __future__ import annotations

import cupiqp
import cupiqp.torch
import torch

from ..cases import Case
from .base import TorchRun, qp_only

#: Its names of the arguments. Rows have no lower bounds.
_NAMES = {"Q": "P", "p": "c", "G": "G", "h": "h_u", "A": "A", "b": "b"}


class Cupiqp:
    """`DenseSolverLayer`; its memory is allocated beforehand, as it asks for."""

    differentiates = True

    def version(self) -> str:
        """Of the package."""
        return cupiqp.__version__

    def variants(self, case: Case) -> list[str]:
        """One, for quadratic programs."""
        qp_only(case)
        return ["DenseSolverLayer"]

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The layer, set up, and its tensors. Those that the batch shares stay as they are."""
        layer = cupiqp.torch.DenseSolverLayer(dtype=torch.float64)

        def call(leaves):
            return layer(**_named(leaves))

        def failed():
            unsolved = layer.result.status != int(cupiqp.Status.CUPIQP_SOLVED)
            return unsolved.nonzero().flatten().tolist()

        run = TorchRun(call, case.data, case.cotangent, failed, case.device)
        layer.setup(**{name: leaf.detach() for name, leaf in _named(run.leaves).items()})
        return run

    def builder(self, case: Case):
        """None: it takes no problem."""
        return None


def _named(leaves: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {_NAMES[name]: leaf for name, leaf in leaves.items()}
