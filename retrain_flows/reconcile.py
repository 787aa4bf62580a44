"""The reconciler: makes sure that every incident gets its decision, and every decision to retrain its run.

A wake-up call may be lost; whoever calls this again, a minute later or after a crash, finds what is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from features import errors
from monitors.finding import Stage
from registry import operations, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.records import Action, Decision, Incident, RetrainRun, RunState
from retrain_flows import decide, retrain
from retrain_flows.data import dataset, workspace
from retrain_flows.data.workspace import Workspace
from retrain_flows.retrain import RetrainRequest
from retrain_flows.training import challengers

Execute = Callable[[Workspace, RetrainRequest], RetrainRun]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about an incident or a decision, in words."""

    subject: str
    result: str


def reconcile(
    ws: Workspace, *, now: datetime, as_of: datetime | None = None, execute: Execute = retrain.run
) -> list[Outcome]:
    """Carry out the decisions that still wait for it; then decide about each undecided incident and carry that out.

    *as_of* is the event time at which this happens: the end of the newest window that was reported, unless given. So
    waiting and cool-down are counted in event time, and replayed history is treated as the present is. A retrain that
    fails is an outcome, and the next incident does not wait for it.

    Raises:
        DataError: the events cannot be read at all.
    """
    moment = as_of or clock(ws)
    if moment is None:
        return []
    outcomes = [
        _carry_out(ws, RetrainRequest(decision, moment, now), execute)
        for decision in _unfinished(ws.registry, ws.model)
    ]
    for incident in queries.undecided(ws.registry, ws.model):
        # A promotion a moment ago may have resolved this one too.
        if queries.decision_of(ws.registry, incident.id) is None:
            outcomes.append(_handle(ws, incident, moment, now, execute))
    return outcomes


def clock(ws: Workspace) -> datetime | None:
    """Return the event time that monitoring has come to: the end of the newest window reported, None before any."""
    ends = [queries.newest_window(ws.registry, ws.model, stage) for stage in Stage]
    return max((end for end in ends if end is not None), default=None)


def idle(reg: Registry, model: str) -> bool:
    """Return whether nothing waits: no incident for its decision, no decision for its run."""
    return not queries.undecided(reg, model) and not list(_unfinished(reg, model))


def matured_rows(ws: Workspace, as_of: datetime) -> int:
    """Return how many labelled rows there are to train on at *as_of*. Reads all events."""
    when = workspace.periods(ws.schema, ws.trainers, as_of)
    history = workspace.read(ws)
    data = dataset.build(
        ws.schema, history.predictions, history.labels, as_of=as_of, start=when.start, end=when.evaluation
    )
    return len(data)


def _handle(ws: Workspace, incident: Incident, as_of: datetime, now: datetime, execute: Execute) -> Outcome:
    subject, answer = f"incident {incident.id}", _decide(ws, incident, as_of)
    if isinstance(answer, decide.Deferral):
        operations.set_pending(ws.registry, incident.id, answer.because, now=now)
        return Outcome(subject, f"waits: {answer.because}")
    decision = operations.record_decision(
        ws.registry,
        model=ws.model,
        incident_id=incident.id,
        action=answer.action,
        because=answer.because,
        actor=chain.SYSTEM,
        now=now,
    )
    if decision.action is Action.RETRAIN:
        return replace(_carry_out(ws, RetrainRequest(decision, as_of, now), execute), subject=subject)
    return Outcome(subject, f"{decision.action.value}: {decision.because[-1]}")


def _decide(ws: Workspace, incident: Incident, as_of: datetime) -> decide.Decision | decide.Deferral:
    """Ask with as many rows as could be wished for; only if nothing else stands in the way are they counted."""
    enough = ws.retrain.min_rows if ws.retrain else 0
    situation = decide.Situation(
        now=as_of,
        matured_until=as_of - ws.schema.label_delay,
        matured_rows=enough,
        open_quality=bool(challengers.open_quality(ws)),
        running=queries.running(ws.registry, ws.model) is not None,
        last_retrain=_last_retrain(ws),
        window=ws.schema.windows.slices,
    )
    answer = decide.decide(incident, signals=ws.signals, retrain=ws.retrain, situation=situation)
    if not isinstance(answer, decide.Decision) or answer.action is not Action.RETRAIN:
        return answer
    counted = replace(situation, matured_rows=matured_rows(ws, as_of))
    return decide.decide(incident, signals=ws.signals, retrain=ws.retrain, situation=counted)


def _last_retrain(ws: Workspace) -> datetime | None:
    """Return when a challenger was last made. A run that failed made none, and calls for no rest."""
    made = (RunState.PROMOTED, RunState.REJECTED)
    return max((r.as_of for r in queries.runs(ws.registry, ws.model) if r.state in made), default=None)


def _unfinished(reg: Registry, model: str) -> Iterator[Decision]:
    ended = {r.decision_id for r in queries.runs(reg, model) if r.state is not RunState.RUNNING}
    for decision in queries.decisions(reg, model):
        if decision.action is Action.RETRAIN and decision.id not in ended:
            yield decision


def _carry_out(ws: Workspace, request: RetrainRequest, execute: Execute) -> Outcome:
    subject = f"decision {request.decision.id}"
    try:
        done = execute(ws, request)
    except errors.LeewayError as error:
        return Outcome(subject, f"retrain failed: {error.message}")
    return Outcome(subject, f"retrain {done.state.value}: {done.reason}")
