"""Event time cut into half-open slices and windows, so that every room means the same by "the window of 3 March"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

UTC = timezone.utc
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d+)(ms|s|m|h|d|w)")


def parse_span(value: Any) -> timedelta:
    """Return the length of time that *value* names: ``90m``, ``1d12h``, or a timedelta as it is.

    >>> parse_span("1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).replace(" ", "")
    parts = _SPAN.findall(text)
    if not parts or "".join(n + unit for n, unit in parts) != text:
        msg = f"{value!r} is not a length of time; write it like 30s, 15m, 6h, 7d or 1d12h"
        raise ValueError(msg)
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta())


def format_span(span: timedelta) -> str:
    """Return *span* as :func:`parse_span` reads it.

    >>> format_span(timedelta(days=1, hours=12))
    '1d12h'
    """
    left, out = to_ms(span), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        n, left = divmod(left, size)
        out += f"{n}{unit}" if n else ""
    return out or "0s"


Span = Annotated[
    timedelta,
    BeforeValidator(parse_span, json_schema_input_type=str),
    PlainSerializer(format_span, return_type=str),
]


def to_ms(value: datetime | timedelta) -> int:
    """Return milliseconds since the epoch (aware datetimes), or the milliseconds in a span; exact integers.

    >>> to_ms(datetime(1970, 1, 2, tzinfo=UTC))
    86400000
    """
    if isinstance(value, datetime):
        value = value - datetime(1970, 1, 1, tzinfo=UTC)
    return value // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return the aware UTC datetime of *ms* milliseconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(ms))


AGREEING = 3
"""So many events have to be near each other before the clock follows them far ahead of the others."""
_USUAL_GAPS = 20


def agreed_newest(times: npt.NDArray[np.int64], jump: int) -> int:
    """Return up to when events with *times* (ms) move event time; 0 where there are none.

    That is the newest of them, unless it lies more than *jump* ms, and more than 20 usual gaps, beyond all others and
    fewer than :data:`AGREEING` events lie there: one sender whose clock is wrong does not close windows for the rest.

    >>> day = 86_400_000
    >>> agreed_newest(np.array([1, 2, 3, 40]) * day, jump=7 * day) // day
    3
    >>> agreed_newest(np.array([1, 2, 3, 40, 40, 41]) * day, jump=7 * day) // day
    41
    """
    ordered = np.unique(times) if len(times) <= AGREEING else np.sort(times)
    if len(ordered) < 2:
        return int(ordered[-1]) if len(ordered) else 0
    tail = ordered[-AGREEING:]
    if tail[-1] - tail[0] <= jump:
        return int(ordered[-1])
    gaps = np.diff(ordered)
    wide = max(jump, _USUAL_GAPS * float(np.median(gaps)))
    for last in range(len(ordered) - 1, len(ordered) - AGREEING, -1):
        if last == 0 or gaps[last - 1] <= wide:
            return int(ordered[last])
    return int(ordered[max(len(ordered) - AGREEING, 0)])


class Windows(BaseModel):
    """How event time is cut: windows of *size* that start every *slide*, closed *watermark_delay* after their end.

    Slices are tumbling windows of one slide, aligned to the epoch in UTC. A window is the union of its slices, so
    counts of slices add up to counts of windows exactly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Span = timedelta(days=7)
    slide: Span = timedelta(days=1)
    watermark_delay: Span = timedelta(0)

    @model_validator(mode="after")
    def _whole_slices(self) -> Windows:
        if self.slide <= timedelta(0):
            msg = "slide must be longer than nothing"
            raise ValueError(msg)
        if self.size % self.slide or self.size < self.slide:
            msg = f"size {format_span(self.size)} must be a whole multiple of slide {format_span(self.slide)}"
            raise ValueError(msg)
        return self

    @property
    def slices(self) -> int:
        """Number of slices in a window."""
        return self.size // self.slide

    def slice_start(self, ms: int) -> int:
        """Return the start of the slice that holds *ms*, both in milliseconds since the epoch.

        >>> Windows(size="2h", slide="1h").slice_start(3_600_001)
        3600000
        """
        step = to_ms(self.slide)
        return ms - ms % step

    def last_closed(self, newest: datetime) -> datetime:
        """Return the end of the newest window that is closed once an event of time *newest* has been read."""
        return from_ms(self.slice_start(to_ms(newest - self.watermark_delay)))
