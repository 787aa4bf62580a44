"""Reads the rows of a table that have not landed yet, in the order of its key, and lands them.

Each query goes back to the largest key that lies the overlap behind the newest one, and passes over what has landed. So
rows whose transaction ended late, or that share a key, are neither lost nor read twice. A page is one short query: no
transaction stays open while files are written, which would keep PostgreSQL from cleaning up and SQLite from writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import filelock
import sqlalchemy as sa

from features.errors import TableAway, TableError
from leeway.project.tables import LandedTable
from leeway.project.validation_errors import did_you_mean
from leeway.tables import database, keys, values
from leeway.tables.keys import Key
from leeway.tables.landed import Landed, Row

PAGE_ROWS = 20_000
"""Rows of a page, about, and so of a file."""
MAX_TEXT = 1 << 16
"""Characters or bytes of a value that are read: no value can fill the memory. Longer ones are cut."""
LOCK_SECONDS = 600
"""Seconds to wait for another process that reads the same table."""
_SQLITE_TYPES = {True: "integer", False: "text"}
"""Type of the keys in SQLite, by whether they are numbers; others sort elsewhere and could hide those that follow."""


class TableReader:
    """The reader of one table. Several may be used at once, in any process: one reads, the others wait."""

    def __init__(self, table: LandedTable) -> None:
        self.table = table
        self._landed: Landed | None = None
        table.folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _engine(self) -> sa.Engine:
        return database.engine(self.table)

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

    def _land(self, now: datetime, most: int | None) -> int:
        landed, total = self.landed(), 0
        names = [*self.columns]
        for page in self._pages(landed.start[1] if landed.start else None):
            rows = {row.digest: row for raw in page if (row := self._row(raw, now)) and row.digest not in landed.recent}
            if rows:
                landed.add(list(rows.values()), names)
                total += len(rows)
            if most is not None and total >= most:
                break
        return total

    def landed(self) -> Landed:
        """Return what has landed, with what other processes have landed since."""
        if self._landed is None or not self._landed.is_current():
            self._landed = Landed.load(self.table.folder, keys.overlap(self.table.table))
        return self._landed

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that land: those that are wanted, and the key."""
        return tuple(sorted({*self.table.columns, self.table.table.key}))

    @cached_property
    def _own(self) -> tuple[str, ...]:
        """Columns beside them by which rows are told apart: the table's primary key, where it has one.

        Raises TableError if the table, or one of its columns, is not there.
        """
        schema, name = self.table.table.place
        with database.reading(self._engine, self.table) as c:
            inspector = sa.inspect(c)
            if not inspector.has_table(name, schema):
                names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
                near = did_you_mean(name, names) or f"; there are {', '.join(sorted(names)[:10]) or 'none'}"
                msg = f"{self.table.key}.name: the database has no table `{self.table.table.name}`{near}"
                raise TableError(msg, hint="correct its name, or create it")
            present = [column["name"] for column in inspector.get_columns(name, schema)]
            primary = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        if lacking := [column for column in self.columns if column not in present]:
            near = did_you_mean(lacking[0], present) or f"; its columns are {', '.join(present)}"
            msg = f"{self.table.key}: the table {self.table.table.name} has no column `{lacking[0]}`{near}"
            raise TableError(msg, hint="correct the column's name in the project file, or make a view that has it")
        return tuple(column for column in primary if column not in self.columns)

    def _pages(self, start: Key | None) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows from *start* on, in pages; the rows of the last key of a page come again in the next."""
        size = PAGE_ROWS
        while True:
            with database.reading(self._engine, self.table) as c:
                page = c.execute(self._query(c.dialect.name, start).limit(size)).all()
            yield page
            if len(page) < size:
                return
            last = page[-1][0]
            # A page of one key alone leads no further: the next one has to be longer.
            size, start = (2 * size if last == start else PAGE_ROWS), last

    def _query(self, dialect: str, start: Key | None) -> sa.Select[Any]:
        """Return the query of the key, the columns and the table's own key, from *start* on."""
        schema, name = self.table.table.place
        names = (*self.columns, *self._own)
        of = [sa.column(_quoted(column)) for column in names]
        at = sa.table(_quoted(name), *of, schema=schema and _quoted(schema))
        key = at.c[self.table.table.key]
        wanted = [key.is_not(None)] + ([key >= start] if start is not None else [])
        if dialect == "sqlite":
            wanted.append(sa.func.typeof(key) == _SQLITE_TYPES[self.table.table.counts])
        return sa.select(key, *(_bounded(at.c[column], dialect) for column in names)).where(*wanted).order_by(key)

    def _row(self, raw: Sequence[Any], now: datetime) -> Row | None:
        """Return a row; None where its key is none, or is still to come."""
        key, *rest = raw
        position = keys.position(self.table.table, key, now)
        if position is None:
            return None
        own = [values.plain(value) for value in rest]
        return Row(key, position, values.digest(own), tuple(own[: len(self.columns)]))


def _quoted(name: str) -> sa.quoted_name:
    """Return a name that SQLAlchemy quotes whatever it is, and whose case the database heeds."""
    return sa.quoted_name(name, quote=True)


def _bounded(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Return a column whose long texts are cut, where the database has types by value; others are cut by type."""
    if dialect == "sqlite":
        long = sa.func.typeof(column).in_(["text", "blob"]) & (sa.func.length(column) > MAX_TEXT)
        return sa.case((long, sa.func.substr(column, 1, MAX_TEXT)), else_=column)
    return column
