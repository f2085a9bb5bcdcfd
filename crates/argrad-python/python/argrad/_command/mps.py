"""MPS and QPS files, read by HiGHS."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from argrad._command.failure import MalformedFile
from argrad._command.program import Program, read_text


def read_mps(path: str) -> Program:
    """Reads a linear or quadratic program: rows and bounds on two sides become rows of one side.

    Equalities come first, rows before fixed variables; then the inequalities, upper sides of rows,
    their lower sides, upper bounds, lower bounds. Raises MalformedFile.
    """
    try:
        import highspy
    except ImportError as error:
        raise MalformedFile(
            f"{path}: reading MPS takes the package highspy: pip install 'argrad[command]'"
        ) from error
    if not Path(path).is_file():
        read_text(path)  # says why
    with _silence():
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
    with tempfile.TemporaryDirectory() as folder:
        # HiGHS goes by the ending, which it wants in lower case, and knows .mps alone.
        plain = Path(folder) / "program.mps"
        compressed = path.lower().endswith(".gz")
        try:
            with gzip.open(path) if compressed else open(path, "rb") as given:
                with open(plain, "wb") as copy:
                    shutil.copyfileobj(given, copy)
        except (OSError, EOFError) as error:
            raise MalformedFile(f"{path}: {error}") from error
        if highs.readModel(str(plain)) == highspy.HighsStatus.kError:
            raise MalformedFile(f"{path}: HiGHS finds no linear or quadratic program in it")
    model = highs.getModel()
    lp = model.lp_
    continuous = highspy.HighsVarType.kContinuous
    integer = sum(kind != continuous for kind in lp.integrality_)
    sign = -1.0 if lp.sense_ == highspy.ObjSense.kMaximize else 1.0
    A, b, cones = _rows(lp, highs.inf)
    return Program(
        name=Path(path).name,
        P=_hessian(model.hessian_, sign),
        q=sign * np.array(lp.col_cost_, dtype=np.float64),
        A=A,
        b=b,
        cones=cones,
        constant=sign * float(lp.offset_),
        maximize=sign < 0.0,
        variables=list(lp.col_names_) or None,
        relaxed=integer,
    )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps what is written to the process's standard output out of the answer.

    HiGHS greets when it is made, before it can be told to be quiet, and not through Python.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _rows(lp: Any, infinite: float) -> tuple[Any, np.ndarray, list[tuple]]:
    """A, b and the cones of rows and bounds on two sides."""
    n, m = lp.num_col_, lp.num_row_
    matrix = lp.a_matrix_
    entries = (np.array(matrix.value_), np.array(matrix.index_), np.array(matrix.start_))
    # HiGHS keeps columns of what it reads.
    A = sp.csr_array(sp.csc_array(entries, shape=(m, n)))
    identity = sp.eye_array(n, format="csr")
    sides = []
    for block, low, high in (
        (A, np.array(lp.row_lower_), np.array(lp.row_upper_)),
        (identity, np.array(lp.col_lower_), np.array(lp.col_upper_)),
    ):
        equal = (low == high) & np.isfinite(low)
        sides.append((block, low, high, equal))
    blocks, vectors = [], []
    for block, low, _, equal in sides:
        blocks.append(block[equal])
        vectors.append(low[equal])
    equalities = sum(len(vector) for vector in vectors)
    for block, low, high, equal in sides:
        upper, lower = (high < infinite) & ~equal, (low > -infinite) & ~equal
        blocks += [block[upper], -block[lower]]
        vectors += [high[upper], -low[lower]]
    b = np.concatenate(vectors)
    cones = [("zero", equalities), ("nonnegative", len(b) - equalities)]
    stacked = sp.vstack(blocks, format="csc") if len(b) else None
    return stacked, b, cones


def _hessian(hessian: Any, sign: float) -> Any:
    """P, both triangles, of the triangle that HiGHS keeps."""
    if hessian.dim_ == 0 or not len(hessian.value_):
        return None
    entries = (np.array(hessian.value_), np.array(hessian.index_), np.array(hessian.start_))
    triangle = sp.csc_array(entries, shape=(hessian.dim_, hessian.dim_))
    diagonal = sp.diags_array(triangle.diagonal())
    return sp.csc_array(sign * (triangle + triangle.T - diagonal))
