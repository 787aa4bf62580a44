"""The tables of a model: read once before a command counts, or again and again while something follows its events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from features.errors import LeewayError, reason
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

    A table that cannot be read does not end what follows it: the reason is reported once, and it is tried again.

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
    threads = [threading.Thread(target=_follow, args=(table, clock, report, stop), daemon=True) for table in tables]
    for table, thread in zip(tables, threads, strict=True):
        table.folder.mkdir(parents=True, exist_ok=True)  # what follows the directory expects it to be there
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _follow(table: LandedTable, clock: Clock, report: Callable[[str], None], stop: threading.Event) -> None:
    reader, before = TableReader(table), ""
    while not stop.is_set():
        problem = ""
        try:
            _land(reader, clock())
        except (LeewayError, OSError) as error:
            problem = reason(error)
            reader = TableReader(table)  # whatever it knows of the table may have changed
        if problem and problem != before:
            report(problem)
        before = problem
        stop.wait(table.table.poll.total_seconds())
