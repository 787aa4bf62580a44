"""How far a table, topic or view has been read, for `leeway status`: up to where, what waits, when it was last read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from features.errors import LeewayError, reason
from features.window import format_span
from leeway.landed import last_read, readers
from leeway.project.landed import LandedSource
from leeway.project.validation_errors import count

_SECOND = timedelta(seconds=1)
MAX_WAITING = 100_000
"""Up to how many waiting rows are counted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has been read.

    Parameters
    ----------
    name, source
        What it is of, and the table, topic or view.
    rows
        How many rows or records have landed.
    cursor
        Up to where: the largest key of a table, or the next offset of each partition; empty before the first.
    waiting
        Rows or records behind that, counted up to :data:`MAX_WAITING`; None where the server does not answer.
    last_read
        When it was last read to its end (ISO 8601), None if never.
    problem
        Why it cannot be read; empty where it can.
    text
        All of it for people.
    """

    name: str
    source: str
    rows: int
    cursor: str
    waiting: int | None
    last_read: str | None
    problem: str
    text: str


def read(source: LandedSource, now: datetime) -> Progress:
    """Return how far *source* has been read by *now*; one that cannot be read is no error here."""
    reader, noted = readers.reader(source), last_read.read(source)
    rows, cursor, waiting, set_aside, problem = 0, "", None, 0, noted.problem
    try:
        so_far = reader.so_far()
        rows, cursor = so_far.total, so_far.cursor
        waiting, set_aside = reader.waiting(MAX_WAITING), so_far.set_aside
    except LeewayError as error:
        problem = reason(error)
    text = _text(source, rows, cursor) + f", {_ago(noted.at, now)}{_behind(source, waiting)}"
    text += f"; {count(set_aside, 'record')} could not be used" if set_aside else ""
    text += f"; it cannot be read: {problem}" if problem else ""
    return Progress(source.name, source.label, rows, cursor, waiting, noted.at, problem, text)


def _text(source: LandedSource, rows: int, cursor: str) -> str:
    return f"{source.name}: {rows:,} {source.unit} of {source.label} read{f' up to {cursor}' if cursor else ''}"


def _behind(source: LandedSource, waiting: int | None) -> str:
    more = "+" if waiting == MAX_WAITING else ""
    return "" if waiting is None else f"; {waiting:,}{more} {source.waits} wait"


def _ago(at: str | None, now: datetime) -> str:
    if at is None:
        return "not to the end yet"
    seconds = (now - datetime.fromisoformat(at)) // _SECOND * _SECOND
    return f"last {format_span(max(seconds, _SECOND))} ago"
