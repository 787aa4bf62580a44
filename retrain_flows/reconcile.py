"""Reconciler: each undecided incident gets its decision, and each decision to retrain its run.

It compares what is on record with what should be, and does what is missing. So it can be called at any time and any
number of times, by schedule or after a crash, and no event is lost with a process.
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
    """What was done about an incident or a decision, as a sentence; *subject* names it."""

    subject: str
    result: str


def reconcile(
    ws: Workspace, *, now: datetime, as_of: datetime | None = None, execute: Execute = retrain.run
) -> list[Outcome]:
    """Carry out decisions whose run is missing or unfinished; then decide about each undecided incident.

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
        One for each decision and incident that was handled. A retrain that fails is an outcome, and does not keep the
        next incident waiting.

    Raises
    ------
    DataError
        The events cannot be read at all.
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
    """Return the event time that monitoring has reached: the end of the newest window on record; None before any."""
    ends = [queries.newest_window(ws.registry, ws.model, stage) for stage in Stage]
    return max((end for end in ends if end is not None), default=None)


def idle(reg: Registry, model: str) -> bool:
    """Return whether there is nothing to do: no incident without a decision, no decision without a finished run."""
    return not queries.undecided(reg, model) and not list(_unfinished(reg, model))


def matured_rows(ws: Workspace, as_of: datetime) -> int:
    """Return the number of matured rows of the training period as of a moment in event time. Reads the period's events."""
    when = workspace.periods(ws.schema, ws.trainers, as_of)
    labelled = dataset.read(ws.log, ws.schema, as_of=as_of, start=when.start, end=when.evaluation)
    return len(labelled.rows)


def _handle(ws: Workspace, incident: Incident, as_of: datetime, now: datetime, execute: Execute) -> Outcome:
    """Decide about an incident, record the decision or why it is deferred, and carry out a decision to retrain."""
    subject, answer = f"incident {incident.id}", _decide(ws, incident, as_of)
    if isinstance(answer, decide.Deferral):
        operations.set_pending(ws.registry, incident.id, answer.because, now=now)
        return Outcome(subject, f"waits: {answer.because}")
    decision = operations.record_decision(ws.registry, model=ws.model, incident_id=incident.id,
                                          action=answer.action, because=answer.because, actor=chain.SYSTEM,
                                          now=now)  # fmt: skip
    if decision.action is Action.RETRAIN:
        return replace(_carry_out(ws, RetrainRequest(decision, as_of, now), execute), subject=subject)
    return Outcome(subject, f"{decision.action.text}: {decision.because[-1].removeprefix('no retrain: ')}")


def _decide(ws: Workspace, incident: Incident, as_of: datetime) -> decide.Decision | decide.Deferral:
    """Decide about an incident. Rows are counted only if nothing else is in the way, since that reads all events."""
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
    """Return the event time of the last run that trained a challenger; failed runs start no cool-down."""
    made = (RunState.PROMOTED, RunState.REJECTED)
    return max((r.as_of for r in queries.runs(ws.registry, ws.model) if r.state in made), default=None)


def _unfinished(reg: Registry, model: str) -> Iterator[Decision]:
    """Yield the decisions to retrain without a finished run."""
    ended = {r.decision_id for r in queries.runs(reg, model) if r.state is not RunState.RUNNING}
    for decision in queries.decisions(reg, model):
        if decision.action is Action.RETRAIN and decision.id not in ended:
            yield decision


def _carry_out(ws: Workspace, request: RetrainRequest, execute: Execute) -> Outcome:
    """Run a retrain; return its result, or its failure, as an outcome."""
    subject = f"decision {request.decision.id}"
    try:
        done = execute(ws, request)
    except errors.LeewayError as error:
        return Outcome(subject, f"retrain failed: {error.message}")
    return Outcome(subject, f"retrain {done.state.value}: {done.reason}")
