"""Reconciler: each incident gets its decision, which is revised while it is open, and each decision its run.

It compares what is on record with what should be, and does what is missing: decisions without a run, trials of held
runs, the watch of the newest promotion, incidents without a decision or with one that should be another by now,
retrains that are due by schedule, and a baseline that can be renewed. So it can be called at any time and any number of
times, by schedule or after a crash, and no event is lost with a process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from features import errors
from monitors.finding import Signal, Stage
from registry import operations, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.records import Action, Decision, Incident, IncidentState, RetrainRun, RunState
from retrain_flows import decide, follow_up, past_runs, renewal, retrain, schedule, situation
from retrain_flows.config import Retrain, Schedule
from retrain_flows.data import usable_rows, workspace
from retrain_flows.data.workspace import Workspace
from retrain_flows.decide import Situation
from retrain_flows.outcome import Outcome as Outcome
from retrain_flows.retrain import RetrainRequest
from retrain_flows.training.run_cause import SCHEDULE

Execute = Callable[[Workspace, RetrainRequest], RetrainRun]


def reconcile(
    ws: Workspace, *, now: datetime, as_of: datetime | None = None, execute: Execute = retrain.run
) -> list[Outcome]:
    """Do what is missing, in the order of the module's docstring.

    Parameters
    ----------
    ws
        The model's workspace.
    now
        The time that is recorded.
    as_of
        The moment of the decisions, in event time; if absent, the end of the newest window on record. Waiting and
        cool-down are thus counted in event time, and replayed history is treated as live data are.
    execute
        How a retrain is run.

    Returns
    -------
    list of Outcome
        One for each decision, comparison and incident that was handled. A retrain that fails is an outcome, and does
        not keep the next incident waiting.

    Raises
    ------
    DataError
        The events cannot be read at all.
    """
    moment = as_of or clock(ws)
    if moment is None:
        return []
    at = _Moment(moment, now, execute)
    outcomes = _settle_faults(ws, at)
    outcomes += [_carry_out(ws, decision, at) for decision in queries.not_carried_out(ws.registry, ws.model)]
    if ws.retrain is not None and ws.retrain.trainers:
        outcomes += follow_up.follow_up(ws, as_of=moment, now=now)
    rests_on: Situation | None = None
    for incident in _to_decide(ws.registry, ws.model):
        # A promotion a moment ago may have resolved this one too.
        current = queries.decision_of(ws.registry, incident.id)
        if current is None or _revisable(ws, incident, current):
            rests_on = rests_on or situation.read(ws, at.as_of)
            handled = _handle(ws, incident, current, at, rests_on)
            rests_on = None if handled else rests_on  # what was done about one may change it for the next
            outcomes += handled
    return outcomes + _scheduled(ws, at) + renewal.follow_plan(ws, now=at.now)


@dataclass(frozen=True, slots=True)
class _Moment:
    """As of when decisions are made, in event time; the time that is recorded; and how retrains are run."""

    as_of: datetime
    now: datetime
    execute: Execute


def _settle_faults(ws: Workspace, at: _Moment) -> list[Outcome]:
    """Ask about open data faults that have lasted longer than the policy's patience, or accept them as drift."""
    outcomes = []
    for incident in queries.open_incidents(ws.registry, ws.model):
        if incident.signal is Signal.QUALITY:
            result = operations.settle_lasting_fault(ws.registry, incident.id, ws.incidents, as_of=at.as_of, now=at.now)
            outcomes += [Outcome(f"incident {incident.id}", result)] if result else []
    return outcomes


def clock(ws: Workspace) -> datetime | None:
    """Return the event time that monitoring has reached: the end of the newest window on record; None before any."""
    ends = [queries.newest_window(ws.registry, ws.model, stage) for stage in Stage]
    return max((end for end in ends if end is not None), default=None)


def idle(reg: Registry, model: str) -> bool:
    """Return whether there is nothing to do: no incident without a decision, no decision without a finished run."""
    return not queries.undecided(reg, model) and not queries.not_carried_out(reg, model)


def may_act(reg: Registry, model: str) -> bool:
    """Return whether another look may do something as event time goes on: an incident is open, or a run is held."""
    has_open = queries.open_incidents(reg, model) or queries.unfinished(reg, model, RunState.HELD)
    return bool(has_open) or not idle(reg, model)


def looks_on(reg: Registry, model: str, retrain: Retrain | None) -> bool:
    """Return whether a model is to be looked at as its windows come.

    Beside what :func:`may_act` sees, a promotion is watched, retrains come by schedule without an incident, and a short
    baseline is renewed.
    """
    if may_act(reg, model) or renewal.is_due(reg, model):
        return True
    follows = follow_up.watched(reg, model) is not None or (retrain is not None and retrain.schedule != Schedule())
    return retrain is not None and bool(retrain.trainers) and follows


def matured_rows(ws: Workspace, as_of: datetime) -> int:
    """Return the number of rows that a retrain as of a moment in event time would use, which reads its events."""
    when = workspace.periods(ws.schema, ws.trainers, as_of)
    return usable_rows.count(ws, as_of=as_of, start=when.start, end=when.end)


def _to_decide(reg: Registry, model: str) -> list[Incident]:
    """Return the incidents without a decision, then the open ones that have one, oldest first.

    Data faults come before drift: a retrain for drift closes them, and somebody must still be told to repair the data.
    """
    undecided = sorted(queries.undecided(reg, model), key=lambda incident: incident.signal is not Signal.QUALITY)
    numbers = {incident.id for incident in undecided}
    return [*undecided, *(i for i in queries.open_incidents(reg, model) if i.id not in numbers)]


def _revisable(ws: Workspace, incident: Incident, current: Decision) -> bool:
    """Return whether a decision about an incident may be another by now: it is open, and its retrain is over."""
    if queries.incident(ws.registry, incident.id).state is IncidentState.RESOLVED:
        return False
    if current.action is not Action.RETRAIN:
        return current.actor == chain.SYSTEM and current.action is not Action.REPAIR_DATA
    run = queries.run_of(ws.registry, current.id)
    return run is not None and run.state in (RunState.HELD, RunState.REJECTED, RunState.FAILED)


def _handle(
    ws: Workspace, incident: Incident, current: Decision | None, at: _Moment, rests_on: Situation
) -> list[Outcome]:
    """Decide about an incident, record the decision or why it is deferred, and carry out a decision to retrain.

    Nothing was recorded if it returns no outcome.
    """
    subject, answer = f"incident {incident.id}", _decide(ws, incident, rests_on)
    if isinstance(answer, decide.Deferral):
        if incident.pending == answer.because:
            return [Outcome(subject, f"waits: {answer.because}")] if current is None else []
        operations.set_pending(ws.registry, incident.id, answer.because, now=at.now)
        return [Outcome(subject, f"waits: {answer.because}")]
    same = current is not None and answer.action is current.action and answer.action is not Action.RETRAIN
    if same and not incident.pending:
        return []
    decision = operations.record_decision(ws.registry, model=ws.model, incident_id=incident.id,
                                          action=answer.action, because=answer.because, actor=chain.SYSTEM,
                                          now=at.now, revises=current.id if current else None)  # fmt: skip
    if decision.action is Action.RETRAIN:
        return [replace(_carry_out(ws, decision, at), subject=subject)]
    return [Outcome(subject, f"{decision.action.text}: {decision.because[-1].removeprefix('no retrain: ')}")]


def _decide(ws: Workspace, incident: Incident, rests_on: Situation) -> decide.Decision | decide.Deferral:
    """Decide about an incident. Rows are counted only if nothing else is in the way, since that reads all events."""
    answer = decide.decide(incident, signals=ws.signals, retrain=ws.retrain, situation=rests_on)
    if not isinstance(answer, decide.Decision) or answer.action not in (Action.RETRAIN, Action.SUGGEST):
        return answer
    counted = replace(rests_on, matured_rows=matured_rows(ws, rests_on.now))
    return decide.decide(incident, signals=ws.signals, retrain=ws.retrain, situation=counted)


def _scheduled(ws: Workspace, at: _Moment) -> list[Outcome]:
    """Carry out a retrain that is due by schedule; none while another is under way, or right after one has failed.

    While a candidate is on trial for an open incident, that incident asks for the next one.
    """
    newest = max((d.id for d in queries.decisions(ws.registry, ws.model) if d.action is Action.RETRAIN), default=0)
    champion = queries.champion(ws.registry, ws.model)
    if ws.retrain is None or not ws.retrain.trainers or champion is None:
        return []
    if queries.not_carried_out(ws.registry, ws.model):
        return []
    last, (_, failure) = past_runs.last_training(ws), past_runs.last_retrain(ws)
    if _on_trial_for_incident(ws) or (failure is not None and at.as_of < failure + ws.retrain.retry):
        return []
    because = schedule.due(ws.retrain.schedule, _since_last(ws, at.as_of, last or champion.since))
    if not because or matured_rows(ws, at.as_of) < ws.retrain.min_rows:
        return []
    decision = operations.schedule_retrain(ws.registry, ws.model, because=(because,), actor=SCHEDULE, newest=newest,
                                           now=at.now)  # fmt: skip
    return [] if decision is None else [replace(_carry_out(ws, decision, at), subject="schedule")]


def _on_trial_for_incident(ws: Workspace) -> bool:
    """Return whether a candidate is on trial for an incident that is still open."""
    held = {run.decision_id for run in queries.unfinished(ws.registry, ws.model, RunState.HELD)}
    if not held:
        return False
    causes = {d.incident_id for d in queries.decisions(ws.registry, ws.model) if d.id in held}
    return bool(causes & {i.id for i in queries.open_incidents(ws.registry, ws.model)})


def _since_last(ws: Workspace, as_of: datetime, last: datetime) -> schedule.SinceLast:
    """Return what has happened since the last retrain; labels are counted only where the schedule needs them."""
    if ws.trainers.schedule.new_labels is None:
        return schedule.SinceLast(as_of, last)
    end = as_of - ws.schema.label_delay
    start = min(last - ws.schema.label_delay, end)
    return schedule.SinceLast(as_of, last, usable_rows.count(ws, as_of=as_of, start=start, end=end))


def _carry_out(ws: Workspace, decision: Decision, at: _Moment) -> Outcome:
    """Run a retrain; return its result, or its failure, as an outcome."""
    try:
        done = at.execute(ws, RetrainRequest(decision, at.as_of, at.now))
    except errors.LeewayError as error:
        return Outcome(f"decision {decision.id}", f"retrain failed: {error.message}")
    return Outcome(f"decision {decision.id}", f"retrain {done.state.value}: {done.reason}")
