"""The command `argrad`: solves programs from files, checks solutions, tells what is installed.

    argrad solve FILE [--json] [--output SOLUTION] [--relax] [--tolerance ...]
    argrad check FILE SOLUTION [--json] [--tolerance ...]
    argrad info [--json]

Exit codes: 0, solved, or optimal; 1, no solution, or a point that is not optimal: the output says
which; 2, a file or an argument that cannot be read, with a message on stderr; 130, Ctrl-C.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

OK, FAILED, MALFORMED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    asked = _parser().parse_args(arguments)
    # Imported late: `--help` answers at once.
    from argrad._command.failure import MalformedFile

    try:
        return asked.run(asked)
    except (MalformedFile, MemoryError) as error:
        print(f"argrad: {error}", file=sys.stderr)
        return MALFORMED
    except BrokenPipeError:
        # Whoever reads has seen enough; Python would complain again at the end.
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="argrad",
        description="Convex programs on the command line.",
        epilog="Exit codes: 0 solved or optimal, 1 not, 2 a file or an argument that cannot be "
        "read, 130 Ctrl-C.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    file_help = (
        "an MPS or QPS file (.mps, .qps; reading it takes the package highspy: "
        "pip install 'argrad[command]'), a conic benchmark (.cbf), or standard form (.json); each "
        "may be compressed (.gz)"
    )

    solve = commands.add_parser("solve", help="solve a program", description="Solves a program.")
    solve.add_argument("file", metavar="FILE", help=file_help)
    solve.add_argument("--output", metavar="SOLUTION", help="write the solution there, as JSON")
    solve.add_argument("--max-iterations", type=_count, help="limit of iterations")
    solve.add_argument("--time-limit", type=_positive, metavar="SECONDS", help="limit of time")
    solve.set_defaults(run=_solve)

    check = commands.add_parser(
        "check",
        help="check a solution of any solver",
        description="Checks the four KKT conditions of a point.",
    )
    check.add_argument("file", metavar="FILE", help=file_help)
    check.add_argument(
        "solution",
        metavar="SOLUTION",
        help="JSON with x, and z and s if they are known; or text with a value, or a name and a "
        "value, on each line. Multipliers that are not given are fitted",
    )
    check.set_defaults(run=_check)

    for command, default, meaning in (
        (solve, 1e-8, "largest relative residual of a solution"),
        (check, 1e-6, "largest relative residual of what counts as optimal"),
    ):
        command.add_argument(
            "--tolerance", type=_positive, default=default, help=f"{meaning} ({default:.0e})"
        )
        command.add_argument(
            "--relax", action="store_true", help="let integer variables take any value"
        )

    info = commands.add_parser("info", help="tell what is installed")
    info.set_defaults(run=_info)
    for command in (solve, check, info):
        command.add_argument("--json", action="store_true", help="answer as JSON, not as a table")
    return parser


def _positive(text: str) -> float:
    """A positive number, for `type=` of an argument."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number; found {text!r}")
    return number


def _count(text: str) -> int:
    """A whole number of at least one, for `type=` of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; found {text!r}")
    return int(text)


def _solve(asked: argparse.Namespace) -> int:
    from argrad._command.solve import solve_file

    return solve_file(asked)


def _check(asked: argparse.Namespace) -> int:
    from argrad._command.check import check_file

    return check_file(asked)


def _info(asked: argparse.Namespace) -> int:
    from argrad._command.info import show_info

    return show_info(asked)
