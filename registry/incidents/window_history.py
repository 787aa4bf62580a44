"""Window history: the verdicts and the evidence of a model version's stored windows; incidents are counted from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from monitors.finding import DriftEvidence, Signal, Stage, Verdict
from monitors.report import Report
from registry.database import tables
from registry.incidents.incident_rules import NO_EVIDENCE, SegmentEvidence, SignalVerdict

_T = tables.window_reports.c
_DRIFT, _STEADY = Verdict.DRIFT.value, Verdict.STEADY.value


@dataclass(frozen=True)
class WindowHistory:
    """The newest revision of every window of a model version, read in the caller's transaction *c* and then cached.

    No window may be stored while an instance is in use.
    """

    c: sa.Connection
    model: str
    version: str
    _evidence: dict[datetime, dict[Signal, SegmentEvidence]] = field(default_factory=dict)

    def verdicts(self, signal: Signal, start: datetime, *, before: int) -> list[SignalVerdict]:
        """Return the verdicts on *signal* of windows from the end *start* on, and *before* more of each stage.

        Drift in any segment is drift; a window is steady only if its report of all traffic is.
        """
        starts = [start, *(s for s in (self._nth_before(signal, stage, start, before) for stage in Stage) if s)]
        values = {"model": self.model, "version": self.version, "start": min(starts)}
        rows = self.c.execute(_judged_since(signal), values)
        return [SignalVerdict(row.window_end, Stage(row.stage), bool(row.drift)) for row in rows]

    def _nth_before(self, signal: Signal, stage: Stage, start: datetime, n: int) -> datetime | None:
        """Return the end of the *n*-th judged window of *stage* before *start*, or of the first one there is."""
        if not n:
            return None
        values = {"model": self.model, "version": self.version, "stage": stage.value, "start": start, "number": n}
        rows = self.c.execute(_judged_before(signal), values).all()
        return rows[-1].window_end if rows else None

    def evidence(self, signal: Signal, end: datetime | None) -> SegmentEvidence:
        """Return the evidence on *signal* of the windows that end at *end*, of all stages and segments."""
        if end is None:
            return NO_EVIDENCE
        if end not in self._evidence:
            self._evidence[end] = self._read(end)
        return self._evidence[end].get(signal, NO_EVIDENCE)

    def _read(self, end: datetime) -> dict[Signal, SegmentEvidence]:
        """Return the evidence on each signal that drifted or was judged in a segment, in windows that end at *end*."""
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


# The statements below are made once, as each window asks for them.


@cache
def _judged_since(signal: Signal) -> sa.Select[Any]:
    """Return the statement that reads the judged windows of a signal from an end on, by time."""
    return _judged(signal).where(_T.window_end >= sa.bindparam("start")).order_by(_T.window_end, _T.stage)


@cache
def _judged_before(signal: Signal) -> sa.Select[Any]:
    """Return the statement that reads a number of judged windows of a signal and stage before an end, newest first."""
    earlier = _judged(signal).where(_T.stage == sa.bindparam("stage"), _T.window_end < sa.bindparam("start"))
    return earlier.order_by(_T.window_end.desc()).limit(sa.bindparam("number"))


def _judged(signal: Signal) -> sa.Select[Any]:
    verdict = _T.signals[signal.value].as_string()
    drift = sa.func.max(sa.case((verdict == _DRIFT, 1), else_=0))
    judged = (verdict == _DRIFT) | ((verdict == _STEADY) & (_T.segment == ""))
    mine = (_T.model == sa.bindparam("model")) & (_T.version == sa.bindparam("version")) & _T.latest
    columns = _T.window_end, _T.stage, drift.label("drift")
    return sa.select(*columns).where(mine, judged).group_by(_T.window_end, _T.stage)
