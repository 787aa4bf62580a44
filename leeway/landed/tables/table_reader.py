"""Reads the rows of a table that have not landed yet, in the order of its key, and lands them.

Each query goes back to the largest key that lies the overlap behind the newest one, and passes over what has landed. So
rows whose transaction ended late, or that share a key, are neither lost nor read twice. A page is one short query: no
transaction stays open while files are written, which would keep PostgreSQL from cleaning up and SQLite from writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from leeway.landed import numbered_files
from leeway.landed.so_far import SoFar
from leeway.landed.tables import keys, onward, values
from leeway.landed.tables.keys import Key
from leeway.landed.tables.landed_rows import LandedRows, Row
from leeway.landed.tables.table_queries import TableQueries
from leeway.project.landed import LandedTable

PAGE_ROWS = 20_000
"""Rows of a page, about, and so of a file."""


class TableReader:
    """The reader of one table. Several may be used at once, in any process: one reads, the others wait."""

    def __init__(self, table: LandedTable, page_rows: int = PAGE_ROWS) -> None:
        self.table = table
        self.queries = TableQueries(table)
        self._page_rows = page_rows
        self._landed: LandedRows | None = None
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
        LandingBusy
            Another process reads the table for long.
        TableAway
            The database does not answer.
        TableError
            The table cannot be read as the project file says.
        BrokerError
            The topic into which its rows go on cannot be written; what has landed goes on the next time.
        """
        with numbered_files.turn(self.table):
            rows = self._land(now, most)
            if self.table.onward:
                onward.send_new(self.table, self.table.onward)
            return rows

    @property
    def source(self) -> LandedTable:
        """The table."""
        return self.table

    def so_far(self) -> SoFar:
        """Return what has landed, also by other processes."""
        landed = self.landed()
        return SoFar(landed.total, f"{self.table.table.key} {landed.high_text}" if landed.high else "")

    def waiting(self, most: int) -> int:
        """Return how many rows have a larger key than those that landed, counted up to *most*.

        Raises what :meth:`land` raises.
        """
        landed = self.landed()
        return self.queries.count_above(landed.high[1] if landed.high else None, most)

    def landed(self) -> LandedRows:
        """Return what has landed, with what other processes have landed since."""
        if self._landed is None or not self._landed.is_current():
            self._landed = LandedRows.load(self.table.folder, keys.overlap(self.table.table))
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
