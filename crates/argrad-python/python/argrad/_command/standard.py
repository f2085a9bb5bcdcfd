"""Standard form in JSON, the format of the project's problem files.

    {"name": .., "P_upper": M, "q": [..], "r": 0, "A": M, "b": [..], "cones": [{"zero": 2}, ..]}
    M = {"shape": [rows, columns], "colptr": [..], "rowval": [..], "nzval": [..]}

Matrices are in compressed sparse columns, `P_upper` the upper triangle of P; both, and the constant
r, may be absent. Cones: {"zero": rows}, {"nonnegative": rows}, {"second_order": rows},
{"psd_triangle": side}, "exponential", {"power": alpha}, {"generalized_power": {"alpha": [..],
"norm_dim": k}}, in the order of the rows. Other fields are ignored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from argrad._command.failure import MalformedFile
from argrad._command.program import Program


def read_standard(path: str, text: str) -> Program:
    """Reads a program; raises MalformedFile that names the field."""
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedFile(f"{path}: is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MalformedFile(f"{path}: expected an object with q, A, b and cones")
    try:
        q, b = _vector(fields, "q"), _vector(fields, "b")
        upper = _matrix(fields, "P_upper", (len(q), len(q)))
        A = _matrix(fields, "A", (len(b), len(q)))
        if upper is not None and sp.tril(upper, -1).nnz:
            raise ValueError("P_upper: expected the upper triangle of P; found entries below it")
        return Program(
            name=str(fields.get("name") or Path(path).name),
            P=None if upper is None else sp.csc_array(upper + sp.triu(upper, 1).T),
            q=q,
            A=A,
            b=b,
            cones=[_cone(cone, at) for at, cone in enumerate(fields.get("cones", []))],
            constant=float(fields.get("r") or 0.0),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedFile(f"{path}: {error}") from error


def _vector(fields: dict[str, Any], name: str) -> np.ndarray:
    if name not in fields:
        raise ValueError(f"{name}: missing, expected a list of numbers")
    found = fields[name]
    array = np.array(found, dtype=np.float64) if isinstance(found, list) else np.zeros((0, 0))
    if array.ndim != 1:
        raise ValueError(f"{name}: expected a list of numbers")
    return array


def _matrix(fields: dict[str, Any], name: str, shape: tuple[int, int]) -> Any:
    found = fields.get(name)
    if found is None:
        if name == "A" and shape[0]:
            raise ValueError(f"A: missing, although b has {shape[0]} entries")
        return None
    parts = ("shape", "colptr", "rowval", "nzval")
    if not isinstance(found, dict) or any(part not in found for part in parts):
        raise ValueError(f"{name}: expected an object with {', '.join(parts)}")
    if tuple(found["shape"]) != shape:
        raise ValueError(f"{name}: expected shape {list(shape)}, found {found['shape']}")
    pointers = np.array(found["colptr"], dtype=np.int64)
    rows = np.array(found["rowval"], dtype=np.int64)
    values = np.array(found["nzval"], dtype=np.float64)
    # scipy checks the pointers, not that rows are in range.
    if rows.size and not (0 <= rows.min() and rows.max() < shape[0]):
        raise ValueError(f"{name}: rowval must be from 0 to {shape[0] - 1}")
    try:
        matrix = sp.csc_array((values, rows, pointers), shape=shape)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return matrix if shape[0] else None


def _cone(found: Any, at: int) -> tuple:
    if found == "exponential":
        return ("exponential", 1)
    if not isinstance(found, dict) or len(found) != 1:
        raise ValueError(f"cones[{at}]: expected an object such as {{'zero': 2}}; found {found!r}")
    ((name, size),) = found.items()
    if name == "generalized_power":
        if not isinstance(size, dict) or not {"alpha", "norm_dim"} <= set(size):
            raise ValueError(f"cones[{at}]: expected alpha and norm_dim; found {size!r}")
        return (name, size["alpha"], size["norm_dim"])
    return (name, size)
