"""Reports on missing windows: those that no job reports because no record came, where silence is a fault of the feed.

A stream closes a window when a later record comes, and a batch has no row for an empty slice. The registry knows the
schedule and the last slice with a record; the report that it makes is equal to the one that the stream makes when
records come again. The time up to which there might have been records is an argument.
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
from monitors.baseline.baseline import Baseline, in_force
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.profiles import counting
from monitors.profiles.side_channels import SPARSE
from monitors.quality.arrivals import any_arrived
from monitors.report import Report
from monitors.verdicts import silence, window_verdict
from monitors.verdicts.silence import FeedPace
from registry.database import tables

_T = tables.window_reports.c
Counts = Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class WatchedFeed:
    """The feed of the version of *model* that is champion *since* an event time.

    *revisions* are its baselines by their sha256, oldest first; at least one.
    """

    model: str
    revisions: Mapping[str, Baseline]
    policy: MonitorPolicy
    since: datetime

    @property
    def baseline(self) -> Baseline:
        """Its newest baseline."""
        return list(self.revisions.values())[-1]

    def in_force(self, end: datetime) -> tuple[str, Baseline]:
        """Return the baseline that a window of inputs with this *end* is compared with, after its sha256."""
        digest = in_force(self.revisions, Stage.INPUTS, end)
        return digest, self.revisions[digest]

    @cached_property
    def pace(self) -> FeedPace:
        """How many records the baseline has in a slice, and how long it was without any."""
        return silence.feed_pace(self.baseline, self.policy)

    @property
    def size(self) -> int:
        """The length of a window in ms."""
        return to_ms(self.baseline.events.windows.size)

    def closed(self, until: datetime) -> datetime:
        """Return the end of the newest window that a record at *until* would close."""
        return self.baseline.events.windows.last_closed(until)


class ClockReached(NamedTuple):
    """The event *time* up to which there might have been records, and the time of the newest record.

    The slice of *newest_arrival* is not silent, though no window with it may be closed yet. None: no record is known.
    """

    time: datetime
    newest_arrival: datetime | None = None


def missing_reports(
    c: sa.Connection, watched: WatchedFeed, reports: Sequence[Report], until: ClockReached | None
) -> list[Report]:
    """Return *reports* of one model with faults of missing records, and reports on the windows that are missing.

    Parameters
    ----------
    c
        The connection to read with.
    watched
        The feed of the model's champion.
    reports
        Reports of the model that are not stored.
    until
        Up to when there might have been records; None where only the reports show how far the feed has come.
    """
    mine = [r for r in reports if _is_feed(r)]
    if not mine and until is None:
        return list(reports)
    windows = _VersionWindows(c, watched, mine, until.newest_arrival if until else None)
    own = [r for r in mine if r.version == watched.baseline.version]
    last = max([*(r.window_end for r in own), *([watched.closed(until.time)] if until else [])], default=None)
    judged = {r.key: windows.judged(r) for r in own}
    return [*(judged.get(r.key, r) for r in reports), *(windows.missing(last) if last else ())]


def _is_feed(report: Report) -> bool:
    return report.stage is Stage.INPUTS and not report.segment


@dataclass(frozen=True, eq=False)
class _VersionWindows:
    """The arrivals of a model's feed by slice: from the stored reports, the *new* ones, and the newest record."""

    c: sa.Connection
    watched: WatchedFeed
    new: Sequence[Report]
    newest_arrival: datetime | None

    @property
    def version(self) -> str:
        """The version whose windows may be missing."""
        return self.watched.baseline.version

    @cached_property
    def first(self) -> datetime:
        """The end of the first window that might be missing: the one after the newest that is stored."""
        newest = self.c.scalar(sa.select(sa.func.max(_T.window_end)).where(self._mine(self.version)))
        return (newest or self._aligned(self.watched.since)) + self.watched.baseline.events.windows.slide

    def judged(self, report: Report) -> Report:
        """Return *report* with the fault of its newest slice, if it has one: no record, or far too few."""
        end, pace = to_ms(report.window_end), self.watched.pace
        if (rows := self._new_rows[end]) and not silence.low_volume_fault(pace, rows):
            return report
        if rows := self._rows[end]:  # other versions' part of the slice may be on record
            return silence.with_feed_fault(report, silence.low_volume_fault(pace, rows))
        since = self._last_arrival(end)
        return silence.with_feed_fault(report, None if since is None else silence.silence_fault(pace, since, end))

    def missing(self, last: datetime) -> Iterator[Report]:
        """Yield reports on the windows that end by *last* and have none, where silence is a fault.

        Before the first record ever there is no fault: nobody knows when it should have come.
        """
        slide, own = self.watched.pace.slide, {to_ms(r.window_end) for r in self.new if r.version == self.version}
        ends = range(min([*own, to_ms(self.first)]), to_ms(last) + 1, slide)
        if all(end in own for end in ends):
            return
        reported = {to_ms(r.window_end) for r in self._own}
        never = None if any(self._rows.values()) else to_ms(self._aligned(self.watched.since))
        for end in ends:
            since = never if never is not None else self._last_arrival(end)
            if end not in reported and since is not None and not self._rows.get(end):
                fault = silence.silence_fault(self.watched.pace, since, end)
                if fault is not None:
                    yield silence.with_feed_fault(self._report(end), fault)

    def _last_arrival(self, end: int) -> int | None:
        """Return the end (ms) of the newest slice with a record before the one that ends at *end*; None without any."""
        return max((at for at, rows in self._rows.items() if rows and at < end), default=None)

    @cached_property
    def _rows(self) -> Counter[int]:
        """How many records came, by the end (ms) of their slice, of all versions."""
        by_key = {r.key: r for r in (*self._stored(None), *self.new)}
        rows = _arrivals(by_key.values())
        if (
            self.newest_arrival is not None
        ):  # its window may not be closed yet: it is known to have come, not how many with it
            slide = self.watched.pace.slide
            rows.setdefault(to_ms(self.newest_arrival) // slide * slide + slide, 1)
        return rows

    @cached_property
    def _new_rows(self) -> Counter[int]:
        return _arrivals(self.new)

    @cached_property
    def _own(self) -> list[Report]:
        by_key = {r.key: r for r in (*self._stored(self.version), *self.new) if r.version == self.version}
        return list(by_key.values())

    def _stored(self, version: str | None) -> list[Report]:
        """Return the stored reports since a window before the newest slice with a record before all new reports."""
        before = min((r.window_end for r in self.new), default=None)
        with_rows = sa.select(sa.func.max(_T.window_end)).where(self._mine(None), _T.rows > 0)
        newest = self.c.scalar(with_rows if before is None else with_rows.where(_T.window_end < before))
        reports = sa.select(_T.report).where(self._mine(version))
        if newest is not None:
            reports = reports.where(_T.window_end > newest - self.watched.baseline.events.windows.size)
        return [Report.model_validate(report) for report in self.c.scalars(reports.order_by(_T.window_end))]

    def _mine(self, version: str | None) -> sa.ColumnElement[bool]:
        mine = (_T.model == self.watched.model) & (_T.stage == Stage.INPUTS.value) & (_T.segment == "") & _T.latest
        return mine if version is None else mine & (_T.version == version)

    def _aligned(self, when: datetime) -> datetime:
        slide = self.watched.pace.slide
        return from_ms(-(-to_ms(when) // slide) * slide)

    def _report(self, end: int) -> Report:
        """Return the report on the window that ends at *end* (ms), added up from the slices in reports."""
        watched = self.watched
        digest, baseline = watched.in_force(from_ms(end))
        inside = [r.newest_slice for r in self._own if end - watched.size < to_ms(r.window_end) < end]
        sizes = counting.layout(baseline.events, baseline.frozen, Stage.INPUTS).sizes
        nothing = {name: [0] * size for name, size in sizes.items() if name not in SPARSE}
        counts = {name: _sum(nothing.get(name), [s[name] for s in inside if name in s])
                  for name in {**nothing, **{k: None for s in inside for k in s}}}  # fmt: skip
        start, windows = end - watched.size, baseline.events.windows
        findings = window_verdict.judge(
            baseline, watched.policy, stage=Stage.INPUTS, segment="", window_slices=windows.slices, start_ms=start,
            counts=counts, newest=nothing, slices_with_events=_nonempty_slices(inside),
        )  # fmt: skip
        return Report(
            model=watched.model, version=baseline.version, stage=Stage.INPUTS, window_start=from_ms(start),
            window_end=from_ms(end), baseline=digest, rows=sum(counts["prediction"]), counts=counts,
            newest_slice=nothing, findings=findings,
        )  # fmt: skip


def _arrivals(reports: Iterable[Report]) -> Counter[int]:
    arrivals: Counter[int] = Counter()
    for report in reports:
        arrivals[to_ms(report.window_end)] += any_arrived(report.newest_slice)
    return arrivals


def _sum(nothing: Sequence[int] | None, rows: Sequence[Sequence[int]]) -> list[int]:
    return [int(n) for n in np.sum([*([nothing] if nothing else []), *rows], axis=0)]


def _nonempty_slices(slices: Iterable[Counts]) -> int:
    """Return in how many slices the cell that is filled most often has a count."""
    rows = [np.concatenate([np.asarray(s[name]) > 0 for name in sorted(s) if name not in SPARSE]) for s in slices if s]
    return int(np.sum(rows, axis=0).max()) if rows else 0
