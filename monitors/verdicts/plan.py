"""Fitting a monitoring plan: the panels of one version, segment and stage, from its baseline and the budget.

A variable is monitored slice by slice where its slices are exchangeable. Where they remember too much, neighbouring
slices are merged until they pass (hours become days); where the baseline is too short for that, there is no guarantee
for it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from features.schema import ESTIMATED_LOSS, LABEL, MULTIVARIATE, PREDICTION, SCORE_GRID
from features.window import to_ms
from monitors.baseline import budget_shares, importance
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage
from monitors.sequential import exchangeability, panel, scored_cells, slice_scores
from monitors.sequential.monitoring_plan import BudgetGroup, MonitoringPlan
from monitors.sequential.panel import Panel
from monitors.signals import SPECS
from monitors.verdicts import estimated_performance, loss_scores

STRIDES = (2, 3, 4, 6, 8, 12, 24, 48, 168)
"""How many slices are merged into one, in the order in which it is tried: 24 hours are a day, 168 a week. On the
flights `temp` is monitored this way, inside the guarantee (docs/decisions/0004)."""
Slices = Mapping[int, Mapping[str, Sequence[int]]]
"""Counts by variable, by the slice's start in milliseconds since the epoch."""
Build = Callable[[Slices, Sequence[str]], slice_scores.ScoreFunction]
"""Makes the scores of some variables, by name, from slices."""


def monitoring_plan(baseline: Baseline, policy: MonitorPolicy, stage: Stage, segment: str = "") -> MonitoringPlan:
    """Return the monitoring plan of a segment; without groups where the baseline has no rows of it."""
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


def feature_panel(baseline: Baseline, names: Sequence[str], stride: int = 1) -> Panel:
    """Return the panel of some features in all traffic on slices merged by *stride*, whether or not they pass."""
    return _of_features(baseline, names).panel(names, stride)


def feature_panels(baseline: Baseline, names: Sequence[str]) -> Iterator[Panel]:
    """Yield the panels of some features in all traffic, as a monitoring plan has them."""
    yield from _fit(_of_features(baseline, names), names)


def _of_features(baseline: Baseline, names: Sequence[str]) -> _PanelBuilder:
    slices = {s.start: s.counts for s in baseline.slices(Stage.INPUTS, "")}
    spec = _PanelSpec(names, partial(_share_scores, baseline))
    return _PanelBuilder(baseline, f"|{Signal.FEATURE.value}", slices, spec)


@dataclass(frozen=True, slots=True)
class _PanelSpec:
    """How the panels of one signal are made.

    *names* are its variables and *build* makes their scores; *reads* are the counts that it reads, where these are not
    those of the variables themselves.
    """

    names: Sequence[str]
    build: Build
    reads: Sequence[str] = ()


def _panel_specs(baseline: Baseline, stage: Stage) -> dict[Signal, _PanelSpec]:
    """Return how the panels of every signal of a stage are made, as far as the baseline has what they need."""
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
    cells = {name: scored_cells.groups(baseline.bins[name], of) for name, of in counts.items()}
    return slice_scores.share_scores(counts, cells)


def _mean_scores(moments: loss_scores.Moments, slices: Slices, names: Sequence[str]) -> slice_scores.ScoreFunction:
    return loss_scores.MeanScores(names[0], moments, np.array([moments(counts) for counts in slices.values()]))


@dataclass(frozen=True, eq=False)
class _PanelBuilder:
    """Makes the panels of one signal from a baseline; *signal* is ``segment|signal``, part of a panel's identity."""

    baseline: Baseline
    signal: str
    slices: Slices
    spec: _PanelSpec

    def panel(self, names: Sequence[str], stride: int = 1) -> Panel:
        """Return the panel of some variables on slices merged by *stride*."""
        slide = to_ms(self.baseline.events.windows.slide) * stride
        merged = self.slices if stride == 1 else self._merged(slide)
        return panel.fit(
            self.spec.build(merged, names),
            list(merged),
            slide,
            self._identity(merged, names, slide),
            merged=stride > 1,
        )

    def _identity(self, slices: Slices, names: Sequence[str], slide: int) -> str:
        """Return the seed of random ties: a digest of the counts that a panel reads, and of which panel it is.

        Not of the baseline, so that its other contents (importance, a version, a variable that is counted anew) change
        no verdict; of counts and not of what is computed from them, so that it is the same on every machine.
        """
        reads = self.spec.reads or names
        counts = {name: [[at, *map(int, slices[at].get(name, ()))] for at in sorted(slices)] for name in reads}
        text = json.dumps([self.signal, slide, sorted(names), counts], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _merged(self, slide: int) -> Slices:
        """Return the sums of slices over stretches of *slide* ms that lie wholly in the baseline's period."""
        out: dict[int, dict[str, Sequence[int]]] = defaultdict(dict)
        first, last = to_ms(self.baseline.start), to_ms(self.baseline.end)
        for at, counts in self.slices.items():
            start = at - at % slide
            if first <= start and start + slide <= last:
                out[start] = slice_scores.add(out[start], counts)
        return out


def _fit(source: _PanelBuilder, names: Sequence[str]) -> Iterator[Panel]:
    """Yield the panels of some variables, each variable on the shortest slices that are exchangeable.

    One with slow memory is merged only where enough slices are left to see that it helped. The last panel is of the
    variables that no merging helped, if any: on single slices, with their violations.
    """
    doubts: dict[str, str] = dict.fromkeys(names, "")
    for stride in (1, *STRIDES):
        slices = len(source.slices) // stride
        left = [v for v, doubt in doubts.items() if exchangeability.may_be_merged(doubt, slices)]
        if left and (stride == 1 or slices >= exchangeability.MIN_SLICES):
            fitted, seen = _passing(source, left, stride)
            doubts = {**doubts, **seen} if stride == 1 else doubts
            if fitted:
                yield fitted
                doubts = {v: doubt for v, doubt in doubts.items() if v not in fitted.names}
    if doubts:
        yield replace(source.panel(list(doubts)), violations=tuple(doubts.values()))


def _passing(source: _PanelBuilder, names: Sequence[str], stride: int) -> tuple[Panel | None, dict[str, str]]:
    """Return the panel of those variables whose slices are exchangeable, if any, and why those of the others are not.

    Without the others a panel is another one, so it is tested again.
    """
    fitted, doubts = source.panel(names, stride), dict[str, str]()
    while not fitted.guaranteed.all():
        doubts |= {v: doubt for v, doubt in zip(fitted.names, fitted.violations, strict=True) if doubt}
        passed = [v for v in fitted.names if v not in doubts]
        if not passed:
            return None, doubts
        fitted = source.panel(passed, stride)
    return fitted, doubts


def _group(baseline: Baseline, policy: MonitorPolicy, segment: str, signal: Signal, fitted: Panel) -> BudgetGroup:
    """Return a panel with its part of the budget and the evidence that this requires.

    Features are weighted by importance among all features, so the shares of a signal's panels add up to its own.
    """
    windows = baseline.events.windows
    stride = fitted.whitener.season.slide // to_ms(windows.slide)
    feature_importance = baseline.importance if signal is Signal.FEATURE else {}
    all_weights = importance.weights(
        feature_importance, baseline.events.features if signal is Signal.FEATURE else fitted.names
    )
    weights = np.array([all_weights[name] for name in fitted.names])
    budget_share = budget_shares.share(baseline, signal, segment) * float(weights.sum())
    least = policy.min_loss_increase if SPECS[signal].of_loss else policy.min_effect
    evidence_required = policy.false_alarms.slices(windows.slide * stride) / budget_share
    weights = weights / weights.sum()
    fitted = replace(fitted, lines=evidence_required / weights)
    return BudgetGroup(signal, fitted, stride, budget_share, weights, evidence_required, least)
