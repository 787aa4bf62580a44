"""Types of path and query parameters, each with its bounds.

A value out of bounds is answered with an error page; it reaches neither the registry nor arithmetic on times.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends
from pydantic import AfterValidator, BeforeValidator, Field

from dashboards.timeline import Address
from features.window import UTC
from monitors.finding import Stage

YEARS: Final = range(1000, 9000)
"""Years that a time may have: far enough from both ends of the calendar for any time zone and any span."""
LONGEST: Final = 1000
"""Most characters of a name; a segment's name holds a value of the data."""


def name(text: str) -> str:
    """Return *text* if it can be a name; ValueError if it is too long or holds characters that no name holds.

    >>> name("origin=JFK")
    'origin=JFK'
    """
    if len(text) > LONGEST:
        msg = f"it has {len(text)} characters; a name has at most {LONGEST}"
        raise ValueError(msg)
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        msg = "it holds a null character or half a surrogate pair"
        raise ValueError(msg)
    return text


def moment(value: datetime) -> datetime:
    """Return *value* in UTC, which is assumed where it has no zone; ValueError if its year is outside `YEARS`."""
    if value.year not in YEARS:
        msg = f"the year must be between {YEARS.start} and {YEARS.stop - 1}"
        raise ValueError(msg)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Name = Annotated[str, AfterValidator(name)]
"""A model, a version, a segment or a variable."""
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""The id of a stored record, within the range of the databases' integers."""
Moment = Annotated[datetime, AfterValidator(moment)]
"""A time."""
MaybeMoment = Annotated[Moment | None, BeforeValidator(lambda text: text or None)]
"""An optional time in a query; an empty form field is None."""


def address(version: Name, stage: Stage, end: Moment, segment: Name = "") -> Address:
    """Return the window that a request names in its path and in ``?segment=``."""
    return Address(version, stage, end, segment)


Where = Annotated[Address, Depends(address)]
