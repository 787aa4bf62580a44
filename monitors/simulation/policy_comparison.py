"""Policy comparison: several monitor settings judge the same windows, each as the monitor would with it alone.

Everything goes through the functions that the monitor uses. Policies that differ in their budget only share what does
not depend on it: the fitted panels, and the description of a window, as one without a fault at one budget has none at a
stricter one. Evidence is added up for each, since what a bet pays depends on the line that it may reach.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property

from features.schema import PREDICTION
from features.window import from_ms, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.sequential import monitor
from monitors.sequential.monitoring_plan import MonitoringPlan
from monitors.sequential.panel import Panel
from monitors.simulation import rewindow
from monitors.simulation.rewindow import CountedWindow
from monitors.verdicts import plan, window_verdict

Findings = tuple[Finding, ...]
"""The findings of one window."""
KeyedWindow = tuple[CountedWindow, Hashable]
"""A window, and a key that identifies its counts; None if there is none."""


@dataclass(frozen=True, eq=False)
class PolicyComparison:
    """Several policies on one stage and segment of a baseline, all with the baseline's windows.

    Parameters
    ----------
    baseline
        The baseline that windows are compared with.
    policies
        The monitor settings.
    stage, segment
        Whose windows are judged.
    """

    baseline: Baseline
    policies: tuple[MonitorPolicy, ...]
    stage: Stage
    segment: str = ""
    _findings_by_key: dict[Hashable, list[Findings]] = field(default_factory=dict)

    def monitoring_plans(self, reference: Baseline | None = None) -> list[MonitoringPlan]:
        """Return the monitoring plan of each policy, fitted to *reference* if there is one, else to the baseline."""
        fitted = {
            i: plan.monitoring_plan(reference or self.baseline, self.policies[i], self.stage, self.segment)
            for i in set(self._leaders)
        }
        return [
            with_budget(fitted[i], self.policies[i], policy)
            for i, policy in zip(self._leaders, self.policies, strict=True)
        ]

    def run(self, slices: Sequence[Slice]) -> Iterator[list[Report]]:
        """Yield the reports, one a policy, on each window of *slices* (oldest first) that ends after the baseline."""
        cut = self.baseline.events.windows
        every = rewindow.windows(slices, cut.slices, to_ms(cut.slide))
        last = to_ms(cut.size) - to_ms(cut.slide)
        later = ((w, None) for w in every if w.start + last >= to_ms(self.baseline.end))
        yield from self.judge(later, self.monitoring_plans())

    def judge(self, windows: Iterable[KeyedWindow], plans: Sequence[MonitoringPlan]) -> Iterator[list[Report]]:
        """Yield the reports, one a policy, on each window.

        Windows with equal keys are described only once.

        Parameters
        ----------
        windows
            The windows with their keys, oldest first.
        plans
            The monitoring plan of each policy.
        """
        states = [monitor.initial_state(each) for each in plans]
        for window, key in windows:
            judged = [
                monitor.judge(fitted, state, self._report(window, found))
                for fitted, state, found in zip(plans, states, self._findings(window, key), strict=True)
            ]
            states = [state for state, _ in judged]
            yield [report for _, report in judged]

    @cached_property
    def _order(self) -> list[int]:
        """The policies from the loosest budget to the strictest."""
        slide = self.baseline.events.windows.slide
        return sorted(range(len(self.policies)), key=lambda i: self.policies[i].false_alarms.slices(slide))

    @cached_property
    def _leaders(self) -> list[int]:
        """Return, for each policy, the index of the one with the same settings and the largest budget."""
        alike = [_but_for_budget(policy) for policy in self.policies]
        return [next(j for j in self._order if alike[j] == one) for one in alike]

    def _findings(self, window: CountedWindow, key: Hashable) -> list[Findings]:
        """Return the findings by each policy on a window, from the cache if its key is there."""
        findings = None if key is None else self._findings_by_key.get(key)
        if findings is None:
            findings = self._findings_by_policy(window)
        if key is not None:
            self._findings_by_key[key] = findings
        return findings

    def _findings_by_policy(self, window: CountedWindow) -> list[Findings]:
        findings: dict[int, Findings] = {}
        for i in self._order:
            shared = findings.get(self._leaders[i])
            findings[i] = (
                self._window_findings(window, self.policies[i]) if shared is None or _faulty(shared) else shared
            )
        return [findings[i] for i in range(len(self.policies))]

    def _window_findings(self, window: CountedWindow, policy: MonitorPolicy) -> Findings:
        """Return the findings of one window by one policy."""
        return window_verdict.judge(
            self.baseline,
            policy,
            stage=self.stage,
            segment=self.segment,
            start_ms=window.start,
            counts=window.counts,
            newest=window.newest,
            window_slices=self.baseline.events.windows.slices,
            slices_with_events=window.slices_with_events,
        )

    def _report(self, window: CountedWindow, findings: Findings) -> Report:
        events, start = self.baseline.events, from_ms(window.start)
        rows = sum(window.counts[PREDICTION if self.stage is Stage.INPUTS else "coverage"])
        return Report(model=events.model, version=self.baseline.version, segment=self.segment, stage=self.stage,
                      window_start=start, window_end=start + events.windows.size, baseline="", rows=rows,
                      counts=dict(window.counts), newest_slice=dict(window.newest), findings=findings)  # fmt: skip


def with_budget(fitted: MonitoringPlan, was: MonitorPolicy, now: MonitorPolicy) -> MonitoringPlan:
    """Return the plan *fitted* by the policy *was* as the policy *now* has it, which differs in its budget only."""
    slide = timedelta(milliseconds=fitted.slide)
    by = now.false_alarms.slices(slide) / was.false_alarms.slices(slide)
    groups = tuple(
        replace(group, panel=_moved(group.panel, by), evidence_required=group.evidence_required * by)
        for group in fitted.groups
    )
    return replace(fitted, groups=groups, budget_text=str(now.false_alarms))


def _moved(fitted: Panel, by: float) -> Panel:
    return fitted if fitted.lines is None else replace(fitted, lines=fitted.lines * by)


def _but_for_budget(policy: MonitorPolicy) -> MonitorPolicy:
    return policy.model_copy(update={"false_alarms": MonitorPolicy().false_alarms})


def _faulty(findings: Findings) -> bool:
    return any(f.signal is Signal.QUALITY and f.verdict is Verdict.DRIFT for f in findings)
