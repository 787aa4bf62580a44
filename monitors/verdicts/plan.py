"""What is watched over time of one version, segment and stage, made ready from its baseline and the budget.

A variable is ranked slice by slice where its slices allow that. Where they remember too much, neighbours are merged
until they pass (an hour's slices become days); where the baseline is too short for that, no promise is made on it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from features.schema import ESTIMATED_LOSS, LABEL, MULTIVARIATE, PREDICTION, SCORE_GRID
from features.window import to_ms
from monitors.baseline import budget_shares, importance
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage
from monitors.sequential import exchangeability, panel, slice_scores
from monitors.sequential.monitoring_plan import BudgetGroup, MonitoringPlan
from monitors.sequential.panel import Panel
from monitors.signals import OF
from monitors.stats import threshold
from monitors.verdicts import estimated_performance, loss_scores

STRIDES = (2, 3, 4, 6, 8, 12, 24, 48, 168)
"""How many slices may be merged into one, in the order in which it is tried."""
Slices = Mapping[int, Mapping[str, Sequence[int]]]
"""Counts by variable, by the slice's start (ms)."""
Build = Callable[[Slices, Sequence[str]], slice_scores.ScoreFunction]


def monitoring_plan(baseline: Baseline, policy: MonitorPolicy, stage: Stage, segment: str = "") -> MonitoringPlan:
    """Return the outlook on *segment*; without any group where the baseline knows nothing of it."""
    slices = {s.start: s.counts for s in baseline.slices(stage, segment)}
    groups = [
        _group(baseline, policy, segment, signal, fitted)
        for signal, spec in (_panel_specs(baseline, stage) if slices else {}).items()
        for fitted in _fit(_PanelBuilder(baseline, f"{segment}|{signal.value}", slices, spec), spec.names)
    ]
    windows = baseline.events.windows
    return MonitoringPlan(
        tuple(groups), to_ms(baseline.end), to_ms(windows.slide), windows.slices, str(policy.false_alarms)
    )


@dataclass(frozen=True, slots=True)
class _PanelSpec:
    """What a signal asks: *names* are the variables it tells of, by what *build* makes of counts.

    Where these are not the counts of the variables themselves, *reads* names those that it looks at.
    """

    names: Sequence[str]
    build: Build
    reads: Sequence[str] = ()


def _panel_specs(baseline: Baseline, stage: Stage) -> dict[Signal, _PanelSpec]:
    shares, derived = partial(_share_scores, baseline), baseline.derived
    if stage is Stage.OUTCOMES:
        lost = _PanelSpec(["loss"], partial(_mean_scores, loss_scores.outcome_moments), ("coverage", "loss", "scores"))
        return {Signal.LABEL: _PanelSpec([LABEL], shares), Signal.PERFORMANCE: lost}
    specs = {
        Signal.FEATURE: _PanelSpec(list(baseline.events.features), shares),
        Signal.PREDICTION: _PanelSpec([PREDICTION], shares),
    }
    if derived.projection:
        specs[Signal.MULTIVARIATE] = _PanelSpec([MULTIVARIATE], shares)
    if derived.estimate:
        expected = partial(_mean_scores, partial(estimated_performance.moments, derived.estimate))
        specs[Signal.ESTIMATE] = _PanelSpec(["loss"], expected, (SCORE_GRID, ESTIMATED_LOSS))
    return specs


def _share_scores(baseline: Baseline, slices: Slices, names: Sequence[str]) -> slice_scores.ScoreFunction:
    empty = {name: [0] * baseline.bins[name].cells for name in names}
    counts = {name: np.array([s.get(name, empty[name]) for s in slices.values()], np.int64) for name in names}
    return slice_scores.share_scores(counts, {name: threshold.compared(baseline.bins[name]) for name in names})


def _mean_scores(moments: loss_scores.Moments, slices: Slices, names: Sequence[str]) -> slice_scores.ScoreFunction:
    return loss_scores.MeanScores(names[0], moments, np.array([moments(counts) for counts in slices.values()]))


@dataclass(frozen=True, eq=False)
class _PanelBuilder:
    """Where the panels of one signal come from; *signal* says which it is, and of which segment."""

    baseline: Baseline
    signal: str
    slices: Slices
    spec: _PanelSpec

    def panel(self, names: Sequence[str], stride: int = 1) -> Panel:
        slide = to_ms(self.baseline.events.windows.slide) * stride
        merged = self.slices if stride == 1 else self._merged(slide)
        longest = exchangeability.MAX_MEMORY if stride == 1 else exchangeability.MAX_MEMORY_MERGED
        return panel.fit(
            self.spec.build(merged, names),
            list(merged),
            slide,
            self._identity(merged, names, slide),
            max_memory=longest,
        )

    def _identity(self, slices: Slices, names: Sequence[str], slide: int) -> str:
        """Return what the breaking of ties depends on: a digest of what the panel of *names* reads, and of all else
        that says which it is.

        Not of the baseline, so that what it tells beside that (importance, a version, a variable that is counted anew)
        changes no verdict; of counts and not of what is made of them, so that it is the same on every machine.
        """
        reads = self.spec.reads or names
        counts = {name: [[at, *map(int, slices[at].get(name, ()))] for at in sorted(slices)] for name in reads}
        text = json.dumps([self.signal, slide, sorted(names), counts], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _merged(self, slide: int) -> Slices:
        """Add up the slices of each stretch of *slide* ms that lies in the baseline's period."""
        out: dict[int, dict[str, Sequence[int]]] = defaultdict(dict)
        first, last = to_ms(self.baseline.start), to_ms(self.baseline.end)
        for at, counts in self.slices.items():
            start = at - at % slide
            if first <= start and start + slide <= last:
                out[start] = slice_scores.add(out[start], counts)
        return out


def _fit(source: _PanelBuilder, names: Sequence[str]) -> Iterator[Panel]:
    """Yield the panels that *names* are watched in, each on the shortest slices that raise no doubt of it.

    The last is of those that no merging helped, if any: on single slices, with their doubts.
    """
    left = list(names)
    for stride in (1, *STRIDES):
        if left and (stride == 1 or len(source.slices) // stride >= exchangeability.MIN_SLICES):
            fitted = source.panel(left, stride)
            passed = [v for v, doubt in zip(left, fitted.violations, strict=True) if not doubt]
            if passed:
                yield fitted if len(passed) == len(left) else source.panel(passed, stride)
            left = [v for v in left if v not in passed]
    if left:
        yield source.panel(left)


def _group(baseline: Baseline, policy: MonitorPolicy, segment: str, signal: Signal, fitted: Panel) -> BudgetGroup:
    windows = baseline.events.windows
    stride = fitted.whitener.season.slide // to_ms(windows.slide)
    feature_importance = baseline.importance if signal is Signal.FEATURE else {}
    all_weights = importance.weights(
        feature_importance, baseline.events.features if signal is Signal.FEATURE else fitted.names
    )
    weights = np.array([all_weights[name] for name in fitted.names])
    budget_share = budget_shares.share(baseline, signal, segment) * float(weights.sum())
    least = policy.min_loss_increase if OF[signal].of_loss else policy.min_effect
    evidence_required = policy.false_alarms.slices(windows.slide * stride) / budget_share
    return BudgetGroup(signal, fitted, stride, budget_share, weights / weights.sum(), evidence_required, least)
