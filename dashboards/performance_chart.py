"""Performance over time, as lines to draw: each metric of the outcome windows beside its baseline level. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.timeline import Address, Seen
from monitors.finding import Finding, Signal, Verdict
from monitors.report import Report

BASELINE: Final = "baseline_"
"""In a finding's metrics, the prefix of a metric's level in the baseline."""

NAMES: Final = {"auc": "AUC", "log_loss": "Log loss", "rmse": "RMSE", "accuracy": "Accuracy", "brier": "Brier score"}
"""Metrics by their names for people, those that tell most first; others follow by name."""


@dataclass(frozen=True)
class Point:
    """One window's value of a metric, the level of its version's baseline, and what was said of the window."""

    end: datetime
    value: float
    baseline: float
    verdict: Verdict
    window: Address


@dataclass(frozen=True)
class Line:
    """One metric over time, from old to new."""

    metric: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """The metric's name for people."""
        return NAMES.get(self.metric, self.metric.replace("_", " ").capitalize())


def performance(windows: Sequence[Seen]) -> tuple[Line, ...]:
    """Return a line for each metric that the performance findings give together with its baseline level."""
    lines: dict[str, list[Point]] = {}
    for seen in windows:
        for where, report in seen.reports:
            for finding in _findings(report):
                for metric, level in _levels(finding):
                    point = Point(seen.end, finding.metrics[metric], level, finding.verdict, where)
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
