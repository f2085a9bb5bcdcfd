"""proxsuite's QPLayer."""

from __future__ import annotations

from types import SimpleNamespace

import proxsuite
import torch
from proxsuite.torch import qplayer

from ..cases import Case
from .base import TorchRun, cores, qp_only, with_batch

_TOLERANCE = "eps_backward=1e-9"


class Proxsuite:
    """`QPFunction`, serial and parallel."""

    differentiates = True

    def __init__(self) -> None:
        # It makes its gradients in torch's default type.
        torch.set_default_dtype(torch.float64)
        # It runs on half of os.cpu_count() threads, which would be one of two cores.
        qplayer.os = SimpleNamespace(cpu_count=lambda: 2 * cores())

    def version(self) -> str:
        """Of the package."""
        return proxsuite.__version__

    def variants(self, case: Case) -> list[str]:
        """Parallel and serial, and with more accurate gradients."""
        qp_only(case)
        parallel = ["parallel", f"parallel, {_TOLERANCE}"]
        has_threads = hasattr(proxsuite.proxqp.dense, "solve_in_parallel")
        return (parallel if has_threads else []) + ["serial", f"serial, {_TOLERANCE}"]

    def prepare(self, case: Case, variant: str) -> TorchRun:
        """The function and its tensors."""
        options = {"eps_backward": 1e-9} if variant.endswith(_TOLERANCE) else {}
        function = qplayer.QPFunction(omp_parallel=variant.startswith("parallel"), **options)
        none = torch.empty(0)

        def call(leaves):
            of = with_batch(leaves, case)
            lower = torch.full_like(of["h"], -1e20)
            equalities = of.get("A", none), of.get("b", none)
            return function(of["Q"], of["p"], *equalities, of["G"], lower, of["h"])[0]

        return TorchRun(call, case.data, case.cotangent)

    def builder(self, case: Case):
        """None: there is nothing to construct."""
        return None
