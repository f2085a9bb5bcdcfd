"""What the applications share: checks of command-line values, and Ctrl-C as a flag."""

from __future__ import annotations

import argparse
import math
import os
import signal
from pathlib import Path
from types import FrameType, TracebackType

EXIT_CODE = 130
"""Of a program ended by Ctrl-C."""


def count(text: str) -> int:
    """A whole number of at least one, for `type=` of an argument."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; found {text!r}")
    return number


def seed(text: str) -> int:
    """A whole number of at least zero."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    # The largest that the generators of numpy and of torch both take.
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 0, less than 2^63; found {text!r}"
        )
    return number


def positive(text: str) -> float:
    """A positive, finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number; found {text!r}")
    return number


def plot_file(text: str) -> Path:
    """A file name that ends in .png, in a folder that exists and may be written to."""
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"expected a file name that ends in .png; found {text!r}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; expected the name of a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} may not be written to; choose another place")
    return path


class Interruption:
    """Within `with`, Ctrl-C asks for the end instead of ending the program; a second one ends it.

    Attributes:
        requested: whether the end was asked for.
    """

    def __init__(self) -> None:
        self.requested = False

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> Interruption:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._before)
