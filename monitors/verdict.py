"""From a window's counts to its findings: the one place where a number becomes a verdict."""

from __future__ import annotations

from monitors.baseline import Baseline
from monitors.policy import MonitorPolicy
from monitors.report import Finding, Stage


def judge(  # noqa: PLR0913 - what identifies a window is listed, not bundled
    baseline: Baseline,
    policy: MonitorPolicy,
    *,
    stage: Stage,
    segment: str,
    window_slices: int,
    start_ms: int,
    counts: dict[str, list[int]],
) -> tuple[Finding, ...]:
    """Return the findings of one window of one segment, whose cells are *counts*, against *baseline*."""
    raise NotImplementedError
