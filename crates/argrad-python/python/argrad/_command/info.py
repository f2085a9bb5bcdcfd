"""`argrad info`: what is installed, and what this machine gives it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from importlib import metadata
from typing import Any

from argrad import __version__
from argrad._command import OK
from argrad._standard import Solver

# Distributions that argrad works with, and the minimal versions are pyproject's business.
_FRIENDS = (
    "numpy",
    "scipy",
    "torch",
    "jax",
    "tensorflow",
    "cvxpy",
    "cvxpylayers",
    "highspy",
)

# The name of the instructions by how many numbers of double precision a register of theirs has.
_INSTRUCTIONS = {
    ("x86", 8): "AVX-512",
    ("x86", 4): "AVX2 and FMA",
    ("arm", 2): "NEON",
}


def show_info(asked: argparse.Namespace) -> int:
    """Prints; returns the exit code."""
    found = gather()
    if asked.json:
        print(json.dumps(found))
        return OK
    rows = {
        "argrad": found["version"],
        "python": f"{found['python']}, {found['platform']}",
        "instructions": f"{found['instructions']}: {found['lanes']} samples at a time",
        "threads": str(found["threads"]),
    }
    for name, version in found["packages"].items():
        rows[name] = version or "not installed"
    width = max(map(len, rows))
    print("\n".join(f"{name:<{width}}  {text}" for name, text in rows.items()))
    return OK


def gather() -> dict[str, Any]:
    """What is installed, by name."""
    lanes = _lanes()
    machine = platform.machine().lower()
    family = "arm" if machine in ("arm64", "aarch64") else "x86"
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} on {platform.machine()}",
        "instructions": _INSTRUCTIONS.get((family, lanes), "scalar"),
        "lanes": lanes,
        "threads": _threads(),
        "packages": {name: _version(name) for name in _FRIENDS},
    }


def _lanes() -> int:
    """How many samples an instruction advances, as the solver of one variable says."""
    said = re.search(r"(\d+) samples? at a time", Solver(None, None, [], n=1).explain())
    return int(said[1]) if said else 1


def _threads() -> int:
    """As many as the solver takes: the cores that this process may use, or what is asked for."""
    asked = os.environ.get("RAYON_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
