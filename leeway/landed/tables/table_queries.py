"""The queries of one table: pages of rows by its key, and counts of rows for checks and for the status."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from features.errors import TableError
from leeway.landed.tables import database
from leeway.landed.tables.keys import Key
from leeway.project.landed import LandedTable
from leeway.project.validation_errors import did_you_mean

MAX_TEXT = 1 << 16
"""Characters or bytes of a value that are read: no value can fill the memory. Longer ones are cut."""
_SQLITE_TYPES = {True: "integer", False: "text"}
"""Type of the keys in SQLite, by whether they are numbers; others sort elsewhere and could hide those that follow."""


class TableQueries:
    """The queries of *table*. Each opens a connection of its own, for as long as it takes.

    All raise ProjectError where the database's URL cannot be found out, TableAway where the database does not answer,
    and TableError where the table is not as the project file says.
    """

    def __init__(self, table: LandedTable) -> None:
        self.table = table

    @cached_property
    def _engine(self) -> sa.Engine:
        return database.engine(self.table)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that land: those that are wanted, and the key."""
        return tuple(sorted({*self.table.columns, self.table.table.key}))

    @cached_property
    def _types(self) -> dict[str, Any]:
        """The type of each column of the table by its name, which the database lists."""
        schema, name = self.table.table.place
        with database.reading(self._engine, self.table) as c:
            inspector = sa.inspect(c)
            if not inspector.has_table(name, schema):
                names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
                near = did_you_mean(name, names) or f"; there are {', '.join(sorted(names)[:10]) or 'none'}"
                msg = f"{self.table.key}.name: the database has no table `{self.table.table.name}`{near}"
                raise TableError(msg, hint="correct its name, or create it")
            present = {column["name"]: column["type"] for column in inspector.get_columns(name, schema)}
        if lacking := [column for column in self.columns if column not in present]:
            near = did_you_mean(lacking[0], [*present]) or f"; its columns are {', '.join(present)}"
            msg = f"{self.table.key}: the table {self.table.table.name} has no column `{lacking[0]}`{near}"
            raise TableError(msg, hint="correct the column's name in the project file, or make a view that has it")
        self._check_key(present[self.table.table.key])
        return present

    def _check_key(self, kind: Any) -> None:
        """Raise TableError if the key is of a type that cannot be one; in SQLite values have types, not columns."""
        wanted = sa.Integer if self.table.table.counts else (sa.DateTime, sa.Date)
        if self._is_sqlite or isinstance(kind, wanted):
            return
        what = "whole numbers, as its overlap is one" if self.table.table.counts else "times, as its overlap is one"
        msg = f"{self.table.key}.key: the column `{self.table.table.key}` has the type {kind}, not {what}"
        raise TableError(msg, hint="name one that grows: a whole number with overlap: 1000, a time with overlap: 10m")

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    @cached_property
    def _own(self) -> tuple[str, ...]:
        """Columns beside those that land by which rows are told apart: the table's primary key, where it has one."""
        return tuple(column for column in self._primary if column not in self.columns)

    @cached_property
    def _primary(self) -> list[str]:
        schema, name = self.table.table.place
        _ = self._types  # says what is wrong with the table, where something is
        with database.reading(self._engine, self.table) as c:
            return sa.inspect(c).get_pk_constraint(name, schema)["constrained_columns"]

    @cached_property
    def _table(self) -> sa.TableClause:
        schema, name = self.table.table.place
        columns: list[sa.ColumnClause[Any]] = [sa.column(_quoted(column)) for column in self._types]
        return sa.table(_quoted(name), *columns, schema=schema and _quoted(schema))

    @property
    def _key(self) -> sa.ColumnElement[Any]:
        return self._table.c[self.table.table.key]

    def page(self, start: Key | None, size: int) -> Sequence[Sequence[Any]]:
        """Return up to *size* rows from *start* on, itself included, in the order of the key.

        Each row is its key, the columns that land, and the table's own key. Rows whose key is null, or in SQLite of
        another type, are left out.
        """
        values = [self._bounded(column) for column in (*self.columns, *self._own)]
        wanted = [self._is_usable(), *([self._key >= start] if start is not None else [])]
        query = sa.select(self._key, *values).where(*wanted).order_by(self._key).limit(size)
        with database.reading(self._engine, self.table) as c:
            return c.execute(query).all()

    def count_below(self, key: Key) -> int:
        """Return how many rows have a smaller key than *key*."""
        return self._count(self._is_usable() & (self._key < key))

    def count_above(self, key: Key | None, most: int) -> int:
        """Return how many rows have a larger key than *key* (None: have one at all), counted up to *most*."""
        wanted = self._is_usable() if key is None else self._is_usable() & (self._key > key)
        first = sa.select(self._key).where(wanted).limit(most).subquery()
        return self._number(sa.select(sa.func.count()).select_from(first))

    def count_unusable(self) -> int:
        """Return how many rows have no key, or one of another type; they are never read."""
        return self._count(~self._is_usable())

    def is_indexed(self) -> bool:
        """Return whether an index begins with the key; True for views, of which that is not known."""
        schema, name = self.table.table.place
        with database.reading(self._engine, self.table) as c:
            inspector = sa.inspect(c)
            if name in inspector.get_view_names(schema):
                return True
            first: list[list[str | None]] = [index["column_names"][:1] for index in inspector.get_indexes(name, schema)]
            first += [[*one["column_names"][:1]] for one in inspector.get_unique_constraints(name, schema)]
        return [self.table.table.key] in [*first, self._primary[:1]]

    def _is_usable(self) -> sa.ColumnElement[bool]:
        if self._is_sqlite:
            return sa.func.typeof(self._key) == _SQLITE_TYPES[self.table.table.counts]
        return self._key.is_not(None)

    def _count(self, wanted: sa.ColumnElement[bool]) -> int:
        return self._number(sa.select(sa.func.count()).select_from(self._table).where(wanted))

    def _number(self, query: sa.Select[Any]) -> int:
        with database.reading(self._engine, self.table) as c:
            return int(c.scalar(query) or 0)

    def _bounded(self, name: str) -> sa.ColumnElement[Any]:
        """Return a column whose long texts and bytes are cut; SQLite has types by value, PostgreSQL by column."""
        column = self._table.c[name]
        long = sa.func.length(column) > MAX_TEXT
        if self._is_sqlite:
            long = sa.func.typeof(column).in_(["text", "blob"]) & long
        elif not isinstance(self._types[name], sa.String | sa.LargeBinary):
            return column
        return sa.case((long, sa.func.substr(column, 1, MAX_TEXT)), else_=column)


def _quoted(name: str) -> sa.quoted_name:
    """Return a name that SQLAlchemy quotes whatever it is, and whose case the database heeds."""
    return sa.quoted_name(name, quote=True)
