"""Windows, baseline period and label delay that fit a log: as many slices as a verdict needs, from what there is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from features.window import Windows, from_ms, to_ms

_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
WINDOW_CHOICES = ((28 * _DAY, 7 * _DAY), (7 * _DAY, _DAY), (_DAY, 6 * _HOUR), (_DAY, _HOUR), (4 * _HOUR, 15 * _MINUTE),
          (_HOUR, 5 * _MINUTE), (15 * _MINUTE, _MINUTE))  # fmt: skip
"""Sizes of windows with the slides that go with them, from the longest."""
ENOUGH_SLICES, ENOUGH_ROWS = 60, 20
BASELINE_SLICES = 28
"""A baseline of fewer than 20 slices carries no promise; 28 are four weeks of days."""
DELAY_CHOICES = (timedelta(0), _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY)


@dataclass(frozen=True)
class Periods:
    """How event time is cut, and the period that windows are compared with."""

    windows: Windows
    start: datetime
    end: datetime
    rows_a_day: float

    @property
    def slices(self) -> int:
        """How many slices the baseline has."""
        return (self.end - self.start) // self.windows.slide


def periods(ms: npt.NDArray[np.int64]) -> Periods:
    """Return the pace of a log of which these times, in milliseconds since the epoch, are the beginning and the end.

    The slide is a day if there are enough days with enough rows in them, else longer or shorter.
    """
    first, last = int(ms.min()), int(ms.max())
    head = np.sort(ms[: max(2, len(ms) // 2)])
    rate = len(head) / max(1, int(np.quantile(head, 0.99)) - first)  # rows a millisecond, when the log begins
    size, slide = _cut(last - first, rate)
    windows = Windows(size=size, slide=slide)
    step = to_ms(slide)
    start = windows.slice_start(first + step - 1 - min(step - 1, step // 10))
    total = max(1, math.ceil((last + 1 - start) / step))
    slices = max(1, total // 4, min(BASELINE_SLICES, round(total * 0.6)))
    if slide == _DAY and slices >= BASELINE_SLICES:
        slices -= slices % 7  # whole weeks
    return Periods(windows, from_ms(start), from_ms(start + slices * step), rate * to_ms(_DAY))


def _cut(span: int, rate: float) -> tuple[timedelta, timedelta]:
    """Return size and slide: a day's slide, a week's where rows are few, else the longest with enough of them."""
    week, day, *_ = WINDOW_CHOICES
    if rate * to_ms(_DAY) < ENOUGH_ROWS / 4 and span >= ENOUGH_SLICES * to_ms(week[1]):
        return week
    long_enough = [pair for pair in WINDOW_CHOICES[1:] if span >= ENOUGH_SLICES * to_ms(pair[1])]
    full_enough = [pair for pair in long_enough if rate * to_ms(pair[1]) >= ENOUGH_ROWS / 4]
    return next(iter(full_enough), day if span > 3 * to_ms(_DAY) else WINDOW_CHOICES[-1])


def label_delay(gaps: npt.NDArray[np.int64], slide: timedelta) -> timedelta:
    """Return a label delay under which nearly all labels count that came these *gaps*, in milliseconds, later."""
    needed = timedelta(milliseconds=int(np.quantile(gaps, 0.995))) if len(gaps) else min(slide, _DAY)
    return next((d for d in DELAY_CHOICES[1:] if d >= needed), math.ceil(needed / _DAY) * _DAY)


def dates(moments: Iterable[datetime]) -> list[str]:
    """Return moments as a project file has them.

    >>> dates([from_ms(0), from_ms(3_600_000)])
    ['1970-01-01', '1970-01-01T01:00:00Z']
    """
    return [f"{m:%Y-%m-%dT%H:%M:%SZ}".removesuffix("T00:00:00Z") for m in moments]
