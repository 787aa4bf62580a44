"""A table of labels in a database of either kind, and what of it has landed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa

from features.table import Table
from features.window import UTC
from leeway.project.tables import LandedTable
from leeway.tables import landed
from leeway.tables.table_reader import TableReader

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DATABASE = "LEEWAY_TEST_TABLE_DATABASE"
"""The variable with the database's URL."""
FORKS = multiprocessing.get_context("forkserver")
PRELOADED = ["tests.support.table_world", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"]


@dataclass
class TableWorld:
    """A database with a table ``outcomes``, and the folder in which its rows land."""

    engine: sa.Engine
    url: str
    folder: Path
    column_types: dict[str, str] = field(default_factory=lambda: {"id": "text", "time": "text", "label": "integer"})
    key: str = "seq"
    overlap: int | timedelta = 0

    def create(self, key_type: str = "integer primary key", name: str = "outcomes") -> None:
        """Create the table."""
        columns = "".join(f', "{column}" {kind}' for column, kind in self.column_types.items())
        self.execute(f'create table {name} ("{self.key}" {key_type}{columns})')

    def execute(self, statement: str, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> None:
        """Execute a statement in a transaction of its own."""
        with self.engine.begin() as c:
            c.execute(sa.text(statement), values or None)

    def insert(self, *keys: Any, prefix: str = "r") -> None:
        """Insert a row for each key, in one transaction."""
        self.insert_rows([{self.key: key, "id": f"{prefix}{key}", "time": "2024-01-01T00:00:00Z", "label": 1}
                          for key in keys])  # fmt: skip

    def insert_rows(self, rows: Sequence[Mapping[str, Any]], c: sa.Connection | None = None) -> None:
        """Insert rows of one shape, in the transaction of *c* or in one of their own."""
        if not rows:
            return
        names, values = ", ".join(f'"{name}"' for name in rows[0]), ", ".join(f":{name}" for name in rows[0])
        statement = f"insert into outcomes ({names}) values ({values})"
        if c is None:
            self.execute(statement, list(rows))
        else:
            c.execute(sa.text(statement), list(rows))

    def declared(self, *, columns: Sequence[str] = ("id", "label", "time"), **changes: Any) -> LandedTable:
        """Return the table as a project file declares it."""
        settings = {"database": f"env:{DATABASE}", "name": "outcomes", "key": self.key, "overlap": self.overlap}
        table = Table.model_validate(settings | changes)
        state = self.folder / "state"
        return LandedTable(
            "m: labels", "models.m.events.labels.table", table, tuple(sorted(columns)), state / "tables" / "m.labels-1",
            self.folder, state,
        )  # fmt: skip

    def reader(self, page_rows: int = 3, **changes: Any) -> TableReader:
        """Return a reader as a new process has it, of small pages."""
        return TableReader(self.declared(**changes), page_rows)

    def land(self, **changes: Any) -> int:
        """Land what is new with a new reader."""
        return self.reader(**changes).land(NOW)

    def rows(self, column: str = "id") -> list[Any]:
        """Return the values of a column of all rows that have landed, in the order in which they did."""
        folder = self.declared().folder
        return [value for path in sorted(folder.glob("*.parquet")) for value in pq.read_table(path)[column].to_pylist()]


def land_and_die(folder: Path, url: str, overlap: Any, writes: int, before: bool) -> int | None:
    """Land rows in a process that kills itself at one of its files; return its exit code.

    Parameters
    ----------
    folder, url, overlap
        Of the world.
    writes
        At which file.
    before
        Whether before the file appears, or after that.
    """
    FORKS.set_forkserver_preload(PRELOADED)
    process = FORKS.Process(target=_land, args=(folder, url, overlap, writes, before))
    process.start()
    process.join(60)
    return process.exitcode


def _land(folder: Path, url: str, overlap: Any, writes: int, before: bool) -> None:
    os.environ[DATABASE] = url
    left, write = [writes], landed.write_whole

    def write_or_die(path: Path, data: bytes, **options: Any) -> None:
        left[0] -= 1
        if left[0] == 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, data, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    landed.write_whole = write_or_die  # type: ignore[assignment]
    TableWorld(sa.create_engine("sqlite://"), url, folder, overlap=overlap).land()
