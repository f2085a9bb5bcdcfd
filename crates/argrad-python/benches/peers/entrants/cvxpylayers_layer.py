"""cvxpylayers, with its own solver and with moreau."""

from __future__ import annotations

from importlib.metadata import version

import torch
from cvxpylayers.torch import CvxpyLayer

from .. import problems
from ..cases import Case
from .base import TorchRun, Unsupported, quick_only

#: Above this many parameters the dense derivative of one sample takes seconds.
_DENSE_LIMIT = 15_000


class Diffcp:
    """`CvxpyLayer` with diffcp, which has the choice of two solvers and two derivatives."""

    differentiates = True
    _solver = "DIFFCP"

    def __init__(self) -> None:
        torch.set_default_dtype(torch.float64)

    def version(self) -> str:
        """Of the package."""
        return version("cvxpylayers")

    def variants(self, case: Case) -> list[str]:
        """Solver and derivative, as `solve_method, mode`."""
        quick_only(case)
        size = sum(value.size for value in problems.values(case).values()) / case.batch
        modes = ["lsqr"] if size > _DENSE_LIMIT else ["lsqr", "dense"]
        return [f"{solver}, {mode}" for solver in ("Clarabel", "SCS") for mode in modes]

    def _arguments(self, variant: str) -> dict:
        solver, mode = variant.split(", ")
        return {"solve_method": solver, "mode": mode}

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The layer and its tensors."""
        numbers = problems.values(case)
        layer = self.builder(case)()
        arguments = self._arguments(variant)
        return TorchRun(
            lambda leaves: layer(*leaves.values(), solver_args=arguments)[0],
            numbers,
            case.cotangent,
        )

    def builder(self, case: Case):
        """Of the layer."""
        model = problems.modelled(case)
        parameters = [model.parameters[name] for name in problems.values(case)]
        return lambda: CvxpyLayer(model.problem, parameters, [model.variable], solver=self._solver)


class Moreau(Diffcp):
    """`CvxpyLayer` with moreau as its solver."""

    _solver = "MOREAU"

    def __init__(self) -> None:
        super().__init__()
        import moreau  # noqa: F401  (its absence is this entrant's)

    def variants(self, case: Case) -> list[str]:
        """One."""
        quick_only(case)
        if case.form == "psd-projection":
            raise Unsupported("cvxpylayers passes no PSD cones to moreau")
        return ["default"]

    def _arguments(self, variant: str) -> dict:
        return {}
