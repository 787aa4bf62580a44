"""The thread that takes new facts into a server's store while it answers.

While facts cannot be read, answers go on with those that are stored; the failure is in the log, the metrics and the
health.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from features import errors
from features.facts.directory_feed import DirectoryFeed
from features.values.untyped import Reject, records_of

EVERY_SECONDS = 1.0
"""How often the directories of facts are looked at."""
SetAside = Callable[[Sequence[Reject]], None]
"""Stores the records that could not be used as dead letters."""
_LOG = logging.getLogger("leeway.serve")


@dataclass
class FeedCounts:
    """What became of the facts: how many were stored, records set aside, and why they cannot be read now."""

    stored: int = 0
    set_aside: int = 0
    failing: str = ""


class FactFeed:
    """Looks for new files of facts until it is closed.

    Parameters
    ----------
    model
        Name of the model, for the log.
    feed
        Reads the files.
    set_aside
        Takes the dead letters.
    clock
        Returns the present.
    """

    def __init__(self, model: str, feed: DirectoryFeed, set_aside: SetAside, clock: Callable[[], datetime]) -> None:
        self.counts = FeedCounts()
        self._model, self._feed, self._set_aside, self._clock = model, feed, set_aside, clock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"facts of {model}", daemon=True)

    def start(self) -> None:
        """Read what is there, then go on in a thread."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the file that it reads."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            self.look()

    def look(self) -> None:
        """Read new files once; no error passes."""
        try:
            for taken in self._feed.take(self._clock()):
                self.counts.stored += taken.facts
                if taken.rejects:
                    self._reject(taken.rejects)
                if self._end.is_set():
                    return
        except Exception as error:  # whatever a file system or a database raises: the next look may succeed
            self._fail(error)
            return
        self.counts.failing = ""

    def _reject(self, rejects: Sequence[Reject]) -> None:
        self.counts.set_aside += records_of(rejects)
        first = rejects[0]
        text = "%s: %d records of facts set aside, the first at %s line %d: %s"
        _LOG.warning(text, self._model, records_of(rejects), first.path, first.line, first.reason)
        self._set_aside(rejects)

    def _fail(self, error: Exception) -> None:
        reason = errors.reason(error)
        if self.counts.failing != reason:
            _LOG.error("%s: facts cannot be read: %s; answers go on with those that are stored", self._model, reason)
        self.counts.failing = reason
