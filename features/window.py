"""Windows in event time: half-open slices and sliding windows over them, aligned to the epoch in UTC.

Every room cuts time here, so that "the window of 3 March" is the same one everywhere.
"""

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
    """Return the length of time that *value* describes: ``90m``, ``1d12h``, or a timedelta unchanged.

    Raises
    ------
    ValueError
        It is not a length of time.

    Examples
    --------
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
    """Return *span* in the form that :func:`parse_span` reads.

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
    """Return milliseconds since the epoch (of an aware datetime), or the milliseconds in a span; exact integers.

    >>> to_ms(datetime(1970, 1, 2, tzinfo=UTC))
    86400000
    """
    if isinstance(value, datetime):
        value = value - datetime(1970, 1, 1, tzinfo=UTC)
    return value // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return the aware UTC datetime of *ms* milliseconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(ms))


MIN_AGREEING = 3
"""Events that must lie near one another before they advance event time far beyond all others: one or two may come from
a sender whose clock is wrong."""
USUAL_GAPS = 20
"""Gaps (in median gaps between events) up to which a jump is usual for the data, however long: sparse events have long
gaps."""


def agreed_newest(times: npt.NDArray[np.int64], jump: int) -> int:
    """Return the time (ms) up to which events advance event time (the watermark before its delay); 0 for no events.

    That is the newest event's, unless fewer than :data:`MIN_AGREEING` events lie more than `jump`, and more than
    :data:`USUAL_GAPS` median gaps, beyond all others: one sender whose clock is wrong does not close windows for the
    rest.

    Parameters
    ----------
    times
        Event times, (events,), in milliseconds since the epoch.
    jump
        The largest plausible jump, in milliseconds.

    Examples
    --------
    >>> day = 86_400_000
    >>> agreed_newest(np.array([1, 2, 3, 40]) * day, jump=7 * day) // day
    3
    >>> agreed_newest(np.array([1, 2, 3, 40, 40, 41]) * day, jump=7 * day) // day
    41
    """
    ordered = np.unique(times) if len(times) <= MIN_AGREEING else np.sort(times)
    if len(ordered) < 2:
        return int(ordered[-1]) if len(ordered) else 0
    tail = ordered[-MIN_AGREEING:]
    if tail[-1] - tail[0] <= jump:
        return int(ordered[-1])
    gaps = np.diff(ordered)
    longest_gap = max(jump, USUAL_GAPS * float(np.median(gaps)))
    for last in range(len(ordered) - 1, len(ordered) - MIN_AGREEING, -1):
        if last == 0 or gaps[last - 1] <= longest_gap:
            return int(ordered[last])
    return int(ordered[max(len(ordered) - MIN_AGREEING, 0)])


class Windows(BaseModel):
    """Sliding windows: of length *size*, one starting every *slide*, closed *watermark_delay* after their end.

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
        """Return the start of the slice that contains *ms*, both in milliseconds since the epoch.

        >>> Windows(size="2h", slide="1h").slice_start(3_600_001)
        3600000
        """
        step = to_ms(self.slide)
        return ms - ms % step

    def slice_of(self, moment: datetime) -> datetime:
        """Return the start of the slice that contains a moment: the end of the last whole slice before it."""
        return from_ms(self.slice_start(to_ms(moment)))

    def last_closed(self, newest: datetime) -> datetime:
        """Return the end of the newest window that is closed once an event of time *newest* has been read."""
        return self.slice_of(newest - self.watermark_delay)
