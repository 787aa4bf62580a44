"""A table of labels in a database of either kind, and what of it has landed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa

from features.table import Table
from features.window import UTC
from leeway.landed.tables.table_reader import TableReader
from leeway.project.landed import LandedTable
from tests.support import killed_landing

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DATABASE = "LEEWAY_TEST_TABLE_DATABASE"
"""The variable with the database's URL."""


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
            name="m: labels", key="models.m.events.labels.table", label=f"table {table.name}", unit="rows",
            folder=state / "landed" / "m.labels-1", poll=table.poll, table=table, columns=tuple(sorted(columns)),
            project=self.folder, state=state,
        )  # fmt: skip

    def source(self) -> LandedTable:
        """Return the table as a project file declares it, looked at each second."""
        return self.declared(poll="1s")

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

    def land_and_die(self, writes: int, *, before: bool) -> int | None:
        """Land rows in a process that kills itself at one of its files; return its exit code."""
        return killed_landing.land_and_die(_land, (self.folder, self.url, self.overlap), writes, before=before)


def _land(folder: Path, url: str, overlap: Any) -> None:
    os.environ[DATABASE] = url
    TableWorld(sa.create_engine("sqlite://"), url, folder, overlap=overlap).land()
