"""Trials of policies: false alarms on null worlds, and detection delays of injected changes of known size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from scipy import special

from features.window import from_ms, to_ms
from leeway.replay import replayed_incidents
from leeway.replay.history import Series
from leeway.replay.policies import Policy
from leeway.replay.replayed_incidents import WindowVerdicts
from monitors.baseline.baseline import Baseline
from monitors.finding import Signal, Stage
from monitors.report import Report
from monitors.simulation import bootstrap, inject, rewindow
from monitors.simulation.bootstrap import BootstrapDraw
from monitors.simulation.inject import ChangeKind
from monitors.simulation.policy_comparison import KeyedWindow, PolicyComparison
from registry.incidents import incident_rules
from registry.incidents.incident_rules import SignalVerdict

NULL_WORLD_SLICES = 26 * 7
"""Slices of a null world: 26 weeks of days."""
HORIZON_SLICES = 60
"""Slices after which a change counts as not detected."""
INTERVAL_COVERAGE = 0.95
"""Coverage of the interval of a false-alarm rate."""


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """A false-alarm rate: *count* false alarms in *span* of event time."""

    count: int
    span: timedelta

    def per(self, span: timedelta) -> float:
        """Return the false alarms in *span*."""
        return self.count * (span / self.span)

    def interval(self, span: timedelta) -> tuple[float, float]:
        """Return the exact Poisson interval of :meth:`per` (Garwood 1936).

        >>> FalseAlarmRate(0, timedelta(days=369)).interval(timedelta(days=100))
        (0.0, 0.9997...)
        """
        tail, by = (1 - INTERVAL_COVERAGE) / 2, span / self.span
        low = float(special.gammaincinv(self.count, tail)) if self.count else 0.0
        return low * by, float(special.gammaincinv(self.count + 1, 1 - tail)) * by


@dataclass(frozen=True, slots=True)
class DetectionDelay:
    """Detection delays of a change: *delays* of those of the *trials* in which it was detected."""

    delays: tuple[timedelta, ...]
    trials: int

    @property
    def detected_share(self) -> float:
        """The share of trials in which it was detected."""
        return len(self.delays) / self.trials if self.trials else 0.0

    @property
    def median(self) -> timedelta | None:
        """The median delay over all trials; None where half or more did not detect it."""
        return sorted(self.delays)[self.trials // 2] if len(self.delays) > self.trials // 2 else None


def policy_comparison(baseline: Baseline, policies: Sequence[Policy], series: Series) -> PolicyComparison:
    """Return the comparison of *policies*, whose windows are the baseline's, on one series."""
    return PolicyComparison(baseline, tuple(p.rules.monitor for p in policies), *series)


def window_verdicts(judged: Iterable[Sequence[Report]], policies: Sequence[Policy]) -> list[list[WindowVerdicts]]:
    """Return the window verdicts of *judged* reports, a list for each of *policies*."""
    every = [[replayed_incidents.window_verdicts(report) for report in reports] for reports in judged]
    return [[one[i] for one in every] for i in range(len(policies))]


def null_verdicts(
    comparison: PolicyComparison, policies: Sequence[Policy], seed: int, repetitions: int
) -> list[list[list[WindowVerdicts]]]:
    """Return the verdicts on one series in each of *repetitions* null worlds, by each policy.

    The worlds are the same for every series of a baseline.
    """
    verdicts = []
    for n in range(repetitions):
        world = bootstrap.draw(comparison.baseline, NULL_WORLD_SLICES, np.random.default_rng([seed, 0, n]))
        windows, outlooks = (
            world.windows(comparison.stage, comparison.segment),
            comparison.monitoring_plans(world.reference),
        )
        verdicts.append(window_verdicts(comparison.judge(windows, outlooks), policies))
    return verdicts


def detection_delays(
    comparison: PolicyComparison,
    policies: Sequence[Policy],
    change: inject.Change,
    kind: ChangeKind,
    seeds: Sequence[Sequence[int]],
) -> list[DetectionDelay]:
    """Return each policy's detection delays of a *change*, by incidents of the signals that belong to its *kind*.

    One trial for each of *seeds*. The change begins once a window is full, and lasts. A delay ends with the window that
    opens an incident or, for outcomes, when that window's labels are known. Trials with an incident before the change
    do not count.
    """
    events, outlooks = comparison.baseline.events, comparison.monitoring_plans()
    wait = events.label_delay if comparison.stage is Stage.OUTCOMES else timedelta(0)
    by_policy: list[list[timedelta]] = [[] for _ in policies]
    for seed in seeds:
        world = bootstrap.draw(comparison.baseline, events.windows.slices + HORIZON_SLICES, np.random.default_rng(seed))
        begin = min(world.future) + to_ms(events.windows.size)
        searches = [_FirstIncident(policy, kind) for policy in policies]
        for reports in comparison.judge(_changed(world, comparison, change, begin), outlooks):
            for search, report in zip(searches, reports, strict=True):
                search.add(report)
            if all(search.end for search in searches):
                break
        for some, search in zip(by_policy, searches, strict=True):
            if search.end is None or search.end > from_ms(begin):
                some.append(search.end - from_ms(begin) + wait if search.end else timedelta.max)
    return [DetectionDelay(tuple(sorted(d for d in some if d < timedelta.max)), len(some)) for some in by_policy]


def _changed(
    world: BootstrapDraw, comparison: PolicyComparison, change: inject.Change, begin: int
) -> Iterator[KeyedWindow]:
    cut = comparison.baseline.events.windows
    slices = [s if s.start < begin else s.model_copy(update={"counts": change(s.counts)})
              for s in world.slices(comparison.stage, comparison.segment)]  # fmt: skip
    for window in rewindow.windows(slices, cut.slices, to_ms(cut.slide)):
        yield window, world.key(window) if window.start + to_ms(cut.size) <= begin else None


@dataclass(eq=False)
class _FirstIncident:
    """The first incident of the signals of a *kind* of change; *end* is that of the window that opened it."""

    policy: Policy
    kind: ChangeKind
    end: datetime | None = None
    steps: dict[Signal, list[SignalVerdict]] = field(default_factory=lambda: defaultdict(list))

    def add(self, report: Report) -> None:
        """Take the next report into account."""
        verdicts = replayed_incidents.window_verdicts(report)
        wanted = set(self.kind.signals) - self.policy.rules.signals.ignored
        for signal in wanted if self.end is None else ():
            if step := replayed_incidents.step([verdicts], signal):
                self.steps[signal].append(step)
                if incident_rules.opening_windows(
                    self.steps[signal], {step.window}, self.policy.rules.incidents.open_after
                ):
                    self.end = report.window_end
