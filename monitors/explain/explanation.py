"""One window told to somebody whom it woke: what moved, how, in whom, how sure that is, and at what cost.

Everything follows from the baseline and the stored reports of one window end, all stages and segments together. How a
drift began that may have gone on for many windows since is told by :mod:`monitors.explain.onset`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from monitors.baseline import importance
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.explain import mix_shift, onset
from monitors.explain.bin_changes import BinChanges, bin_changes
from monitors.explain.mix_shift import MixShift
from monitors.explain.onset import Key, Onset
from monitors.profiles.outcome_counts import LOSS_UNIT
from monitors.report import Finding, Report, Signal, Stage, Verdict, digest
from monitors.signals import OF, SIGNALS
from monitors.stats.bins import Counts, NumericBins

ORDER = tuple(spec.signal for spec in SIGNALS)
"""Signals by what to read first: a broken pipeline explains all else, and a worse model comes before its causes."""
_BEYOND = {"under": "below its range", "over": "above its range", "far under": "far below its range",
           "far over": "far above its range"}  # fmt: skip
_PREFIX = "baseline_"  # before a metric's name, in a finding's metrics: its level in the baseline


@dataclass(frozen=True, slots=True)
class SegmentEffect:
    """One segment (``""`` is all traffic) in which a variable drifted, and how far."""

    segment: str
    effect: float | None


@dataclass(frozen=True, slots=True)
class DriftedVariable:
    """One variable that drifted, in the *places* given; all else is about *segment*, the first of them.

    That is all traffic if it drifted there, and else the segment with the largest effect. *least* is the smallest
    effect worth telling, None where it is not known by which policy the window was judged. *pooled* is the evidence of
    all variables that share the finding's ``needed``. *importance* is the feature's share of what matters to the
    model, *place* its rank, from 1; both None where nobody measured it. *levels* has the model's metrics, before and
    now. *splits* tell mix from shift within, of all traffic, by each segmenting feature. *alarm* is how the drift
    began, where that was looked for and found.
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
        """What the finding is about."""
        return (self.stage, self.segment, self.finding.signal, self.finding.variable)

    @property
    def guarantee(self) -> str:
        """Whether it stands inside the false-alarm promise, and why, in words."""
        return onset.guarantee(self.finding, self.onset)


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """One segment of one stage: its *rows*, what was said of each signal, and *away*, the variables that drifted."""

    stage: Stage
    segment: str
    rows: int
    verdicts: Mapping[Signal, Verdict]
    drifted: tuple[tuple[Signal, str], ...]


@dataclass(frozen=True, slots=True)
class WindowExplanation:
    """What drifted in one window, what matters most first, and which segments it drifted in.

    Signals come in :data:`ORDER`; within one, variables by importance times effect.
    """

    model: str
    version: str
    start: datetime
    end: datetime
    drifted: tuple[DriftedVariable, ...]
    segments: tuple[SegmentStatus, ...]

    def of(self, signal: Signal | str) -> tuple[DriftedVariable, ...]:
        """Return what drifted of one signal."""
        return tuple(m for m in self.drifted if m.finding.signal == signal)

    def beside(self, signal: Signal | str) -> tuple[DriftedVariable, ...]:
        """Return what drifted of all other signals: what may explain it."""
        return tuple(m for m in self.drifted if m.finding.signal != signal)


def explain_window(
    baseline: Baseline, reports: Sequence[Report], policy: MonitorPolicy | None = None
) -> WindowExplanation:
    """Return the account of one window end from all its *reports*, of every stage and segment; at least one.

    *policy* is told only where the reports were judged by it.
    """
    drifted: dict[tuple[Stage, Signal, str], list[tuple[Report, Finding]]] = defaultdict(list)
    for report in reports:
        for finding in report.drifted():
            drifted[report.stage, finding.signal, finding.variable].append((report, finding))
    story = _Explainer(baseline, reports, policy)
    moved = tuple(sorted((story.drifted(found) for found in drifted.values()), key=story.order))
    crowds = tuple(_segment_status(r) for r in sorted(reports, key=lambda r: (list(Stage).index(r.stage), r.segment)))
    start, end = min(r.window_start for r in reports), max(r.window_end for r in reports)
    return WindowExplanation(reports[0].model, reports[0].version, start, end, moved, crowds)


def with_onsets(told: WindowExplanation, alarms: Mapping[Key, Onset]) -> WindowExplanation:
    """Return the account *told* with the *alarms* that its drifts began with."""
    return replace(told, drifted=tuple(replace(m, onset=alarms.get(m.key)) for m in told.drifted))


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict of some findings: drift if any says so, steady if any could be judged."""
    seen = {f.verdict for f in findings}
    return next((v for v in (Verdict.DRIFT, Verdict.STEADY) if v in seen), Verdict.NOT_ENOUGH)


def leaning(split: MixShift) -> str:
    """Return what a split comes to, in words.

    >>> leaning(MixShift("origin", 0.2, 0.01, 0.19))
    'a shift within segments of origin: 0.200 in all, 0.010 by mix, 0.190 within'
    """
    what = "both the mix of segments and a shift within them"
    if abs(split.mix_share - 0.5) > 0.25:
        what = "a different mix of segments" if split.mix_share > 0.5 else "a shift within segments"
    return f"{what} of {split.by}: {split.total:.3f} in all, {split.mix:.3f} by mix, {split.within:.3f} within"


@dataclass(frozen=True)
class _Explainer:
    """What every variable of one window is told from."""

    baseline: Baseline
    reports: Sequence[Report]
    policy: MonitorPolicy | None

    def drifted(self, found: Sequence[tuple[Report, Finding]]) -> DriftedVariable:
        """Return what is told of one variable, from the reports that say that it drifted."""
        ordered = sorted(found, key=lambda f: (f[0].segment != "", -(f[1].effect or 0.0), f[0].segment))
        report, finding = ordered[0]
        known, name = self.baseline.importance, finding.variable
        features = list(self.baseline.events.features)
        ranked = bool(known) and finding.signal is Signal.FEATURE and name in features
        return DriftedVariable(
            report.stage,
            report.segment,
            finding,
            self._least(report, finding.signal),
            onset.pooled_evidence(report, finding),
            importance=known.get(name, 0.0) if ranked else None,
            importance_rank=importance.rank(known, features).index(name) + 1 if ranked else None,
            bin_changes=self._movement(report, finding),
            levels=_levels(finding),
            splits=() if report.segment or finding.signal is Signal.QUALITY else self._splits(report, finding),
            segments=tuple(SegmentEffect(r.segment, f.effect) for r, f in ordered),
        )

    def order(self, moved: DriftedVariable) -> tuple[int, float, str]:
        """Return what *moved* is sorted by: first the signal, then importance times effect."""
        finding = moved.finding
        weights = importance.weights(self.baseline.importance, self.baseline.events.features)
        weight = weights.get(finding.variable, 1.0) if finding.signal is Signal.FEATURE else 1.0
        return (ORDER.index(finding.signal), -weight * (finding.effect or 0.0), finding.variable)

    def _least(self, report: Report, signal: Signal) -> float | None:
        if self.policy is None or report.policy != digest(self.policy) or signal is Signal.QUALITY:
            return None
        of_loss = OF[signal].of_loss
        return self.policy.min_loss_increase if of_loss else self.policy.min_effect

    def _movement(self, report: Report, finding: Finding) -> BinChanges:
        name = finding.variable
        bins = self.baseline.bins.get(name)
        if bins is None or name not in report.counts:
            return BinChanges("", ())
        before = self.baseline.counts(report.stage, name, report.segment).sum(axis=0)
        told = bin_changes(bins, before, report.counts[name])
        words = _BEYOND if isinstance(bins, NumericBins) else {}
        # Of a fault it is told which cells filled up: that its good values lie higher or lower now is no news.
        direction = "" if finding.signal is Signal.QUALITY else told.direction
        return BinChanges(direction, tuple(replace(p, label=words.get(p.label, p.label)) for p in told.parts))

    def _splits(self, report: Report, finding: Finding) -> tuple[MixShift, ...]:
        same = [r for r in self.reports if r.stage is report.stage]
        if finding.variable in self.baseline.bins:
            return mix_shift.splits(self.baseline, report.stage, finding.variable, same)
        return tuple(self._loss_splits(same)) if finding.signal is Signal.PERFORMANCE else ()

    def _loss_splits(self, reports: Sequence[Report]) -> Iterable[MixShift]:
        """Yield the splits of the mean loss, in its own units, by each segmenting feature."""
        for by in self.baseline.events.segments:
            now = {r.segment: _of_loss([r.counts]) for r in reports if r.segment.startswith(f"{by}=")}
            names = {s.segment for s in self.baseline.outcomes if s.segment.startswith(f"{by}=")}
            slices = {name: self.baseline.slices(Stage.OUTCOMES, name) for name in names}
            if names and now:
                yield mix_shift.split(
                    by, {name: _of_loss([s.counts for s in some]) for name, some in slices.items()}, now
                )


def _of_loss(some: Iterable[Mapping[str, Sequence[int]]]) -> Counts:
    """Return a sum of losses as shares of rows have it: the loss, and what is left of one a row (maybe less than 0)."""
    pairs = [(counts["loss"][0], counts["coverage"][0]) for counts in some]
    loss, rows = (sum(side) for side in zip(*pairs, strict=True))
    return np.array([loss, round(rows / LOSS_UNIT) - loss])


def _levels(finding: Finding) -> dict[str, tuple[float, float]]:
    """Return the metrics of the model that come with their baseline's: (before, now) by name."""
    names = [n.removeprefix(_PREFIX) for n in finding.metrics if n.startswith(_PREFIX)]
    both = [n for n in names if n in finding.metrics and n != "coverage" and not n.endswith("_error")]
    return {n: (finding.metrics[_PREFIX + n], finding.metrics[n]) for n in both}


def _segment_status(report: Report) -> SegmentStatus:
    told = {s: [f for f in report.findings if f.signal is s] for s in Signal}
    verdicts = {s: verdict_of(findings) for s, findings in told.items() if findings}
    away = sorted(((f.signal, f.variable) for f in report.drifted()), key=lambda a: ORDER.index(a[0]))
    return SegmentStatus(report.stage, report.segment, report.rows, verdicts, tuple(away))
