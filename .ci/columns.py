#!/usr/bin/env python3
"""Lists tracked lines over 100 columns. Rows of tables may be: they cannot be broken.

Usage: columns.py [PATTERN ...], patterns as in `git ls-files`.
"""

import subprocess
import sys
import unicodedata
from pathlib import Path

LIMIT = 100
PATTERNS = ["*.rs", "*.py", "*.pyi", "*.md", "*.h", "*.cu", "*.cpp"]


def columns(line: str) -> int:
    """Wide characters take two columns, combining ones none."""
    widths = {"W": 2, "F": 2}
    return sum(
        0 if unicodedata.combining(c) else widths.get(unicodedata.east_asian_width(c), 1)
        for c in line
    )


def is_breakable(line: str) -> bool:
    """Neither a row of a table (in Markdown or a doc comment) nor one long word, such as a link."""
    text = line.strip().lstrip("/!#*- ").strip()
    return not text.startswith("|") and " " in text


def main() -> int:
    patterns = sys.argv[1:] or PATTERNS
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], stdout=-1, check=True)
    long = 0
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = Path(name)
        if not path.is_file():  # removed, not yet committed
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if columns(line) > LIMIT and is_breakable(line):
                print(f"{name}:{number}: {columns(line)} columns, at most {LIMIT}")
                long += 1
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
