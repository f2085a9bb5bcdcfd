"""The sections of a file in the conic benchmark format."""

from __future__ import annotations

import math


class Sections:
    """What the file says, section by section."""

    def __init__(self) -> None:
        self.maximize = False
        self.domains: list[tuple[str, int]] = []
        self.rows: list[tuple[str, int]] = []
        # Sides of matrices, and indices of integer variables.
        self.lists: dict[str, list[int]] = {"PSDVAR": [], "PSDCON": [], "INT": []}
        # By section: rows of numbers.
        self.entries: dict[str, list[tuple[float, ...]]] = {}


# Numbers of each line of a section of coordinates, the value last.
_COORDINATES = {
    "OBJACOORD": 2,
    "OBJFCOORD": 4,
    "ACOORD": 3,
    "BCOORD": 2,
    "FCOORD": 5,
    "HCOORD": 5,
    "DCOORD": 4,
}
_CONES = ("F", "L=", "L+", "L-", "Q", "QR", "EXP")
_SECTIONS = ("VER", "OBJSENSE", "VAR", "CON", "PSDVAR", "PSDCON", "INT", "OBJBCOORD", *_COORDINATES)


class Lines:
    """The lines of a file that mean something, with the section that is read."""

    def __init__(self, text: str) -> None:
        lines = enumerate(text.splitlines(), start=1)
        useful = ((at, line.split("#")[0].strip()) for at, line in lines)
        self._left = iter([(at, line) for at, line in useful if line])
        self.section = ""
        self.at = 0

    def begin(self) -> bool:
        """Goes to the next section; False at the end of the file."""
        self.at, self.section = next(self._left, (self.at, ""))
        return bool(self.section)

    def line(self) -> str:
        """The next line of the section."""
        at, line = next(self._left, (0, ""))
        if not at:
            raise ValueError("the file ends within it")
        return line

    def numbers(self, count: int) -> tuple[float, ...]:
        """So many numbers in a line."""
        line = self.line()
        words = line.split()
        if len(words) != count:
            raise ValueError(f"expected {count} numbers in a line; found {line!r}")
        found = tuple(float(word) for word in words)
        if not all(math.isfinite(number) for number in found):
            raise ValueError(f"expected finite numbers; found {line!r}")
        return found

    def count(self) -> int:
        """A whole number in a line."""
        (number,) = self.numbers(1)
        if number < 0 or number != int(number):
            raise ValueError(f"expected a count; found {number}")
        return int(number)

    def counts(self) -> list[int]:
        """How many, and then so many whole numbers, one a line."""
        return [self.count() for _ in range(self.count())]

    def cones(self) -> list[tuple[str, int]]:
        """Cones and how many entries each has, which must add up to what is said before."""
        total, count = (int(number) for number in self.numbers(2))
        found = []
        for _ in range(count):
            cone, _, dimension = self.line().partition(" ")
            if cone not in _CONES:
                raise ValueError(f"cones {', '.join(_CONES)} are known; found {cone!r}")
            found.append((cone, int(dimension)))
        sizes = [dimension for _, dimension in found]
        if sum(sizes) != total or any(size < 0 for size in sizes):
            raise ValueError(f"expected cones of {total} entries together; found {sizes}")
        return found


def read_section(found: Sections, lines: Lines) -> None:
    """Reads what follows the name of a section."""
    name = lines.section
    if name == "VER":
        if lines.count() > 4:
            raise ValueError("versions up to 4 are known")
    elif name == "OBJSENSE":
        sense = lines.line()
        if sense not in ("MIN", "MAX"):
            raise ValueError(f"expected MIN or MAX; found {sense!r}")
        found.maximize = sense == "MAX"
    elif name == "VAR":
        found.domains = lines.cones()
    elif name == "CON":
        found.rows = lines.cones()
    elif name in ("PSDVAR", "PSDCON", "INT"):
        found.lists[name] = lines.counts()
    elif name == "OBJBCOORD":
        found.entries[name] = [lines.numbers(1)]
    elif name in _COORDINATES:
        found.entries[name] = [lines.numbers(_COORDINATES[name]) for _ in range(lines.count())]
    else:
        raise ValueError(f"expected one of {', '.join(_SECTIONS)}")
