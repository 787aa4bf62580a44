"""Silent or dwindling feed: how long no prediction came, compared with gaps and quiet hours of the baseline.

An empty slice is in no table, so no count shows it: what is compared is time. A stretch without a record is a fault as
soon as every stretch of the baseline of that length had so many rows that chance (Poisson) does not explain none. Where
the baseline follows the week or the day (quiet nights, no weekends), stretches that begin at the same hour are
compared; where it has gaps that no calendar explains, a silence must be twice as long as the longest of them.
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
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.quality.arrivals import any_arrived
from monitors.quality.volume import VOLUME_RATIO
from monitors.report import Report
from monitors.sequential.seasonality import DAY, HOUR, WEEK
from monitors.stats.bins import Counts

GAP_FACTOR = 2
"""How many times the baseline's longest gap a silence must last where no calendar explains its gaps. A choice."""
MIN_STRETCHES = 2
"""Stretches of the baseline that must begin at an hour of the week for it to tell what is usual then."""
METRIC = "silent_slices"
"""Name of the metric: slices in a row without a prediction."""
UNSEEN_ROWS = 2**62
"""Stands for no stretch to compare with: more rows than any stretch has."""


@dataclass(frozen=True, eq=False)
class FeedPace:
    """How the predictions of a baseline arrive.

    Parameters
    ----------
    first
        Where its first whole slice starts, in milliseconds since the epoch.
    slide
        Milliseconds that a slice lasts.
    rows
        Predictions in each whole slice, (slices,), empty ones included.
    level
        Probability of a false fault in one slice.
    allowed
        How many silent slices the policy allows, in place of what the baseline shows; None where it does not say.

    Attributes
    ----------
    period
        The period of the calendar that the rows follow, in milliseconds; 0 for none.
    longest_gap
        The longest run of empty slices.
    """

    first: int
    slide: int
    rows: Counts
    level: float
    allowed: int | None = None
    period: int = field(init=False)
    longest_gap: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "period", _period(self.rows, self.slide, self.rows_needed))
        object.__setattr__(self, "longest_gap", _longest_gap(self.rows))

    @property
    def rows_needed(self) -> float:
        """Expected rows from which none at all is not explained by chance (Poisson, at half the level)."""
        return -math.log(self.level / 2)

    @cached_property
    def _upto(self) -> Counts:
        return np.concatenate([[0], np.cumsum(self.rows)])

    def stretches(self, start: int, slices: int) -> Counts:
        """Return the rows in stretches of the baseline, of *slices* slices, that compare with one from *start*.

        Those that begin at the same point of the calendar as *start* (ms), if there are two or more; else all.
        """
        upto = self._upto
        every = upto[slices:] - upto[:-slices] if slices <= len(self.rows) else upto[:0]
        if not self.period:
            return np.asarray(every)
        step = self.period // self.slide
        alike = every[(start - self.first) // self.slide % step :: step]
        return np.asarray(alike if len(alike) >= MIN_STRETCHES else every)

    @property
    def shortest(self) -> int:
        """The fewest slices that a silence must last to be a fault.

        One, or where the baseline has gaps that no calendar explains: twice the longest, and longer than chance makes a
        run of slices that are empty as often as these.
        """
        if self.period or not self.longest_gap:
            return 1
        share = (int((self.rows == 0).sum()) + 1) / (len(self.rows) + 2)
        return max(GAP_FACTOR * self.longest_gap, math.ceil(-self.rows_needed / math.log(share)))


def feed_pace(baseline: Baseline, policy: MonitorPolicy) -> FeedPace:
    """Return how a baseline's predictions arrive, from its whole slices: the first and the last may be cut.

    Of a renewed baseline its longest period counts: what lies between its periods is no silence.
    """
    slide = to_ms(baseline.events.windows.slide)
    start, end = max(baseline.periods, key=lambda period: period[1] - period[0])
    first, last = -(-to_ms(start) // slide), to_ms(end) // slide
    rows = np.zeros(max(last - first, 0), np.int64)
    for one in baseline.slices(Stage.INPUTS):
        if 0 <= (at := one.start // slide - first) < len(rows):
            rows[at] = any_arrived(one.counts)
    allowed = None if policy.silence is None else -(-to_ms(policy.silence) // slide)
    return FeedPace(first * slide, slide, rows, budget_shares.quality_level(baseline, policy, ""), allowed)


def fault_due(pace: FeedPace, since: int) -> int | None:
    """Return from when a silence is a fault: the end of a slice, in milliseconds since the epoch.

    None if the baseline has too few rows to tell.

    Parameters
    ----------
    pace
        How the baseline's predictions arrive.
    since
        The start of the first silent slice, in milliseconds since the epoch.

    Examples
    --------
    >>> daily = FeedPace(0, DAY, np.full(21, 24), level=0.001)
    >>> fault_due(daily, 30 * DAY) == 31 * DAY
    True
    """
    if pace.allowed is not None:
        return since + (pace.allowed + 1) * pace.slide
    for slices in range(pace.shortest, max(pace.shortest, len(pace.rows)) + 1):
        if _fewest_rows(pace, since, slices) >= pace.rows_needed:
            return since + slices * pace.slide
    return None


def _fewest_rows(pace: FeedPace, since: int, slices: int) -> int:
    """Return the fewest rows in stretches of the baseline comparable with one of *slices* slices from *since* (ms).

    Where there are quiet hours, stretches that begin an hour later or end an hour earlier are comparable too: summer
    time moves a country's hours in UTC.
    """
    hour = -(-HOUR // pace.slide) if pace.period and pace.longest_gap and pace.slide < DAY else 0
    like = [(since, slices), (since + hour * pace.slide, slices), (since, slices - hour if slices > hour else slices)]
    if slices > len(pace.rows):
        return int(pace.rows.sum())
    return min(int(pace.stretches(at, n).min(initial=UNSEEN_ROWS)) for at, n in like)


def silence_fault(pace: FeedPace, since: int, end: int) -> Finding | None:
    """Return the fault of a feed that was silent from *since* to *end* (ms), or None while it is none."""
    at = fault_due(pace, since)
    if at is None or end < at:
        return None
    slices, usual = (end - since) // pace.slide, (at - since) // pace.slide
    lasted = format_span(from_ms(end) - from_ms(since))
    like = "longer than monitor.silence allows" if pace.allowed is not None else (
        f"in the baseline, {format_span(from_ms(at) - from_ms(since))} at such a time had at least "
        f"{_fewest_rows(pace, since, usual):,}")  # fmt: skip
    saw = f"no predictions for {lasted}, since {from_ms(since):%Y-%m-%d %H:%M}: {like}"
    return _finding(METRIC, float(slices), float(usual - 1), 0, pace, f"{saw}; check what sends the events")


def low_volume_fault(pace: FeedPace, rows: int) -> Finding | None:
    """Return the fault of a slice with too few *rows*, or None.

    Too few is less than a third of what any slice of the baseline had, by more than those differ among themselves, and
    fewer than chance explains. Where a slice of the baseline was empty, only whole windows are judged.
    """
    least, most = int(pace.rows.min(initial=UNSEEN_ROWS)), int(pace.rows.max(initial=0))
    if not most or least == 0 or rows == 0:
        return None
    line, ratio = max(VOLUME_RATIO, most / least), least / rows
    if ratio <= line or special.pdtr(rows, least) >= pace.level / 2:
        return None
    saw = f"{rows:,} rows came in the newest slice, {least:,} to {most:,} in slices of the baseline"
    words = f"{saw}: events are missing or traffic was moved; check what sends the events"
    return _finding("rows_ratio", ratio, line, rows, pace, words)


def with_feed_fault(report: Report, fault: Finding | None) -> Report:
    """Return a report with this fault of the feed in place of its own finding on the feed, unless that is a fault."""
    own = next((f for f in report.findings if (f.signal, f.variable) == (Signal.QUALITY, "*")), None)
    if fault is None or (own is not None and own.verdict is Verdict.DRIFT):
        return report
    return report.model_copy(update={"findings": (fault, *(f for f in report.findings if f is not own))})


def _finding(metric: str, effect: float, line: float, n: int, pace: FeedPace, reason: str) -> Finding:
    """Return the quality finding on the feed as a whole (variable ``*``)."""
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
    """Return the period (ms) of the calendar that *rows* follow, week or day; 0 for none.

    The longest that they have twice and never contradict: a point of the calendar contradicts it where once nothing
    came, and once as many rows as chance does not leave out.
    """
    for period in (WEEK, DAY):
        step = period // slide
        if period % slide or step < 2 or len(rows) < MIN_STRETCHES * step:
            continue
        if all(not (alike.min() == 0 and alike.max() >= needed) for alike in _phases(rows, step)):
            return period
    return 0


def _phases(rows: Counts, step: int) -> Iterator[Counts]:
    yield from (rows[at::step] for at in range(step))


def _longest_gap(rows: Counts) -> int:
    """Return the length of the longest run of empty slices.

    >>> _longest_gap(np.array([3, 0, 0, 1, 0]))
    2
    """
    ends = np.flatnonzero(np.concatenate([[1], rows, [1]]))
    return int(np.diff(ends).max(initial=1)) - 1
