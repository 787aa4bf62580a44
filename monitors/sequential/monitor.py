"""From window reports in order to verdicts that keep the false-alarm promise: what slices say over time.

A window by itself is only described (:mod:`monitors.verdicts.window_verdict`): windows overlap, and days of a quiet
year differ too. A report becomes *drift* when the evidence of all slices since the baseline reaches what the budget
asks (:mod:`monitors.budget`, :mod:`monitors.sequential.panel`) and the window's effect is worth telling; it stays so
until, for a whole window, the interval of the effect has reached below that (hysteresis). Where ranks promise nothing,
windows decide, and the verdict says that it stands outside the promise. Everything follows from the baseline, the
policy and the reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from features.window import to_ms
from monitors.finding import Finding, SequentialVerdict, Signal, Verdict
from monitors.report import Report
from monitors.sequential import panel
from monitors.sequential.slice_scores import add
from monitors.stats.distance import Distances

EARLY = 10
"""A drift that is found within so many slices of a version's first began with it: nothing drifted in between."""
CEILING = 1e12
"""Evidence is told up to here."""


@dataclass(frozen=True, eq=False)
class BudgetGroup:
    """The variables of one *signal* that share *share* of the budget, and what their evidence has to reach.

    The panel's slices are *stride* slices merged. *weights* sum to 1. *least* is the effect worth telling.
    """

    signal: Signal
    panel: panel.Panel
    stride: int
    share: float
    weights: Distances
    evidence_required: float
    min_effect: float


@dataclass(frozen=True, eq=False)
class MonitoringPlan:
    """All groups of one model version, segment and stage. *until* (ms) is the baseline's end: slices before are in it.

    A window has *window* slices of *slide* ms. *promise* is the budget in words.
    """

    groups: tuple[BudgetGroup, ...]
    reference_end: int
    slide: int
    window: int
    budget_text: str


@dataclass(frozen=True)
class DriftState:
    """What is remembered of one variable: since when (ms) it is *away*, and how many windows in a row it
    was *beyond* its line, or *calm* again."""

    drift_since: int | None = None
    guaranteed: bool = True
    windows_over: int = 0
    windows_clear: int = 0


@dataclass(frozen=True, eq=False)
class GroupState:
    """A panel's *state*, and the counts of slices that wait to be merged, of the stretch from *start* (ms) on."""

    panel_state: panel.PanelState
    start: int = 0
    waiting_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MonitorState:
    """The state of an outlook after some reports: what each group holds, in order, and a course a variable.

    *first* (ms) is where the first slice that was judged starts.
    """

    groups: tuple[GroupState, ...]
    drift_states: Mapping[tuple[Signal, str], DriftState] = field(default_factory=dict)
    first_slice: int | None = None


def initial_state(outlook: MonitoringPlan) -> MonitorState:
    """Return the memory before any report."""
    return MonitorState(tuple(GroupState(g.panel.initial_state()) for g in outlook.groups))


def plain(report: Report) -> Report:
    """Return *report* as its window alone made it: the inverse of :func:`judge`."""
    return report.model_copy(update={"findings": tuple(_plain(f) for f in report.findings)})


def judge(outlook: MonitoringPlan, memory: MonitorState, report: Report) -> tuple[MonitorState, Report]:
    """Return the memory after *report*, the next one in the order of window ends, and the report with its verdicts."""
    report = plain(report)
    start_ms = to_ms(report.window_end) - outlook.slide
    if not report.newest_slice or start_ms < outlook.reference_end:
        return memory, report
    findings = {(f.signal, f.variable): f for f in report.findings}
    held, courses = [], dict(memory.drift_states)
    first = start_ms if memory.first_slice is None else memory.first_slice
    for group, before in zip(outlook.groups, memory.groups, strict=True):
        now = _GroupUpdate(
            outlook, group, start_ms, first, {v: findings.get((group.signal, v)) for v in group.panel.names}
        )
        after, told = now.judge(before, report.newest_slice, courses)
        held.append(after)
        findings |= {(group.signal, f.variable): f for f in told}
    judged = tuple(findings[f.signal, f.variable] for f in report.findings)
    return MonitorState(tuple(held), courses, first), report.model_copy(update={"findings": judged})


def judge_all(outlook: MonitoringPlan, reports: Iterable[Report]) -> Iterator[Report]:
    """Yield every report, in the order of window ends, with its verdicts."""
    memory = initial_state(outlook)
    for report in reports:
        memory, judged = judge(outlook, memory, report)
        yield judged


def _plain(finding: Finding) -> Finding:
    """Return *finding* without a verdict of ours; the error stream's, which has no share of the budget, stays."""
    ours = finding.sequential is not None and finding.sequential.budget_share is not None
    return finding.model_copy(update={"sequential": None}) if ours else finding


@dataclass(frozen=True, eq=False)
class _GroupUpdate:
    """One slice's look at one group: *found* is what the window alone says of each variable, None if nothing."""

    outlook: MonitoringPlan
    group: BudgetGroup
    start: int
    first: int
    findings: Mapping[str, Finding | None]

    def judge(
        self, held: GroupState, newest: Mapping[str, Sequence[int]], courses: dict[tuple[Signal, str], DriftState]
    ) -> tuple[GroupState, list[Finding]]:
        """Return what the group holds next and the findings over time; *courses* are moved on in place."""
        names, signal = self.group.panel.names, self.group.signal
        before = [courses.get((signal, v), DriftState()) for v in names]
        judged = np.array([(f := self.findings[v]) is not None and f.effect is not None for v in names])
        held = self._add_slice(held, self._judged_counts(newest, judged))
        given = self._contributions(held.panel_state, judged, before)
        drivers = (
            self._alarming(held.panel_state, given) if given.sum() >= self.group.evidence_required else judged & False
        )
        after = [
            self._next_drift_state(c, v, bool(d), bool(j))
            for c, v, d, j in zip(before, names, drivers, judged, strict=True)
        ]
        courses |= {(signal, v): c for v, c in zip(names, after, strict=True)}
        told = [
            self._with_verdict(v, c, float(e)) for v, c, e in zip(names, after, given, strict=True) if self.findings[v]
        ]
        away = np.array([c.drift_since is not None for c in after])
        back = np.array(
            [b.drift_since is not None and a.drift_since is None for b, a in zip(before, after, strict=True)]
        )
        reset = back | drivers.any()
        return replace(
            held, panel_state=self.group.panel.update_calibration(held.panel_state, away=away, reset=reset)
        ), told

    def _add_slice(self, held: GroupState, newest: Mapping[str, Sequence[int]]) -> GroupState:
        """Look at the slice, or wait for the others that it is merged with: the last of a stretch is looked at."""
        stretch = self.outlook.slide * self.group.stride
        start = self.start - self.start % stretch
        counts = add(held.waiting_counts, newest) if start == held.start else dict(newest)
        if self.start + self.outlook.slide < start + stretch:
            return GroupState(held.panel_state, start, counts)
        return GroupState(self.group.panel.observe(held.panel_state, start, counts))

    def _judged_counts(self, newest: Mapping[str, Sequence[int]], judged: panel.Flags) -> Mapping[str, Sequence[int]]:
        """Leave out the counts of variables that were not judged: what is faulty is no evidence of drift."""
        if len(judged) == 1:
            return newest if judged[0] else {}
        faulty = {v for v, known in zip(self.group.panel.names, judged, strict=True) if not known}
        return {v: counts for v, counts in newest.items() if v not in faulty}

    def _contributions(self, state: panel.PanelState, judged: panel.Flags, before: list[DriftState]) -> Distances:
        """Return what each variable gives to the sum: its weighted e-detector, if its effect is worth telling."""
        large = [
            (f := self.findings[v]) is not None and (f.effect or 0.0) >= self.group.min_effect
            for v in self.group.panel.names
        ]
        home = [c.drift_since is None for c in before]
        own = np.exp(np.minimum(self.group.panel.log_evidence(state), math.log(CEILING)))
        return np.asarray(np.where(judged & large & home & self.group.panel.guaranteed, self.group.weights * own, 0.0))

    def _alarming(self, state: panel.PanelState, given: Distances) -> panel.Flags:
        """Return who raised the alarm: who gives most, and all that would have raised it on their own."""
        alone = self.group.panel.log_evidence(state) >= math.log(self.group.evidence_required)
        return np.asarray((given > 0) & (alone | (given == given.max())))

    def _next_drift_state(self, was: DriftState, variable: str, driver: bool, judged: bool) -> DriftState:
        finding = self.findings[variable]
        if finding is None or not judged or finding.effect is None or finding.threshold is None:
            return was
        low = finding.interval[0] if finding.interval else finding.effect
        if was.drift_since is not None:
            calm = was.windows_clear + 1 if low <= self.group.min_effect else 0
            return DriftState() if calm >= self.outlook.window else replace(was, windows_clear=calm)
        if driver:
            return DriftState(self.start)
        run = was.windows_over + 1 if finding.effect > finding.threshold else 0
        fallen_back = run >= self.outlook.window and low > self.group.min_effect and self._violation(variable)
        return DriftState(self.start, guaranteed=False) if fallen_back else DriftState(windows_over=run)

    def _violation(self, variable: str) -> str:
        return self.group.panel.violations[self.group.panel.names.index(variable)]

    def _with_verdict(self, variable: str, course: DriftState, given: float) -> Finding:
        finding = self.findings[variable]
        assert finding is not None  # the caller has looked
        doubt, at = self._violation(variable), self.group.panel.names.index(variable)
        verdict = finding.verdict
        if course.drift_since is not None:
            verdict = Verdict.DRIFT
        elif verdict is Verdict.DRIFT:
            verdict = Verdict.NOT_ENOUGH if doubt else Verdict.STEADY
        sequential = SequentialVerdict(
            verdict=verdict,
            guaranteed=course.guaranteed if course.drift_since is not None else not doubt,
            budget_share=round(self.group.share * float(self.group.weights[at]), 6),
            evidence=round(min(given, CEILING), 3),
            evidence_required=round(self.group.evidence_required, 1),
            note=self._note(finding, course, given, doubt),
        )
        return finding.model_copy(update={"sequential": sequential})

    def _note(self, finding: Finding, course: DriftState, given: float, doubt: str) -> str:
        evidence = (
            f"evidence {given:,.1f} of the {self.group.evidence_required:,.0f} that {self.outlook.budget_text} asks"
        )
        if course.drift_since == self.start:
            return self._early() + (f"drift: {evidence}" if course.guaranteed else self._outside(doubt))
        if course.drift_since is not None:
            return (
                "drift goes on"
                if course.windows_clear == 0
                else f"within its line for {course.windows_clear} of {self.outlook.window}"
            )
        if doubt:
            return f"no promise can be made: {doubt}"
        return evidence if finding.verdict is not Verdict.DRIFT else f"beyond its line, but {evidence}"

    def _early(self) -> str:
        age = (self.start - self.first) // self.outlook.slide
        return "from its first slices on, as training-serving skew would be: " if age < EARLY else ""

    def _outside(self, doubt: str) -> str:
        run = f"beyond its line in {self.outlook.window} windows in a row"
        return f"drift, outside the false-alarm promise ({doubt}): {run}"
