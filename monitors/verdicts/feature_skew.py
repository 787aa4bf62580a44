"""A window's report with the fault of skewed features: found beside the counts, by comparing logged rows with facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import feature_skew
from monitors.quality.fault import Fault
from monitors.quality.feature_skew import SkewCounts
from monitors.quality.value_faults import by_kind
from monitors.report import Report
from monitors.verdicts.window_verdict import WITHHELD

_DERIVED = (Signal.MULTIVARIATE, Signal.ESTIMATE)
"""What rests on the features together, and is not judged for drift while one of them has a fault."""
UNMEASURED = "logged features could not be compared with the facts: "
"""How the reason of a finding begins that says why there was no comparison."""


def with_skew_faults(
    baseline: Baseline, policy: MonitorPolicy, report: Report, sample: SkewCounts, before: SkewCounts
) -> Report:
    """Return the report on a window's inputs with a quality finding for each feature that is skewed.

    Such a feature is not judged for drift, nor is what rests on all features. A feature that has a fault already keeps
    that one. Without skew the report is returned as it is.

    Parameters
    ----------
    baseline, policy
        The version's baseline, and the monitor settings.
    report
        The report, without sequential verdicts yet.
    sample, before
        The sample of the window's newest slice, and that of the baseline's period.
    """
    level = budget_shares.quality_level(baseline, policy, report.segment)
    broken = {f.variable for f in report.findings if f.signal is Signal.QUALITY and f.verdict is Verdict.DRIFT}
    skewed = {fault.variables[0]: fault for fault in feature_skew.faults(sample, before, policy, level)}
    found = {name: _finding(fault, sample, before) for name, fault in skewed.items() if name not in broken}
    if not found:
        return report
    rest = [f for f in report.findings if f.signal is not Signal.QUALITY or f.verdict is Verdict.DRIFT]
    return report.model_copy(update={"findings": (*found.values(), *_withheld(rest, found))})


def _finding(fault: Fault, sample: SkewCounts, before: SkewCounts) -> Finding:
    (name,) = fault.variables
    return Finding(signal=Signal.QUALITY, variable=name, window_verdict=Verdict.DRIFT, metric=fault.metric,
                   effect=fault.share, threshold=fault.line, n=sample.rows[name], baseline_n=before.rows.get(name, 0),
                   metrics=by_kind([fault]), reason=f"in the newest slice, {fault.reason}")  # fmt: skip


def _withheld(findings: Sequence[Finding], faults: Mapping[str, Finding]) -> list[Finding]:
    """Return the findings, those that rest on a feature with a fault without effect and verdict."""
    first = next(iter(faults.values()))
    return [
        finding if (fault := _of(finding, faults, first)) is None else finding.model_copy(update={
            "window_verdict": Verdict.NOT_ENOUGH, "effect": None, "interval": None, "threshold": None,
            "reason": f"{WITHHELD}{fault.reason}"})
        for finding in findings
    ]  # fmt: skip


def _of(finding: Finding, faults: Mapping[str, Finding], first: Finding) -> Finding | None:
    """Return the fault that a finding is withheld for; None for none."""
    if finding.signal is Signal.FEATURE:
        return faults.get(finding.variable)
    return first if finding.signal in _DERIVED else None


def unmeasured(report: Report, features: Sequence[str], why: str) -> Report:
    """Return the report with a finding for each feature of facts that could not be compared, which is no verdict."""
    taken = {f.variable for f in report.findings if f.signal is Signal.QUALITY}
    more = [Finding(signal=Signal.QUALITY, variable=name, window_verdict=Verdict.NOT_ENOUGH,
                    metric=feature_skew.METRIC, n=0, baseline_n=0, reason=f"{UNMEASURED}{why}")
            for name in features if name not in taken]  # fmt: skip
    return report.model_copy(update={"findings": (*report.findings, *more)})
