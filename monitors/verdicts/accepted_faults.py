"""Accepted faults: a report without the faults that somebody accepted as drift, the drift behind them being judged."""

from __future__ import annotations

from features.window import to_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality.fault import kinds
from monitors.report import Report
from monitors.verdicts import window_verdict
from monitors.verdicts.window_verdict import Accepted


def without_accepted(baseline: Baseline, policy: MonitorPolicy, report: Report, accepted: Accepted) -> Report:
    """Return *report* without the quality findings whose kinds of fault are all accepted as drift.

    The findings that were withheld because of them are judged from the report's counts. A report without such faults is
    returned as it is.

    Parameters
    ----------
    baseline, policy
        The version's baseline, and the monitor settings.
    report
        A report whose findings have no sequential verdicts yet.
    accepted
        What was accepted as drift, as (variable, kind).
    """
    remaining = [f for f in report.findings if not _is_accepted(f, accepted)]
    if len(remaining) == len(report.findings):
        return report
    judged = {(f.signal, f.variable): f for f in _judge_again(baseline, policy, report, accepted)}
    findings = [
        judged.get((f.signal, f.variable), f) if f.reason.startswith(window_verdict.WITHHELD) else f for f in remaining
    ]
    if not any(f.signal is Signal.QUALITY for f in findings):
        findings = [*(f for key, f in judged.items() if key[0] is Signal.QUALITY), *findings]
    return report.model_copy(update={"findings": tuple(findings)})


def _is_accepted(finding: Finding, accepted: Accepted) -> bool:
    is_fault = finding.signal is Signal.QUALITY and finding.verdict is Verdict.DRIFT
    return is_fault and all((finding.variable, kind) in accepted for kind in kinds(finding))


def _judge_again(baseline: Baseline, policy: MonitorPolicy, report: Report, accepted: Accepted) -> tuple[Finding, ...]:
    """Return the findings that the report's counts give where what is accepted is no fault."""
    return window_verdict.judge(
        baseline,
        policy,
        stage=report.stage,
        segment=report.segment,
        window_slices=(report.window_end - report.window_start) // baseline.events.windows.slide,
        start_ms=to_ms(report.window_start),
        counts=report.counts,
        newest=report.newest_slice or None,
        accepted=accepted,
    )
