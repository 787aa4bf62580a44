"""Keys of a table's rows: whole numbers, or times; as the database compares them, and as positions with distances."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

from features.conventions import MAX_AHEAD
from features.table import Table
from features.window import UTC

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|\+00(:?00)?)?)?")

Key = int | str | date
"""A key as the driver returns it, and as it is sent back for the next query."""


def position(table: Table, key: Any, now: datetime) -> int | None:
    """Return where a key lies, as a number; None where it is none, or a time far ahead of the clock.

    A time of the far future would move the reader past the rows that are still to come.

    Parameters
    ----------
    table
        Whether keys are numbers or times follows from its overlap.
    key
        What the driver returned: a time may be text, as in SQLite, if it is ISO 8601 in UTC.
    now
        The present.

    Returns
    -------
    int or None
        The number itself, or microseconds since 1970.
    """
    if table.counts:
        return key if isinstance(key, int) and not isinstance(key, bool) else None
    at = _moment(key)
    return None if at is None or at > now + MAX_AHEAD else (at - _EPOCH) // _MICROSECOND


def _moment(key: Any) -> datetime | None:
    if isinstance(key, str):
        return _written(key)
    if isinstance(key, datetime):
        return key.replace(tzinfo=UTC) if key.tzinfo is None else key
    return datetime(key.year, key.month, key.day, tzinfo=UTC) if isinstance(key, date) else None


def _written(text: str) -> datetime | None:
    """Return the time that a text is; None for another form, since only one form sorts as times do."""
    if not _TEXT.fullmatch(text):
        return None
    digits = re.sub(r"(Z|\+00(:?00)?)$", "", text)
    try:
        return datetime.fromisoformat(_six_digits(digits)).replace(tzinfo=UTC)
    except ValueError:
        return None


def _six_digits(text: str) -> str:
    """Return a time with all six digits of its fraction, as Python 3.10 wants it."""
    head, point, fraction = text.partition(".")
    return f"{head}.{fraction.ljust(6, '0')}" if point else text


def overlap(table: Table) -> int:
    """Return the overlap in the unit of positions."""
    return table.overlap if isinstance(table.overlap, int) else table.overlap // _MICROSECOND


def text(key: Key) -> str:
    """Return a key for people."""
    return key.isoformat() if isinstance(key, date) else str(key)


def encode(key: Key) -> list[str]:
    """Return a key as texts that :func:`decode` reads: its type and its value."""
    return [type(key).__name__, text(key)]


def decode(stored: list[str]) -> Key:
    """Return the key that :func:`encode` wrote."""
    kind, value = stored
    if kind == "int":
        return int(value)
    if kind == "date":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value) if kind == "datetime" else value
