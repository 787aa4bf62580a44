"""Performance over windows: one line for each metric of the performance findings, with its baseline level. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.timeline import Address, ServedWindow
from monitors.finding import Finding, Signal, Verdict
from monitors.report import Report

BASELINE: Final = "baseline_"
"""Prefix of a metric's baseline level among a finding's metrics."""

NAMES: Final = {"auc": "AUC", "log_loss": "Log loss", "rmse": "RMSE", "accuracy": "Accuracy", "brier": "Brier score"}
"""Display names of metrics in the order in which they are drawn; others follow by name."""


@dataclass(frozen=True)
class Point:
    """One window's value of a metric, the level of its version's baseline, and the verdict on performance."""

    end: datetime
    value: float
    baseline: float
    verdict: Verdict
    window: Address


@dataclass(frozen=True)
class Line:
    """One metric over windows, oldest first."""

    metric: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """The metric's display name."""
        return NAMES.get(self.metric, self.metric.replace("_", " ").capitalize())


def performance(windows: Sequence[ServedWindow]) -> tuple[Line, ...]:
    """Return a line for each metric that performance findings have together with its baseline level."""
    lines: dict[str, list[Point]] = {}
    for window in windows:
        for where, report in window.reports:
            for finding in _findings(report):
                for metric, level in _levels(finding):
                    point = Point(window.end, finding.metrics[metric], level, finding.verdict, where)
                    lines.setdefault(metric, []).append(point)
    order = sorted(lines, key=lambda m: (list(NAMES).index(m) if m in NAMES else len(NAMES), m))
    return tuple(Line(metric, tuple(lines[metric])) for metric in order)


def _findings(report: Report) -> Iterator[Finding]:
    return (f for f in report.findings if f.signal is Signal.PERFORMANCE)


def _levels(finding: Finding) -> Iterator[tuple[str, float]]:
    """Yield each metric of *finding* that comes with its baseline level, and that level."""
    for name, level in finding.metrics.items():
        metric = name.removeprefix(BASELINE)
        if name.startswith(BASELINE) and metric in finding.metrics:
            yield metric, level
