"""What a request may ask for: each part of a path or a query by its type, with its bounds, here and nowhere else.

What lies outside them is answered with a page that says so; it reaches neither the registry nor arithmetic on times.
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
"""Far enough from both ends of the calendar for any time zone and any span."""
LONGEST: Final = 1000
"""Characters of a name: a segment's holds a value of the data."""


def name(text: str) -> str:
    """Return *text* if it may be a name of something; ValueError if no name is so long or holds such characters.

    >>> name("origin=JFK")
    'origin=JFK'
    """
    if len(text) > LONGEST:
        msg = f"it has {len(text)} characters, and no name has more than {LONGEST}"
        raise ValueError(msg)
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        msg = "it holds characters that no name can hold"
        raise ValueError(msg)
    return text


def moment(value: datetime) -> datetime:
    """Return *value* aware and in UTC, where no zone means UTC; ValueError if it is outside YEARS."""
    if value.year not in YEARS:
        msg = f"times lie between the years {YEARS.start} and {YEARS.stop}"
        raise ValueError(msg)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Name = Annotated[str, AfterValidator(name)]
"""A model, a version, a segment or a variable."""
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""The number of something stored, as large as the registry's databases have it."""
Moment = Annotated[datetime, AfterValidator(moment)]
"""A time."""
MaybeMoment = Annotated[Moment | None, BeforeValidator(lambda text: text or None)]
"""A time in a query; an empty field of a form is none."""


def address(version: Name, stage: Stage, end: Moment, segment: Name = "") -> Address:
    """Return the window that a request names in its path, and in ``?segment=``."""
    return Address(version, stage, end, segment)


Where = Annotated[Address, Depends(address)]
