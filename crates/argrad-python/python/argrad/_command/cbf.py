"""The conic benchmark format, of linear, second-order, exponential and semidefinite programs.

Source: Friberg 2016, "CBLIB 2014: a benchmark library for conic mixed-integer and continuous
optimization", and the format's reference for version 3. Read are OBJSENSE, VAR, CON, PSDVAR,
PSDCON, INT, and the coordinates OBJACOORD, OBJBCOORD, OBJFCOORD, ACOORD, BCOORD, FCOORD, HCOORD,
DCOORD; power cones and several instances in one file (CHANGE) are refused by name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from argrad._command.cbf_sections import Lines, Sections, read_section
from argrad._command.failure import MalformedFile
from argrad._command.program import Program

ROOT2 = math.sqrt(2.0)


def read_cbf(path: str, text: str) -> Program:
    """Reads a program; raises MalformedFile that names the line."""
    lines, found = Lines(text), Sections()
    try:
        while lines.begin():
            read_section(found, lines)
        # Only now are all sizes known.
        lines.section = "the whole file"
        return _program(found, Path(path).name)
    except (ValueError, IndexError, OverflowError) as error:
        raise MalformedFile(f"{path}, line {lines.at}, {lines.section}: {error}") from error


class _Block(NamedTuple):
    """Rows in one cone of the standard form: s = transform (rows x + constant)."""

    cone: tuple
    at: np.ndarray
    """Rows of the map below, in the order of the cone."""
    transform: sp.csr_array
    """What makes s of them."""


class _Places:
    """Where matrices begin, in a vector that has scalars before them."""

    def __init__(self, scalars: int, sides: list[int]) -> None:
        self.scalars = scalars
        self.sides = sides
        sizes = [side * (side + 1) // 2 for side in sides]
        self.starts = [scalars, *(scalars + np.cumsum(sizes)).tolist()]

    def scalar(self, index: float) -> int:
        at = int(index)
        if not 0 <= at < self.scalars:
            raise ValueError(f"expected an index from 0 to {self.scalars - 1}; found {at}")
        return at

    def entry(self, matrix: float, i: float, j: float) -> int:
        """The place of an entry; a matrix is symmetric, so one triangle says all."""
        at, low, high = int(matrix), int(min(i, j)), int(max(i, j))
        if not 0 <= at < len(self.sides) or not 0 <= low <= high < self.sides[at]:
            raise ValueError(f"no matrix has the entry {at}, {int(i)}, {int(j)}")
        # The upper triangle, stacked by columns.
        return self.starts[at] + high * (high + 1) // 2 + low


def _program(found: Sections, name: str) -> Program:
    """The standard form: x has the scalars, then the triangles of matrices, whose entries off the
    diagonal are times sqrt 2, as the cone wants them."""
    psd_variables, psd_rows = found.lists["PSDVAR"], found.lists["PSDCON"]
    x = _Places(sum(size for _, size in found.domains), psd_variables)
    rows = _Places(sum(size for _, size in found.rows), psd_rows)
    width = x.starts[-1]
    q, constraints, constant = _numbers(found, x, rows)
    sign = -1.0 if found.maximize else 1.0
    (offset,) = found.entries.get("OBJBCOORD", [(0.0,)])[0]
    everything = sp.vstack([sp.eye_array(width), constraints], format="csr")
    constants = np.concatenate([np.zeros(width), constant])
    blocks = [
        *_blocks(found.domains, psd_variables, 0, x),
        *_blocks(found.rows, psd_rows, width, rows),
    ]
    # Equalities first, so that they are one cone.
    blocks.sort(key=lambda block: block.cone[0] != "zero")
    A = [-(block.transform @ everything[block.at]) for block in blocks]
    b = [block.transform @ constants[block.at] for block in blocks]
    return Program(
        name=name,
        P=None,
        q=sign * q,
        A=sp.vstack(A, format="csc") if A else None,
        b=np.concatenate(b) if b else np.zeros(0),
        cones=_joined([block.cone for block in blocks]),
        constant=sign * offset,
        maximize=found.maximize,
        relaxed=len(found.lists["INT"]),
    )


def _numbers(
    found: Sections, x: _Places, rows: _Places
) -> tuple[np.ndarray, sp.coo_array, np.ndarray]:
    """The objective q, and the map of x and the constants that the rows of constraints are."""
    width, height = x.starts[-1], rows.starts[-1]
    # An inner product of symmetric matrices counts an entry off the diagonal twice: 2 / sqrt 2.
    entries: list[tuple[int, int, float]] = []
    constant = np.zeros(height)
    for i, j, value in found.entries.get("ACOORD", []):
        entries.append((rows.scalar(i), x.scalar(j), value))
    for i, matrix, k, j, value in found.entries.get("FCOORD", []):
        entries.append((rows.scalar(i), x.entry(matrix, k, j), value * _weight(k, j)))
    for matrix, variable, k, j, value in found.entries.get("HCOORD", []):
        # In the rows of a semidefinite constraint an entry is itself times sqrt 2.
        entries.append((rows.entry(matrix, k, j), x.scalar(variable), value * _weight(k, j)))
    for i, value in found.entries.get("BCOORD", []):
        constant[rows.scalar(i)] += value
    for matrix, k, j, value in found.entries.get("DCOORD", []):
        constant[rows.entry(matrix, k, j)] += value * _weight(k, j)
    q = np.zeros(width)
    for i, value in found.entries.get("OBJACOORD", []):
        q[x.scalar(i)] += value
    for matrix, k, j, value in found.entries.get("OBJFCOORD", []):
        q[x.entry(matrix, k, j)] += value * _weight(k, j)
    at, column, values = zip(*entries, strict=True) if entries else ((), (), ())
    constraints = sp.coo_array((values, (at, column)), shape=(height, width), dtype=np.float64)
    return q, constraints, constant


def _weight(i: float, j: float) -> float:
    return 1.0 if i == j else ROOT2


def _blocks(
    domains: list[tuple[str, int]], sides: list[int], first: int, places: _Places
) -> Iterator[_Block]:
    """The cones of scalars, from row `first` on, and of matrices."""
    at = first
    for cone, size in domains:
        rows = np.arange(at, at + size)
        at += size
        same = sp.eye_array(size, format="csr")
        if cone == "L=":
            yield _Block(("zero", size), rows, same)
        elif cone in ("L+", "L-"):
            yield _Block(("nonnegative", size), rows, same if cone == "L+" else -same)
        elif cone == "Q":
            yield _Block(("second_order", size), rows, same)
        elif cone == "QR":
            if size < 2:
                raise ValueError(f"QR: expected at least 2 entries; found {size}")
            # 2 uv >= |w|^2: the bound is (u + v) / sqrt 2, and (u - v) / sqrt 2 goes with w.
            turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / ROOT2
            rotated = sp.block_diag([turn, sp.eye_array(size - 2)], format="csr")
            yield _Block(("second_order", size), rows, rotated)
        elif cone == "EXP":
            if size != 3:
                raise ValueError(f"EXP: expected 3 entries; found {size}")
            # The format has (z, y, x) of y exp(x / y) <= z.
            yield _Block(("exponential", 1), rows[::-1], same)
    for start, side in zip(places.starts, sides, strict=False):
        size = side * (side + 1) // 2
        offset = first + start
        yield _Block(("psd_triangle", side), np.arange(offset, offset + size), sp.eye_array(size))


def _joined(cones: list[tuple]) -> list[tuple]:
    """Cones, those of plain rows that follow each other as one."""
    joined = []
    for name, group in itertools.groupby(cones, key=lambda cone: cone[0]):
        if name in ("zero", "nonnegative", "exponential"):
            joined.append((name, sum(cone[1] for cone in group)))
        else:
            joined += group
    return joined
