"""Onset of a drift (its change point): the window that raised the alarm, the evidence behind it, and the guarantee.

After an alarm the evidence starts at 0 again, so later windows of the same drift have none: the first one is what shows
how the drift was found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report

Key = tuple[Stage, str, Signal, str]
"""Stage, segment, signal and variable: what a sequential verdict is on."""
ROUNDING = 0.1
"""By how much evidence may be off where it is stored: evidence has three decimals, what is required one."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The window in which a drift was found.

    Parameters
    ----------
    end
        When the window ends, in event time.
    finding
        The finding in that window.
    pooled_evidence
        The evidence of all variables that share a budget with it; None where it was not monitored over time.
    """

    end: datetime
    finding: Finding
    pooled_evidence: float | None

    @property
    def by_evidence(self) -> bool:
        """Whether the evidence had reached what was required, up to rounding: an alarm that is guaranteed."""
        required = _required(self.finding)
        return bool(self.pooled_evidence and required and self.pooled_evidence >= required - ROUNDING)


def onsets(reports: Iterable[Report]) -> dict[Key, Onset]:
    """Return the onset of every drift that is there in the newest report of its series; *reports* come oldest first.

    A drift in the first report of a stage and segment began before it, and has no onset, unless the report has the
    evidence of an alarm.
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
                onset = Onset(report.window_end, finding, pooled_evidence(report, finding))
                started[key] = None if first and not onset.by_evidence else onset
    return {key: onset for key, onset in started.items() if onset}


def evidence_by_group(report: Report, signal: Signal | str) -> dict[float, float]:
    """Return the evidence of a signal, summed by group of variables; the key is what the sum must reach."""
    total: dict[float, float] = defaultdict(float)
    for finding in report.findings:
        verdict = finding.sequential
        if finding.signal == signal and verdict and verdict.evidence_required and verdict.evidence is not None:
            total[verdict.evidence_required] += verdict.evidence
    return dict(total)


def guarantee(finding: Finding, onset: Onset | None) -> str:
    """Return whether the false-alarm guarantee covers a drift, and why, in a sentence.

    Parameters
    ----------
    finding
        The drift as it is now.
    onset
        How it began; None if it began before the windows at hand.
    """
    if finding.guaranteed is None and finding.signal is Signal.QUALITY:
        return "inside the guarantee: faults are judged in single windows, at their share of the false-alarm budget"
    if finding.guaranteed is None:
        return "outside the guarantee: a verdict on this window alone; no sequential verdict exists"
    where = "inside the guarantee" if finding.guaranteed else "outside the guarantee"
    if onset is None:
        return f"{where}: the drift began before the windows shown here"
    if not onset.by_evidence:
        return f"{where}: {onset.finding.sequential_note or onset.finding.reason}"
    reached, required = onset.pooled_evidence or 0.0, _required(onset.finding) or 0.0
    return f"{where}: the evidence reached {reached:,.0f}, and {required:,.0f} was required"


def pooled_evidence(report: Report, finding: Finding) -> float | None:
    """Return the evidence of all variables that share a budget with a finding; None without a sequential verdict."""
    required = _required(finding)
    return None if required is None else evidence_by_group(report, finding.signal).get(required)


def _required(finding: Finding) -> float | None:
    return finding.sequential.evidence_required if finding.sequential else None
