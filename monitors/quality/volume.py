"""Volume and feed faults: too many or too few rows, repeated, rejected and late ones, and missing labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special, stats

from features.schema import LABEL
from monitors.config import MonitorPolicy
from monitors.quality import value_faults
from monitors.quality.column_traits import MIN_TREND_SLICES, TREND
from monitors.quality.fault import Fault, FaultKind
from monitors.stats.bins import Counts

VOLUME_RATIO = 3.0
"""The number of rows is a fault at this many times the largest of a window of the baseline, or this fraction of the
smallest. Five times and a fifth of the rows are found always (docs/statistics/router.md)."""


LARGEST_GROWTH = 20.0
"""Logarithm of the largest growth that is computed, so that one far from the baseline stays a number."""
MAJORITY_SET_ASIDE = 0.5
"""Share of rejected records from which on even a few are a fault; below, the policy's minimum of rows is needed."""
FEED_METRICS = frozenset({"refused_share", "unusable_share", "late_share", "unlabelled_share"})
"""Metrics of feed faults that also hold in a window with events in too few slices to judge it by."""


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """How a window's records arrived; what is None is not checked.

    Parameters
    ----------
    rows
        Rows of a complete window whose version had all the traffic.
    repeated
        Repeated rows among them: an id that was delivered again.
    refused
        Rejected records by the variable whose value did not fit.
    late
        Records that arrived after their own slice was closed, and so are in no window.
    unusable
        Rejected records by the part that could not be used (``record``: all of it).
    newest
        The same of the window's newest slice.
    ahead
        How many slices the window ends after the baseline's.
    """

    rows: int | None = None
    repeated: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    late: int | None = None
    unusable: Mapping[str, int] = field(default_factory=dict)
    newest: FeedCounts | None = None
    ahead: int = 0

    @property
    def set_aside(self) -> int:
        """Number of rejected records."""
        return sum(self.refused.values()) + sum(self.unusable.values())

    @property
    def checks(self) -> int:
        """Number of checks, which share the level."""
        single = sum(count is not None for count in (self.rows, self.repeated, self.late))
        causes = len(self.refused) + len(self.unusable)
        return single + causes + (causes > 1)


@dataclass(frozen=True, eq=False)
class VolumeReference:
    """The baseline's rows, and those of each of its runs of a window's length, (runs,), oldest first."""

    rows: int
    runs: Counts

    def range(self, ahead: int) -> tuple[float, float]:
        """Return the fewest and the most rows to expect of a window that ends *ahead* slices after the baseline.

        Those of its runs; where traffic rose or fell all through the baseline, also what it comes to if it goes on.
        """
        least, most = self._extremes
        if ahead <= 0 or not self._growth:
            return least, most
        goes_on = math.exp(min(self._growth * ahead, LARGEST_GROWTH))
        return least * min(goes_on, 1.0), most * max(goes_on, 1.0)

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        return float(self.runs.min()), float(self.runs.max())

    @cached_property
    def _growth(self) -> float:
        """By how much the logarithm of the rows grows from run to run, where it did so all through; else 0."""
        runs = np.maximum(self.runs, 1)
        at = np.arange(len(runs))
        if len(runs) < MIN_TREND_SLICES or np.ptp(runs) == 0 or abs(stats.spearmanr(at, runs).statistic) < TREND:
            return 0.0
        return float(np.polyfit(at, np.log(runs), 1)[0])


def faults(
    feed: FeedCounts, reference: VolumeReference, n: int, policy: MonitorPolicy, level: float
) -> Iterator[Fault]:
    """Yield the faults of a feed.

    Repeated, rejected and late rows are compared with none at all: a baseline does not keep them, and one that is
    counted in batch has no late ones.

    Parameters
    ----------
    feed
        How the window's records arrived.
    reference
        The baseline's rows.
    n
        Rows counted in the window.
    policy
        The monitoring policy.
    level
        Probability of a false fault, of each check.
    """
    if feed.rows is not None and len(reference.runs):
        yield from _volume(feed.rows, reference, feed.ahead, level)
    if feed.repeated is not None and (
        line := _beyond(feed.repeated, n, reference.rows, policy, level, least=policy.min_rows)
    ):
        saw = f"{feed.repeated:,} of {n:,} rows are repeated: events are delivered or joined twice"
        share = feed.repeated / n
        yield Fault(
            FaultKind.DUPLICATES, (), "repeated_share", round(share, 6), line, f"{saw}; check what sends the events"
        )
    yield from _set_aside(feed, reference.rows, n, policy, level)
    if feed.late is not None and (
        line := _beyond(feed.late, n + feed.late, reference.rows, policy, level, least=policy.min_rows)
    ):
        share = feed.late / (n + feed.late)
        yield Fault(FaultKind.LATENESS, (), "late_share", round(share, 6), line, _too_late(feed.late, n, share, line))


def _set_aside(feed: FeedCounts, rows: int, n: int, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield a fault for each variable, or part of a record, with too many rejected records; else one for all together.

    The share is of all records that arrived, whatever the others were rejected for.
    """
    total, has_cause = n + feed.set_aside, False
    least = 1 if feed.set_aside >= MAJORITY_SET_ASIDE * total else policy.min_rows
    for names, why in (*(((v,), v) for v in feed.refused), *(((), part) for part in feed.unusable)):
        count = feed.refused[why] if names else feed.unusable[why]
        if line := _beyond(count, total, rows, policy, level, least=least):
            has_cause = True
            share, saw = round(count / total, 6), f"{count:,} of {total:,} rows were rejected:"
            words = f"{saw} {why} changed its type; check its schema" if names else (
                f"{count:,} of {total:,} {_LACK[why]}")  # fmt: skip
            kind = FaultKind.SCHEMA if names else FaultKind.UNUSABLE
            yield Fault(kind, names, "refused_share" if names else "unusable_share", share, line, words)
    if not has_cause and (line := _beyond(feed.set_aside, total, rows, policy, level, least=least)):
        causes = ", ".join(f"{why} {count:,}" for why, count in [*feed.refused.items(), *feed.unusable.items()])
        saw = f"{feed.set_aside:,} of {total:,} records were set aside ({causes})"
        share = round(feed.set_aside / total, 6)
        yield Fault(FaultKind.UNUSABLE, (), "unusable_share", share, line, f"{saw}; check what sends the events")


_LACK = {
    "id": "records have no usable id; check what sends the events",
    "time": "records have no usable time; check the time column, its unit and its format",
    "model_version": "records have no usable model version, or one without a baseline; "
    "check what sends it, or run `leeway baseline --version NEW --start DATE --end DATE` with days of the new one "
    "(`leeway check` says which)",
    "record": "records cannot be read at all; check their format and encoding",
}


def missing_labels(coverage: tuple[int, int], least: float, level: float) -> Iterator[Fault]:
    """Yield a fault if labels are missing: less than a third of the baseline's smallest share, and less than by chance.

    None where the baseline had no labels itself.

    Parameters
    ----------
    coverage
        (predictions with a label, those without), all of them due.
    least
        Smallest share with a label in the baseline.
    level
        Probability of a false fault.

    Examples
    --------
    >>> [fault.share for fault in missing_labels((0, 24), 0.9, 0.001)], list(missing_labels((20, 4), 0.9, 0.001))
    ([1.0], [])
    """
    came, n = coverage[0], sum(coverage)
    line = least / VOLUME_RATIO
    if n and came / n < line and special.bdtr(came, n, least) < level / 2:
        saw = f"{came:,} of {n:,} predictions have a label, at least {least:.1%} in the baseline: labels are missing"
        words = f"{saw}, arrive later than label_delay, or have other ids; check what sends the labels"
        yield Fault(FaultKind.SILENCE, (LABEL,), "unlabelled_share", round(1 - came / n, 6), round(1 - line, 6), words)


def _beyond(x: int, n: int, rows: int, policy: MonitorPolicy, level: float, *, least: int) -> float | None:
    """Return the line that *x* of *n* rows exceed, after none in the baseline's *rows*; None if they do not."""
    if n < least:
        return None
    chance = value_faults.largest_by_chance(0, max(rows, 1), n, level)
    line = round(max(policy.max_missing_increase, chance / n), 6)
    return line if x / n > line else None


def _too_late(late: int, n: int, share: float, line: float) -> str:
    saw = f"{share:.1%} of predictions ({late:,} of {n + late:,}, line {line:.1%}) arrived after their slice was closed"
    return f"{saw} and are in no window; raise windows.watermark_delay, or check what delays the events"


def _volume(rows: int, reference: VolumeReference, ahead: int, level: float) -> Iterator[Fault]:
    """Yield a fault if the number of rows is a factor of three, and of the baseline's variation, outside its range.

    It must also be beyond the Poisson quantile: a handful of rows may be three times as many by chance.
    """
    (least, most), seen = reference.range(ahead), reference.runs
    line = round(max(VOLUME_RATIO, seen.max() / max(seen.min(), 1)), 6)
    many, few = rows / max(most, 1), least / max(rows, 1)
    by_chance = special.pdtrc(rows - 1, most) if many > few else special.pdtr(rows, least)
    if (beyond := round(max(many, few), 6)) > line and by_chance < level / 2:
        saw = f"{rows:,} rows, {seen.min():,} to {seen.max():,} in windows of the baseline"
        words = f"{saw}: {'events are delivered twice' if many > few else 'events are not delivered'}, or traffic"
        yield Fault(FaultKind.VOLUME, (), "rows_ratio", beyond, line, f"{words} was moved; check what sends the events")
