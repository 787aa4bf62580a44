"""What is wrong with rows rather than with their values: too many or too few, repeated, set aside, late, no labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scipy import special

from features.schema import LABEL
from monitors.config import MonitorPolicy
from monitors.quality import value_faults
from monitors.quality.fault import Fault, FaultKind
from monitors.stats.bins import Counts

VOLUME = 3.0
"""Rows are a fault at this many times the most that a window of the baseline had, or this part of the least."""


MOST = 0.5
"""So large a share of records set aside may be a fault of however few; below, the policy's least rows are needed."""
METRICS = frozenset({"refused_share", "unusable_share", "late_share", "unlabelled_share"})
"""What faults of a feed are measured by that stand in a window with events in too few slices to judge it by, too."""


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """What a caller may know of a window's rows beside their values; what is None is not judged.

    *rows* of a complete window whose version had all the traffic, and *repeated* ones among them (an id delivered
    again). On top come those that were set aside: *refused* ones, by the variable whose value did not fit, and
    *lacking* ones, by what of them could not be used (the record, if nothing could); and *late* ones, which are in no
    window, as their own slice was closed when they came. *newest* is the same of the window's newest slice.
    """

    rows: int | None = None
    repeated: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    late: int | None = None
    missing_labels: Mapping[str, int] = field(default_factory=dict)
    newest: FeedCounts | None = None

    @property
    def set_aside(self) -> int:
        """How many records were set aside."""
        return sum(self.refused.values()) + sum(self.missing_labels.values())

    @property
    def questions(self) -> int:
        """How many things are asked of it."""
        single = sum(asked is not None for asked in (self.rows, self.repeated, self.late))
        causes = len(self.refused) + len(self.missing_labels)
        return single + causes + (causes > 1)


@dataclass(frozen=True, eq=False)
class VolumeReference:
    """What a baseline says of a feed: all its *rows*, and those of each of its *runs* of a window's length."""

    rows: int
    runs: Counts


def faults(feed: FeedCounts, known: VolumeReference, n: int, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield the faults of a *feed* with *n* rows counted.

    Repeated, refused and late rows are compared with none at all: a baseline does not keep them, and one that is
    counted in batch has no late ones. *level* is that of one question.
    """
    if feed.rows is not None and len(known.runs):
        yield from _volume(feed.rows, int(known.runs.min()), int(known.runs.max()), level)
    if feed.repeated is not None and (
        line := _beyond(feed.repeated, n, known.rows, policy, level, least=policy.min_rows)
    ):
        saw = f"{feed.repeated:,} of {n:,} rows are repeated: something is delivered or joined twice"
        share = feed.repeated / n
        yield Fault(
            FaultKind.DUPLICATES, (), "repeated_share", round(share, 6), line, f"{saw}; check what sends the events"
        )
    yield from _set_aside(feed, known.rows, n, policy, level)
    if feed.late is not None and (
        line := _beyond(feed.late, n + feed.late, known.rows, policy, level, least=policy.min_rows)
    ):
        share = feed.late / (n + feed.late)
        yield Fault(FaultKind.LATENESS, (), "late_share", round(share, 6), line, _too_late(feed.late, n, share, line))


def _set_aside(feed: FeedCounts, rows: int, n: int, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield a fault for each variable, or part of a record, that too many were set aside for; else one for them all.

    The share is of all records that came, whatever the others were set aside for: they lost their place only once.
    """
    every, found = n + feed.set_aside, False
    least = 1 if feed.set_aside >= MOST * every else policy.min_rows
    for names, why in (*(((v,), v) for v in feed.refused), *(((), part) for part in feed.missing_labels)):
        count = feed.refused[why] if names else feed.missing_labels[why]
        if line := _beyond(count, every, rows, policy, level, least=least):
            found = True
            share, saw = round(count / every, 6), f"{count:,} of {every:,} rows were refused, as"
            words = f"{saw} {why} does not fit: it changed its type; check its schema" if names else (
                f"{count:,} of {every:,} {_LACK[why]}")  # fmt: skip
            kind = FaultKind.SCHEMA if names else FaultKind.UNUSABLE
            yield Fault(kind, names, "refused_share" if names else "unusable_share", share, line, words)
    if not found and (line := _beyond(feed.set_aside, every, rows, policy, level, least=least)):
        causes = ", ".join(f"{why} {count:,}" for why, count in [*feed.refused.items(), *feed.missing_labels.items()])
        saw = f"{feed.set_aside:,} of {every:,} records were set aside ({causes})"
        share = round(feed.set_aside / every, 6)
        yield Fault(FaultKind.UNUSABLE, (), "unusable_share", share, line, f"{saw}; check what sends the events")


_LACK = {
    "id": "records have no usable id; check what sends the events",
    "time": "records have no usable time; check the time column, its unit and its format",
    "model_version": "records have no usable model version, or one without a baseline; "
    "check what sends it, or run `leeway baseline --version` for the new one",
    "record": "records cannot be read at all; check their format and encoding",
}


def labels(coverage: tuple[int, int], least: float, level: float) -> Iterator[Fault]:
    """Yield a fault if labels stay away: *coverage* is (predictions with a label, those without), all of them due.

    That is less than a third of the *least* share that the baseline had, and less than chance makes of it. None where
    the baseline had no labels itself.

    >>> [fault.share for fault in labels((0, 24), 0.9, 0.001)], list(labels((20, 4), 0.9, 0.001))
    ([1.0], [])
    """
    came, n = coverage[0], sum(coverage)
    line = least / VOLUME
    if n and came / n < line and special.bdtr(came, n, least) < level / 2:
        saw = f"{came:,} of {n:,} predictions have a label, at least {least:.1%} in the baseline: labels do not come"
        words = f"{saw}, come later than label_delay, or name other ids; check what sends the labels"
        yield Fault(FaultKind.SILENCE, (LABEL,), "unlabelled_share", round(1 - came / n, 6), round(1 - line, 6), words)


def _beyond(x: int, n: int, rows: int, policy: MonitorPolicy, level: float, *, least: int) -> float | None:
    """Return the line that *x* of *n* rows lie beyond, after none of the baseline's *rows*; None if they do not."""
    if n < least:
        return None
    chance = value_faults.largest_by_chance(0, max(rows, 1), n, level)
    line = round(max(policy.max_missing_increase, chance / n), 6)
    return line if x / n > line else None


def _too_late(late: int, n: int, share: float, line: float) -> str:
    saw = f"{share:.1%} of predictions ({late:,} of {n + late:,}, line {line:.1%}) came after their slice was closed"
    return f"{saw} and are in no window; raise windows.watermark_delay, or check and mend what delays the events"


def _volume(rows: int, least: int, most: int, level: float) -> Iterator[Fault]:
    """Yield a fault if *rows* lie beyond the baseline's by more than those do among themselves, and by threefold.

    Both beyond the Poisson quantile too: a handful of rows may be three times as many by chance.
    """
    line = round(max(VOLUME, most / max(least, 1)), 6)
    many, few = rows / max(most, 1), least / max(rows, 1)
    by_chance = special.pdtrc(rows - 1, most) if many > few else special.pdtr(rows, least)
    if (beyond := round(max(many, few), 6)) > line and by_chance < level / 2:
        saw = f"{rows:,} rows, {least:,} to {most:,} in windows of the baseline"
        words = f"{saw}: {'something is delivered twice' if many > few else 'something is not delivered'}, or traffic"
        yield Fault(FaultKind.VOLUME, (), "rows_ratio", beyond, line, f"{words} was moved; check what sends the events")
