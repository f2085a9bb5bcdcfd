"""Runs the cases: every entrant in turns, against the same reference."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from tqdm import tqdm

from . import accuracy, cases
from .arguments import Arguments
from .process import EntrantFailed, NotApplicable, Process

#: Turns in which every entrant is measured, and the fewest that a slow one gets.
ROUNDS, FEWEST_ROUNDS = 9, 3
#: Seconds that one entrant gets in one case, and the length of its part of a turn.
BUDGET, TURN = 8.0, 0.25
#: Seconds after which no more settings of an entrant are tried. Kernels are compiled for a card.
TRIALS = {"cpu": 15.0, "cuda": 60.0}


@dataclass
class Row:
    """One entrant in one case. Seconds; None where there is nothing to tell."""

    entrant: str
    variant: str = ""
    forward: float | None = None
    both: float | None = None
    samples: int = 0
    errors: accuracy.Errors | None = None
    note: str = ""
    forwards: list[float] = field(default_factory=list, repr=False)
    boths: list[float] = field(default_factory=list, repr=False)


def run_case(
    name: str, arguments: Arguments, processes: dict[str, Process], bar: tqdm
) -> list[Row]:
    """Measures all entrants in the case `name`."""
    case = cases.build(name, arguments.quick, arguments.device)
    bar.set_postfix_str(f"{name}: reference")
    reference = _reference(case)
    rows = []
    for entrant, process in processes.items():
        bar.set_postfix_str(f"{name}: {entrant}")
        row = _chosen(case, reference, entrant, process, arguments)
        if row is not None:
            rows.append(row)
    _measure([row for row in rows if not row.note], processes, arguments, bar, name)
    if arguments.device == "cuda":
        for process in processes.values():
            process.release()
    return rows


#: The last reference: cases that differ by their batch alone may have the same.
_known: dict[tuple, accuracy.Exact] = {}


def _reference(case: cases.Case) -> accuracy.Exact:
    key = case.name.partition("-batch")[0], case.draws
    if key not in _known:
        _known.clear()
        _known[key] = accuracy.exact(case)
    return _known[key]


def _chosen(case, reference, entrant: str, process: Process, arguments: Arguments) -> Row | None:
    """The row of the fastest of the entrant's settings whose answers are right, ready to be timed.

    Where none is right, the fastest. None where the entrant is not made for the case.
    """
    row = Row(entrant)
    try:
        variants = process.ask("variants", case.name, arguments.quick)
    except NotApplicable:
        return None
    except EntrantFailed as failure:
        row.note = str(failure)
        return row
    tried, note = [], ""
    start = time.perf_counter()
    for variant in variants[:1] if arguments.quick else variants:
        if time.perf_counter() - start > TRIALS[arguments.device]:
            break
        last = variant
        try:
            # A new process may have been started after a failure.
            process.ask("variants", case.name, arguments.quick)
            seconds = process.ask("prepare", variant)
            errors = process.ask("compare", reference)
        except EntrantFailed as failure:
            note = note or f"{variant}: {failure}"
            continue
        tried.append((not errors.right, seconds, variant, errors))
    if not tried:
        row.note = note
        return row
    _, _, row.variant, row.errors = min(tried, key=lambda entry: entry[:2])
    row.samples = case.batch
    if row.variant != last:
        try:
            process.ask("variants", case.name, arguments.quick)
            process.ask("prepare", row.variant)
        except EntrantFailed as failure:
            row.note = str(failure)
    return row


def _measure(rows: list[Row], processes, arguments: Arguments, bar: tqdm, name: str) -> None:
    """Times the prepared entrants in turns, and puts the medians in their rows."""
    rounds = 2 if arguments.quick else ROUNDS
    spent = dict.fromkeys((row.entrant for row in rows), 0.0)
    guess: dict[str, float] = {}
    for turn in range(rounds):
        for row in rows:
            if row.note or (turn >= FEWEST_ROUNDS and spent[row.entrant] > BUDGET):
                continue
            bar.set_postfix_str(f"{name}: {row.entrant}, turn {turn + 1} of {rounds}")
            process, last = processes[row.entrant], guess.get(row.entrant)
            repeats = 1 if last is None else max(1, min(200, int(TURN / last)))
            start = time.perf_counter()
            try:
                # What ran in between has filled the caches: one call that does not count,
                # unless that would double the time of something slow.
                times = process.ask("measure", repeats, last is None or last < 2.0)
            except EntrantFailed as failure:
                row.note = str(failure)
                continue
            spent[row.entrant] += time.perf_counter() - start
            row.forwards += [forward for forward, _ in times]
            row.boths += [forward + backward for forward, backward in times]
            guess[row.entrant] = statistics.median(row.boths)
    for row in rows:
        if row.forwards:
            row.forward = statistics.median(row.forwards)
            if processes[row.entrant].differentiates:
                row.both = statistics.median(row.boths)


def construction(
    names: list[str], arguments: Arguments, processes: dict[str, Process], bar: tqdm
) -> dict[str, dict[str, float | str]]:
    """Seconds to construct the layer of each case: the median of some, in turns; or why not."""
    rounds = 1 if arguments.quick else 5
    found: dict[str, dict[str, float | str]] = {}
    for name in names:
        times: dict[str, list[float]] = {}
        notes: dict[str, str] = {}
        for turn in range(rounds + 1):
            for entrant, process in processes.items():
                if entrant in notes:
                    continue
                bar.set_postfix_str(f"construction of {name}: {entrant}")
                try:
                    seconds = process.ask("construct", name, arguments.quick)
                except EntrantFailed as failure:
                    notes[entrant] = str(failure)
                    continue
                if seconds is None:
                    notes[entrant] = ""
                elif turn > 0:
                    times.setdefault(entrant, []).append(seconds)
        found[name] = {entrant: note for entrant, note in notes.items() if note}
        found[name] |= {entrant: statistics.median(values) for entrant, values in times.items()}
    return found
