"""How much memory there is, and the refusal of what would take more.

A system that promises more memory than it has ends the process that uses it, so what is large is
estimated before it is built. The measure is the memory of the machine, not what is free of it:
whether a problem is refused does not depend on what else runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from argrad._core import MemoryLimitError

# What a control group (a container) may take: of version 2, of version 1.
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def limit() -> int | None:
    """Bytes that this process may take; None where the system does not say."""
    return min([*_machine(), *_group(), *_address_space()], default=None)


def check(what: str | Callable[[], str], size: int, remedy: str, most: int | None = None) -> None:
    """Raises :class:`argrad.MemoryLimitError` if `size` bytes, which `what` takes, are too many.

    They are if they are more than `most`, or, where that is None, more than the process may take.
    A text that is costly to make is given as a function.
    """
    if most is None:
        most = limit()
    if most is not None and size > most:
        named = what if isinstance(what, str) else what()
        raise MemoryLimitError(
            f"{named} would take {_text(size)}, more than the limit of {_text(most)}; {remedy}"
        )


def _text(size: int) -> str:
    """A number of bytes as people write it."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            count = size / unit
            return f"{count:.3g} {name}" if count < 1000 else f"{count:,.0f} {name}"
    return f"{size} bytes"


def _machine() -> Iterator[int]:
    """The memory of the machine."""
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return


def _group() -> Iterator[int]:
    """What the control group of the process may take."""
    for path in _GROUPS:
        try:
            yield int(Path(path).read_text())
        except (OSError, ValueError):
            # No such file, or "max".
            continue


def _address_space() -> Iterator[int]:
    """What a limit on the address space (`ulimit -v`) leaves of it."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most == resource.RLIM_INFINITY:
            return
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        yield max(most - pages * resource.getpagesize(), 0)
    except (ImportError, OSError):
        return
