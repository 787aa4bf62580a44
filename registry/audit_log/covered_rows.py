"""Rows that the audit log covers: every table but a few, and how a row is read back to be digested."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from registry.audit_log import digests
from registry.audit_log.digests import RowDigest
from registry.database import tables

EXEMPT_TABLES: Mapping[str, str] = {
    "audit_log": "it is the log: each line's hash covers the line before it, and signatures cover both",
    "audit_head": "it repeats the log's last line, and is compared with it",
    "compatibility": "one row that migrations alone write: it says which releases may open the registry; the writes of "
    "one that was let in wrongly have no digest, and are named for it",
}
"""Tables whose rows need no digest, and why. Every other table of the schema is covered."""

EXEMPT_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "deliveries": {"leased_until": "a lease of seconds: it changes with every attempt, and runs out by itself"},
}
"""Columns that a row's digest leaves out, and why."""

Key = tuple[Any, ...]
UNREADABLE = (ValueError, TypeError, RecursionError, sa.exc.OperationalError)
"""Errors of reading a value that was written past the program; see :func:`reraise_unless_unreadable`."""
ROWS_PER_QUERY = 500
"""Rows read by one statement: SQLite allows 999 parameters in its older releases."""


def covered() -> list[sa.Table]:
    """Return the tables whose rows the log covers, those that others refer to first."""
    return [table for table in tables.metadata.sorted_tables if table.name not in EXEMPT_TABLES]


def columns(table: sa.Table) -> list[str]:
    """Return the names of the columns that a row's digest covers."""
    return [column.name for column in table.columns if column.name not in EXEMPT_COLUMNS.get(table.name, {})]


def key_label(key: Key) -> str:
    """Return a primary key as it is in the log: a JSON list, since a part may hold any character.

    >>> key_label(("late flights", "v1"))
    '["late flights","v1"]'
    """
    return json.dumps(list(key), separators=(",", ":"), ensure_ascii=False, default=str)


def row_name(table: str, text: str) -> str:
    """Return a row in words, from its table and the :func:`key_label` of its key.

    >>> row_name("versions", '["m","v1"]'), row_name("incidents", "[7]")
    ('versions m v1', 'incidents 7')
    """
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    return " ".join([table, *(str(part) for part in (parts if isinstance(parts, list) else [text]))])


def keys(c: sa.Connection, table: sa.Table) -> list[Key]:
    """Return the primary keys of all rows of *table*, in order."""
    own = list(table.primary_key)
    return [tuple(row) for row in c.execute(sa.select(*own).order_by(*own))]


def row_digests(
    c: sa.Connection, table: sa.Table, names: Sequence[str], keys: Sequence[Key]
) -> Iterator[tuple[str, RowDigest]]:
    """Yield the label of the key and the digest of each row of *table* with one of *keys*.

    Parameters
    ----------
    names
        The columns that the digest covers; those that the table does not have are passed over.
    keys
        Primary keys; those without a row are passed over.

    Notes
    -----
    A value that cannot be read is digested as unreadable, so that the row differs from what was written.
    """
    there = [name for name in names if name in table.c]
    for start in range(0, len(keys), ROWS_PER_QUERY):
        yield from _read_some(c, table, there, keys[start : start + ROWS_PER_QUERY])


def _read_some(
    c: sa.Connection, table: sa.Table, names: Sequence[str], keys: Sequence[Key]
) -> Iterator[tuple[str, RowDigest]]:
    """Yield what :func:`row_digests` yields, of so many rows as one statement can ask for."""
    own = list(table.primary_key)
    where = own[0].in_([key[0] for key in keys]) if len(own) == 1 else sa.tuple_(*own).in_(keys)
    found: Sequence[Sequence[Any]]
    try:
        found = c.execute(sa.select(*own, *(table.c[n] for n in names)).where(where)).all()
    except UNREADABLE as error:
        reraise_unless_unreadable(error)
        found = [_piecemeal(c, table, names, key) for key in keys]
    for row in found:
        yield (
            key_label(tuple(row[: len(own)])),
            digests.row_digest(table.name, dict(zip(names, row[len(own) :], strict=True))),
        )


def _piecemeal(c: sa.Connection, table: sa.Table, names: Sequence[str], key: Key) -> tuple[Any, ...]:
    """Return a row that may hold values that cannot be read, value by value."""
    where = sa.and_(*(column == part for column, part in zip(table.primary_key, key, strict=True)))
    return (*key, *(_value(c, sa.select(table.c[n]).where(where)) for n in names))


def _value(c: sa.Connection, statement: sa.Select[Any]) -> object:
    try:
        return c.scalar(statement)
    except UNREADABLE as error:
        reraise_unless_unreadable(error)
        return {"unreadable": str(error)}


def reraise_unless_unreadable(error: Exception) -> None:
    """Raise *error* again, unless its cause is a value that was written past the program: no JSON, date or UTF-8."""
    if isinstance(error, sa.exc.OperationalError) and "decode" not in str(error.orig):
        raise error
