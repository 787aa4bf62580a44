"""Infers window size and slide, baseline period and label delay from a log's times and row rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from features.window import Windows, from_ms, to_ms

_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
WINDOW_CHOICES = (
    (7 * _DAY, _DAY), (_DAY, 6 * _HOUR), (_DAY, _HOUR), (4 * _HOUR, 15 * _MINUTE), (_HOUR, 5 * _MINUTE),
    (15 * _MINUTE, _MINUTE),
)  # fmt: skip
"""(size, slide) of windows to choose from, the longest first."""
LONGER_CHOICES = (28 * _DAY, 7 * _DAY), (112 * _DAY, 28 * _DAY)
"""The same where a day has few rows, the shortest first."""
ENOUGH_SLICES = 60
"""Slices that a log should have under the chosen slide."""
ENOUGH_ROWS = 20
"""Rows per slice that are aimed at; a quarter of that is accepted."""
ENOUGH_WINDOW_ROWS = 20
"""Rows that a window has at least: one of fewer is made longer."""
BASELINE_SLICES = 28
"""Slices of the baseline where the log is long enough: four weeks of days; below 20 there is no guarantee."""
STRAY_SHARE, FEW_STRAYS = 0.01, 5
"""Share of rows, and their number where rows are few, that may be strays: far beyond all others, as of a wrong year."""
STRAY_GAP, STRAY_SPACINGS = 0.1, 20
"""The gap before strays is at least this part of the period of the others, and so many of their usual spacings."""
DELAY_CHOICES = (timedelta(0), _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY)


@dataclass(frozen=True)
class InferredPeriods:
    """Window size and slide, the baseline period [start, end), and the rate of rows."""

    windows: Windows
    start: datetime
    end: datetime
    rows_a_day: float

    @property
    def slices(self) -> int:
        """The number of slices of the baseline."""
        return (self.end - self.start) // self.windows.slide

    @property
    def rows_a_window(self) -> float:
        """About how many rows a window has."""
        return self.rows_a_day * (self.windows.size / _DAY)


def periods(ms: npt.NDArray[np.int64], rows: int) -> InferredPeriods:
    """Return windows and baseline period of a log.

    Parameters
    ----------
    ms
        Times (ms since the epoch) of its first and last rows.
    rows
        About how many rows it has in all.

    Notes
    -----
    The slide is a day if there are enough days with enough rows, else longer or shorter.
    """
    first, last = int(ms.min()), int(ms.max())
    rate = rows / max(1, last - first)  # rows per ms
    size, slide = _cut(last - first, rate)
    windows = Windows(size=size, slide=slide)
    return InferredPeriods(windows, *baseline_period(first, last, windows), rate * to_ms(_DAY))


def baseline_period(first: int, last: int, windows: Windows) -> tuple[datetime, datetime]:
    """Return the baseline period [start, end) of a log with events from *first* to *last* (ms)."""
    slide, step = windows.slide, to_ms(windows.slide)
    start = windows.slice_start(first + step - 1 - min(step - 1, step // 10))
    total = max(1, math.ceil((last + 1 - start) / step))
    slices = max(1, total // 4, min(BASELINE_SLICES, round(total * 0.6)))
    if slide == _DAY and slices >= BASELINE_SLICES:
        slices -= slices % 7  # whole weeks
    return from_ms(start), from_ms(start + slices * step)


def bounds(ms: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return the first and the last of the times *ms* that are no strays: a few beyond a gap at either end.

    After a real gap, of weeks perhaps, there are many. Nor does it matter where a log of two samples has none between.

    >>> day = 86_400_000
    >>> bounds(np.array([*range(0, 100 * day, day // 4), 465 * day])) == (0, 99 * day + 18 * 3_600_000)
    True
    """
    ordered = np.sort(ms)
    return -_last_usual(-ordered[::-1]), _last_usual(ordered)


def _last_usual(ordered: npt.NDArray[np.int64]) -> int:
    """Return the last of *ordered* times before the gap after which only strays follow; the last one without such."""
    n = len(ordered)
    most = max(int(STRAY_SHARE * n), min(FEW_STRAYS, n // 20))
    core = np.unique(ordered[most : n - most])
    if not most or len(core) < 2:
        return int(ordered[-1])
    before, after = ordered[-most - 1 : -1], ordered[-most:]
    wide = after - before >= max(STRAY_GAP * (core[-1] - core[0]), STRAY_SPACINGS * np.median(np.diff(core)))
    return int(before[np.argmax(wide)] if wide.any() else ordered[-1])


def _cut(span: int, rate: float) -> tuple[timedelta, timedelta]:
    """Return size and slide: a day's slide, weeks' where rows are few, else the longest with enough of them."""
    few = rate * to_ms(_DAY) < ENOUGH_ROWS / 4
    choices = LONGER_CHOICES if few else WINDOW_CHOICES
    long_enough = [pair for pair in choices if span >= ENOUGH_SLICES * to_ms(pair[1])]
    full_enough = [pair for pair in long_enough if rate * to_ms(pair[1]) >= ENOUGH_ROWS / 4]
    fallback = WINDOW_CHOICES[0 if span > 3 * to_ms(_DAY) else -1]
    size, slide = (*full_enough, *(long_enough[::-1] if few else ()), fallback)[0]
    return (_longer(size, slide, span, rate) if few else size), slide


def _longer(size: timedelta, slide: timedelta, span: int, rate: float) -> timedelta:
    """Return the size of a window with enough rows: as many slices longer as it takes, up to a quarter of the log."""
    step = to_ms(7 * slide if slide == _DAY else slide)
    needed = min(math.ceil(ENOUGH_WINDOW_ROWS / (rate * step)), span // 4 // step)
    return max(size, timedelta(milliseconds=needed * step))


def label_delay(gaps: npt.NDArray[np.int64], slide: timedelta) -> timedelta:
    """Return a label delay that 99.5 % of *gaps*, the delays (ms) of a sample of labels, do not exceed."""
    needed = timedelta(milliseconds=int(np.quantile(gaps, 0.995))) if len(gaps) else min(slide, _DAY)
    return next((d for d in DELAY_CHOICES[1:] if d >= needed), math.ceil(needed / _DAY) * _DAY)


def dates(moments: Iterable[datetime]) -> list[str]:
    """Return times as a project file has them.

    >>> dates([from_ms(0), from_ms(3_600_000)])
    ['1970-01-01', '1970-01-01T01:00:00Z']
    """
    return [f"{m:%Y-%m-%dT%H:%M:%SZ}".removesuffix("T00:00:00Z") for m in moments]
