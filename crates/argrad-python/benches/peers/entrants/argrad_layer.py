"""argrad, by its torch layers."""

from __future__ import annotations

import argrad
import argrad.torch

from .. import problems
from ..cases import Case
from .base import TorchRun, Unsupported


def _cvxpy_run(case: Case) -> TorchRun:
    model, numbers = problems.modelled(case), problems.values(case)
    layer = argrad.torch.CvxpyLayer(
        model.problem,
        [model.parameters[name] for name in numbers],
        [model.variable],
        device=case.device,
    )
    return TorchRun(
        lambda leaves: layer(*leaves.values())[0], numbers, case.cotangent, device=case.device
    )


class Argrad:
    """`argrad.torch.qp` where the case is a quadratic program, else `argrad.torch.CvxpyLayer`."""

    differentiates = True

    def version(self) -> str:
        """Of the package."""
        return argrad.__version__

    def variants(self, case: Case) -> list[str]:
        """One."""
        return ["qp" if case.form == "qp" else "CvxpyLayer"]

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The layer and its tensors."""
        if variant == "CvxpyLayer":
            return _cvxpy_run(case)
        names = [name if name in case.data else None for name in ("Q", "p", "G", "h", "A", "b")]

        def call(leaves):
            return argrad.torch.qp(*(name and leaves[name] for name in names), device=case.device)

        return TorchRun(call, case.data, case.cotangent, device=case.device)

    def builder(self, case: Case):
        """Of the `CvxpyLayer`, which is what its peers build."""
        model = problems.modelled(case)
        parameters = [model.parameters[name] for name in problems.values(case)]
        return lambda: argrad.torch.CvxpyLayer(model.problem, parameters, [model.variable])


class ArgradCvxpy(Argrad):
    """Quadratic programs through `argrad.torch.CvxpyLayer`, as cvxpylayers has to solve them."""

    def variants(self, case: Case) -> list[str]:
        """One, for quadratic programs; the others are in argrad's own rows."""
        if case.form != "qp":
            raise Unsupported("the same as argrad")
        return ["CvxpyLayer"]

    def builder(self, case: Case):
        """None: argrad's row has it."""
        return None
