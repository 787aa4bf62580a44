"""What is wrong with rows rather than with their values: far too many or too few, repeated, refused, or too late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scipy import special

from monitors import quality
from monitors.bins import Counts
from monitors.faults import Fault, Kind
from monitors.policy import MonitorPolicy

VOLUME = 3.0
"""Rows are a fault at this many times the most that a window of the baseline had, or this part of the least."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a caller may know of a window's rows beside their values; what is None is not judged.

    *rows* of a complete window whose version had all the traffic, and *repeated* ones among them (an id delivered
    again). On top come *refused* ones that could not be read, by the variable whose value did not fit, and *late* ones,
    which are in no window, as their own slice was closed when they came.
    """

    rows: int | None = None
    repeated: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    late: int | None = None

    @property
    def questions(self) -> int:
        """How many things are asked of it."""
        return sum(asked is not None for asked in (self.rows, self.repeated, self.late)) + len(self.refused)


def faults(feed: Feed, runs: Counts, n: int, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield the faults of a *feed* with *n* rows counted; *runs* are the rows of the baseline's windows of that length.

    Repeated, refused and late rows are compared with none at all: a baseline does not keep them, and one that is
    counted in batch has no late ones. *level* is that of one question.
    """
    if feed.rows is not None and len(runs):
        yield from _volume(feed.rows, int(runs.min()), int(runs.max()), level)
    if feed.repeated is not None and (line := _beyond(feed.repeated, n, runs, policy, level)):
        saw = f"{feed.repeated:,} of {n:,} rows are repeated: something is delivered or joined twice"
        share = feed.repeated / n
        yield Fault(Kind.DUPLICATES, (), "repeated_share", round(share, 6), line, f"{saw}; check what sends the events")
    for name, refused in feed.refused.items():
        if line := _beyond(refused, n + refused, runs, policy, level):
            saw = f"{refused:,} of {n + refused:,} rows were refused, as {name} does not fit: it changed its type"
            share = refused / (n + refused)
            yield Fault(Kind.SCHEMA, (name,), "refused_share", round(share, 6), line, f"{saw}; check its schema")
    if feed.late is not None and (line := _beyond(feed.late, n + feed.late, runs, policy, level)):
        share = feed.late / (n + feed.late)
        yield Fault(Kind.LATENESS, (), "late_share", round(share, 6), line, _too_late(feed.late, n, share, line))


def _beyond(x: int, n: int, runs: Counts, policy: MonitorPolicy, level: float) -> float | None:
    """Return the line that *x* of *n* rows lie beyond, None if they do not."""
    if n < policy.min_rows:
        return None
    chance = quality.largest_by_chance(0, max(int(runs.sum()), 1), n, level)
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
        yield Fault(Kind.VOLUME, (), "rows_ratio", beyond, line, f"{words} was moved; check what sends the events")
