"""The command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from . import cases
from .entrants import ENTRANTS


@dataclass(frozen=True)
class Arguments:
    """What to run and where to write."""

    quick: bool
    cases: list[str]
    entrants: list[str]
    limit: float
    json: Path


def parse(argv: list[str] | None = None) -> Arguments:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="peers", description="Races argrad's layers against those of its peers."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small batches, two turns: a smoke run"
    )
    parser.add_argument("--cases", nargs="+", metavar="CASE", help=", ".join(cases.names()))
    parser.add_argument("--peers", nargs="*", metavar="PEER", help=", ".join(ENTRANTS))
    parser.add_argument("--limit", type=float, default=60.0, help="seconds an answer may take")
    parser.add_argument("--json", type=Path, default=Path("target/bench-peers.json"))
    found = parser.parse_args(argv)
    for given, known, what in (
        (found.cases, cases.names(), "case"),
        (found.peers, list(ENTRANTS), "peer"),
    ):
        for name in given or ():
            if name not in known:
                parser.error(f"no {what} {name!r}; there are: {', '.join(known)}")
    wanted = list(ENTRANTS) if found.peers is None else ["argrad", *found.peers]
    return Arguments(
        found.quick,
        found.cases or cases.names(),
        [name for name in ENTRANTS if name in wanted],
        found.limit,
        found.json,
    )
