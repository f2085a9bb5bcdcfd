"""The other end of a worker's pipe: with a time limit, and outliving the worker's death."""

from __future__ import annotations

import multiprocessing

from . import worker


class EntrantFailed(Exception):
    """The entrant could not do what was asked; the message is for the table."""


class NotApplicable(EntrantFailed):
    """The entrant is not made for what was asked."""


class Process:
    """An entrant's process; started when first asked, and again after it died or hung.

    Args:
        name: of the entrant.
        limit: seconds that an answer may take.
        device: where it is to run.
    """

    def __init__(self, name: str, limit: float, device: str = "cpu") -> None:
        self.name, self._limit, self._device = name, limit, device
        self._process = self._connection = None
        #: Set when the library cannot be loaded at all.
        self.absent: str | None = None
        self.version = ""
        self.differentiates = False

    def ask(self, what: str, *arguments):
        """The worker's answer.

        Raises:
            EntrantFailed: it is absent, refuses, fails, dies, or takes too long.
        """
        if self.absent is None and self._process is None:
            self._start()
        if self.absent is not None:
            raise EntrantFailed(self.absent)
        return self._exchange(what, *arguments)

    def release(self) -> None:
        """Gives back what it holds of a card; by its end, if nothing less does that."""
        if self._process is None:
            return
        try:
            is_free = self._exchange("release")
        except EntrantFailed:
            is_free = False
        if not is_free:
            self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._connection.close()
            self._process.join(2)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = self.name, self._device, theirs
        self._process = context.Process(target=worker.serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.version = self._exchange("start")
            self.differentiates = self._exchange("differentiates")
        except EntrantFailed as failure:
            self.absent = f"not installed: {failure}"
            self.close()

    def _exchange(self, what: str, *arguments):
        try:
            self._connection.send((what, *arguments))
            if not self._connection.poll(self._limit):
                self.close_now()
                raise EntrantFailed(f"no answer within {self._limit:.0f} s")
            kind, value = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            code = None if self._process is None else self._process.exitcode
            self.close_now()
            raise EntrantFailed(f"its process died (exit code {code})") from error
        if kind == "ok":
            return value
        raise (NotApplicable if kind == "unsupported" else EntrantFailed)(value)

    def close_now(self) -> None:
        """Ends a process that does not listen."""
        self._process.kill()
        self._process.join()
        self._connection.close()
        self._process = None
