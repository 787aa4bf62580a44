"""Duplicates: rows that were delivered more than once. Inputs count each delivery, outcomes each prediction once."""

from __future__ import annotations

import numpy as np

from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import volume
from monitors.quality.fault import Fault
from monitors.report import Report


def with_duplicates(baseline: Baseline, policy: MonitorPolicy, outcomes: Report, rows: int) -> Report:
    """Return the report on outcomes, with a quality finding added if too many input rows are duplicates.

    Too many is more than the policy's ``max_missing_increase`` and more than chance. The report is unchanged where
    there are no input rows.

    Parameters
    ----------
    baseline
        The version's baseline.
    policy
        The monitoring policy.
    outcomes
        The report on a window's outcomes.
    rows
        Input rows of the same window.
    """
    repeated = rows - outcomes.rows
    if rows == 0 or repeated <= 0 or any(f.metric == "repeated_share" for f in outcomes.findings):
        return outcomes
    level = budget_shares.quality_level(baseline, policy, outcomes.segment)
    reference = volume.VolumeReference(baseline.rows, np.array([baseline.rows]))
    faults = volume.faults(volume.FeedCounts(repeated=repeated), reference, rows, policy, level)
    more = tuple(_finding(fault, rows, baseline.rows) for fault in faults)
    return outcomes.model_copy(update={"findings": (*more, *outcomes.findings)}) if more else outcomes


def _finding(fault: Fault, rows: int, baseline_rows: int) -> Finding:
    """Return the finding of duplicates."""
    return Finding(
        signal=Signal.QUALITY,
        variable="*",
        window_verdict=Verdict.DRIFT,
        metric=fault.metric,
        effect=fault.share,
        threshold=fault.line,
        n=rows,
        baseline_n=baseline_rows,
        reason=fault.reason,
    )
