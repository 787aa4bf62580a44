"""What is watched over time of one version, segment and stage, made ready from its baseline and the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from features.schema import LABEL, PREDICTION
from features.window import to_ms
from monitors import budget, importance, means, panel, series, threshold
from monitors.baseline import Baseline
from monitors.distance import Distances
from monitors.policy import MonitorPolicy
from monitors.report import Signal, Stage
from monitors.surveillance import Group, Outlook


def outlook(baseline: Baseline, policy: MonitorPolicy, stage: Stage, segment: str = "") -> Outlook:
    """Return the outlook on *segment*; without any group where the baseline knows nothing of it."""
    windows = baseline.events.windows
    measures = _measures(baseline, stage, segment)
    groups = tuple(_group(baseline, policy, segment, signal, measure) for signal, measure in measures.items())
    return Outlook(groups, to_ms(baseline.end), to_ms(windows.slide), windows.slices, str(policy.false_alarms))


def watched(baseline: Baseline) -> list[Signal]:
    """Return the signals that share the budget: those that the baseline has something to compare with."""
    there = {Signal.FEATURE, Signal.PREDICTION, Signal.QUALITY}
    there |= {Signal.LABEL, Signal.PERFORMANCE} if baseline.outcomes else set()
    return [signal for signal in Signal if signal in there]


def share(baseline: Baseline, signal: Signal, segment: str) -> float:
    """Return the part of the budget that *signal* has in *segment*."""
    segments = {s.segment for s in baseline.inputs} - {""}
    return budget.share(signal, segment, len(segments | ({segment} - {""})), watched(baseline))


def _measures(baseline: Baseline, stage: Stage, segment: str) -> dict[Signal, series.Measure]:
    if not baseline.slices(stage, segment):
        return {}
    if stage is Stage.INPUTS:
        features = _shares(baseline, stage, segment, list(baseline.events.features))
        return {Signal.FEATURE: features, Signal.PREDICTION: _shares(baseline, stage, segment, [PREDICTION])}
    slices = np.array([means.outcome_moments(s.counts) for s in baseline.slices(stage, segment)])
    lost = means.Means("loss", means.outcome_moments, slices)
    return {Signal.LABEL: _shares(baseline, stage, segment, [LABEL]), Signal.PERFORMANCE: lost}


def _shares(baseline: Baseline, stage: Stage, segment: str, names: Sequence[str]) -> series.Shares:
    counts = {name: baseline.counts(stage, name, segment) for name in names}
    return series.shares(counts, {name: threshold.compared(baseline.bins[name]) for name in names})


def _group(
    baseline: Baseline, policy: MonitorPolicy, segment: str, signal: Signal, measure: series.Measure
) -> Group:  # fmt: skip
    stage = Stage.OUTCOMES if signal in (Signal.LABEL, Signal.PERFORMANCE) else Stage.INPUTS
    starts = [s.start for s in baseline.slices(stage, segment)]
    slide = baseline.events.windows.slide
    fitted = panel.fit(measure, starts, to_ms(slide), f"{baseline.digest}|{segment}|{signal.value}")
    part = share(baseline, signal, segment)
    least = policy.min_loss_increase if signal in (Signal.PERFORMANCE, Signal.ESTIMATE) else policy.min_effect
    weights = _weights(fitted, baseline.importance if signal is Signal.FEATURE else {})
    return Group(signal, fitted, part, weights, policy.false_alarms.slices(slide) / part, least)


def _weights(fitted: panel.Panel, known: Mapping[str, float]) -> Distances:
    kept = [name for name, doubt in zip(fitted.names, fitted.doubts, strict=True) if not doubt]
    shares = importance.weights({k: v for k, v in known.items() if k in kept}, kept) if kept else {}
    return np.array([shares.get(name, 0.0) for name in fitted.names])
