"""The output of a replay: tables for the terminal, or a JSON document."""

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
from leeway.replay.trials import DetectionDelay
from leeway.terminal import show
from monitors.baseline.baseline import Baseline
from monitors.finding import DriftEvidence, Finding
from registry.records import Action, Incident
from retrain_flows.decide import Deferral

_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """A finished replay: what was replayed of *model*, and the outcome for each policy."""

    model: str
    baseline: Baseline
    order: ReplayOrder
    stretches: tuple[Stretch, ...]
    outcomes: tuple[PolicyOutcome, ...]

    @property
    def period(self) -> tuple[datetime, datetime]:
        """The ends of the first and the last replayed slice."""
        first, last = history.period(self.stretches)
        return from_ms(first), from_ms(last)

    @property
    def advice(self) -> list[str]:
        """The recommendation, in sentences."""
        span = to_ms(self.baseline.end) - to_ms(self.baseline.start)
        slices = -(-span // to_ms(self.baseline.events.windows.slide))
        return advice.advice(self.outcomes, self.order.within, slices=slices)


def show_tables(result: ReplayResult, *, everything: bool) -> None:
    """Print the tables, with the incidents of the first policy or of *everything*, and the recommendation."""
    _policies(result)
    for outcome in result.outcomes if everything else result.outcomes[:1]:
        _incidents(result, outcome)
    if result.order.shifts:
        _delays(result)
    for sentence in result.advice:
        show.note(show.cell(sentence))


def _policies(result: ReplayResult) -> None:
    """Print each policy's false alarms, beside what it guarantees, and the incidents that it would have opened."""
    columns = (
        "policy",
        "budget",
        "windows",
        "false alarms in 30 days",
        "guaranteed",
        "incidents",
        "outside the guarantee",
    )
    rows = [_policy_row(outcome) for outcome in result.outcomes]
    first, last = result.period
    show.table(f"Policies for {result.model}, on {first:%Y-%m-%d} to {last:%Y-%m-%d}", columns, rows)


def _policy_row(outcome: PolicyOutcome) -> tuple[object, ...]:
    policy = outcome.policy
    low, high = outcome.rate.interval(MONTH)
    rate = f"{outcome.rate.per(MONTH):.2f} ({low:.2f} to {high:.2f})"
    counts = Counter(judged.replayed.opened.signal.value for judged in outcome.incidents)
    signals = ", ".join(f"{n} {signal}" for signal, n in sorted(counts.items()))
    return (policy.name, str(policy.budget), format_span(policy.rules.windows.size), rate, f"{policy.per(MONTH):.2f}",
            f"{sum(counts.values())}: {signals}" if counts else "none",
            f"{len(outcome.without_guarantee)} of {len(outcome.watched)} variables")  # fmt: skip


def _incidents(result: ReplayResult, outcome: PolicyOutcome) -> None:
    columns = ("opened", "closed", "version", "signal", "variable", "effect", "severity", "decision")
    rows = [_incident_row(judged) for judged in outcome.incidents]
    title = f"Incidents that `{outcome.policy.name}` would have opened"
    if rows:
        show.table(title, columns, rows)
    else:
        show.note(f"`{show.text(outcome.policy.name)}` would have opened no incident.")


def _incident_row(judged: DecidedIncident) -> tuple[object, ...]:
    opened, evidence = judged.replayed.opened, furthest_finding(judged.replayed.opened)
    finding = evidence.finding
    others = len({e.finding.variable for e in opened.evidence}) - 1
    where = f" in {evidence.segment}" if evidence.segment else ""
    variable = f"{finding.variable}{where}{f' and {others} more' if others else ''}"
    signal = f"{opened.signal.value}, outside the guarantee" if finding.guaranteed is False else opened.signal.value
    return (opened.opened_at, judged.replayed.closed or "open", opened.version, signal, variable, _effect(finding),
            judged.replayed.incident.severity.value, decision(judged))  # fmt: skip


def furthest_finding(incident: Incident) -> DriftEvidence:
    """Return the finding with the largest ratio of effect to threshold: of all traffic, if that drifted."""
    return max(
        incident.evidence, key=lambda e: (not e.segment, (e.finding.effect or 0.0) / (e.finding.threshold or 1.0))
    )


def _effect(finding: Finding) -> str:
    if finding.effect is None:
        return ""
    between = f" ({finding.interval[0]:.2f} to {finding.interval[1]:.2f})" if finding.interval else ""
    return f"{finding.effect:.2f}{between}"


def decision(judged: DecidedIncident) -> str:
    """Return the decision in words; to train nothing is "alert"."""
    if isinstance(judged.decision, Deferral):
        return f"wait: {judged.decision.because.partition(':')[0]}"
    return "alert" if judged.decision.action is Action.NOTHING else judged.decision.action.value.replace("_", " ")


def _delays(result: ReplayResult) -> None:
    rows = [(str(shift), *(_delay_text(o.delays[shift]) for o in result.outcomes)) for shift in result.order.shifts]
    title = f"Median detection delay, and share detected within {trials.HORIZON_SLICES} slices"
    show.table(title, (f"change (of {result.order.feature})", *(o.policy.name for o in result.outcomes)), rows)


def _delay_text(delay: DetectionDelay) -> str:
    if not delay.delays:
        return "never"
    return f"{_days(delay.median):g} d, {delay.detected_share:.0%}" if delay.median else f"{delay.detected_share:.0%}"


def _days(span: timedelta | None) -> float | None:
    return None if span is None else round(span / _DAY, 2)


def as_json(result: ReplayResult) -> dict[str, Any]:
    """Return the replay as a JSON document; lengths of time are in days."""
    first, last = result.period
    return {
        "model": result.model,
        "history": {"from": first, "until": last, "versions": [s.version for s in result.stretches]},
        "feature": result.order.feature, "seed": result.order.seed, "repetitions": result.order.repetitions,
        "policies": [_policy_json(outcome) for outcome in result.outcomes],
        "advice": result.advice,
    }  # fmt: skip


def _policy_json(outcome: PolicyOutcome) -> dict[str, Any]:
    """Return one policy's entry in the JSON document."""
    low, high = outcome.rate.interval(MONTH)
    return {
        "name": outcome.policy.name,
        "rules": outcome.policy.rules,
        "promised_per_30_days": outcome.policy.per(MONTH),
        "false_alarms": {
            "count": outcome.rate.count,
            "days": _days(outcome.rate.span),
            "per_30_days": outcome.rate.per(MONTH),
            "interval": (low, high),
        },
        "variables": len(outcome.watched),
        "outside": [
            {"signal": w.signal, "variable": w.variable, "why": w.violation} for w in outcome.without_guarantee
        ],
        "incidents": [
            {
                "opened": j.replayed.opened,
                "closed_at": j.replayed.closed,
                "windows": j.replayed.incident.windows,
                "severity": j.replayed.incident.severity,
                "decision": decision(j),
            }
            for j in outcome.incidents
        ],
        "delays": [
            {
                "kind": shift.kind,
                "size": shift.size,
                "trials": d.trials,
                "found": d.detected_share,
                "median_days": _days(d.median),
                "days": [_days(delay) for delay in d.delays],
            }
            for shift, d in outcome.delays.items()
        ],
    }
