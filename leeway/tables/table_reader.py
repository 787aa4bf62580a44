"""Reads the rows of a table that have not landed yet, in the order of its key, and lands them.

Each query goes back to the largest key that lies the overlap behind the newest one, and passes over what has landed. So
rows whose transaction ended late, or that share a key, are neither lost nor read twice. A page is one short query: no
transaction stays open while files are written, which would keep PostgreSQL from cleaning up and SQLite from writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import filelock

from features.errors import TableAway
from leeway.project.tables import LandedTable
from leeway.tables import keys, values
from leeway.tables.keys import Key
from leeway.tables.landed import Landed, Row
from leeway.tables.table_queries import TableQueries

PAGE_ROWS = 20_000
"""Rows of a page, about, and so of a file."""
LOCK_SECONDS = 600
"""Seconds to wait for another process that reads the same table."""


class TableReader:
    """The reader of one table. Several may be used at once, in any process: one reads, the others wait."""

    def __init__(self, table: LandedTable, page_rows: int = PAGE_ROWS) -> None:
        self.table = table
        self.queries = TableQueries(table)
        self._page_rows = page_rows
        self._landed: Landed | None = None
        table.folder.mkdir(parents=True, exist_ok=True)

    def land(self, now: datetime, *, most: int | None = None) -> int:
        """Land the rows that are there and have not landed yet; return how many they were.

        Parameters
        ----------
        now
            The present; keys that are times of the far future wait for theirs.
        most
            After how many rows to stop, about; what is left is read the next time.

        Raises
        ------
        ProjectError
            The database's URL cannot be found out.
        TableAway
            The database does not answer, or another process reads the table for long.
        TableError
            The table cannot be read as the project file says.
        """
        lock = filelock.FileLock(self.table.folder.with_suffix(".lock"), timeout=LOCK_SECONDS)
        try:
            with lock:
                return self._land(now, most)
        except filelock.Timeout as error:
            msg = f"another process has been reading {self.table.name} for {LOCK_SECONDS} s"
            raise TableAway(msg, hint="wait for it, or end it") from error

    def landed(self) -> Landed:
        """Return what has landed, with what other processes have landed since."""
        if self._landed is None or not self._landed.is_current():
            self._landed = Landed.load(self.table.folder, keys.overlap(self.table.table))
        return self._landed

    def _land(self, now: datetime, most: int | None) -> int:
        """Land new rows page by page, and return how many they were; no other process reads meanwhile."""
        landed, total = self.landed(), 0
        for page in self._pages(landed.start[1] if landed.start else None):
            read = (row for raw in page if (row := self._row(raw, now)))
            rows = {row.digest: row for row in read if row.digest not in landed.recent}
            if rows:
                landed.add(list(rows.values()), self.queries.columns)
                total += len(rows)
            if most is not None and total >= most:
                break
        return total

    def _pages(self, start: Key | None) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows from *start* on, in pages; the rows of the last key of a page come again in the next."""
        size = self._page_rows
        while True:
            page = self.queries.page(start, size)
            yield page
            if len(page) < size:
                return
            last = page[-1][0]
            # A page of one key alone leads no further: the next one has to be longer.
            size, start = (2 * size if last == start else self._page_rows), last

    def _row(self, raw: Sequence[Any], now: datetime) -> Row | None:
        """Return a row; None where its key is none, or is still to come."""
        key, *rest = raw
        position = keys.position(self.table.table, key, now)
        if position is None:
            return None
        own = [values.plain(value) for value in rest]
        return Row(key, position, values.digest(own), tuple(own[: len(self.queries.columns)]))
