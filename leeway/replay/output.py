"""A rehearsal as people and programs read it: tables on the terminal, or JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from features.window import format_span, from_ms, to_ms
from leeway.replay import advice, history, trials
from leeway.replay.advice import MONTH
from leeway.replay.history import Stretch
from leeway.replay.run_replay import DecidedIncident, PolicyOutcome, ReplayOrder
from leeway.replay.trials import Delay
from leeway.terminal import show
from monitors.baseline.baseline import Baseline
from monitors.finding import DriftEvidence, Finding
from registry.records import Action, Incident
from retrain_flows.decide import Deferral

_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What was rehearsed of *model*, and what was *found*, policy by policy."""

    model: str
    baseline: Baseline
    order: ReplayOrder
    past: tuple[Stretch, ...]
    found: tuple[PolicyOutcome, ...]

    @property
    def period(self) -> tuple[datetime, datetime]:
        """The ends of the first and the last slice of the past."""
        first, last = history.period(self.past)
        return from_ms(first), from_ms(last)

    @property
    def advice(self) -> list[str]:
        """What it suggests."""
        span = to_ms(self.baseline.end) - to_ms(self.baseline.start)
        slices = -(-span // to_ms(self.baseline.events.windows.slide))
        return advice.advice(self.found, self.order.within, slices=slices)


def show_tables(told: ReplayResult, *, everything: bool) -> None:
    """Print the tables, with the incidents of the first policy or of *everything*, and the suggestion."""
    _policies(told)
    for outcome in told.found if everything else told.found[:1]:
        _incidents(told, outcome)
    if told.order.shifts:
        _delays(told)
    for sentence in told.advice:
        show.note(show.cell(sentence))


def _policies(told: ReplayResult) -> None:
    columns = ("policy", "budget", "windows", "false alarms in 30 days", "promised", "incidents", "outside the promise")
    rows = [_standing(outcome) for outcome in told.found]
    first, last = told.period
    show.table(f"Policies for {told.model}, on {first:%Y-%m-%d} to {last:%Y-%m-%d}", columns, rows)


def _standing(outcome: PolicyOutcome) -> tuple[object, ...]:
    policy = outcome.policy
    low, high = outcome.rate.interval(MONTH)
    rate = f"{outcome.rate.per(MONTH):.2f} ({low:.2f} to {high:.2f})"
    counts = Counter(judged.alarm.opened.signal.value for judged in outcome.incidents)
    signals = ", ".join(f"{n} {signal}" for signal, n in sorted(counts.items()))
    return (policy.name, str(policy.budget), format_span(policy.rules.windows.size), rate, f"{policy.per(MONTH):.2f}",
            f"{sum(counts.values())}: {signals}" if counts else "none",
            f"{len(outcome.outside)} of {len(outcome.watched)} variables")  # fmt: skip


def _incidents(told: ReplayResult, outcome: PolicyOutcome) -> None:
    columns = ("opened", "closed", "version", "signal", "variable", "effect", "severity", "decision")
    rows = [_incident(judged) for judged in outcome.incidents]
    title = f"Incidents that `{outcome.policy.name}` would have opened"
    if rows:
        show.table(title, columns, rows)
    else:
        show.note(f"`{show.text(outcome.policy.name)}` would have opened no incident.")


def _incident(judged: DecidedIncident) -> tuple[object, ...]:
    opened, evidence = judged.alarm.opened, worst(judged.alarm.opened)
    finding = evidence.finding
    others = len({e.finding.variable for e in opened.evidence}) - 1
    where = f" in {evidence.segment}" if evidence.segment else ""
    variable = f"{finding.variable}{where}{f' and {others} more' if others else ''}"
    outside = ", outside the promise" if finding.guaranteed is False else ""
    signal = f"{opened.signal.value}{outside}"
    return (opened.opened_at, judged.alarm.closed or "open", opened.version, signal, variable, _effect(finding),
            judged.alarm.incident.severity.value, decision(judged))  # fmt: skip


def worst(incident: Incident) -> DriftEvidence:
    """Return the finding that was furthest beyond its line: of all traffic, if that drifted."""
    return max(
        incident.evidence, key=lambda e: (not e.segment, (e.finding.effect or 0.0) / (e.finding.threshold or 1.0))
    )


def _effect(finding: Finding) -> str:
    if finding.effect is None:
        return ""
    between = f" ({finding.interval[0]:.2f} to {finding.interval[1]:.2f})" if finding.interval else ""
    return f"{finding.effect:.2f}{between}"


def decision(judged: DecidedIncident) -> str:
    """Return what would be done: to train nothing is to alert only."""
    if isinstance(judged.decision, Deferral):
        return f"wait: {judged.decision.because.partition(':')[0]}"
    return "alert" if judged.decision.action is Action.NOTHING else judged.decision.action.value.replace("_", " ")


def _delays(told: ReplayResult) -> None:
    rows = [(str(shift), *(_delay(o.delays[shift]) for o in told.found)) for shift in told.order.shifts]
    title = f"Median delay, and how many are found in {trials.HORIZON} slices"
    show.table(title, (f"change (of {told.order.feature})", *(o.policy.name for o in told.found)), rows)


def _delay(delay: Delay) -> str:
    if not delay.delays:
        return "never"
    return f"{_days(delay.median):g} d, {delay.found:.0%}" if delay.median else f"{delay.found:.0%}"


def _days(span: timedelta | None) -> float | None:
    return None if span is None else round(span / _DAY, 2)


def as_json(told: ReplayResult) -> dict[str, Any]:
    """Return everything under keys that programs rely on; spans are in days."""
    first, last = told.period
    return {
        "model": told.model,
        "history": {"from": first, "until": last, "versions": [s.version for s in told.past]},
        "feature": told.order.feature, "seed": told.order.seed, "repetitions": told.order.repetitions,
        "policies": [_policy(outcome) for outcome in told.found],
        "advice": told.advice,
    }  # fmt: skip


def _policy(outcome: PolicyOutcome) -> dict[str, Any]:
    low, high = outcome.rate.interval(MONTH)
    return {
        "name": outcome.policy.name,
        "rules": outcome.policy.rules,
        "promised_per_30_days": outcome.policy.per(MONTH),
        "false_alarms": {"count": outcome.rate.count, "days": _days(outcome.rate.span),
                         "per_30_days": outcome.rate.per(MONTH), "interval": (low, high)},
        "variables": len(outcome.watched),
        "outside": [{"signal": w.signal, "variable": w.variable, "why": w.doubt} for w in outcome.outside],
        "incidents": [
            {"opened": j.alarm.opened, "closed_at": j.alarm.closed, "windows": j.alarm.incident.windows,
             "severity": j.alarm.incident.severity, "decision": decision(j)}
            for j in outcome.incidents
        ],
        "delays": [
            {"kind": shift.kind, "size": shift.size, "trials": d.trials, "found": d.found,
             "median_days": _days(d.median), "days": [_days(delay) for delay in d.delays]}
            for shift, d in outcome.delays.items()
        ],
    }  # fmt: skip
