"""`argrad solve`: a program from a file, solved."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

from argrad._command import FAILED, OK
from argrad._command.failure import MalformedFile
from argrad._command.program import Program, read_program

_MEANING = {
    "almost_solved": "solved to a residual that is small, but not to the tolerance",
    "primal_infeasible": "no point satisfies the constraints; z is a certificate",
    "dual_infeasible": "the objective is unbounded; x is a certificate",
    "iteration_limit": "ended at the limit of iterations",
    "time_limit": "ended at the limit of time",
    "numerical_trouble": "ended where rounding let no step help",
}


def solve_file(asked: argparse.Namespace) -> int:
    """Solves and prints; returns the exit code."""
    start = time.perf_counter()
    program = read_program(asked.file, asked.relax)
    read = time.perf_counter()
    settings: dict[str, Any] = {"tolerance": asked.tolerance}
    if asked.max_iterations is not None:
        settings["max_iterations"] = asked.max_iterations
    if asked.time_limit is not None:
        settings["time_limit"] = asked.time_limit
    solver = program.solver(**settings)
    try:
        found = solver.solve(q=program.q, b=program.b, differentiable=False)
    except ValueError as error:
        raise MalformedFile(f"{asked.file}: {error}") from error
    ended = time.perf_counter()
    report = _report(program, found)
    report["seconds"] = {"read": read - start, "solve": ended - read}
    if asked.output:
        _write(asked.output, {**report, **_point(program, found)})
    if asked.json:
        print(json.dumps({**report, **({} if asked.output else _point(program, found))}))
    else:
        print(_table(report))
    return OK if report["status"] in ("solved", "almost_solved") else FAILED


def _report(program: Program, found: Any) -> dict[str, Any]:
    """What is said about a solution, without its numbers; JSON has no NaN, so that is null."""
    info = found.info
    sign = -1.0 if program.maximize else 1.0
    value = sign * (float(info.objective) + program.constant)
    return {
        "name": program.name,
        "variables": len(program.q),
        "rows": len(program.b),
        "cones": [list(cone) for cone in program.cones],
        "relaxed": program.relaxed,
        "status": found.status,
        "objective": _finite(value) if found.solved else None,
        "residual": _finite(info.residual),
        "gap": _finite(info.gap),
        "iterations": int(info.iterations),
        "unique": bool(info.unique_x) if found.solved else None,
    }


def _finite(number: Any) -> float | None:
    return float(number) if math.isfinite(number) else None


def _point(program: Program, found: Any) -> dict[str, Any]:
    """x, z and s; a slack that is infinite, of a row that is no constraint, is null."""
    point: dict[str, Any] = {
        name: [_finite(number) for number in getattr(found, name)] for name in "xzs"
    }
    if program.variables is not None:
        point["names"] = program.variables
    return point


def _write(path: str, content: dict[str, Any]) -> None:
    try:
        Path(path).write_text(json.dumps(content))
    except OSError as error:
        raise MalformedFile(f"{path}: {error.strerror or error}") from error


def _table(report: dict[str, Any]) -> str:
    """The report as lines for people."""
    status, meaning = report["status"], _MEANING.get(report["status"])
    rows = {
        "program": report["name"],
        "size": f"{report['variables']} variables, {report['rows']} rows",
        "status": f"{status}: {meaning}" if meaning else status,
    }
    if report["relaxed"]:
        rows["relaxed"] = f"{report['relaxed']} integer variables"
    if report["objective"] is not None:
        rows["objective"] = f"{report['objective']:.12g}"
    if report["residual"] is not None:
        rows["residual"] = f"{report['residual']:.1e}, relative"
    rows["iterations"] = str(report["iterations"])
    if report["unique"] is False:
        rows["solution"] = "one of several"
    seconds = report["seconds"]
    rows["time"] = f"{seconds['solve']:.3f} s, after {seconds['read']:.3f} s of reading"
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items())
