"""The false-alarm budget: one number that the user sets, and how it is shared out before anything is seen.

Each signal of each segment is given a share; its detectors must reach ``A / share``, where A is the budget's slices per
alarm, so the rates of all of them add up to the budget at most, whatever depends on what. Within a signal the variables
share by weight: a weighted mean of e-detectors is an e-detector (see :mod:`monitors.sequential.edetector`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from features.window import format_span, parse_span
from monitors.finding import Signal
from monitors.signals import OF

_FORM = re.compile(r"(\d+) +per +(?:(\d+) +)?(\w+)")
_WORDS = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d", "week": "7d", "month": "30d", "quarter": "91d",
          "year": "365d"}  # fmt: skip

ALL_TRAFFIC = 0.5
"""What all traffic is given of a signal's share where there are segments; they have equal parts of the rest."""


class FalseAlarms(BaseModel):
    """At most *count* false alarms per *span* of event time, on average and for ever, over everything that is watched.

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
        if not isinstance(value, str):
            return value
        found = _FORM.fullmatch(value.strip().lower())
        try:
            return {"count": int(found[1]), "span": _span(found[2], found[3])} if found else _refuse(value)
        except ValueError:
            return _refuse(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        """Describe the text form, the only one a project file needs."""
        return {"type": "string", "pattern": _FORM.pattern, "examples": ["1 per 90 days", "2 per year"]}

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """Return the rate as it can be read again."""
        return f"{self.count} per {format_span(self.span)}"

    def slices(self, slide: timedelta) -> float:
        """Return the slices of *slide* between two false alarms.

        >>> FalseAlarms.model_validate("1 per 90 days").slices(timedelta(hours=1))
        2160.0
        """
        return self.span / slide / self.count


def _span(times: str | None, unit: str) -> timedelta:
    word = _WORDS.get(unit.removesuffix("s"))
    return int(times or 1) * parse_span(word) if word else parse_span(f"{times or ''}{unit}")


def _refuse(value: str) -> NoReturn:
    msg = f"{value!r} is not a rate of alarms; write it like `1 per 90 days` or `2 per year`"
    raise ValueError(msg)


def share(signal: Signal, segment: str, segments: int, watched: Collection[Signal]) -> float:
    """Return the part of the budget of *signal* in *segment*, of so many *segments*, where *watched* signals share it.

    >>> share(Signal.QUALITY, "", 0, list(Signal)), share(Signal.QUALITY, "origin=JFK", 5, list(Signal))
    (0.1, 0.01)
    """
    own = OF[signal].budget_share / sum(OF[s].budget_share for s in watched)
    if not segments:
        return own
    return own * (ALL_TRAFFIC if segment == "" else (1 - ALL_TRAFFIC) / segments)


def per_look(alarms: FalseAlarms, slide: timedelta, part: float) -> float:
    """Return the chance that one slide's look may have of a false alarm, for a check that keeps no evidence over time.

    Each slide closes one new window; the chances of all looks add up, overlap or not.
    """
    return min(0.5, part / alarms.slices(slide))
