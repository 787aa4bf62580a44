"""Rows that were delivered more than once: what inputs count above outcomes, which have each prediction once."""

from __future__ import annotations

import numpy as np

from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import volume
from monitors.quality.fault import Fault
from monitors.report import Report


def finding(baseline: Baseline, policy: MonitorPolicy, outcomes: Report, rows: int) -> Report:
    """Return the report on *outcomes* with a quality finding if too many of the same window's input *rows* repeat.

    Too many is above the policy's ``max_missing_increase`` and above chance. Unchanged where there are no input rows.
    """
    repeated = rows - outcomes.rows
    if rows == 0 or repeated <= 0 or any(f.metric == "repeated_share" for f in outcomes.findings):
        return outcomes
    level = budget_shares.quality_level(baseline, policy, outcomes.segment)
    known = volume.VolumeReference(baseline.rows, np.array([baseline.rows]))
    found = volume.faults(volume.FeedCounts(repeated=repeated), known, rows, policy, level)
    more = tuple(_finding(fault, rows, baseline.rows) for fault in found)
    return outcomes.model_copy(update={"findings": (*more, *outcomes.findings)}) if more else outcomes


def _finding(fault: Fault, rows: int, known: int) -> Finding:
    return Finding(
        signal=Signal.QUALITY,
        variable="*",
        window_verdict=Verdict.DRIFT,
        metric=fault.metric,
        effect=fault.share,
        threshold=fault.line,
        n=rows,
        baseline_n=known,
        reason=fault.reason,
    )
