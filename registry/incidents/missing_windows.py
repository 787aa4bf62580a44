"""The windows that nobody reports because nothing came: made here, from the slices on record, where silence is a fault.

A stream closes a window when something later comes, and a batch has no row for an empty slice. Who holds the reports
knows the schedule and the last slice with anything in it; what is made of that is a report like any other, and equal to
the one that the stream makes when it goes on. Time is an argument: up to when there might have been records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from features.window import from_ms, to_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.profiles import counting
from monitors.profiles.side_channels import SPARSE
from monitors.quality.arrivals import any_arrived
from monitors.report import Report, Stage
from monitors.verdicts import silence, window_verdict
from monitors.verdicts.silence import FeedPace
from registry.database import tables

_T = tables.window_reports.c
Counts = Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class WatchedFeed:
    """The version of *model* that is watched *since* some event time: its *baseline*, with that one's *digest*."""

    model: str
    baseline: Baseline
    digest: str
    policy: MonitorPolicy
    since: datetime

    @cached_property
    def pace(self) -> FeedPace:
        """How the feed comes."""
        return silence.feed_pace(self.baseline, self.policy)

    @property
    def size(self) -> int:
        """The length of a window in ms."""
        return to_ms(self.baseline.events.windows.size)

    def closed(self, until: datetime) -> datetime:
        """Return the end of the newest window that would be closed, had something come at *until*."""
        return self.baseline.events.windows.last_closed(until)


class ClockReached(NamedTuple):
    """The event time up to which there might have been records, and the newest that is known to have *come*.

    That one's slice is not silent, though no window of it may be closed yet. None: nothing is known to have come.
    """

    time: datetime
    come: datetime | None = None


def missing_reports(
    c: sa.Connection, watched: WatchedFeed, reports: Sequence[Report], until: ClockReached | None
) -> list[Report]:
    """Return *reports* of one model with what silence makes of them, and those on windows that nobody has reported.

    *until* is None where only the reports tell how far the feed has come.
    """
    mine = [r for r in reports if _is_feed(r)]
    if not mine and until is None:
        return list(reports)
    course = _VersionWindows(c, watched, mine, until.come if until else None)
    own = [r for r in mine if r.version == watched.baseline.version]
    last = max([*(r.window_end for r in own), *([watched.closed(until.time)] if until else [])], default=None)
    judged = {r.key: course.judged(r) for r in own}
    return [*(judged.get(r.key, r) for r in reports), *(course.made(last) if last else ())]


def _is_feed(report: Report) -> bool:
    return report.stage is Stage.INPUTS and not report.segment


@dataclass(frozen=True, eq=False)
class _VersionWindows:
    """How a model's feed came, slice by slice: on record, in the reports that are *new*, and as of what has *come*."""

    c: sa.Connection
    watched: WatchedFeed
    new: Sequence[Report]
    come: datetime | None

    @property
    def version(self) -> str:
        """The version whose windows are looked at."""
        return self.watched.baseline.version

    @cached_property
    def first(self) -> datetime:
        """The end of the first window that might be missing: the one after the newest on record."""
        newest = self.c.scalar(sa.select(sa.func.max(_T.window_end)).where(self._mine(self.version)))
        return (newest or self._aligned(self.watched.since)) + self.watched.baseline.events.windows.slide

    def judged(self, report: Report) -> Report:
        """Return *report* with the fault of its newest slice: that nothing came any more, or hardly anything."""
        end, pace = to_ms(report.window_end), self.watched.pace
        if (rows := self._new_rows[end]) and not silence.dwindled(pace, rows):
            return report
        if rows := self._rows[end]:  # other versions' part of the slice may be on record
            return silence.finding(report, silence.dwindled(pace, rows))
        since = self._last(end)
        return silence.finding(report, None if since is None else silence.silent(pace, since, end))

    def made(self, last: datetime) -> Iterator[Report]:
        """Yield the reports on windows that end by *last* and that nobody made, where silence is a fault.

        What lies before the first record that ever came is none: nobody knows when it should have.
        """
        slide, own = self.watched.pace.slide, {to_ms(r.window_end) for r in self.new if r.version == self.version}
        ends = range(min([*own, to_ms(self.first)]), to_ms(last) + 1, slide)
        if all(end in own for end in ends):
            return
        known = {to_ms(r.window_end) for r in self._own}
        never = None if any(self._rows.values()) else to_ms(self._aligned(self.watched.since))
        for end in ends:
            since = never if never is not None else self._last(end)
            if end not in known and since is not None and not self._rows.get(end):
                fault = silence.silent(self.watched.pace, since, end)
                if fault is not None:
                    yield silence.finding(self._report(end), fault)

    def _last(self, end: int) -> int | None:
        """Return the end (ms) of the newest slice before the one that ends at *end* in which anything came."""
        return max((at for at, rows in self._rows.items() if rows and at < end), default=None)

    @cached_property
    def _rows(self) -> Counter[int]:
        """How many records came, by the end (ms) of their slice, whatever their version."""
        by_key = {r.key: r for r in (*self._stored(None), *self.new)}
        rows = _came(by_key.values())
        if self.come is not None:  # its window may not be closed yet: it is known to have come, not how many with it
            slide = self.watched.pace.slide
            rows.setdefault(to_ms(self.come) // slide * slide + slide, 1)
        return rows

    @cached_property
    def _new_rows(self) -> Counter[int]:
        return _came(self.new)

    @cached_property
    def _own(self) -> list[Report]:
        by_key = {r.key: r for r in (*self._stored(self.version), *self.new) if r.version == self.version}
        return list(by_key.values())

    def _stored(self, version: str | None) -> list[Report]:
        """Return the reports on record since the slice in which anything came before all that is new, and a window."""
        before = min((r.window_end for r in self.new), default=None)
        heard = sa.select(sa.func.max(_T.window_end)).where(self._mine(None), _T.rows > 0)
        newest = self.c.scalar(heard if before is None else heard.where(_T.window_end < before))
        found = sa.select(_T.report).where(self._mine(version))
        if newest is not None:
            found = found.where(_T.window_end > newest - self.watched.baseline.events.windows.size)
        return [Report.model_validate(report) for report in self.c.scalars(found.order_by(_T.window_end))]

    def _mine(self, version: str | None) -> sa.ColumnElement[bool]:
        mine = (_T.model == self.watched.model) & (_T.stage == Stage.INPUTS.value) & (_T.segment == "") & _T.latest
        return mine if version is None else mine & (_T.version == version)

    def _aligned(self, when: datetime) -> datetime:
        slide = self.watched.pace.slide
        return from_ms(-(-to_ms(when) // slide) * slide)

    def _report(self, end: int) -> Report:
        """Return the report on the window that ends at *end* (ms), added up from the slices that are known."""
        watched, baseline = self.watched, self.watched.baseline
        inside = [r.newest_slice for r in self._own if end - watched.size < to_ms(r.window_end) < end]
        sizes = counting.layout(baseline.events, baseline.frozen, Stage.INPUTS).sizes
        nothing = {name: [0] * size for name, size in sizes.items() if name not in SPARSE}
        counts = {name: _sum(nothing.get(name), [s[name] for s in inside if name in s])
                  for name in {**nothing, **{k: None for s in inside for k in s}}}  # fmt: skip
        start, windows = end - watched.size, baseline.events.windows
        findings = window_verdict.judge(
            baseline, watched.policy, stage=Stage.INPUTS, segment="", window_slices=windows.slices, start_ms=start,
            counts=counts, newest=nothing, seen=_seen(inside),
        )  # fmt: skip
        return Report(
            model=watched.model, version=baseline.version, stage=Stage.INPUTS, window_start=from_ms(start),
            window_end=from_ms(end), baseline=watched.digest, rows=sum(counts["prediction"]), counts=counts,
            newest_slice=nothing, findings=findings,
        )  # fmt: skip


def _came(reports: Iterable[Report]) -> Counter[int]:
    found: Counter[int] = Counter()
    for report in reports:
        found[to_ms(report.window_end)] += any_arrived(report.newest_slice)
    return found


def _sum(nothing: Sequence[int] | None, rows: Sequence[Sequence[int]]) -> list[int]:
    return [int(n) for n in np.sum([*([nothing] if nothing else []), *rows], axis=0)]


def _seen(slices: Iterable[Counts]) -> int:
    """Return in how many slices the most constant cell has anything."""
    rows = [np.concatenate([np.asarray(s[name]) > 0 for name in sorted(s) if name not in SPARSE]) for s in slices if s]
    return int(np.sum(rows, axis=0).max()) if rows else 0
