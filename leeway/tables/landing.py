"""The tables of a model: read once before a command counts, or again and again while something follows its events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from features.errors import LeewayError, reason
from features.security.printable import visible
from leeway.project.tables import LandedTable
from leeway.tables import last_read
from leeway.tables.table_reader import TableReader

Clock = Callable[[], datetime]


def land(tables: Sequence[LandedTable], now: datetime) -> int:
    """Land all new rows of *tables*, and return how many they were.

    Raises
    ------
    ProjectError
        A database's URL cannot be found out.
    TableError
        A table cannot be read; TableAway where that may pass.
    """
    return sum(_land(TableReader(table), now) for table in tables)


def _land(reader: TableReader, now: datetime) -> int:
    """Land the new rows of one table, and note when that was or why it failed."""
    try:
        rows = reader.land(now)
    except (LeewayError, OSError) as error:
        last_read.failed(reader.table, reason(error))
        raise
    last_read.succeeded(reader.table, now)
    return rows


@contextmanager
def following(tables: Sequence[LandedTable], clock: Clock, report: Callable[[str], None]) -> Iterator[None]:
    """Land new rows of *tables* until the block ends, each as often as its `poll` says, in a thread of its own.

    What is there has landed when the block begins. A table that cannot be read does not end what follows it: the reason
    is reported once, and it is tried again.

    Parameters
    ----------
    tables
        The tables; without any there is no thread.
    clock
        Returns the present.
    report
        Called with the reason when a table begins to fail, from its thread.
    """
    stop = threading.Event()
    followers = [_Follower(table, clock, report) for table in tables]
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
    """Reads one table again and again."""

    def __init__(self, table: LandedTable, clock: Clock, report: Callable[[str], None]) -> None:
        self._table, self._clock, self._report = table, clock, report
        self._reader, self._problem = TableReader(table), ""

    def run(self, stop: threading.Event) -> None:
        """Look at the table until *stop* is set."""
        while not stop.wait(self._table.table.poll.total_seconds()):
            self.look()

    def look(self) -> None:
        """Land new rows; report a problem that the look before did not have."""
        problem = ""
        try:
            _land(self._reader, self._clock())
        except (LeewayError, OSError) as error:
            problem = reason(error)
            self._reader = TableReader(self._table)  # whatever it knows of the table may have changed
        if problem and problem != self._problem:
            self._report(visible(problem))  # it may name columns, which are the database's to choose
        self._problem = problem
