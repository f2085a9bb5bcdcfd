"""A program from a file, in standard form."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from argrad._command.failure import MalformedFile
from argrad._standard import Solver


class Program(NamedTuple):
    """minimize 1/2 x'Px + q'x + constant, Ax + s = b, s in K; with how the file calls x.

    Where the file maximizes, the program minimizes the negative.
    """

    name: str
    P: Any
    """scipy sparse, both triangles; None for zero."""
    q: np.ndarray
    A: Any
    """scipy sparse; None without rows."""
    b: np.ndarray
    cones: list[tuple]
    constant: float = 0.0
    maximize: bool = False
    variables: list[str] | None = None
    """Names of variables, if the file has any."""
    relaxed: int = 0
    """How many variables are integer in the file."""

    def solver(self, **settings: Any) -> Solver:
        """The solver for it; raises MalformedFile where the numbers make no program."""
        try:
            return Solver(self.P, self.A, self.cones, n=len(self.q), **settings)
        except ValueError as error:
            raise MalformedFile(f"{self.name}: {error}") from error


def read_program(path: str, relax: bool) -> Program:
    """Reads a program, by the ending of its file. Integer variables are an error unless `relax`.

    Raises MalformedFile.
    """
    from argrad._command.cbf import read_cbf
    from argrad._command.mps import read_mps
    from argrad._command.standard import read_standard

    kind = Path(path.removesuffix(".gz")).suffix.lower()
    if kind in (".mps", ".qps"):
        program = read_mps(path)
    elif kind == ".cbf":
        program = read_cbf(path, read_text(path))
    elif kind == ".json":
        program = read_standard(path, read_text(path))
    else:
        raise MalformedFile(
            f"{path}: expected a file that ends in .mps, .qps, .cbf or .json (and .gz, if it is "
            f"compressed); found {kind or 'no ending'!r}"
        )
    if program.relaxed and not relax:
        raise MalformedFile(
            f"{path}: {program.relaxed} of {len(program.q)} variables are integer, which makes the "
            "program not convex; --relax lets them take any value"
        )
    return program


def read_text(path: str) -> str:
    """The text of a file, gzipped or not; raises MalformedFile."""
    try:
        data = Path(path).read_bytes()
        # By its first bytes, not its name: files are renamed.
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise MalformedFile(f"{path}: damaged gzip data: {error}") from error
    except OSError as error:
        raise MalformedFile(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MalformedFile(f"{path}: is no text: {error}") from error
