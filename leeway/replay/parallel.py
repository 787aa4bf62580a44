"""A rehearsal in parts, one a series, that need nothing of one another and can be worked on side by side."""

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
"""What is said of some windows, by each policy."""
TRIALS_PER_WORLD = 3
"""Trials of each shift for a world without a change: they are much shorter."""


@dataclass(frozen=True, slots=True)
class ReplayTask:
    """One *series* and *policies* with the same windows, in which every baseline here is cut.

    *past* are the series' slices of each version with its baseline. *baseline* is what worlds are made of, *shifts* are
    put into the series, and what is drawn follows from *seed*.
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
    """A variable that is watched over time, and why the false-alarm promise does not cover it; "" if it does."""

    signal: Signal
    variable: str
    violation: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a part: of each version's past, of each world without a change, of each shift by each policy."""

    past: list[ByPolicy]
    null_worlds: list[ByPolicy]
    delays: Mapping[InjectedChange, list[DetectionDelay]]
    watched: list[WatchedSignal]


def run_task(task: ReplayTask) -> TaskResult:
    """Return what comes of *part*; the same, wherever it is done."""
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
    """Return the variables that the first policy watches over time."""
    return [
        WatchedSignal(group.signal, name, doubt)
        for group in comparison.monitoring_plans()[0].groups
        for name, doubt in zip(group.panel.names, group.panel.violations, strict=True)
    ]


def run_tasks(tasks: Sequence[ReplayTask], processes: int, report_progress: Progress) -> list[TaskResult]:
    """Return what comes of *parts*, in their order, worked on by so many processes; *tell* is told how far it is."""
    results: list[TaskResult] = []
    for done in _results(tasks, processes):
        results.append(done)
        report_progress(f"{len(results)} of {len(tasks)} parts done")
    return results


def _results(parts: Sequence[ReplayTask], processes: int) -> Iterator[TaskResult]:
    if processes == 1 or len(parts) == 1:
        yield from map(run_task, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_task, parts)


def _on_baseline(comparison: PolicyComparison, baseline: Baseline) -> PolicyComparison:
    """Return *bench* on another baseline, if it is another."""
    return (
        comparison
        if baseline is comparison.baseline
        else PolicyComparison(baseline, comparison.policies, comparison.stage, comparison.segment)
    )


def _delays(task: ReplayTask, comparison: PolicyComparison, shift: InjectedChange) -> list[DetectionDelay]:
    change = inject.change(shift, task.baseline, task.feature)
    seeds = [(task.seed, 1, n) for n in range(TRIALS_PER_WORLD * task.repetitions)]
    return trials.detection_delays(comparison, task.policies, change, shift.kind, seeds)
