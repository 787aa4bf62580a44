"""What the stored windows of one model version say of its signals: the one source that episodes are counted from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from monitors.report import DriftEvidence, Report, Signal, Stage, Verdict
from registry.database import tables
from registry.incidents.incident_rules import NOTHING, SegmentEvidence, SignalVerdict

_T = tables.window_reports.c
_DRIFT, _STEADY = Verdict.DRIFT.value, Verdict.STEADY.value


@dataclass(frozen=True)
class WindowHistory:
    """The newest revision of every window of *version*, read from the caller's transaction and then remembered.

    Windows must not be stored while one is in use.
    """

    c: sa.Connection
    model: str
    version: str
    _breadths: dict[datetime, dict[Signal, SegmentEvidence]] = field(default_factory=dict)

    def steps(self, signal: Signal, start: datetime, *, before: int) -> list[SignalVerdict]:
        """Return what windows that end at *start* or later say of *signal*, and *before* more of each stage, by time.

        Drift in any segment is drift; a window is steady only if its report of all traffic says so.
        """
        wanted = self._steps(signal)
        starts = [start, *(s for s in (self._nth_before(wanted, stage, start, before) for stage in Stage) if s)]
        found = self.c.execute(wanted.where(_T.window_end >= min(starts)).order_by(_T.window_end, _T.stage))
        return [SignalVerdict(row.window_end, Stage(row.stage), bool(row.drift)) for row in found]

    def _steps(self, signal: Signal) -> sa.Select[Any]:
        said = _T.signals[signal.value].as_string()
        drift = sa.func.max(sa.case((said == _DRIFT, 1), else_=0))
        judged = (said == _DRIFT) | ((said == _STEADY) & (_T.segment == ""))
        mine = (_T.model == self.model) & (_T.version == self.version) & _T.latest
        columns = _T.window_end, _T.stage, drift.label("drift")
        return sa.select(*columns).where(mine, judged).group_by(_T.window_end, _T.stage)

    def _nth_before(self, wanted: sa.Select[Any], stage: Stage, start: datetime, n: int) -> datetime | None:
        """Return the end of the *n*-th judged window of *stage* before *start*, or of the first one there is."""
        earlier = wanted.where(_T.stage == stage.value, _T.window_end < start)
        found = self.c.execute(earlier.order_by(_T.window_end.desc()).limit(n)).all() if n else []
        return found[-1].window_end if found else None

    def breadth(self, signal: Signal, end: datetime | None) -> SegmentEvidence:
        """Return the evidence on *signal* in the windows that end at *end*: of all stages and segments."""
        if end is None:
            return NOTHING
        if end not in self._breadths:
            self._breadths[end] = self._read(end)
        return self._breadths[end].get(signal, NOTHING)

    def _read(self, end: datetime) -> dict[Signal, SegmentEvidence]:
        mine = (_T.model == self.model) & (_T.version == self.version) & _T.latest & (_T.window_end == end)
        columns = _T.report, _T.digest, _T.signals, _T.segment
        rows = self.c.execute(sa.select(*columns).where(mine).order_by(_T.stage, _T.segment, _T.window_start)).all()
        findings: dict[Signal, list[DriftEvidence]] = defaultdict(list)
        segments: dict[Signal, list[bool]] = defaultdict(list)
        for row in rows:
            for signal, verdict in row.signals.items():
                if row.segment and verdict in (_DRIFT, _STEADY):
                    segments[Signal(signal)].append(verdict == _DRIFT)
            if _DRIFT in row.signals.values():
                for item in Report.model_validate(row.report).evidence(row.digest):
                    findings[item.finding.signal].append(item)
        return {s: SegmentEvidence(findings[s], len(segments[s]), sum(segments[s])) for s in {*findings, *segments}}
