"""The replay: runs policies on the recorded past, on null worlds and on injected changes, and collects outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from features.errors import NotFound
from features.window import to_ms
from leeway.project import validation_errors
from leeway.project.load import Model
from leeway.replay import parallel, replayed_incidents, trials
from leeway.replay.history import Series, Stretch
from leeway.replay.parallel import ByPolicy, Progress, ReplayTask, TaskResult, WatchedSignal
from leeway.replay.policies import Policy
from leeway.replay.replayed_incidents import ReplayedIncident
from leeway.replay.trials import DetectionDelay, FalseAlarmRate
from monitors.baseline import importance
from monitors.baseline.baseline import Baseline
from monitors.finding import Signal, Stage
from monitors.simulation import concept_shift, inject, rewindow
from monitors.simulation.inject import ChangeKind, InjectedChange
from retrain_flows import decide
from retrain_flows.decide import Decision, Deferral, Situation

DEFAULT_SIZES: Mapping[ChangeKind, tuple[float, ...]] = {
    ChangeKind.COVARIATE: (0.25, 0.5, 1.0),
    ChangeKind.PRIOR: (0.05, 0.1, 0.2),
    ChangeKind.CONCEPT: (0.05, 0.1, 0.2),
    ChangeKind.MISSING: (0.1, 0.5),
    ChangeKind.UNITS: (1.0,),
    ChangeKind.STUCK: (1.0,),
}
"""Sizes of the changes that are injected by default, in the unit of each kind."""


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """The settings of a replay.

    Parameters
    ----------
    policies
        The policies to compare, the project's first.
    shifts, feature
        The changes to inject, and the feature of covariate shifts and faults.
    within
        How soon a change should be detected.
    seed, repetitions
        Seed of all random draws, and the number of null worlds.
    processes
        Number of worker processes.
    """

    policies: tuple[Policy, ...]
    shifts: tuple[InjectedChange, ...]
    feature: str
    within: timedelta
    seed: int
    repetitions: int
    processes: int = 1


@dataclass(frozen=True, slots=True)
class DecidedIncident:
    """A replayed incident, and the decision that would have been made."""

    replayed: ReplayedIncident
    decision: Decision | Deferral


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """The outcome of a replay for one policy; *watched* are its monitored variables of all traffic."""

    policy: Policy
    rate: FalseAlarmRate
    incidents: tuple[DecidedIncident, ...]
    delays: Mapping[InjectedChange, DetectionDelay]
    watched: tuple[WatchedSignal, ...]

    @property
    def without_guarantee(self) -> list[WatchedSignal]:
        """The variables that the guarantee does not cover."""
        return [one for one in self.watched if one.violation]


def replay_all(
    stretches: Sequence[Stretch], baseline: Baseline, model: Model, order: ReplayOrder, report_progress: Progress
) -> list[PolicyOutcome]:
    """Return the outcome for each policy of *order*: incidents from *stretches*, the rest from *baseline*.

    Raises
    ------
    DataError
        A policy's windows do not fit the recorded slices, or a change is larger than counts can show.
    NotEnoughData
        The baseline is too short.
    """
    for shift in order.shifts:
        inject.change(shift, baseline, order.feature)  # raises for an impossible size before anything is run
    groups = by_windows(order.policies)
    tasks = [part for policies in groups for part in _tasks(stretches, baseline, policies, order)]
    done = list(zip(tasks, parallel.run_tasks(tasks, order.processes, report_progress), strict=True))
    outcomes: dict[str, PolicyOutcome] = {}
    for policies in groups:
        of = _PolicyGroup(policies, tuple((part, d) for part, d in done if part.policies is policies))
        outcomes |= {policy.name: of.outcome(i, model, order) for i, policy in enumerate(policies)}
    return [outcomes[policy.name] for policy in order.policies]


def by_windows(policies: Iterable[Policy]) -> list[tuple[Policy, ...]]:
    """Return *policies* grouped by their windows."""
    by: dict[str, list[Policy]] = {}
    for policy in policies:
        by.setdefault(policy.rules.windows.model_dump_json(), []).append(policy)
    return [tuple(some) for some in by.values()]


def shifts(baseline: Baseline, requested: Mapping[ChangeKind, Sequence[float]]) -> tuple[InjectedChange, ...]:
    """Return the *requested* changes, by default those of `DEFAULT_SIZES` that *baseline* can show."""
    if requested:
        return tuple(InjectedChange(kind, size) for kind, sizes in requested.items() for size in sizes)
    known = [kind for kind in DEFAULT_SIZES if baseline.outcomes or kind.stage is Stage.INPUTS]
    every = (InjectedChange(kind, size) for kind in known for size in DEFAULT_SIZES[kind])
    return tuple(
        shift
        for shift in every
        if shift.kind is not ChangeKind.CONCEPT or shift.size <= concept_shift.largest_concept_shift(baseline)
    )


def shifted_feature(baseline: Baseline, policy: Policy, requested: str | None) -> str:
    """Return the feature to change: the *requested* one, by default the most important one with a guarantee.

    Raises NotFound if there is no such feature.
    """
    names = list(baseline.events.features)
    if requested is not None and requested not in names:
        msg = f"{baseline.events.model} has no feature {requested!r}"
        raise NotFound(
            msg, hint=f"its features are {', '.join(names)}{validation_errors.did_you_mean(requested, names)}"
        )
    if requested is not None:
        return requested
    comparison = trials.policy_comparison(rewindow.recut(baseline, policy.rules.windows), (policy,), (Stage.INPUTS, ""))
    violating = {one.variable for one in parallel.watched(comparison) if one.violation and one.signal is Signal.FEATURE}
    ranked = importance.rank(baseline.importance, names)
    return next((name for name in ranked if name not in violating), ranked[0])


def _tasks(
    stretches: Sequence[Stretch], baseline: Baseline, policies: tuple[Policy, ...], order: ReplayOrder
) -> Iterator[ReplayTask]:
    """Yield a task for each series that was recorded or is in the baseline."""
    windows = policies[0].rules.windows
    cut, slide = rewindow.recut(baseline, windows), to_ms(windows.slide)
    own = [cut if s.baseline == baseline else rewindow.recut(s.baseline, windows) for s in stretches]
    every = {Stage.INPUTS: baseline.inputs, Stage.OUTCOMES: baseline.outcomes}
    known = {(stage, s.segment) for stage, slices in every.items() for s in slices}
    for series in sorted(known.union(*(s.slices for s in stretches)), key=_in_order):
        past = tuple((b, tuple(rewindow.merged_slices(s.slices.get(series, ()), slide)))
                     for b, s in zip(own, stretches, strict=True))  # fmt: skip
        shifts = tuple(shift for shift in order.shifts if series == (shift.kind.stage, ""))
        yield ReplayTask(series=series, policies=policies, past=past, baseline=cut, shifts=shifts,
                         feature=order.feature, seed=order.seed, repetitions=order.repetitions)  # fmt: skip


def _in_order(series: Series) -> tuple[int, str]:
    return list(Stage).index(series[0]), series[1]


@dataclass(frozen=True, slots=True)
class _PolicyGroup:
    """The finished tasks of policies with the same windows."""

    policies: tuple[Policy, ...]
    done: tuple[tuple[ReplayTask, TaskResult], ...]

    def outcome(self, i: int, model: Model, order: ReplayOrder) -> PolicyOutcome:
        """Return the outcome for the *i*-th policy."""
        policy, worlds = self.policies[i], range(order.repetitions)
        false = [self._alarms(i, (d.null_worlds[n] for _, d in self.done if d.null_worlds)) for n in worlds]
        return PolicyOutcome(
            policy=policy,
            rate=FalseAlarmRate(
                sum(map(len, false)), order.repetitions * trials.NULL_WORLD_SLICES * policy.rules.windows.slide
            ),
            incidents=tuple(_decided(list(chain.from_iterable(self._past(i))), policy, model)),
            delays={shift: found[i] for _, d in self.done for shift, found in d.delays.items()},
            watched=tuple(one for part, d in self.done if not part.series[1] for one in d.watched),
        )

    def _past(self, i: int) -> Iterator[list[ReplayedIncident]]:
        for v, (baseline, _) in enumerate(self.done[0][0].past):
            yield self._alarms(i, (d.past[v] for _, d in self.done), baseline.version)

    def _alarms(self, i: int, said: Iterable[ByPolicy], version: str = "") -> list[ReplayedIncident]:
        rules, baseline = self.policies[i].rules, self.done[0][0].baseline
        every = chain.from_iterable(by[i] for by in said)
        return replayed_incidents.replayed_incidents(
            every, rules.incidents, model=baseline.events.model, version=version, ignored=rules.signals.ignored
        )


def _decided(found: Sequence[ReplayedIncident], policy: Policy, model: Model) -> Iterator[DecidedIncident]:
    for alarm in found:
        at = alarm.opened.opened_at
        situation = Situation(
            now=at,
            matured_until=at,
            matured_rows=model.retrain.min_rows if model.retrain else 0,
        )
        answer = decide.decide(alarm.opened, signals=policy.rules.signals, retrain=model.retrain, situation=situation)
        yield DecidedIncident(alarm, answer)
