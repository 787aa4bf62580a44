"""False-alarm budget: the rate of false alarms that a user allows, and how it is divided among signals and segments.

Each signal of each segment has a fixed share; its e-detectors must reach ``A / share``, where A is the number of slices
for each false alarm that the budget allows. The rates of all of them add up to the budget at most, however they depend
on one another. Within a signal, variables share by weight: the weighted mean of their e-detectors must reach the line
(:mod:`monitors.sequential.edetector`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from features.window import format_span, parse_span
from monitors.finding import Signal
from monitors.signals import SPECS

RATE_PATTERN = re.compile(r"(\d+) +per +(?:(\d+) +)?(\w+)")
SPAN_WORDS = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d", "week": "7d", "month": "30d", "quarter": "91d",
          "year": "365d"}  # fmt: skip
"""Words for spans of time that a rate may use, as a span that :func:`features.window.parse_span` reads."""

ALL_TRAFFIC_SHARE = 0.5
"""Part of a signal's share that all traffic has where there are segments; they have equal parts of the rest. A choice:
all traffic then needs twice the evidence that it needs without segments, however many there are."""
MAX_LEVEL = 0.5
"""Largest chance of a false fault in one check, however generous the budget."""


class FalseAlarms(BaseModel):
    """A rate of false alarms: at most *count* per *span* of event time in expectation, over all that is monitored.

    Parameters
    ----------
    count
        Number of false alarms, 1 at least.
    span
        Event time in which they may happen.

    Examples
    --------
    >>> FalseAlarms.model_validate("1 per 90 days")
    FalseAlarms(count=1, span=datetime.timedelta(days=90))
    >>> str(FalseAlarms.model_validate("2 per year"))
    '2 per 365d'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=1)
    span: timedelta = Field(gt=timedelta(0))

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        """Read the text form, `1 per 90 days`; anything else is left to validation."""
        if isinstance(value, int | float):
            return _refuse(value)
        if not isinstance(value, str):
            return value
        match = RATE_PATTERN.fullmatch(value.strip().lower())
        try:
            return {"count": int(match[1]), "span": _span(match[2], match[3])} if match else _refuse(value)
        except ValueError:
            return _refuse(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        """Describe the text form, the only one a project file needs."""
        return {"type": "string", "pattern": RATE_PATTERN.pattern, "examples": ["1 per 90 days", "2 per year"]}

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """Return the rate as it can be read again."""
        return f"{self.count} per {format_span(self.span)}"

    def slices(self, slide: timedelta) -> float:
        """Return how many slices of length *slide* there are for each false alarm.

        >>> FalseAlarms.model_validate("1 per 90 days").slices(timedelta(hours=1))
        2160.0
        """
        return self.span / slide / self.count


def _span(times: str | None, unit: str) -> timedelta:
    word = SPAN_WORDS.get(unit.removesuffix("s"))
    return int(times or 1) * parse_span(word) if word else parse_span(f"{times or ''}{unit}")


def _refuse(value: str | float) -> NoReturn:
    msg = f"{value!r} is not a rate of false alarms; write it like `1 per 90 days` or `2 per year`"
    raise ValueError(msg)


def share(signal: Signal, segment: str, segment_count: int, signals: Collection[Signal]) -> float:
    """Return the part of the budget, 0 to 1, that one signal has in one segment.

    Parameters
    ----------
    signal
        The signal.
    segment
        ``feature=value``, or "" for all traffic.
    segment_count
        The number of segments, without all traffic.
    signals
        All signals that share the budget.

    Examples
    --------
    >>> share(Signal.QUALITY, "", 0, list(Signal)), share(Signal.QUALITY, "origin=JFK", 5, list(Signal))
    (0.1, 0.01)
    """
    own = SPECS[signal].budget_share / sum(SPECS[s].budget_share for s in signals)
    if not segment_count:
        return own
    return own * (ALL_TRAFFIC_SHARE if segment == "" else (1 - ALL_TRAFFIC_SHARE) / segment_count)


def per_look(alarms: FalseAlarms, slide: timedelta, part: float) -> float:
    """Return the level of a check of single windows, which keeps no evidence over time.

    Each slide closes one new window, and the chances of all windows add up, whether they overlap or not.

    Parameters
    ----------
    alarms
        The model's false-alarm budget.
    slide
        Event time from one window to the next.
    part
        The part of the budget that the check has, 0 to 1.
    """
    return min(MAX_LEVEL, part / alarms.slices(slide))
