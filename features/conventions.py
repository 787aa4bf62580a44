"""How values are written in an event log: CSV's dialect, the unit and range of times. One setting for all formats."""

from __future__ import annotations

import codecs
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from features.window import UTC, Span, to_ms

Unit = Literal["s", "ms", "us", "ns"]
UNITS: dict[Unit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks in a second, by unit of a time that is written as a number."""
UNIT_NAMES: dict[Unit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
AHEAD = timedelta(days=1)
"""How far beyond the clock's present an event time may lie where the project file sets no `latest`."""


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _date(value: Any) -> Any:
    if isinstance(value, int | float):
        msg = f"{value!r} is not a date; write it like 2013-01-31 or 2013-01-31T06:00Z"
        raise ValueError(msg)
    return value


Moment = Annotated[datetime, BeforeValidator(_date, json_schema_input_type=str), AfterValidator(_utc)]
"""A moment in UTC; no zone means UTC."""


class CsvFormat(BaseModel):
    """The dialect of the .csv files of one source. Records end at line ends; a quoted value may hold some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: str = Field(",", min_length=1, max_length=1, description="what separates columns, like ; or a tab")
    decimal: Literal[".", ","] = Field(".", description="what separates a number's whole part from its fraction")
    encoding: str = Field("utf-8", description="how text is encoded, like cp1252; a byte-order mark is skipped")

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, value: str) -> str:
        if value in '"\r\n\0' or not value.isascii():
            msg = f"{value!r} cannot separate columns; use a comma, a semicolon, a tab or another ASCII character"
            raise ValueError(msg)
        return value

    @field_validator("encoding")
    @classmethod
    def _is_ascii_based(cls, value: str) -> str:
        try:
            name = codecs.lookup(value).name
            plain = 'a\n,"'.encode(name) == b'a\n,"'
        except (LookupError, UnicodeError, ValueError, TypeError):
            plain, name = False, value
        if not plain:
            msg = f"{value!r} is no encoding that files can be cut into lines in; save them as utf-8"
            raise ValueError(msg)
        return "utf-8" if name == "utf-8-sig" else name


class Times(BaseModel):
    """How times are written, and between which moments an event can have happened.

    A time outside [earliest, latest) is a mistake of whoever wrote it: the record is set aside, and moves no clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit = Field("ms", description="what a time that is a number counts since 1970")
    format: str | None = Field(
        None, description="how a time that is text is written, like %d.%m.%Y %H:%M; absent: ISO 8601"
    )
    earliest: Moment = Field(datetime(1990, 1, 1, tzinfo=UTC), description="no event is older")
    latest: Moment | None = Field(None, description="no event is newer; absent: a day ahead of the clock")
    max_jump: Span = Field(
        timedelta(days=7), description="how far ahead of all others one or two events of a file can move event time"
    )

    def range_ms(self, now: datetime) -> tuple[int, int]:
        """Return the first plausible millisecond since the epoch and the one after the last, seen from *now*.

        >>> low, high = Times().range_ms(datetime(2024, 1, 1, tzinfo=UTC))
        >>> low, high - to_ms(datetime(2024, 1, 1, tzinfo=UTC))
        (631152000000, 86400000)
        """
        return to_ms(self.earliest), to_ms(self.latest or now + AHEAD)
