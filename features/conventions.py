"""How values are written in an event log: the CSV dialect, and the unit, format and plausible range of times.

One setting holds for all file and record formats, so that a time means the same in CSV, JSON, Parquet, Avro and Arrow.
"""

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
"""Names of the units in messages."""
NUMBER_FORMATS = ("%Y%m%d", "%Y%m%d%H%M%S")
"""Formats under which a whole number, too, is a written time and no count; numbers so written rise with time."""
MAX_AHEAD = timedelta(days=1)
"""How far ahead of the clock an event time may lie where the project file sets no `latest`: more than clocks of senders
differ, and less than a wrong unit or year."""


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _date(value: Any) -> Any:
    if isinstance(value, int | float):
        msg = f"{value!r} is not a date; write it like 2013-01-31 or 2013-01-31T06:00Z"
        raise ValueError(msg)
    return value


Moment = Annotated[datetime, BeforeValidator(_date, json_schema_input_type=str), AfterValidator(_utc)]
"""A moment in UTC; a time without a zone is taken as UTC. Numbers are refused, since their unit is not known."""


class CsvFormat(BaseModel):
    """The dialect of the .csv files of one source: delimiter, decimal mark and encoding.

    Records end at line ends; a quoted value may contain line ends.
    """

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
    """How times are written, and the range in which an event time is plausible.

    A time outside [earliest, latest) is an error of the sender: its record becomes a dead letter and does not advance
    event time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Unit = Field("ms", description="what a time that is a number counts since 1970")
    format: str | None = Field(
        None,
        description="how a time that is text is written, like %d.%m.%Y %H:%M, or a number like 20240131, %Y%m%d; "
        "absent: ISO 8601",
    )
    earliest: Moment = Field(datetime(1990, 1, 1, tzinfo=UTC), description="no event is older")
    latest: Moment | None = Field(None, description="no event is newer; absent: a day ahead of the clock")
    max_jump: Span = Field(
        timedelta(days=7), description="how far ahead of all others one or two events of a file can move event time"
    )

    def range_ms(self, now: datetime) -> tuple[int, int]:
        """Return the plausible range of event times as [first, end) in milliseconds since the epoch.

        Parameters
        ----------
        now
            The present, which bounds event times where the project file sets no `latest`.

        Examples
        --------
        >>> low, high = Times().range_ms(datetime(2024, 1, 1, tzinfo=UTC))
        >>> low, high - to_ms(datetime(2024, 1, 1, tzinfo=UTC))
        (631152000000, 86400000)
        """
        return to_ms(self.earliest), to_ms(self.latest or now + MAX_AHEAD)
