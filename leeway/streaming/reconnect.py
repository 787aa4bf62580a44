"""Reconnecting with back-off after outages: reopens a consumer with growing pauses."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from features.errors import LeewayError, Outage

Take = Callable[[], int]
"""Takes over what is there, and returns the number of batches."""

_FIRST_PAUSES = (1.0, 2.0, 4.0, *[5.0] * 10)
"""Pauses (s) after the first failures: about a minute, in which a restarted server is up again."""
_LATER_PAUSE = 30.0
"""Pause (s) after each further failure."""


def pause(failures: int) -> float:
    """Return the pause (s) after *failures* consecutive failures.

    >>> [pause(n) for n in (1, 2, 3, 4, 13, 14)]
    [1.0, 2.0, 4.0, 5.0, 5.0, 30.0]
    """
    return _FIRST_PAUSES[failures - 1] if failures <= len(_FIRST_PAUSES) else _LATER_PAUSE


@dataclass
class Reconnecting:
    """A consumer that survives outages: a call makes at most one attempt, and returns 0 during an outage.

    Parameters
    ----------
    opening
        Opens the consumer. On entry every error is raised; afterwards an `Outage` closes it, and it is reopened after
        a :func:`pause`. Any other error is raised.
    notify
        Called with a line about each failure, and about the end of an outage.
    clock
        Returns seconds.
    """

    opening: Callable[[], AbstractContextManager[Take]]
    notify: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _open: ExitStack | None = field(default=None, init=False)
    _take: Take | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)
    _again: float = field(default=0.0, init=False)

    def __enter__(self) -> Reconnecting:
        self._enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close(kind, error, at)

    def __call__(self) -> int:
        """Take over what is there; after an outage, once the pause is over, reopen first."""
        if self._open is None and self.clock() < self._again:
            return 0
        try:
            taken = self._attempt()
        except Outage as outage:
            self._put_off(outage)
            return 0
        if self._failures:
            self.notify(f"connected again after {self.clock() - self._since:.0f} s")
            self._failures = 0
        return taken

    def _enter(self) -> Take:
        with ExitStack() as stack:
            self._take = stack.enter_context(self.opening())
            self._open = stack.pop_all()
        return self._take

    def _attempt(self) -> int:
        take = self._take or self._enter()
        try:
            return take()
        except Exception:
            self._close(*sys.exc_info())  # the contexts translate drivers' errors
            raise

    def _close(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        stack, self._open, self._take = self._open, None, None
        if stack:
            stack.__exit__(kind, error, at)

    def _put_off(self, outage: LeewayError) -> None:
        now = self.clock()
        self._since = self._since if self._failures else now
        self._failures += 1
        wait = pause(self._failures)
        self._again = now + wait
        self.notify(f"{outage.message}; next attempt in {wait:.0f} s")
