"""Solved programs, kept for the derivatives that frameworks ask for later.

JAX and TensorFlow carry arrays from the forward pass to the backward pass, and nothing else. A
solved program with its factorization is not an array, so it waits here, found again by the values
it was solved at. The values themselves are compared, bit by bit, so a lookup cannot return the
solution of another program. What is not found any more is solved again: the store decides how long
a derivative takes, never what it is.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Tapes", "tapes"]

_SPARE = 4


class _Entry(NamedTuple):
    values: tuple[np.ndarray, ...]
    solved: Any
    size: int


def _fingerprint(values: Sequence[np.ndarray]) -> tuple[tuple[int, ...], ...]:
    """Shapes and checksums; equal values have equal fingerprints, the reverse is compared."""
    prints = []
    for value in values:
        bits = value.reshape(-1).view(np.uint64)
        # Squares too: neighbouring iterates often have the same sum.
        prints.append((*value.shape, int(np.add.reduce(bits)), int(np.dot(bits, bits))))
    return tuple(prints)


def _same(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> bool:
    return all(
        np.array_equal(a.view(np.uint64), b.view(np.uint64))
        for a, b in zip(left, right, strict=True)
    )


class Tapes:
    """A store of solved programs, bounded in bytes; safe to use from several threads.

    Entries that a derivative has used are the first to go: of those at most four stay. Entries
    that wait for their derivative go when the store is full, the oldest first.

    Arguments:
        limit: bytes that the entries may take together, by the estimates given to `put`. An entry
            larger than that is not kept.
    """

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._size = 0
        self._waiting: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._used: OrderedDict[Hashable, _Entry] = OrderedDict()

    @property
    def limit(self) -> int:
        """The bound in bytes; a smaller one takes effect at once."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        if limit < 0:
            raise ValueError(f"limit: expected a number of bytes >= 0, found {limit}")
        with self._lock:
            self._limit = limit
            self._evict()

    @property
    def size(self) -> int:
        """Bytes held at present, by the estimates given to `put`."""
        return self._size

    def __len__(self) -> int:
        return len(self._waiting) + len(self._used)

    def put(
        self,
        owner: Hashable,
        values: Sequence[np.ndarray],
        solved: Any,
        size: int,
        used: bool = False,
    ) -> None:
        """Keeps `solved`, the solution of `owner` at `values`.

        Arguments:
            owner: what was solved, batch size included; compared with `==`.
            values: contiguous float64 arrays that nobody changes afterwards.
            solved: what `get` returns.
            size: estimate of the bytes it takes beside `values`.
            used: its derivative has been asked for.
        """
        values = tuple(values)
        size += sum(value.nbytes for value in values)
        key = (owner, _fingerprint(values))
        with self._lock:
            self._forget(key)
            if size > self._limit:
                return
            (self._used if used else self._waiting)[key] = _Entry(values, solved, size)
            self._size += size
            self._evict()

    def get(self, owner: Hashable, values: Sequence[np.ndarray]) -> Any | None:
        """The solution kept for `owner` at `values`, marked as used, or None."""
        key = (owner, _fingerprint(values))
        with self._lock:
            entry = self._waiting.get(key) or self._used.get(key)
            if entry is None or not _same(entry.values, values):
                return None
            self._waiting.pop(key, None)
            self._used[key] = entry
            self._used.move_to_end(key)
            self._evict()
            return entry.solved

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._waiting.clear()
            self._used.clear()
            self._size = 0

    def _forget(self, key: Hashable) -> None:
        for store in (self._waiting, self._used):
            entry = store.pop(key, None)
            if entry is not None:
                self._size -= entry.size

    def _evict(self) -> None:
        while self._used and (len(self._used) > _SPARE or self._size > self._limit):
            self._size -= self._used.popitem(last=False)[1].size
        while self._waiting and self._size > self._limit:
            self._size -= self._waiting.popitem(last=False)[1].size


def _initial_limit() -> int:
    text = os.environ.get("ARGRAD_TAPE_BYTES", "")
    if not text:
        return 1 << 29
    try:
        limit = int(text)
    except ValueError:
        limit = -1
    if limit < 0:
        raise ValueError(f"ARGRAD_TAPE_BYTES: expected a number of bytes >= 0, found {text!r}")
    return limit


tapes = Tapes(_initial_limit())
"""The store of this process: 512 MiB, or what the environment variable ARGRAD_TAPE_BYTES says."""
