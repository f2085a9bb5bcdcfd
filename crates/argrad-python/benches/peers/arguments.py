"""The command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from . import card, cases, entrants

#: Seconds an answer may take. On a card, libraries compile kernels first.
_LIMITS = {"cpu": 60.0, "cuda": 300.0}
_JSON = {"cpu": Path("target/bench-peers.json"), "cuda": Path("target/bench-peers-cuda.json")}


@dataclass(frozen=True)
class Arguments:
    """What to run and where to write."""

    device: str
    quick: bool
    cases: list[str]
    entrants: list[str]
    limit: float
    json: Path


def parse(argv: list[str] | None = None) -> Arguments:
    """Reads the command line.

    Exits with 2 where it is wrong, or asks for a card and there is none.
    """
    parser = argparse.ArgumentParser(
        prog="peers", description="Races argrad's layers against those of its peers."
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the numbers are; chooses cases and peers that make sense there",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small batches, two turns: a smoke run"
    )
    parser.add_argument("--cases", nargs="+", metavar="CASE", help=", ".join(cases.names()))
    parser.add_argument("--peers", nargs="*", metavar="PEER", help=", ".join(entrants.ENTRANTS))
    parser.add_argument(
        "--limit", type=float, help="seconds an answer may take (60; on a card, 300)"
    )
    parser.add_argument("--json", type=Path, help="default: target/bench-peers[-cuda].json")
    found = parser.parse_args(argv)
    device = found.device
    present = entrants.names(device)
    for given, known, what in (
        (found.cases, cases.names(), "case"),
        (found.peers, present, "peer"),
    ):
        for name in given or ():
            if name not in known:
                where = f" on {device}" if name in entrants.ENTRANTS else ""
                parser.error(f"no {what} {name!r}{where}; there are: {', '.join(known)}")
    if device == "cuda":
        reason = card.missing() or card.missing_in_torch()
        if reason is not None:
            parser.error(f"--device cuda needs a card, and {reason}")
    wanted = present if found.peers is None else ["argrad", *found.peers]
    return Arguments(
        device,
        found.quick,
        found.cases or cases.names(device),
        [name for name in present if name in wanted],
        found.limit or _LIMITS[device],
        found.json or _JSON[device],
    )
