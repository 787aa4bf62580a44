"""Window reference: what a baseline offers one stage and segment for comparison, prepared once for all windows.

Pooled counts, the baseline's own windows, mean losses and arrival rates depend on the baseline and the window's length
only. They are made once, as a job judges many windows of one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.schema import LABEL, MULTIVARIATE, VALUE_HASHES, Task
from features.window import to_ms
from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline, made_of
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.profiles import outcome_counts, value_hashes
from monitors.quality import arrivals, router_reference
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, NumericBins
from monitors.verdicts import estimated_performance, performance
from monitors.verdicts.distribution import WINDOW_LEVEL
from monitors.verdicts.stacked_variables import StackedReference, stacked_reference


@dataclass(frozen=True)
class WindowReference:
    """What windows of one stage, segment and length are compared with.

    Parameters
    ----------
    segment
        ``feature=value``, or "" for all traffic.
    level
        Probability of a false fault in one window, over all variables.
    router
        What tells faults from drift.
    bins, drift
        Frozen bins and reference windows, by variable.
    sd
        The label's standard deviation, by which losses of regression are scaled.
    loss
        The baseline's loss; None for the inputs stage.
    estimate
        The baseline's estimated performance; None for outcomes, and where there is none.
    arrivals
        How many rows came in each slice.
    """

    segment: str
    level: float
    router: router_reference.RouterReference
    bins: Mapping[str, NumericBins | CategoricalBins]
    drift: Mapping[str, threshold.ReferenceWindows]
    sd: float
    loss: performance.LossReference | None
    estimate: estimated_performance.EstimateReference | None
    arrivals: arrivals.ArrivalReference

    @cached_property
    def stacked(self) -> StackedReference:
        """All variables together, so that they are judged at once."""
        return stacked_reference(self.bins, self.drift)


def window_reference(
    baseline: Baseline, stage: Stage, segment: str, *, length: int, policy: MonitorPolicy
) -> WindowReference:
    """Return the reference of windows of *length* slices, made once for as long as the baseline lives."""
    made, key = made_of(baseline), (stage, segment, length, policy)
    if key not in made:
        made[key] = _made(baseline, stage, segment, length=length, policy=policy)
    reference: WindowReference = made[key]
    return reference


def _made(baseline: Baseline, stage: Stage, segment: str, *, length: int, policy: MonitorPolicy) -> WindowReference:
    """Return the reference of windows of *length* slices, from the baseline's counts."""
    sent = list(baseline.events.variables) if stage is Stage.INPUTS else [LABEL]
    inputs = stage is Stage.INPUTS
    names = [*sent, MULTIVARIATE] if inputs and baseline.derived.projection else sent
    bins = {name: baseline.bins[name] for name in names}
    slices = {name: baseline.counts(stage, name, segment) for name in names}
    slices = {name: s if len(s) else np.zeros((0, bins[name].cells), np.int64) for name, s in slices.items()}
    hashed = baseline.derived.hashed if inputs else ()
    sums = value_hashes.by_variable(hashed, baseline.counts(stage, VALUE_HASHES, segment))
    sd = outcome_counts.label_sd(baseline.bins)
    level = budget_shares.quality_level(baseline, policy, segment) * len(sent)
    return WindowReference(
        segment,
        level,
        router_reference.router_reference(
            {n: bins[n] for n in sent}, {n: slices[n] for n in sent}, length=length, level=level, sums=sums
        ),
        bins,
        {
            n: threshold.reference_windows(s, threshold.compared(bins[n]), length=length, level=WINDOW_LEVEL)
            for n, s in slices.items()
        },
        sd,
        None if inputs else _loss(baseline, segment, length, sd),
        estimated_performance.reference(baseline, segment, length, sd=sd) if inputs else None,
        arrivals.arrival_reference(baseline, segment, length),
    )


def _loss(baseline: Baseline, segment: str, length: int, sd: float) -> performance.LossReference:
    task = baseline.events.task
    names = ("coverage", "loss", "scores") if task is Task.BINARY else ("coverage", "loss")
    slices = {name: baseline.counts(Stage.OUTCOMES, name, segment) for name in names}
    return performance.reference(task, slices, length, sd=sd)


def usual_slices(baseline: Baseline, stage: Stage, segment: str, window_slices: int) -> int:
    """Return in how many slices of a window the baseline had events, on average and rounded down."""
    slide = to_ms(baseline.events.windows.slide)
    span = sum(-(-(to_ms(end) - to_ms(start)) // slide) for start, end in baseline.periods)
    return len(baseline.slices(stage, segment)) * window_slices // max(span, 1)
