"""Whether a feed has fallen silent: how long nothing came, beside how it came in the baseline.

An empty slice is no row of any table, so no count tells of it: what is compared is time. A stretch without a record is
a fault as soon as every stretch of the baseline of that length had so many rows that chance does not explain none.
Where the baseline follows the week or the day (quiet nights, no weekends), stretches that begin at the same hour are
compared; where it has gaps that no calendar explains, a silence must be twice as long as its longest one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from features.window import format_span, from_ms, to_ms
from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.quality.arrivals import any_arrived
from monitors.quality.volume import VOLUME_RATIO
from monitors.report import Finding, Report, Signal, Stage, Verdict
from monitors.sequential.seasonality import DAY, HOUR, WEEK
from monitors.stats.bins import Counts

MARGIN = 2
"""Where no calendar explains the baseline's gaps, a silence is a fault at so many times the longest of them."""
TWICE = 2
"""So many stretches must begin at an hour of the week before they say that none at all is not usual."""
METRIC = "silent_slices"
_NONE = 2**62  # more rows than any stretch has


@dataclass(frozen=True, eq=False)
class FeedPace:
    """How a feed comes in the baseline: *rows* (slices,) of each of its slices, empty ones included.

    The first starts at *first* (ms), each lasts *slide* ms. *level* is the chance of a false fault in one slice;
    *period* (ms) is that of the calendar which the rows follow, 0 for none; *longest* is the longest run of empty
    slices. *allowed* is what the policy says in their place: so many silent slices are no fault.
    """

    first: int
    slide: int
    rows: Counts
    level: float
    allowed: int | None = None
    period: int = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "period", _period(self.rows, self.slide, self.needed))
        object.__setattr__(self, "longest", _longest(self.rows))

    @property
    def needed(self) -> float:
        """The rows that are to be expected where none at all is no chance (Poisson)."""
        return -math.log(self.level / 2)

    @cached_property
    def _upto(self) -> Counts:
        return np.concatenate([[0], np.cumsum(self.rows)])

    def stretches(self, start: int, slices: int) -> Counts:
        """Return the rows of the baseline's stretches of so many *slices* that are like the one from *start* (ms).

        Those that begin at the same point of the calendar, if there are two or more; else all.
        """
        upto = self._upto
        every = upto[slices:] - upto[:-slices] if slices <= len(self.rows) else upto[:0]
        if not self.period:
            return np.asarray(every)
        step = self.period // self.slide
        alike = every[(start - self.first) // self.slide % step :: step]
        return np.asarray(alike if len(alike) >= TWICE else every)

    @property
    def shortest(self) -> int:
        """The fewest slices that a silence has to last: one, but where gaps come that no calendar explains.

        There it is twice the longest gap, and longer than chance makes a run of slices as often empty as these.
        """
        if self.period or not self.longest:
            return 1
        share = (int((self.rows == 0).sum()) + 1) / (len(self.rows) + 2)
        return max(MARGIN * self.longest, math.ceil(-self.needed / math.log(share)))


def feed_pace(baseline: Baseline, policy: MonitorPolicy) -> FeedPace:
    """Return the pace of *baseline*'s predictions; of its whole slices, as the first and last may be cut."""
    slide = to_ms(baseline.events.windows.slide)
    first, last = -(-to_ms(baseline.start) // slide), to_ms(baseline.end) // slide
    rows = np.zeros(max(last - first, 0), np.int64)
    for one in baseline.slices(Stage.INPUTS):
        if 0 <= (at := one.start // slide - first) < len(rows):
            rows[at] = any_arrived(one.counts)
    allowed = None if policy.silence is None else -(-to_ms(policy.silence) // slide)
    return FeedPace(first * slide, slide, rows, budget_shares.quality_level(baseline, policy, ""), allowed)


def due(pace: FeedPace, since: int) -> int | None:
    """Return when (ms) a silence that began at *since* (ms, a slice's start) is a fault: at the end of which slice.

    None if the baseline cannot tell, because its own rows are too few.

    >>> daily = FeedPace(0, DAY, np.full(21, 24), level=0.001)
    >>> due(daily, 30 * DAY) == 31 * DAY
    True
    """
    if pace.allowed is not None:
        return since + (pace.allowed + 1) * pace.slide
    for slices in range(pace.shortest, max(pace.shortest, len(pace.rows)) + 1):
        if _least(pace, since, slices) >= pace.needed:
            return since + slices * pace.slide
    return None


def _least(pace: FeedPace, since: int, slices: int) -> int:
    """Return the fewest rows of the baseline's stretches that are like the one of so many *slices* from *since* (ms).

    Where there are quiet hours, also of those an hour later, and of those that end an hour before: the clocks of a
    country that has summer time move its hours in UTC.
    """
    hour = -(-HOUR // pace.slide) if pace.period and pace.longest and pace.slide < DAY else 0
    like = [(since, slices), (since + hour * pace.slide, slices), (since, slices - hour if slices > hour else slices)]
    if slices > len(pace.rows):
        return int(pace.rows.sum())
    return min(int(pace.stretches(at, n).min(initial=_NONE)) for at, n in like)


def silent(pace: FeedPace, since: int, end: int) -> Finding | None:
    """Return the fault of a feed that was silent from *since* to *end* (ms), or None while that is none."""
    at = due(pace, since)
    if at is None or end < at:
        return None
    slices, usual = (end - since) // pace.slide, (at - since) // pace.slide
    lasted = format_span(from_ms(end) - from_ms(since))
    like = "monitor.silence allows less" if pace.allowed is not None else (
        f"a stretch of {format_span(from_ms(at) - from_ms(since))} like that had "
        f"{_least(pace, since, usual):,} or more in the baseline")  # fmt: skip
    saw = f"no predictions for {lasted}, since {from_ms(since):%Y-%m-%d %H:%M}: {like}"
    return _finding(METRIC, float(slices), float(usual - 1), 0, pace, f"{saw}; check what sends the events")


def dwindled(pace: FeedPace, rows: int) -> Finding | None:
    """Return the fault of a slice in which only so few *rows* came, or None.

    Fewer than a third of the least that any slice of the baseline had, by more than those differ among themselves, and
    fewer than chance makes of it. Where a slice of the baseline was empty, only whole windows tell.
    """
    least, most = int(pace.rows.min(initial=_NONE)), int(pace.rows.max(initial=0))
    if not most or least == 0 or rows == 0:
        return None
    line, ratio = max(VOLUME_RATIO, most / least), least / rows
    if ratio <= line or special.pdtr(rows, least) >= pace.level / 2:
        return None
    saw = f"in the newest slice, {rows:,} rows came, {least:,} to {most:,} in slices of the baseline"
    words = f"{saw}: something is not delivered, or traffic was moved; check what sends the events"
    return _finding("rows_ratio", ratio, line, rows, pace, words)


def finding(report: Report, fault: Finding | None) -> Report:
    """Return *report* with a *fault* of the feed in the place of what it says of the feed, unless that is a fault."""
    own = next((f for f in report.findings if (f.signal, f.variable) == (Signal.QUALITY, "*")), None)
    if fault is None or (own is not None and own.verdict is Verdict.DRIFT):
        return report
    return report.model_copy(update={"findings": (fault, *(f for f in report.findings if f is not own))})


def _finding(metric: str, effect: float, line: float, n: int, pace: FeedPace, reason: str) -> Finding:
    return Finding(
        signal=Signal.QUALITY,
        variable="*",
        window_verdict=Verdict.DRIFT,
        metric=metric,
        effect=round(effect, 6),
        threshold=round(line, 6),
        n=n,
        baseline_n=int(pace.rows.sum()),
        reason=reason,
    )


def _period(rows: Counts, slide: int, needed: float) -> int:
    """Return the period (ms) that *rows* follow, 0 for none: the longest that they have twice and never contradict.

    A point of the calendar contradicts it where once nothing came, and once what chance does not leave out.
    """
    for period in (WEEK, DAY):
        step = period // slide
        if period % slide or step < 2 or len(rows) < TWICE * step:
            continue
        if all(not (alike.min() == 0 and alike.max() >= needed) for alike in _phases(rows, step)):
            return period
    return 0


def _phases(rows: Counts, step: int) -> Iterator[Counts]:
    yield from (rows[at::step] for at in range(step))


def _longest(rows: Counts) -> int:
    """Return the length of the longest run of empty slices.

    >>> _longest(np.array([3, 0, 0, 1, 0]))
    2
    """
    ends = np.flatnonzero(np.concatenate([[1], rows, [1]]))
    return int(np.diff(ends).max(initial=1)) - 1
