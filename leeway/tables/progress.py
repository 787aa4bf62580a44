"""How far a table has been read, for `leeway status`: its cursor, what waits behind it, and when it was last read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from features.errors import LeewayError, reason
from features.window import format_span
from leeway.project.tables import LandedTable
from leeway.tables import last_read
from leeway.tables.table_reader import TableReader

_SECOND = timedelta(seconds=1)
MAX_WAITING = 100_000
"""Up to how many waiting rows are counted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a table has been read.

    Parameters
    ----------
    name, table
        What it is of, and the table.
    rows
        How many rows have landed.
    cursor
        The largest key of them as text; empty before the first.
    waiting
        Rows with a larger key, counted up to :data:`MAX_WAITING`; None where the database does not answer.
    last_read
        When it was last read to its end (ISO 8601), None if never.
    problem
        Why it cannot be read; empty where it can.
    text
        All of it for people.
    """

    name: str
    table: str
    rows: int
    cursor: str
    waiting: int | None
    last_read: str | None
    problem: str
    text: str


def read(table: LandedTable, now: datetime) -> Progress:
    """Return how far *table* has been read by *now*; a table that cannot be read is no error here."""
    reader, noted = TableReader(table), last_read.read(table)
    rows, cursor, waiting, problem = 0, "", None, noted.problem
    try:
        landed = reader.landed()
        rows, cursor = landed.total, landed.high_text if landed.high else ""
        waiting = reader.queries.count_above(landed.high[1] if landed.high else None, MAX_WAITING)
    except LeewayError as error:
        problem = reason(error)
    text = _text(table, rows, cursor, waiting, _ago(noted.at, now))
    text += f"; it cannot be read: {problem}" if problem else ""
    return Progress(table.name, table.table.name, rows, cursor, waiting, noted.at, problem, text)


def _text(table: LandedTable, rows: int, cursor: str, waiting: int | None, ago: str) -> str:
    up_to = f" up to {table.table.key} {cursor}" if cursor else ""
    more = "+" if waiting == MAX_WAITING else ""
    behind = "" if waiting is None else f"; {waiting:,}{more} rows wait"
    return f"{table.name}: {rows:,} rows of {table.table.name} read{up_to}, {ago}{behind}"


def _ago(at: str | None, now: datetime) -> str:
    if at is None:
        return "not to the end yet"
    seconds = (now - datetime.fromisoformat(at)) // _SECOND * _SECOND
    return f"last {format_span(max(seconds, _SECOND))} ago"
