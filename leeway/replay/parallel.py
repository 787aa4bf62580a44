"""Runs a replay as independent tasks, one for each series, in parallel processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from leeway.replay import trials
from leeway.replay.history import Series
from leeway.replay.policies import Policy
from leeway.replay.replayed_incidents import WindowVerdicts
from leeway.replay.trials import DetectionDelay
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Signal
from monitors.simulation import inject
from monitors.simulation.inject import InjectedChange
from monitors.simulation.policy_comparison import PolicyComparison

Progress = Callable[[str], None]
ByPolicy = list[list[WindowVerdicts]]
"""Window verdicts, a list for each policy."""
TRIALS_PER_WORLD = 3
"""Trials of each change for one null world: they are much shorter."""


@dataclass(frozen=True, slots=True)
class ReplayTask:
    """The replay of one series under policies with the same windows.

    Parameters
    ----------
    series
        Stage and segment.
    policies
        Policies whose windows are those of every baseline here.
    past
        Each version's baseline with its slices of the series.
    baseline
        What null worlds are drawn from.
    shifts, feature
        The changes to inject, and the feature of covariate shifts and faults.
    seed, repetitions
        Seed of all random draws, and the number of null worlds.
    """

    series: Series
    policies: tuple[Policy, ...]
    past: tuple[tuple[Baseline, tuple[Slice, ...]], ...]
    baseline: Baseline
    shifts: tuple[InjectedChange, ...]
    feature: str
    seed: int
    repetitions: int


@dataclass(frozen=True, slots=True)
class WatchedSignal:
    """A monitored variable, and the violation for which the guarantee does not cover it; empty if it does."""

    signal: Signal
    variable: str
    violation: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task: verdicts on each version's past and on each null world, detection delays of each change."""

    past: list[ByPolicy]
    null_worlds: list[ByPolicy]
    delays: Mapping[InjectedChange, list[DetectionDelay]]
    watched: list[WatchedSignal]


def run_task(task: ReplayTask) -> TaskResult:
    """Run *task*; the result does not depend on the process."""
    comparison = trials.policy_comparison(task.baseline, task.policies, task.series)
    in_baseline = bool(task.baseline.slices(*task.series))
    return TaskResult(
        past=[
            trials.window_verdicts(_on_baseline(comparison, baseline).run(slices), task.policies)
            if slices
            else [[] for _ in task.policies]
            for baseline, slices in task.past
        ],
        null_worlds=trials.null_verdicts(comparison, task.policies, task.seed, task.repetitions) if in_baseline else [],
        delays={shift: _delays(task, comparison, shift) for shift in task.shifts},
        watched=watched(comparison),
    )


def watched(comparison: PolicyComparison) -> list[WatchedSignal]:
    """Return the variables that the first policy monitors sequentially."""
    return [
        WatchedSignal(group.signal, name, doubt)
        for group in comparison.monitoring_plans()[0].groups
        for name, doubt in zip(group.panel.names, group.panel.violations, strict=True)
    ]


def run_tasks(tasks: Sequence[ReplayTask], processes: int, report_progress: Progress) -> list[TaskResult]:
    """Return the results of *tasks* in their order, run by *processes* processes; progress is reported as text."""
    results: list[TaskResult] = []
    for done in _results(tasks, processes):
        results.append(done)
        report_progress(f"{len(results)} of {len(tasks)} tasks done")
    return results


def _results(parts: Sequence[ReplayTask], processes: int) -> Iterator[TaskResult]:
    if processes == 1 or len(parts) == 1:
        yield from map(run_task, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_task, parts)


def _on_baseline(comparison: PolicyComparison, baseline: Baseline) -> PolicyComparison:
    """Return *comparison* on another baseline."""
    return (
        comparison
        if baseline is comparison.baseline
        else PolicyComparison(baseline, comparison.policies, comparison.stage, comparison.segment)
    )


def _delays(task: ReplayTask, comparison: PolicyComparison, shift: InjectedChange) -> list[DetectionDelay]:
    change = inject.change(shift, task.baseline, task.feature)
    seeds = [(task.seed, 1, n) for n in range(TRIALS_PER_WORLD * task.repetitions)]
    return trials.detection_delays(comparison, task.policies, change, shift.kind, seeds)
