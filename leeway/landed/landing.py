"""What lands for a model: read once before a command counts, or again and again while something follows its events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from features.errors import reason
from features.security.printable import visible
from leeway.landed import last_read, readers
from leeway.landed.readers import Reader
from leeway.project.landed import LandedSource

Clock = Callable[[], datetime]


def land(sources: Sequence[LandedSource], now: datetime) -> int:
    """Land all that is new of *sources*, and return how many rows and records that was.

    Raises
    ------
    ProjectError
        A database's URL cannot be found out.
    TableError
        A table cannot be read; TableAway where that may pass.
    BrokerError
        A topic cannot be read; BrokerAway where that may pass.
    """
    return sum(_land(readers.reader(source), now) for source in sources)


def _land(reader: Reader, now: datetime) -> int:
    """Land what is new of one source, and note when that was or why it failed."""
    try:
        rows = reader.land(now)
    except Exception as error:  # also one that nobody foresaw: `leeway status` tells of it
        last_read.failed(reader.source, reason(error))
        raise
    last_read.succeeded(reader.source, now)
    return rows


@contextmanager
def following(sources: Sequence[LandedSource], clock: Clock, report: Callable[[str], None]) -> Iterator[None]:
    """Land what is new of *sources* until the block ends, each as often as its `poll` says, in a thread of its own.

    What is there has landed when the block begins. A source that cannot be read does not end what follows it: the
    reason is reported once, and it is tried again.

    Parameters
    ----------
    sources
        The tables, topics and views, what a view reads before it; without any there is no thread.
    clock
        Returns the present.
    report
        Called with the reason when a source begins to fail, from its thread.
    """
    stop = threading.Event()
    followers = [_Follower(source, clock, report) for source in sources]
    for follower in followers:
        follower.look()
    threads = [threading.Thread(target=follower.run, args=(stop,), daemon=True) for follower in followers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Follower:
    """Reads one source again and again."""

    def __init__(self, source: LandedSource, clock: Clock, report: Callable[[str], None]) -> None:
        self._source, self._clock, self._report = source, clock, report
        self._reader: Reader | None = readers.reader(source)
        self._problem = ""

    def run(self, stop: threading.Event) -> None:
        """Look at the source until *stop* is set."""
        while not stop.wait(self._source.poll.total_seconds()):
            self.look()

    def look(self) -> None:
        """Land what is new; report a problem that the look before did not have. No error passes."""
        problem = ""
        try:
            self._reader = self._reader or readers.reader(self._source)
            _land(self._reader, self._clock())
        except Exception as error:  # whatever a driver or a file system raises: the next look may succeed
            problem = reason(error)
            self._reader = None  # whatever it knows of the source may have changed
        if problem and problem != self._problem:
            with suppress(OSError, ValueError):  # nobody hears it (a closed stderr): `leeway status` still tells of it
                self._report(visible(problem))  # it may name columns, which are the database's to choose
        self._problem = problem
