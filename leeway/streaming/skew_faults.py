"""Skew of features as windows close: new reports get the fault of features that were logged otherwise than recomputed.

It is measured where reports are stored, not in the job: the job would have to wait for facts, and counts that depend on
when facts came could not be recounted by an audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from features.errors import LeewayError
from leeway import assembly
from leeway.context import Context
from leeway.project.load import Model
from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.quality.feature_skew import SkewCounts
from monitors.report import Report
from monitors.verdicts import feature_skew as verdicts
from registry import queries
from retrain_flows.data.feature_skew import FeatureSkew


@dataclass
class SkewFaults:
    """Adds the faults of skewed features to reports of one model; a process holds one, which reads each slice once."""

    opened: Context
    model: Model
    _baselines: dict[str, Baseline] = field(default_factory=dict)

    @cached_property
    def _skew(self) -> FeatureSkew:
        return FeatureSkew(assembly.stored_events(self.opened, self.model))

    def added(self, reports: Sequence[Report], now: datetime) -> list[Report]:
        """Return the reports, those on inputs of all traffic with the faults of skewed features.

        Where the log or the facts cannot be read, a finding without a verdict says so.
        """
        if not self.model.facts.features:
            return list(reports)
        slide = self.model.schema.windows.slide
        with suppress(LeewayError):  # what cannot be read is noted in each report
            self._skew.read_ahead((r.window_end - slide for r in reports if _is_compared(r)), now=now)
        return [self._judged(r, now) if _is_compared(r) else r for r in reports]

    def _judged(self, report: Report, now: datetime) -> Report:
        baseline = self._baseline(report.baseline)
        if baseline is None:
            return report
        try:
            sample = self._sample(report, now)
            before = self._skew.before(baseline.end, baseline.start, now=now)
        except LeewayError as error:
            return verdicts.unmeasured(report, list(self.model.facts.features), error.message)
        return verdicts.with_skew_faults(baseline, self.model.monitor, report, sample, before)

    def _sample(self, report: Report, now: datetime) -> SkewCounts:
        """Return the skew of the window's newest slice, or of the whole window where that has too few rows."""
        newest = report.window_end - self.model.schema.windows.slide
        sample = self._skew.counts(newest, report.window_end, now=now, version=report.version)
        if max(sample.rows.values(), default=0) >= self.model.monitor.min_rows:
            return sample
        return self._skew.counts(report.window_start, report.window_end, now=now, version=report.version)

    def _baseline(self, digest: str) -> Baseline | None:
        """Return the baseline that a report was compared with; None of a report that was compared with none."""
        if digest and digest not in self._baselines:
            self._baselines[digest] = queries.baseline(self.opened.registry, digest)
        return self._baselines.get(digest)


def _is_compared(report: Report) -> bool:
    """Return whether a report is on the inputs of all traffic, beside a baseline."""
    return report.stage is Stage.INPUTS and not report.segment and bool(report.baseline)
