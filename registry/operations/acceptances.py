"""Acceptance of incidents: a fault that is drift after all, drift that is a fault, and faults that nobody mends."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from features.window import format_span
from monitors.finding import Signal
from registry import acceptances, lookups, outbox
from registry.audit_log import chain
from registry.config import IncidentPolicy, LastingFault
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations.incidents import close, incident_line, need_reason
from registry.records import AcceptedAs, Incident, IncidentState


def accept_incident(
    reg: Registry, incident_id: int, *, accepted_as: AcceptedAs, because: str, actor: str, now: datetime
) -> Incident:
    """Record what an incident is, whatever the monitors took it for, and return it as it is then.

    A data fault that is accepted as drift is resolved, and may be retrained for: until the version gets another
    baseline, the same kind of fault of the same variables is judged as drift. Drift that is accepted as a fault stays
    open, and its rows are not trained on (:func:`registry.faulty_periods.faulty_periods`). The newest acceptance holds,
    so that one is taken back by accepting the incident as the other.

    Parameters
    ----------
    incident_id
        The incident, open or resolved.
    accepted_as
        Drift or fault.
    because
        The reason, for the audit log and the resolution.
    actor
        Who says so.
    now
        The time that is recorded.

    Raises
    ------
    NotFound
        There is no such incident.
    IllegalMove
        There is no reason.
    """
    need_reason(because)
    with reg.write() as c:
        return _accept(c, lookups.incident(c, incident_id), accepted_as, because=because, actor=actor, now=now)


def _accept(
    c: sa.Connection, incident: Incident, accepted_as: AcceptedAs, *, because: str, actor: str, now: datetime
) -> Incident:
    """Record what an incident is in the caller's transaction: see :func:`accept_incident`."""
    faults = acceptances.faults_of(c, incident)
    for variable, kind in faults:
        mapping.insert(c, tables.acceptances, model=incident.model, version=incident.version,
                       incident_id=incident.id, accepted_as=accepted_as, variable=variable, kind=kind,
                       since=incident.since, until=incident.last_seen, because=because, actor=actor,
                       made_at=now)  # fmt: skip
    line = incident_line(incident, "incident.accepted", actor, now, accepted_as=accepted_as.value,
                         faults=[f"{kind} of {variable}" for variable, kind in faults], because=because)  # fmt: skip
    chain.append(c, line)
    is_live = incident.state is not IncidentState.RESOLVED
    if is_live and incident.signal is Signal.QUALITY and accepted_as is AcceptedAs.DRIFT:
        return close(c, incident, resolution=f"accepted as drift: {because}", actor=actor, now=now)
    return incident


def settle_lasting_fault(
    reg: Registry, incident_id: int, policy: IncidentPolicy, *, as_of: datetime, now: datetime
) -> str:
    """Ask about a data fault that outlasted the policy's patience, or accept it as drift; return what was done.

    A person is asked once: the second call returns "" and writes nothing. So does a call about an incident that has not
    lasted so long, or is accepted as a fault.

    Parameters
    ----------
    incident_id
        The incident.
    policy
        Its *fault_patience* and *lasting_fault* are used.
    as_of
        The event time that monitoring has reached.
    now
        The time that is recorded.
    """
    with reg.read() as c:
        if _unsettled(c, incident_id, policy, as_of) is None:
            return ""
    with reg.write() as c:
        incident = _unsettled(c, incident_id, policy, as_of)  # somebody may have asked or answered meanwhile
        if incident is None:
            return ""
        lasted = f"it has lasted {format_span(policy.fault_patience)} (incidents.fault_patience) without being mended"
        if policy.lasting_fault is LastingFault.ASK:
            return _ask(c, incident, lasted, now)
        _accept(c, incident, AcceptedAs.DRIFT, because=lasted, actor=chain.SYSTEM, now=now)
        return f"accepted as drift: {lasted}"


def _unsettled(c: sa.Connection, incident_id: int, policy: IncidentPolicy, as_of: datetime) -> Incident | None:
    """Return an incident that outlasted the patience and is still to be settled as the policy says; None otherwise."""
    incident = lookups.incident(c, incident_id)
    is_accepted = incident_id in acceptances.newest_by_incident(c, incident.model)
    if is_accepted or not acceptances.fault_outlasted(incident, as_of, policy.fault_patience):
        return None
    return None if policy.lasting_fault is LastingFault.ASK and _was_asked(c, incident) else incident


def _was_asked(c: sa.Connection, incident: Incident) -> bool:
    t = tables.audit_log.c
    mine = (t.action == "incident.lasting") & (t.model == incident.model) & (t.subject == f"incident {incident.id}")
    return bool(c.scalar(sa.select(sa.exists().where(mine))))


def _ask(c: sa.Connection, incident: Incident, lasted: str, now: datetime) -> str:
    """Put the question whether a lasting fault is one on record and into the outbox, and return it."""
    question = f"{lasted}: mend it, or say what it is with `leeway incidents accept {incident.id} --as drift` or fault"
    entry = chain.append(c, incident_line(incident, "incident.lasting", chain.SYSTEM, now, question=question))
    outbox.add_message(c, entry, {"incident": incident.model_dump(mode="json"), "question": question})
    return question
