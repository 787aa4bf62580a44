"""A rehearsal in parts, one a series, that need nothing of one another and can be worked on side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from leeway.replay import trials
from leeway.replay.history import Series
from leeway.replay.policies import Policy
from leeway.replay.replayed_incidents import WindowVerdicts
from leeway.replay.trials import Delay
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Signal
from monitors.simulation import inject
from monitors.simulation.inject import InjectedChange
from monitors.simulation.policy_comparison import PolicyComparison

Progress = Callable[[str], None]
ByPolicy = list[list[WindowVerdicts]]
"""What is said of some windows, by each policy."""
TRIALS = 3
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
    doubt: str


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a part: of each version's past, of each world without a change, of each shift by each policy."""

    past: list[ByPolicy]
    quiet: list[ByPolicy]
    delays: Mapping[InjectedChange, list[Delay]]
    watched: list[WatchedSignal]


def work(part: ReplayTask) -> TaskResult:
    """Return what comes of *part*; the same, wherever it is done."""
    bench = trials.policy_comparison(part.baseline, part.policies, part.series)
    known = bool(part.baseline.slices(*part.series))
    return TaskResult(
        past=[
            trials.window_verdicts(_bench(bench, baseline).run(slices), part.policies)
            if slices
            else [[] for _ in part.policies]
            for baseline, slices in part.past
        ],
        quiet=trials.quiet(bench, part.policies, part.seed, part.repetitions) if known else [],
        delays={shift: _delays(part, bench, shift) for shift in part.shifts},
        watched=watched(bench),
    )


def watched(bench: PolicyComparison) -> list[WatchedSignal]:
    """Return the variables that the first policy watches over time."""
    return [
        WatchedSignal(group.signal, name, doubt)
        for group in bench.outlooks()[0].groups
        for name, doubt in zip(group.panel.names, group.panel.violations, strict=True)
    ]


def work_all(parts: Sequence[ReplayTask], processes: int, tell: Progress) -> list[TaskResult]:
    """Return what comes of *parts*, in their order, worked on by so many processes; *tell* is told how far it is."""
    found: list[TaskResult] = []
    for done in _each(parts, processes):
        found.append(done)
        tell(f"{len(found)} of {len(parts)} parts done")
    return found


def _each(parts: Sequence[ReplayTask], processes: int) -> Iterator[TaskResult]:
    if processes == 1 or len(parts) == 1:
        yield from map(work, parts)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(work, parts)


def _bench(bench: PolicyComparison, baseline: Baseline) -> PolicyComparison:
    """Return *bench* on another baseline, if it is another."""
    return (
        bench if baseline is bench.baseline else PolicyComparison(baseline, bench.policies, bench.stage, bench.segment)
    )


def _delays(part: ReplayTask, bench: PolicyComparison, shift: InjectedChange) -> list[Delay]:
    change = inject.change(shift, part.baseline, part.feature)
    seeds = [(part.seed, 1, n) for n in range(TRIALS * part.repetitions)]
    return trials.delays(bench, part.policies, change, shift.kind, seeds)
