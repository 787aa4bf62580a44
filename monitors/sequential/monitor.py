"""Sequential monitor: from window reports in order to verdicts that keep the false-alarm budget over time.

A window by itself is only described (:mod:`monitors.verdicts.window_verdict`): windows overlap, and the days of a quiet
year differ too. A variable is in *drift* when the evidence of all slices since the baseline reaches what the budget
requires (:mod:`monitors.budget`, :mod:`monitors.sequential.panel`) and the window's effect is at least the minimum
effect. It stays so until, for a whole window, the interval of the effect has reached below that (hysteresis). Where the
assumptions of the guarantee are violated, windows decide, and the verdict says that it is not guaranteed.

Everything follows from the baseline, the policy and the reports, so that an audit can judge them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.window import to_ms
from monitors.finding import Finding, SequentialVerdict, Signal, Verdict
from monitors.report import Report
from monitors.sequential import panel
from monitors.sequential.monitoring_plan import BudgetGroup, DriftState, GroupState, MonitoringPlan, MonitorState
from monitors.sequential.slice_scores import add
from monitors.stats.distance import Distances

EARLY_SLICES = 10
"""Slices of a version within which a drift is called one from the start: that is about the delay with which a large
shift is found (docs/statistics/power.md), so nothing need have changed in between."""
EVIDENCE_CEILING = 1e12
"""Largest evidence that is reported: far above any requirement, and still exact to three decimals."""


def initial_state(plan: MonitoringPlan) -> MonitorState:
    """Return the state of a plan before any report."""
    return MonitorState(tuple(GroupState(g.panel.initial_state()) for g in plan.groups))


def without_sequential(report: Report) -> Report:
    """Return a report with single-window verdicts only: the inverse of :func:`judge`."""
    if not any(_is_ours(f) for f in report.findings):
        return report
    return report.model_copy(update={"findings": tuple(_without_sequential(f) for f in report.findings)})


def judge(plan: MonitoringPlan, state: MonitorState, report: Report) -> tuple[MonitorState, Report]:
    """Judge the next report of a series.

    A report without the counts of its newest slice, or of a slice in the baseline's period, changes nothing and has
    single-window verdicts only. After more than a window without slices a series begins anew: its version was put back
    into service, and what drifted before it was replaced need not drift now.

    Parameters
    ----------
    plan
        The monitoring plan of the report's version, segment and stage.
    state
        The state after all earlier reports of the series.
    report
        The next report in the order of window ends; sequential verdicts that it has already are replaced.

    Returns
    -------
    tuple
        The state after the report, and the report with sequential verdicts.
    """
    report = without_sequential(report)
    start_ms = to_ms(report.window_end) - plan.slide
    if not report.newest_slice or start_ms < plan.reference_end:
        return state, report
    if state.last_slice is not None and start_ms > state.last_slice + plan.slide * plan.window:
        state = initial_state(plan)
    findings = {(f.signal, f.variable): f for f in report.findings}
    group_states, drift_states = [], dict(state.drift_states)
    first = start_ms if state.first_slice is None else state.first_slice
    for group, before in zip(plan.groups, state.groups, strict=True):
        update = _GroupUpdate(
            plan, group, start_ms, first, {v: findings.get((group.signal, v)) for v in group.panel.names}
        )
        after, group_findings = update.judge(before, report.newest_slice, drift_states)
        group_states.append(after)
        findings |= {(group.signal, f.variable): f for f in group_findings}
    judged = tuple(findings[f.signal, f.variable] for f in report.findings)
    after_report = MonitorState(tuple(group_states), drift_states, first, start_ms)
    return after_report, report.model_copy(update={"findings": judged})


def judge_all(plan: MonitoringPlan, reports: Iterable[Report]) -> Iterator[Report]:
    """Yield the *reports* of one series on one baseline, in the order of window ends, with sequential verdicts."""
    state = initial_state(plan)
    for report in reports:
        state, judged = judge(plan, state, report)
        yield judged


def _without_sequential(finding: Finding) -> Finding:
    """Return a finding without a verdict by the budget."""
    return finding.model_copy(update={"sequential": None}) if _is_ours(finding) else finding


def _is_ours(finding: Finding) -> bool:
    """Return whether a finding has a verdict by the budget; that of the error stream has no share."""
    return finding.sequential is not None and finding.sequential.budget_share is not None


@dataclass(frozen=True, eq=False)
class _GroupUpdate:
    """The step from one slice to the next of one group; *findings* are the single window's, None where it has none."""

    plan: MonitoringPlan
    group: BudgetGroup
    start: int
    first: int
    findings: Mapping[str, Finding | None]

    def judge(
        self, state: GroupState, newest: Mapping[str, Sequence[int]], drift_states: dict[tuple[Signal, str], DriftState]
    ) -> tuple[GroupState, list[Finding]]:
        """Return the group's next state and the findings with sequential verdicts; updates *drift_states* in place."""
        names, signal = self.group.panel.names, self.group.signal
        before = [drift_states.get((signal, v), DriftState()) for v in names]
        judged = np.array([(f := self.findings[v]) is not None and f.effect is not None for v in names])
        state = self._add_slice(state, self._judged_counts(newest, judged))
        contributions = self._contributions(state.panel_state, judged, before)
        drivers = (
            self._alarming(state.panel_state, contributions)
            if contributions.sum() >= self.group.evidence_required
            else judged & False
        )
        after = [
            self._next_drift_state(c, v, d, j)
            for c, v, d, j in zip(before, names, drivers.tolist(), judged.tolist(), strict=True)
        ]
        drift_states |= {(signal, v): c for v, c in zip(names, after, strict=True)}
        weighted = zip(contributions.tolist(), self.group.weights.tolist(), strict=True)
        findings = [
            self._with_verdict(finding, c, *weight)
            for v, c, weight in zip(names, after, weighted, strict=True)
            if (finding := self.findings[v])
        ]
        drifting = np.array([c.drift_since is not None for c in after])
        back = np.array(
            [b.drift_since is not None and a.drift_since is None for b, a in zip(before, after, strict=True)]
        )
        reset = back | drivers.any()
        return replace(
            state, panel_state=self.group.panel.update_calibration(state.panel_state, drifting=drifting, reset=reset)
        ), findings

    def _add_slice(self, state: GroupState, newest: Mapping[str, Sequence[int]]) -> GroupState:
        """Return the state with the slice observed, or its counts waiting until the last of those it is merged with."""
        stretch = self.plan.slide * self.group.stride
        start = self.start - self.start % stretch
        counts = add(state.waiting_counts, newest) if start == state.start else dict(newest)
        if self.start + self.plan.slide < start + stretch:
            return GroupState(state.panel_state, start, counts)
        return GroupState(self.group.panel.observe(state.panel_state, start, counts))

    def _judged_counts(self, newest: Mapping[str, Sequence[int]], judged: panel.Flags) -> Mapping[str, Sequence[int]]:
        """Return the counts without those of variables that were not judged: a fault is no evidence of drift."""
        if len(judged) == 1:
            return newest if judged[0] else {}
        unjudged = {v for v, usable in zip(self.group.panel.names, judged, strict=True) if not usable}
        return {v: counts for v, counts in newest.items() if v not in unjudged}

    def _contributions(self, state: panel.PanelState, judged: panel.Flags, before: list[DriftState]) -> Distances:
        """Return what each variable adds to the evidence, (variables,): its weighted e-detector, or 0.

        It is 0 without a judged effect of at least the minimum, without a guarantee, and while in drift already.
        """
        large = [
            (f := self.findings[v]) is not None and (f.effect or 0.0) >= self.group.min_effect
            for v in self.group.panel.names
        ]
        steady = [c.drift_since is None for c in before]
        detectors = np.exp(np.minimum(self.group.panel.log_evidence(state), math.log(EVIDENCE_CEILING)))
        return np.asarray(
            np.where(judged & large & steady & self.group.panel.guaranteed, self.group.weights * detectors, 0.0)
        )

    def _alarming(self, state: panel.PanelState, contributions: Distances) -> panel.Flags:
        """Return which variables raised the alarm: the largest contribution, and all that would have sufficed alone."""
        alone = self.group.panel.log_evidence(state) >= math.log(self.group.evidence_required)
        return np.asarray((contributions > 0) & (alone | (contributions == contributions.max())))

    def _next_drift_state(self, before: DriftState, variable: str, driver: bool, judged: bool) -> DriftState:
        """Return where a variable is now; a *driver* has raised an alarm, one that was *judged* had no fault.

        Drift begins with an alarm or, where there is no guarantee, with a whole window of windows over their threshold.
        It ends when the interval has reached below the minimum effect for a whole window.
        """
        finding = self.findings[variable]
        if finding is None or not judged or finding.effect is None or finding.threshold is None:
            return before
        low = finding.interval[0] if finding.interval else finding.effect
        if before.drift_since is not None:
            clear = before.windows_clear + 1 if low <= self.group.min_effect else 0
            return DriftState() if clear >= self.plan.window else replace(before, windows_clear=clear)
        if driver:
            return DriftState(self.start)
        over = before.windows_over + 1 if finding.effect > finding.threshold else 0
        fallen_back = (
            over >= self.plan.window and low > self.group.min_effect and self.group.panel.violation_by_name[variable]
        )
        return DriftState(self.start, guaranteed=False) if fallen_back else DriftState(windows_over=over)

    def _with_verdict(self, finding: Finding, state: DriftState, contribution: float, weight: float) -> Finding:
        """Return the finding on a variable of this *weight* with its sequential verdict.

        A window that drifts by itself is not drift over time before the evidence says so: steady, or not enough
        evidence where there is no guarantee.
        """
        violation, verdict = self.group.panel.violation_by_name[finding.variable], finding.verdict
        if state.drift_since is not None:
            verdict = Verdict.DRIFT
        elif verdict is Verdict.DRIFT:
            verdict = Verdict.NOT_ENOUGH if violation else Verdict.STEADY
        sequential = SequentialVerdict(
            verdict=verdict,
            guaranteed=state.guaranteed if state.drift_since is not None else not violation,
            budget_share=round(self.group.share * weight, 6),
            evidence=round(min(contribution, EVIDENCE_CEILING), 3),
            evidence_required=round(self.group.evidence_required, 1),
            note=self._note(finding, state, contribution, violation),
        )
        return finding.model_copy(update={"sequential": sequential})

    def _note(self, finding: Finding, state: DriftState, contribution: float, violation: str) -> str:
        """Return the sequential verdict in a sentence, for pages and alerts."""
        required = f"{self.group.evidence_required:,.0f} required for {self.plan.budget_text}"
        evidence = f"evidence {contribution:,.1f} of {required}"
        if state.drift_since == self.start:
            return self._early() + (f"drift: {evidence}" if state.guaranteed else self._outside(violation))
        if state.drift_since is not None:
            clear = f"drift is ending: clear for {state.windows_clear} of {self.plan.window} windows"
            return clear if state.windows_clear else "drift continues"
        if violation:
            return f"no false-alarm guarantee: {violation}"
        return (
            evidence if finding.verdict is not Verdict.DRIFT else f"over its threshold in this window, but {evidence}"
        )

    def _early(self) -> str:
        age = (self.start - self.first) // self.plan.slide
        return "since the first slices of this version (training-serving skew?): " if age < EARLY_SLICES else ""

    def _outside(self, violation: str) -> str:
        over = f"over its threshold in {self.plan.window} windows in a row"
        return f"drift, outside the false-alarm guarantee ({violation}): {over}"
