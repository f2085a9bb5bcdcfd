"""The libraries that take part, each behind the interface of `entrants.base`."""

from __future__ import annotations

import importlib

#: Name in the table, and where it is. The first is what the others are compared with.
ENTRANTS = {
    "argrad": "argrad_layer:Argrad",
    "argrad-cvxpy": "argrad_layer:ArgradCvxpy",
    "moreau": "moreau_solver:Moreau",
    "qpth": "qpth_function:Qpth",
    "proxsuite": "proxsuite_layer:Proxsuite",
    "cvxpylayers": "cvxpylayers_layer:Diffcp",
    "cvxpylayers-moreau": "cvxpylayers_layer:Moreau",
    "diffcp": "diffcp_solver:Diffcp",
    "clarabel": "clarabel_solver:Clarabel",
    "qpax": "qpax_function:Qpax",
    "cupiqp": "cupiqp_layer:Cupiqp",
}

_ON_CUDA = ("argrad", "moreau", "qpth", "qpax", "cupiqp")
_ON_CUDA_ONLY = ("cupiqp",)

#: What is not a peer: argrad itself, by its other door.
OWN = ("argrad", "argrad-cvxpy")


def names(device: str) -> list[str]:
    """Of those that run on a device, in the order of the table."""
    if device == "cuda":
        return [name for name in ENTRANTS if name in _ON_CUDA]
    return [name for name in ENTRANTS if name not in _ON_CUDA_ONLY]


def load(name: str):
    """The entrant of this name.

    Raises:
        ImportError: the library is not installed, or does not load.
    """
    module, _, cls = ENTRANTS[name].partition(":")
    return getattr(importlib.import_module(f".{module}", __name__), cls)()
