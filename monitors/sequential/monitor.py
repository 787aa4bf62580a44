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
from monitors.report import Finding, Report, Signal, Verdict
from monitors.sequential import panel
from monitors.sequential.slice_scores import add
from monitors.stats.distance import Distances

EARLY = 10
"""A drift that is found within so many slices of a version's first began with it: nothing drifted in between."""
CEILING = 1e12
"""Evidence is told up to here."""


@dataclass(frozen=True, eq=False)
class Group:
    """The variables of one *signal* that share *share* of the budget, and what their evidence has to reach.

    The panel's slices are *stride* slices merged. *weights* sum to 1. *least* is the effect worth telling.
    """

    signal: Signal
    panel: panel.Panel
    stride: int
    share: float
    weights: Distances
    needed: float
    least: float


@dataclass(frozen=True, eq=False)
class Outlook:
    """All groups of one model version, segment and stage. *until* (ms) is the baseline's end: slices before are in it.

    A window has *window* slices of *slide* ms. *promise* is the budget in words.
    """

    groups: tuple[Group, ...]
    until: int
    slide: int
    window: int
    promise: str


@dataclass(frozen=True)
class Course:
    """What is remembered of one variable: since when (ms) it is *away*, and how many windows in a row it
    was *beyond* its line, or *calm* again."""

    away: int | None = None
    promised: bool = True
    beyond: int = 0
    calm: int = 0


@dataclass(frozen=True, eq=False)
class Held:
    """A panel's *state*, and the counts of slices that wait to be merged, of the stretch from *start* (ms) on."""

    state: panel.State
    start: int = 0
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Memory:
    """The state of an outlook after some reports: what each group holds, in order, and a course a variable.

    *first* (ms) is where the first slice that was judged starts.
    """

    held: tuple[Held, ...]
    courses: Mapping[tuple[Signal, str], Course] = field(default_factory=dict)
    first: int | None = None


def start(outlook: Outlook) -> Memory:
    """Return the memory before any report."""
    return Memory(tuple(Held(g.panel.start()) for g in outlook.groups))


def plain(report: Report) -> Report:
    """Return *report* as its window alone made it: the inverse of :func:`judge`."""
    return report.model_copy(update={"findings": tuple(_plain(f) for f in report.findings)})


def judge(outlook: Outlook, memory: Memory, report: Report) -> tuple[Memory, Report]:
    """Return the memory after *report*, the next one in the order of window ends, and the report with its verdicts."""
    report = plain(report)
    start_ms = to_ms(report.window_end) - outlook.slide
    if not report.newest or start_ms < outlook.until:
        return memory, report
    findings = {(f.signal, f.variable): f for f in report.findings}
    held, courses = [], dict(memory.courses)
    first = start_ms if memory.first is None else memory.first
    for group, before in zip(outlook.groups, memory.held, strict=True):
        now = _Look(outlook, group, start_ms, first, {v: findings.get((group.signal, v)) for v in group.panel.names})
        after, told = now.judge(before, report.newest, courses)
        held.append(after)
        findings |= {(group.signal, f.variable): f for f in told}
    judged = tuple(findings[f.signal, f.variable] for f in report.findings)
    return Memory(tuple(held), courses, first), report.model_copy(update={"findings": judged})


def judge_all(outlook: Outlook, reports: Iterable[Report]) -> Iterator[Report]:
    """Yield every report, in the order of window ends, with its verdicts."""
    memory = start(outlook)
    for report in reports:
        memory, judged = judge(outlook, memory, report)
        yield judged


def _plain(finding: Finding) -> Finding:
    if finding.alone is None:
        return finding
    nothing = {"share": None, "evidence": None, "needed": None, "promised": None, "alone": None, "over_time": ""}
    return finding.model_copy(update={**nothing, "verdict": finding.alone})


@dataclass(frozen=True, eq=False)
class _Look:
    """One slice's look at one group: *found* is what the window alone says of each variable, None if nothing."""

    outlook: Outlook
    group: Group
    start: int
    first: int
    found: Mapping[str, Finding | None]

    def judge(
        self, held: Held, newest: Mapping[str, Sequence[int]], courses: dict[tuple[Signal, str], Course]
    ) -> tuple[Held, list[Finding]]:
        """Return what the group holds next and the findings over time; *courses* are moved on in place."""
        names, signal = self.group.panel.names, self.group.signal
        before = [courses.get((signal, v), Course()) for v in names]
        judged = np.array([(f := self.found[v]) is not None and f.effect is not None for v in names])
        held = self._hold(held, self._kept(newest, judged))
        given = self._given(held.state, judged, before)
        drivers = self._drivers(held.state, given) if given.sum() >= self.group.needed else judged & False
        after = [
            self._course(c, v, bool(d), bool(j)) for c, v, d, j in zip(before, names, drivers, judged, strict=True)
        ]
        courses |= {(signal, v): c for v, c in zip(names, after, strict=True)}
        told = [self._tell(v, c, float(e)) for v, c, e in zip(names, after, given, strict=True) if self.found[v]]
        away = np.array([c.away is not None for c in after])
        back = np.array([b.away is not None and a.away is None for b, a in zip(before, after, strict=True)])
        reset = back | drivers.any()
        return replace(held, state=self.group.panel.settle(held.state, away=away, reset=reset)), told

    def _hold(self, held: Held, newest: Mapping[str, Sequence[int]]) -> Held:
        """Look at the slice, or wait for the others that it is merged with: the last of a stretch is looked at."""
        stretch = self.outlook.slide * self.group.stride
        start = self.start - self.start % stretch
        counts = add(held.counts, newest) if start == held.start else dict(newest)
        if self.start + self.outlook.slide < start + stretch:
            return Held(held.state, start, counts)
        return Held(self.group.panel.look(held.state, start, counts))

    def _kept(self, newest: Mapping[str, Sequence[int]], judged: panel.Flags) -> Mapping[str, Sequence[int]]:
        """Leave out the counts of variables that were not judged: what is faulty is no evidence of drift."""
        if len(judged) == 1:
            return newest if judged[0] else {}
        faulty = {v for v, known in zip(self.group.panel.names, judged, strict=True) if not known}
        return {v: counts for v, counts in newest.items() if v not in faulty}

    def _given(self, state: panel.State, judged: panel.Flags, before: list[Course]) -> Distances:
        """Return what each variable gives to the sum: its weighted e-detector, if its effect is worth telling."""
        large = [
            (f := self.found[v]) is not None and (f.effect or 0.0) >= self.group.least for v in self.group.panel.names
        ]
        home = [c.away is None for c in before]
        own = np.exp(np.minimum(self.group.panel.log_evidence(state), math.log(CEILING)))
        return np.asarray(np.where(judged & large & home & self.group.panel.promised, self.group.weights * own, 0.0))

    def _drivers(self, state: panel.State, given: Distances) -> panel.Flags:
        """Return who raised the alarm: who gives most, and all that would have raised it on their own."""
        alone = self.group.panel.log_evidence(state) >= math.log(self.group.needed)
        return np.asarray((given > 0) & (alone | (given == given.max())))

    def _course(self, was: Course, variable: str, driver: bool, judged: bool) -> Course:
        finding = self.found[variable]
        if finding is None or not judged or finding.effect is None or finding.threshold is None:
            return was
        low = finding.interval[0] if finding.interval else finding.effect
        if was.away is not None:
            calm = was.calm + 1 if low <= self.group.least else 0
            return Course() if calm >= self.outlook.window else replace(was, calm=calm)
        if driver:
            return Course(self.start)
        run = was.beyond + 1 if finding.effect > finding.threshold else 0
        fallen_back = run >= self.outlook.window and low > self.group.least and self._doubt(variable)
        return Course(self.start, promised=False) if fallen_back else Course(beyond=run)

    def _doubt(self, variable: str) -> str:
        return self.group.panel.doubts[self.group.panel.names.index(variable)]

    def _tell(self, variable: str, course: Course, given: float) -> Finding:
        finding = self.found[variable]
        assert finding is not None  # the caller has looked
        doubt, at = self._doubt(variable), self.group.panel.names.index(variable)
        verdict = finding.verdict
        if course.away is not None:
            verdict = Verdict.DRIFT
        elif verdict is Verdict.DRIFT:
            verdict = Verdict.NOT_ENOUGH if doubt else Verdict.STEADY
        return finding.model_copy(update={
            "verdict": verdict, "alone": finding.verdict,
            "share": round(self.group.share * float(self.group.weights[at]), 6),
            "evidence": round(min(given, CEILING), 3), "needed": round(self.group.needed, 1),
            "promised": course.promised if course.away is not None else not doubt,
            "over_time": self._words(finding, course, given, doubt),
        })  # fmt: skip

    def _words(self, finding: Finding, course: Course, given: float, doubt: str) -> str:
        evidence = f"evidence {given:,.1f} of the {self.group.needed:,.0f} that {self.outlook.promise} asks"
        if course.away == self.start:
            return self._early() + (f"drift: {evidence}" if course.promised else self._outside(doubt))
        if course.away is not None:
            return (
                "drift goes on" if course.calm == 0 else f"within its line for {course.calm} of {self.outlook.window}"
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
