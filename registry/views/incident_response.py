"""Response to an incident: each revision of its decision, its retrains, what is waited for, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitors.finding import Signal
from registry import acceptances, acknowledgements, baseline_plan, queries
from registry.acknowledgements import Acknowledgement
from registry.baseline_plan import BaselinePlan
from registry.connection import Registry
from registry.records import AcceptedAs, Action, Decision, Incident, IncidentState, RetrainRun, RunState
from registry.views import promotion_effect, retrain_record
from registry.views.promotion_effect import PromotionEffect
from registry.views.retrain_record import RetrainRecord

NEXT_RUN = "the next decision run"
UNDECIDED = f"{NEXT_RUN}, or for steady windows if the model is only monitored"
"""What a new incident waits for, where the reconciler has recorded nothing else. The registry does not know whether the
project file has a `retrain` section."""


@dataclass(frozen=True, slots=True)
class UndoStep:
    """A command that undoes something that was done about an incident, and what it undoes."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class IncidentResponse:
    """What was done about an incident.

    Parameters
    ----------
    decisions
        Its decision, each revision, oldest first; the last one counts.
    waits_for
        What is waited for now, and until when where that is known; empty if nothing is.
    retrains
        The retrains of its decisions, oldest first.
    ended_by
        The promotion that replaced its version, where that was not one of its own retrains.
    accepted_as
        What somebody, or the policy, accepted it as; None if nobody did.
    undo
        How what was done can be undone.
    baseline
        The plan of the champion's baseline where that is too short for the guarantee, and the champion is the
        incident's version or what its retrain promoted; None otherwise.
    acknowledged
        Who has seen it, while it is acknowledged; None otherwise.
    """

    decisions: tuple[Decision, ...]
    waits_for: str
    retrains: tuple[RetrainRecord, ...]
    ended_by: PromotionEffect | None
    accepted_as: AcceptedAs | None
    undo: tuple[UndoStep, ...]
    baseline: BaselinePlan | None
    acknowledged: Acknowledgement | None = None


def read(reg: Registry, incident: Incident) -> IncidentResponse:
    """Return what was done about an incident."""
    model = incident.model
    decisions = [d for d in queries.decisions(reg, model) if d.incident_id == incident.id]
    numbers = {decision.id for decision in decisions}
    runs = [run for run in queries.runs(reg, model) if run.decision_id in numbers]
    retrains = retrain_record.of_runs(reg, model, runs)
    effects = list(promotion_effect.read(reg, model).values())
    own = [record.effect for record in retrains if record.effect]
    ending = next((e for e in effects if _ended(incident, e) and e not in own), None)
    with reg.read() as c:
        accepted = acceptances.newest_by_incident(c, model).get(incident.id)
        acknowledged = acknowledgements.by_incident(c, model).get(incident.id)
    serving = effects[-1].promotion.id if effects else 0
    return IncidentResponse(
        decisions=tuple(decisions),
        waits_for=waits_for(incident, decisions[-1] if decisions else None, _current(runs)),
        retrains=retrains,
        ended_by=ending,
        accepted_as=accepted,
        undo=(
            *(step for effect in (*own, ending) if effect and (step := _undo(effect, serving))),
            _other_reading(incident, accepted),
        ),
        baseline=_short_baseline(reg, incident, [e.promotion.to_version for e in (*own, ending) if e]),
        acknowledged=acknowledged,
    )


def _short_baseline(reg: Registry, incident: Incident, promoted: Sequence[str]) -> BaselinePlan | None:
    plan = baseline_plan.read(reg, incident.model)
    concerns = plan is not None and plan.is_short and plan.version in (incident.version, *promoted)
    return plan if concerns else None


@dataclass(frozen=True, slots=True)
class NewestStep:
    """The newest decision about an incident, None before the first, what is waited for now, and who has seen it."""

    decision: Decision | None
    waits_for: str
    acknowledged: Acknowledgement | None = None


def newest(reg: Registry, incidents: Iterable[Incident]) -> dict[int, NewestStep]:
    """Return the newest decision about each incident, and what it waits for, by the incident's number."""
    listed = list(incidents)
    models = dict.fromkeys(i.model for i in listed)
    made = [d for model in models for d in queries.decisions(reg, model) if d.incident_id is not None]
    decisions = {d.incident_id: d for d in made}
    by_decision = {d.id: d.incident_id for d in made}
    runs: dict[int | None, list[RetrainRun]] = {}
    for run in (run for model in models for run in queries.runs(reg, model)):
        runs.setdefault(by_decision.get(run.decision_id), []).append(run)
    with reg.read() as c:
        seen = {number: a for model in models for number, a in acknowledgements.by_incident(c, model).items()}
    return {
        i.id: NewestStep(
            decisions.get(i.id), waits_for(i, decisions.get(i.id), _current(runs.get(i.id, []))), seen.get(i.id)
        )
        for i in listed
    }


def _current(runs: Sequence[RetrainRun]) -> RetrainRun | None:
    """Return the run that waits for approval or, without one, the newest; None if there was none.

    What waits for somebody is said first: later runs may have come and gone.
    """
    return next((run for run in runs if run.awaits_approval), runs[-1] if runs else None)


def _ended(incident: Incident, effect: PromotionEffect) -> bool:
    """Return whether a change of champion resolved an incident: it replaced its version at that moment."""
    promotion = effect.promotion
    return promotion.from_version == incident.version and promotion.made_at == incident.resolved_at


def waits_for(incident: Incident, decision: Decision | None, run: RetrainRun | None) -> str:
    """Return what an open incident waits for, as a clause; "" where it is resolved or nothing is waited for.

    Parameters
    ----------
    incident
        The incident. What the reconciler has recorded as *pending* comes first: it says until when.
    decision
        The newest revision of its decision; None if there is none yet.
    run
        The run of its decisions that waits for approval, or the newest; None if there was none.

    Examples
    --------
    A revision that is waited for:

    >>> from datetime import datetime
    >>> from registry.records import Incident
    >>> day = datetime(2024, 3, 1)
    >>> incident = Incident(id=1, model="m", version="v1", signal="feature", severity="info", state="open", since=day,
    ...     opened_at=day, last_seen=day, judged_until=day, windows=1, evidence=(), pending="labels are still due")
    >>> waits_for(incident, None, None)
    'labels are still due'
    """
    if incident.state is IncidentState.RESOLVED:
        return ""
    if run is not None and not run.state.is_final:
        return run_waits_for(run)
    if decision is None or incident.pending:
        return incident.pending or UNDECIDED
    if decision.action is Action.RETRAIN:
        is_done = run is not None and run.decision_id == decision.id
        return _NEXT_RETRAIN if is_done else f"{NEXT_RUN}, which starts the retrain"
    return _BY_ACTION[decision.action].format(model=incident.model, id=incident.id)


def run_waits_for(run: RetrainRun) -> str:
    """Return what a run that has not ended waits for."""
    if run.state is RunState.RUNNING:
        return f"run {run.id}, which is training"
    if run.awaits_approval:
        return f"approval of {run.challenger}, which passed the gate of run {run.id}: {approval_commands(run)}"
    return (
        f"labels: run {run.id} is held, {run.challenger} answers in shadow until it is better or worse than the "
        "champion, or retrain.gate.patience is over"
    )


def approval_commands(run: RetrainRun) -> str:
    """Return the commands that answer a run that waits for approval."""
    of = f'{run.challenger} --model {run.model} --because "..."'
    return f"`leeway promote {of}` approves it, `leeway refuse {of}` refuses it"


_NEXT_RETRAIN = "the next retrain: none begins before retrain.cool_down is over (after a failure, retrain.retry)"
_REVISED = "steady windows; until then the decision is revised if what it rests on changes"
_BY_ACTION = {
    Action.REPAIR_DATA: "the data to be mended; if they are right, `leeway incidents accept {id} --as drift`",
    Action.SUGGEST: "somebody who starts `leeway retrain --model {model}`",
    Action.WAIT_GIVEN_UP: _REVISED,
    Action.NOTHING: _REVISED,
    Action.RESTORE: _REVISED,
    Action.PROMOTE: _REVISED,
    Action.ROLL_BACK: _REVISED,
    Action.RENEW_BASELINE: _REVISED,
}
"""What an open incident waits for after a decision without a run."""


def _undo(effect: PromotionEffect, serving: int) -> UndoStep | None:
    """Return how to undo a promotion, or the rollback that undid it; None where another change of champion followed.

    *serving* is the number of the newest change of champion.
    """
    promotion, after = effect.promotion, effect.followed_by
    if promotion.from_version is None or serving != (after or promotion).id:
        return None
    command = f'leeway rollback --model {promotion.model} --to {{}} --because "..."'
    if after is None:
        what = f"the promotion of {promotion.to_version}: {promotion.from_version} and its baseline serve again"
        return UndoStep(what, command.format(promotion.from_version))
    if after.kind != "rollback":
        return None
    what = f"the rollback to {after.to_version}: {promotion.to_version} and its baseline serve again"
    return UndoStep(what, command.format(promotion.to_version))


def _other_reading(incident: Incident, accepted: AcceptedAs | None) -> UndoStep:
    """Return how to say that an incident is the other of fault and drift after all."""
    taken_as = accepted or (AcceptedAs.FAULT if incident.signal is Signal.QUALITY else AcceptedAs.DRIFT)
    other = AcceptedAs.DRIFT if taken_as is AcceptedAs.FAULT else AcceptedAs.FAULT
    what = f"if it is {other.value}, not {taken_as.value}: {_CONSEQUENCES[other]}"
    return UndoStep(what, f'leeway incidents accept {incident.id} --as {other.value} --because "..."')


_CONSEQUENCES = {
    AcceptedAs.DRIFT: "its rows are then trained on, and it may call for a retrain",
    AcceptedAs.FAULT: "its rows are then not trained on",
}
