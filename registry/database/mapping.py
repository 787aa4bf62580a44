"""Mapping of rows to records, and all writes of rows.

The key of each row that is written here is noted, so that the transaction can end with a line of the audit log that
digests the row (:mod:`registry.audit_log.seals`). A row that was written past this module is in no such line, and
`leeway audit` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel

from registry import records
from registry.database import tables

R = TypeVar("R", bound=records.Record)
"""The record a row is read as."""

_NOTES = "leeway.written"
"""The name under which a connection has the keys of the rows written on it."""

TABLE: dict[type[records.Record], sa.Table] = {
    records.Version: tables.versions,
    records.Champion: tables.champions,
    records.WindowRow: tables.window_reports,
    records.Incident: tables.incidents,
    records.Decision: tables.decisions,
    records.Acceptance: tables.acceptances,
    records.RetrainRun: tables.retrain_runs,
    records.Check: tables.checks,
    records.Comparison: tables.comparisons,
    records.Promotion: tables.promotions,
    records.Message: tables.messages,
    records.Delivery: tables.deliveries,
    records.AuditEntry: tables.audit_log,
    records.AuditResult: tables.audits,
}


def select(record: type[R], *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the statement that reads the columns of *record* from the rows of its table that match *where*."""
    return _all(record).where(*where)


@cache
def _all(record: type[records.Record]) -> sa.Select[Any]:
    """Return the statement that reads all rows of a record: naming its columns anew costs more than reading a row."""
    table = TABLE[record]
    return sa.select(*(table.c[name] for name in record.model_fields))


def fetch(c: sa.Connection, record: type[R], statement: sa.Select[Any]) -> list[R]:
    """Run *statement*, made by :func:`select`, and return its rows as records."""
    return [record.model_validate(dict(row._mapping)) for row in c.execute(statement)]


def matching(c: sa.Connection, record: type[R], order: str, **values: Any) -> list[R]:
    """Return the rows whose columns equal *values* as records, in the *order* of a column.

    For what is read again and again: its statement is made once.
    """
    statement = _matching(record, order, tuple(values))
    return [record.model_validate(dict(row._mapping)) for row in c.execute(statement, values)]


@cache
def _matching(record: type[records.Record], order: str, names: tuple[str, ...]) -> sa.Select[Any]:
    t = TABLE[record].c
    return _all(record).where(*(t[name] == sa.bindparam(name) for name in names)).order_by(t[order])


def one(c: sa.Connection, record: type[R], *where: sa.ColumnElement[bool]) -> R | None:
    """Return the only row that matches *where* as a record, or None."""
    return next(iter(fetch(c, record, select(record, *where))), None)


def insert(c: sa.Connection, table: sa.Table, **values: Any) -> Any:
    """Insert one row, note its key, and return the first column of its primary key."""
    key = c.execute(table.insert().values(plain(values))).inserted_primary_key
    _note(c, table, [tuple(key or ())])
    return key[0]  # type: ignore[index]


def insert_all(c: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert *rows*, which have values for the same columns, in as few statements as may be, and note their keys."""
    if rows:
        inserted = c.execute(table.insert().returning(*table.primary_key), [plain(row) for row in rows])
        _note(c, table, [tuple(row) for row in inserted])


def update(c: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool], **values: Any) -> int:
    """Update the rows that match *where*, note their keys, and return how many there were."""
    changed = table.update().where(*where).values(plain(values)).returning(*table.primary_key)
    keys = [tuple(row) for row in c.execute(changed)]
    _note(c, table, keys)
    return len(keys)


def pop_written(c: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the keys of the rows written on *c* since the last call, by table in order of writing, and forget them."""
    noted: dict[str, dict[tuple[Any, ...], None]] = c.info.pop(_NOTES, {})
    return {table: list(keys) for table, keys in noted.items()}


def _note(c: sa.Connection, table: sa.Table, keys: list[tuple[Any, ...]]) -> None:
    c.info.setdefault(_NOTES, {}).setdefault(table.name, {}).update(dict.fromkeys(keys))


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return *values* as the driver takes them: enumerations by value, tuples as lists, frozen values as JSON."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value
