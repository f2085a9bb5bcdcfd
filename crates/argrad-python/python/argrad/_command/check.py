"""`argrad check`: whether a point of any solver is a solution."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np

from argrad._command import FAILED, OK
from argrad._command.failure import MalformedFile
from argrad._command.program import Program, read_program, read_text


def check_file(asked: argparse.Namespace) -> int:
    """Checks and prints; returns the exit code."""
    program = read_program(asked.file, asked.relax)
    x, z, s = read_point(asked.solution, program)
    try:
        found = program.solver().conditions(x, z, s, q=program.q, b=program.b)
    except ValueError as error:
        raise MalformedFile(f"{asked.solution}: {error}") from error
    assert not isinstance(found, list)  # one program
    optimal = found.is_optimal(asked.tolerance)
    objective = _objective(program, x)
    if asked.json:
        rows = [
            {
                "condition": row.condition,
                "constraint": row.constraint,
                "row": row.row,
                "absolute": _finite(row.absolute),
                "relative": _finite(row.relative),
            }
            for row in found.rows
        ]
        answer = {
            "optimal": optimal,
            "verdict": found.verdict,
            "residual": _finite(found.residual),
            "objective": _finite(objective),
            "multipliers": found.multipliers,
            "conditions": rows,
        }
        print(json.dumps(answer))
    else:
        print(found)
        print(f"objective: {objective:.12g}")
    return OK if optimal else FAILED


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _objective(program: Program, x: np.ndarray) -> float:
    """The file's objective at x."""
    value = float(program.q @ x) + program.constant
    if program.P is not None:
        value += 0.5 * float(x @ (program.P @ x))
    return -value if program.maximize else value


def read_point(
    path: str, program: Program
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """x, z and s of a file: what `argrad solve` writes, or text.

    JSON has "x", a list or an object from names to numbers, and "z" and "s" where they are known;
    a null in s is an infinite slack. In text, each line is a number, or a name and a number;
    variables that are not named are 0; empty lines and those that begin with # mean nothing.
    """
    text = read_text(path)
    try:
        if text.lstrip().startswith("{"):
            fields = json.loads(text)
            if "x" not in fields:
                raise ValueError("x is missing")
            given = fields["x"]
            x = _named(given, program) if isinstance(given, dict) else _numbers("x", given)
            z, s = (_numbers(name, fields[name]) if fields.get(name) else None for name in "zs")
            if s is not None:
                s = np.where(np.isnan(s), np.inf, s)
        else:
            x, z, s = _lines(text, program), None, None
        if x.shape != (len(program.q),):
            raise ValueError(f"x: expected {len(program.q)} numbers; found {len(x)}")
    except (ValueError, TypeError) as error:
        raise MalformedFile(f"{path}: {error}") from error
    return x, z, s


def _numbers(name: str, given: Any) -> np.ndarray:
    if not isinstance(given, list):
        raise ValueError(f"{name}: expected a list of numbers")
    return np.array([math.nan if number is None else number for number in given], dtype=np.float64)


def _named(given: dict[str, float], program: Program) -> np.ndarray:
    """x from values by name."""
    if program.variables is None:
        raise ValueError("x has names, but the program has none; give a list")
    place = {name: at for at, name in enumerate(program.variables)}
    x = np.zeros(len(program.q))
    for name, number in given.items():
        if name not in place:
            raise ValueError(f"x: the program has no variable {name!r}")
        x[place[name]] = number
    return x


def _lines(text: str, program: Program) -> np.ndarray:
    """x from lines of text."""
    lines = [line.split() for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    if all(len(words) == 1 for words in lines):
        return np.array([float(words[0]) for words in lines], dtype=np.float64)
    if any(len(words) != 2 for words in lines):
        raise ValueError("expected a number, or a name and a number, on each line")
    return _named({name: float(number) for name, number in lines}, program)
