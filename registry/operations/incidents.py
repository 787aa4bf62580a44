"""Moves of incidents and their decisions. An incident never ends without a decision on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.errors import IllegalMove
from registry import lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import Action, Decision, Incident, IncidentState

MOVES: dict[tuple[IncidentState, IncidentState], str] = {
    (IncidentState.OPEN, IncidentState.ACKNOWLEDGED): "somebody acknowledges it",
    (IncidentState.OPEN, IncidentState.RESOLVED): "it ends",
    (IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED): "it ends",
    (IncidentState.RESOLVED, IncidentState.OPEN): "drift comes back within the cool-down",
}
"""What an incident may become, and when. All else is an IllegalMove. What ends one is in docs/incident-lifecycle.md."""


def record_decision(  # noqa: PLR0913 - the fields of a Decision
    reg: Registry,
    *,
    model: str,
    incident_id: int | None,
    action: Action,
    because: Sequence[str],
    actor: str,
    now: datetime,
) -> Decision:
    """Write down what is done about an incident, or, with no incident, what somebody decided by hand.

    An incident gets one decision: who comes second is given the first one's, unchanged. IllegalMove if the incident is
    another model's.
    """
    with reg.write() as c:
        if incident_id is None:
            return decide(c, model=model, incident_id=None, action=action, because=because, actor=actor, now=now)
        incident = lookups.incident(c, incident_id)
        if incident.model != model:
            msg = f"incident {incident_id} is of model {incident.model}, not {model}"
            raise IllegalMove(msg)
        made = lookups.decision_about(c, incident_id)
        if made is not None:
            return made
        return decide(c, model=model, incident_id=incident_id, action=action, because=because, actor=actor, now=now)


def set_pending(reg: Registry, incident_id: int, reason: str, *, now: datetime) -> None:
    """Write down why an incident's decision is still being waited for; the same reason again is no change."""
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.pending != reason:
            mapping.update(c, tables.incidents, tables.incidents.c.id == incident_id, pending=reason)
            chain.append(c, line(incident, "incident.pending", chain.SYSTEM, now, reason=reason))


def acknowledge_incident(reg: Registry, incident_id: int, *, actor: str, now: datetime) -> Incident:
    """Write down that *actor* has seen an open incident; again is no change. IllegalMove once it is resolved."""
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.state is IncidentState.RESOLVED:
            msg = f"incident {incident_id} is resolved: {incident.resolution}"
            raise IllegalMove(msg, hint="nothing is left to acknowledge")
        if incident.state is IncidentState.OPEN:
            set_state(c, incident, IncidentState.ACKNOWLEDGED)
            chain.append(c, line(incident, "incident.acknowledged", actor, now))
        return lookups.incident(c, incident_id)


def resolve_incident(reg: Registry, incident_id: int, *, resolution: str, actor: str, now: datetime) -> Incident:
    """End an incident; one that is resolved already is returned as it is.

    If nothing had been decided about it, that is now decided: to do nothing, because of *resolution*.
    """
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.state is IncidentState.RESOLVED:
            return incident
        return close(c, incident, resolution=resolution, actor=actor, now=now)


def close(c: sa.Connection, incident: Incident, *, resolution: str, actor: str, now: datetime) -> Incident:
    """End an unresolved incident in the caller's transaction, with a decision if it had none."""
    if lookups.decision_about(c, incident.id) is None:
        decide(c, model=incident.model, incident_id=incident.id, action=Action.NOTHING, because=[resolution],
               actor=actor, now=now)  # fmt: skip
    set_state(c, incident, IncidentState.RESOLVED, resolved_at=now, resolution=resolution, pending="")
    closed = lookups.incident(c, incident.id)
    entry = chain.append(c, line(incident, f"incident.{closed.word}", actor, now, reason=resolution))
    outbox.tell(c, entry, {"incident": {**closed.model_dump(mode="json"), "state": closed.word}})
    return closed


def set_state(c: sa.Connection, incident: Incident, state: IncidentState, **values: Any) -> None:
    """Move *incident* to another state, and write *values* with it, in the caller's transaction.

    Raises
    ------
    IllegalMove
        :data:`MOVES` has no such move.
    """
    if (incident.state, state) not in MOVES:
        msg = f"incident {incident.id} is {incident.state.value} and cannot become {state.value}"
        raise IllegalMove(msg, hint="read the incident again")
    mapping.update(c, tables.incidents, tables.incidents.c.id == incident.id, state=state, **values)


def decide(  # noqa: PLR0913 - the fields of a Decision
    c: sa.Connection,
    *,
    model: str,
    incident_id: int | None,
    action: Action,
    because: Sequence[str],
    actor: str,
    now: datetime,
) -> Decision:
    """Write a decision in the caller's transaction; the caller has seen that the incident has none."""
    said = {"model": model, "incident_id": incident_id, "action": action, "because": tuple(because), "actor": actor,
            "made_at": now}  # fmt: skip
    decision = Decision.model_validate({"id": mapping.insert(c, tables.decisions, **said), **said})
    if incident_id is not None:
        mapping.update(c, tables.incidents, tables.incidents.c.id == incident_id, pending="")
    details = {"action": action.value, "because": list(because), "incident": incident_id}
    entry = chain.append(c, chain.Line(now, actor, "decision.made", model, f"decision {decision.id}", details))
    outbox.tell(c, entry, {"decision": decision.model_dump(mode="json")})
    return decision


def line(incident: Incident, action: str, actor: str, now: datetime, **details: chain.Detail) -> chain.Line:
    """Return the audit log's line about something that happened to *incident*."""
    said = {"version": incident.version, "signal": incident.signal.value, **details}
    return chain.Line(now, actor, action, incident.model, f"incident {incident.id}", said)
