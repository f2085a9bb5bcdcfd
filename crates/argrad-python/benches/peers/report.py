"""The results as Markdown and as JSON."""

from __future__ import annotations

import math
import platform
from datetime import date
from pathlib import Path

import numpy as np

from . import card, cases
from .accuracy import WRONG_GRADIENT, WRONG_SOLUTION
from .entrants import OWN
from .entrants.base import cores
from .race import Row

#: The case whose time is overhead, and its limit in seconds.
OVERHEAD, OVERHEAD_LIMIT = "qp-10-10-5-batch1", 100e-6


def table(header: list[str], rows: list[list[str]]) -> str:
    """Aligned Markdown."""
    cells = [header, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def milliseconds(seconds: float | None) -> str:
    """With three digits."""
    if seconds is None:
        return "-"
    value = 1e3 * seconds
    return (
        f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value < 100 else f"{value:.0f}"
    )


def _ratio(theirs: float | None, ours: float | None) -> str:
    return "-" if theirs is None or ours is None else f"{theirs / ours:.1f}"


def _error(values: np.ndarray, of) -> str:
    finite = values[np.isfinite(values)]
    return f"{of(finite):.0e}" if len(finite) else "-"


def speed(results: dict[str, list[Row]], batches: dict[str, int]) -> str:
    """The table of the race, with the reasons of failures below."""
    header = [
        "case",
        "batch",
        "library",
        "setting",
        "forward ms",
        "with backward ms",
        "to argrad, forward",
        "to argrad, with backward",
        "x median",
        "x worst",
        "gradients median",
        "gradients worst",
        "wrong / failed",
    ]
    lines, notes = [], []
    for case, rows in results.items():
        ours = next((row for row in rows if row.entrant == "argrad"), Row("argrad"))
        for row in rows:
            start = [case, str(batches[case]), row.entrant]
            if row.note:
                if row.note not in notes:
                    notes.append(row.note)
                reason = f"failed ({notes.index(row.note) + 1})"
                lines.append([*start, reason, *["-"] * (len(header) - 4)])
                continue
            errors = row.errors
            lines.append(
                [
                    *start,
                    row.variant,
                    milliseconds(row.forward),
                    milliseconds(row.both),
                    _ratio(row.forward, ours.forward),
                    _ratio(row.both, ours.both),
                    _error(errors.solution, np.median),
                    _error(errors.solution, np.max),
                    _error(errors.gradient, np.median),
                    _error(errors.gradient, np.max),
                    f"{errors.wrong} / {errors.failed}",
                ]
            )
    below = [f"({i}) {note}." for i, note in enumerate(notes, 1)]
    return "\n".join([table(header, lines), *(["", *below] if below else [])])


def best_peer(rows: list[Row]) -> Row | None:
    """The fastest peer, forward and backward together, all of whose answers are right."""
    peers = [
        row
        for row in rows
        if row.entrant not in OWN and not row.note and row.both is not None and row.errors.right
    ]
    return min(peers, key=lambda row: row.both, default=None)


def targets(results: dict[str, list[Row]], device: str = "cpu") -> str:
    """What was set out to reach, and what was."""
    header = [
        "case",
        "argrad ms",
        "best peer whose answers are right",
        "its ms",
        "reach",
        "reached",
    ]
    lines = []
    for case, rows in results.items():
        ours = next((row for row in rows if row.entrant == "argrad"), None)
        best = best_peer(rows)
        if ours is None or ours.both is None:
            lines.append([case, "-", "-", "-", "-", "-" if ours is None else ours.note])
            continue
        target = cases.target(case, device)
        if best is None:
            lines.append([case, milliseconds(ours.both), "none", "-", f"{target:.0f}x", "-"])
        else:
            ratio = best.both / ours.both
            reached = f"{ratio:.1f}x" if ratio >= target else f"**{ratio:.1f}x**"
            peer = f"{best.entrant} ({best.variant})"
            times = milliseconds(ours.both), peer, milliseconds(best.both)
            lines.append([case, *times, f"{target:.0f}x", reached])
        if case == OVERHEAD:
            micros = f"{1e6 * ours.forward:.0f} us"
            reached = micros if ours.forward < OVERHEAD_LIMIT else f"**{micros}**"
            limit = f"below {1e6 * OVERHEAD_LIMIT:.0f} us"
            lines.append([f"{case}, forward", milliseconds(ours.forward), "-", "-", limit, reached])
    return table(header, lines)


def construction(found: dict[str, dict[str, float | str]]) -> str:
    """The table of construction times."""
    entrants = list(dict.fromkeys(name for times in found.values() for name in times))
    lines = []
    for case, times in found.items():
        row = [case]
        for entrant in entrants:
            value = times.get(entrant, "-")
            row.append(value if isinstance(value, str) else milliseconds(value))
        ours, theirs = times.get("argrad"), times.get("cvxpylayers")
        both = isinstance(ours, float) and isinstance(theirs, float)
        lines.append([*row, _ratio(theirs, ours) if both else "-"])
    header = ["layer", *(f"{name} ms" for name in entrants), "cvxpylayers to argrad"]
    return table(header, lines)


def machine(device: str = "cpu") -> dict[str, object]:
    """What the numbers depend on."""
    info = Path("/proc/cpuinfo")
    model, flags = platform.processor(), ""
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            if key.strip() == "flags":
                flags = value
    vector = next((name for name in ("avx512f", "avx2", "avx") if name in flags.split()), "")
    on = {"card": card.description()} if device == "cuda" else {}
    return on | {
        "date": date.today().isoformat(),
        "processor": model,
        "vectors": vector,
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def heading(facts: dict, versions: dict[str, str], quick: bool) -> str:
    """What stands above the tables."""
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    on = f"on {facts['card']}, with " if "card" in facts else ""
    lines = [
        f"{facts['date']}, {on}{facts['cores']} cores of {facts['processor']} "
        f"({facts['vectors']}), Python {facts['python']}.",
        f"{libraries}.",
        f"Wrong: the solution is off by more than {WRONG_SOLUTION:.0e}, or a gradient by more than "
        f"{WRONG_GRADIENT:.0e}. Failed: the library says so itself. Medians of interleaved turns.",
    ]
    if quick:
        lines.append(
            "**A smoke run (--quick): small batches, few repeats; the times mean nothing.**"
        )
    return "\n".join(lines)


def as_json(facts, versions, results, batches, constructions) -> dict:
    """Everything, for programs."""
    found = []
    for case, rows in results.items():
        for row in rows:
            entry = {
                "case": case,
                "batch": batches[case],
                "library": row.entrant,
                "setting": row.variant,
                "note": row.note,
                "forward_seconds": row.forward,
                "forward_and_backward_seconds": row.both,
                "repeats": len(row.forwards),
            }
            if row.errors is not None:
                for name in ("solution", "gradient"):
                    values = getattr(row.errors, name)
                    finite = values[np.isfinite(values)]
                    entry[f"{name}_error_median"] = (
                        float(np.median(finite)) if len(finite) else None
                    )
                    entry[f"{name}_error_worst"] = float(finite.max()) if len(finite) else None
                entry |= {"wrong": row.errors.wrong, "failed": row.errors.failed}
            found.append(entry)
    return {
        "machine": facts,
        "versions": versions,
        "results": found,
        "construction_seconds": constructions,
    }
