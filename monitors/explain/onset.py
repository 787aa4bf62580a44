"""How a drift began: the window that raised the alarm, the evidence that it rested on, and what that promises.

After an alarm the evidence starts anew, so a drift that goes on has none: the first window of it must be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report

Key = tuple[Stage, str, Signal, str]
"""Stage, segment, signal and variable: what a verdict over time is about."""
ROUNDING = 0.1
"""By how much stored evidence may be off."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The window, ending at *end*, in which a drift began, with its *finding* and the evidence *pooled* with it."""

    end: datetime
    finding: Finding
    pooled_evidence: float | None

    @property
    def by_evidence(self) -> bool:
        """Whether the evidence had reached what was asked: both are rounded where they are stored."""
        required = _required(self.finding)
        return bool(self.pooled_evidence and required and self.pooled_evidence >= required - ROUNDING)


def onsets(reports: Iterable[Report]) -> dict[Key, Onset]:
    """Return, of all that drifts in its newest report, when that drift began: *reports* come oldest first.

    What drifts in the first report of its stage and segment has begun before it, unless its evidence is there.
    """
    started: dict[Key, Onset | None] = {}
    series_seen: set[tuple[Stage, str]] = set()
    for report in reports:
        first = (report.stage, report.segment) not in series_seen
        series_seen.add((report.stage, report.segment))
        for finding in report.findings:
            key = (report.stage, report.segment, finding.signal, finding.variable)
            if finding.verdict is not Verdict.DRIFT:
                started.pop(key, None)
            elif key not in started:
                alarm = Onset(report.window_end, finding, pooled_evidence(report, finding))
                started[key] = None if first and not alarm.by_evidence else alarm
    return {key: onset for key, onset in started.items() if onset}


def evidence_by_group(report: Report, signal: Signal | str) -> dict[float, float]:
    """Return the evidence of *signal* in one report, added up by what it has to reach: variables that share a sum."""
    total: dict[float, float] = defaultdict(float)
    for finding in report.findings:
        verdict = finding.sequential
        if finding.signal == signal and verdict and verdict.evidence_required and verdict.evidence is not None:
            total[verdict.evidence_required] += verdict.evidence
    return dict(total)


def guarantee(finding: Finding, alarm: Onset | None) -> str:
    """Return whether a drift stands inside the false-alarm promise, and why, in words; *alarm* is how it began."""
    if finding.guaranteed is None and finding.signal is Signal.QUALITY:
        return "inside the promise: faults are told window by window, at their share of the budget"
    if finding.guaranteed is None:
        return "outside the promise: this window alone says so"
    where = "inside" if finding.guaranteed else "outside"
    if alarm is None:
        return f"{where} the promise: it began before the windows that are looked at here"
    if not alarm.by_evidence:
        return f"{where} the promise: {alarm.finding.sequential_note or alarm.finding.reason}"
    reached, asked = alarm.pooled_evidence or 0.0, _required(alarm.finding) or 0.0
    return f"{where} the promise: the evidence reached {reached:,.0f} where {asked:,.0f} was asked"


def pooled_evidence(report: Report, finding: Finding) -> float | None:
    """Return the evidence of all that share what the *finding* has to reach; None where nothing was asked over time."""
    required = _required(finding)
    return None if required is None else evidence_by_group(report, finding.signal).get(required)


def _required(finding: Finding) -> float | None:
    return finding.sequential.evidence_required if finding.sequential else None
