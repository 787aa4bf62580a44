"""Explanation of one window for people: what drifted, how, in which segments, with which guarantee, and what else did.

It follows from the baseline and the stored reports of one window end, all stages and segments together. When a drift
began, which may be many windows earlier, is :mod:`monitors.explain.onset`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitors.baseline import importance
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.explain import mix_shift, onset
from monitors.explain.bin_changes import BinChanges, bin_changes
from monitors.explain.mix_shift import MixShift
from monitors.explain.onset import Key, Onset
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report, digest
from monitors.signals import SIGNALS, SPECS
from monitors.stats.bins import NumericBins

ORDER = tuple(spec.signal for spec in SIGNALS)
"""Signals in the order of reading: a broken pipeline explains all else, and a worse model comes before its causes."""
BEYOND_RANGE = {"under": "below its range", "over": "above its range", "far under": "far below its range",
           "far over": "far above its range"}  # fmt: skip
"""What cells beyond a number's range are called for people."""
BASELINE_PREFIX = "baseline_"
"""Prefix of a metric's name, in a finding's metrics, for its value in the baseline."""


@dataclass(frozen=True, slots=True)
class SegmentEffect:
    """A segment ("" is all traffic) in which a variable drifted, and its effect there."""

    segment: str
    effect: float | None


@dataclass(frozen=True, slots=True)
class DriftedVariable:
    """One variable that drifted, in one segment or several.

    Parameters
    ----------
    stage, segment, finding
        Where it drifted, and the finding: all traffic if it drifted there, else the segment with the largest effect.
    min_effect
        The minimum effect; None where it is not known by which policy the window was judged.
    pooled_evidence
        The evidence of all variables that share a budget with it.
    importance, importance_rank
        The feature's share of the model's importance, and its rank from 1; None where it was not measured.
    bin_changes
        Which parts of its range changed.
    levels
        The model's metrics by name, before and now.
    splits
        Mix shifts by segmenting feature, of all traffic.
    segments
        Where it drifted, all traffic first, then by effect.
    onset
        How the drift began, where that is known.
    """

    stage: Stage
    segment: str
    finding: Finding
    min_effect: float | None
    pooled_evidence: float | None
    importance: float | None
    importance_rank: int | None
    bin_changes: BinChanges
    levels: Mapping[str, tuple[float, float]]
    splits: tuple[MixShift, ...]
    segments: tuple[SegmentEffect, ...]
    onset: Onset | None = None

    @property
    def key(self) -> Key:
        """Stage, segment, signal and variable."""
        return (self.stage, self.segment, self.finding.signal, self.finding.variable)

    @property
    def guarantee(self) -> str:
        """Whether the false-alarm guarantee covers it, and why, in a sentence."""
        return onset.guarantee(self.finding, self.onset)


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """One segment of one stage: its rows, the verdict on each signal, and the variables that drifted."""

    stage: Stage
    segment: str
    rows: int
    verdicts: Mapping[Signal, Verdict]
    drifted: tuple[tuple[Signal, str], ...]


@dataclass(frozen=True, slots=True)
class WindowExplanation:
    """What drifted in one window, most important first, and the status of every segment.

    Signals are in :data:`ORDER`; within a signal, variables by importance times effect.
    """

    model: str
    version: str
    start: datetime
    end: datetime
    drifted: tuple[DriftedVariable, ...]
    segments: tuple[SegmentStatus, ...]

    def of(self, signal: Signal | str) -> tuple[DriftedVariable, ...]:
        """Return the drifted variables of one signal."""
        return tuple(m for m in self.drifted if m.finding.signal == signal)

    def beside(self, signal: Signal | str) -> tuple[DriftedVariable, ...]:
        """Return the drifted variables of all other signals: what may explain this one."""
        return tuple(m for m in self.drifted if m.finding.signal != signal)


def explain_window(
    baseline: Baseline, reports: Sequence[Report], policy: MonitorPolicy | None = None
) -> WindowExplanation:
    """Return the explanation of one window.

    Parameters
    ----------
    baseline
        The version's baseline.
    reports
        All reports of the window's end, of every stage and segment; at least one.
    policy
        The monitor settings; the minimum effect is shown only for reports that were judged by them.
    """
    drifted: dict[tuple[Stage, Signal, str], list[tuple[Report, Finding]]] = defaultdict(list)
    for report in reports:
        for finding in report.drifted():
            drifted[report.stage, finding.signal, finding.variable].append((report, finding))
    explainer = _Explainer(baseline, reports, policy)
    drifted_variables = tuple(sorted((explainer.drifted(found) for found in drifted.values()), key=explainer.order))
    segments = tuple(_segment_status(r) for r in sorted(reports, key=lambda r: (list(Stage).index(r.stage), r.segment)))
    start, end = min(r.window_start for r in reports), max(r.window_end for r in reports)
    return WindowExplanation(reports[0].model, reports[0].version, start, end, drifted_variables, segments)


def with_onsets(explanation: WindowExplanation, started: Mapping[Key, Onset]) -> WindowExplanation:
    """Return the explanation with the onsets of its drifts, by key."""
    return replace(explanation, drifted=tuple(replace(m, onset=started.get(m.key)) for m in explanation.drifted))


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict on several findings together: drift if any drifts, steady if any other could be judged."""
    verdicts = {f.verdict for f in findings}
    return next((v for v in (Verdict.DRIFT, Verdict.STEADY) if v in verdicts), Verdict.NOT_ENOUGH)


@dataclass(frozen=True)
class _Explainer:
    """Explains the variables of one window; *policy* as of :func:`explain_window`."""

    baseline: Baseline
    reports: Sequence[Report]
    policy: MonitorPolicy | None

    def drifted(self, evidence: Sequence[tuple[Report, Finding]]) -> DriftedVariable:
        """Return the explanation of one variable, from the reports and findings in which it drifted."""
        ordered = sorted(evidence, key=lambda f: (f[0].segment != "", -(f[1].effect or 0.0), f[0].segment))
        report, finding = ordered[0]
        feature_importance, name = self.baseline.importance, finding.variable
        features = list(self.baseline.events.features)
        ranked = bool(feature_importance) and finding.signal is Signal.FEATURE and name in features
        return DriftedVariable(
            report.stage,
            report.segment,
            finding,
            self._min_effect(report, finding.signal),
            onset.pooled_evidence(report, finding),
            importance=feature_importance.get(name, 0.0) if ranked else None,
            importance_rank=importance.rank(feature_importance, features).index(name) + 1 if ranked else None,
            bin_changes=self._bin_changes(report, finding),
            levels=_before_and_now(finding),
            splits=() if report.segment or finding.signal is Signal.QUALITY else self._splits(report, finding),
            segments=tuple(SegmentEffect(r.segment, f.effect) for r, f in ordered),
        )

    def order(self, moved: DriftedVariable) -> tuple[int, float, str]:
        """Return the sort key of a variable: the signal, then importance times effect, largest first, then the name."""
        finding = moved.finding
        weights = importance.weights(self.baseline.importance, self.baseline.events.features)
        weight = weights.get(finding.variable, 1.0) if finding.signal is Signal.FEATURE else 1.0
        return (ORDER.index(finding.signal), -weight * (finding.effect or 0.0), finding.variable)

    def _min_effect(self, report: Report, signal: Signal) -> float | None:
        if self.policy is None or report.policy != digest(self.policy) or signal is Signal.QUALITY:
            return None
        of_loss = SPECS[signal].of_loss
        return self.policy.min_loss_increase if of_loss else self.policy.min_effect

    def _bin_changes(self, report: Report, finding: Finding) -> BinChanges:
        """Return how the variable's bins changed; nothing for one without bins, as the loss."""
        name = finding.variable
        bins = self.baseline.bins.get(name)
        if bins is None or name not in report.counts:
            return BinChanges("", ())
        before = self.baseline.counts(report.stage, name, report.segment).sum(axis=0)
        changes = bin_changes(bins, before, report.counts[name])
        words = BEYOND_RANGE if isinstance(bins, NumericBins) else {}
        # Of a fault only the cells that filled up matter, not whether its good values lie higher or lower now.
        is_fault = finding.signal is Signal.QUALITY
        parts = tuple(replace(p, label=words.get(p.label, p.label)) for p in changes.parts)
        return BinChanges("" if is_fault else changes.direction, parts, changes.is_spread and not is_fault)

    def _splits(self, report: Report, finding: Finding) -> tuple[MixShift, ...]:
        same = [r for r in self.reports if r.stage is report.stage]
        if finding.variable in self.baseline.bins:
            return mix_shift.splits(self.baseline, report.stage, finding.variable, same)
        return tuple(mix_shift.loss_splits(self.baseline, same)) if finding.signal is Signal.PERFORMANCE else ()


def _before_and_now(finding: Finding) -> dict[str, tuple[float, float]]:
    """Return the metrics that a finding has for baseline and window: (before, now) by name."""
    names = [n.removeprefix(BASELINE_PREFIX) for n in finding.metrics if n.startswith(BASELINE_PREFIX)]
    both = [n for n in names if n in finding.metrics and n != "coverage" and not n.endswith("_error")]
    return {n: (finding.metrics[BASELINE_PREFIX + n], finding.metrics[n]) for n in both}


def _segment_status(report: Report) -> SegmentStatus:
    by_signal = {s: [f for f in report.findings if f.signal is s] for s in Signal}
    verdicts = {s: verdict_of(findings) for s, findings in by_signal.items() if findings}
    drifted = sorted(((f.signal, f.variable) for f in report.drifted()), key=lambda a: ORDER.index(a[0]))
    return SegmentStatus(report.stage, report.segment, report.rows, verdicts, tuple(drifted))
