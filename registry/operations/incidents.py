"""Operations on incidents and their decisions. An incident never ends without a decision on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.errors import IllegalMove
from registry import acknowledgements, lookups, outbox
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
    revises: int | None = None,
    once: str = "",
) -> Decision:
    """Record what is done about an incident, or what somebody decided by hand, and return the decision.

    The first decision about an incident stays until it is revised: a call that does not name the decision that it
    revises, or names one that is not the newest any more, returns the newest, unchanged.

    Parameters
    ----------
    incident_id
        The incident that it is about; None for a decision by hand.
    action, because
        What is done, and why, in sentences.
    actor
        Who decides.
    revises
        The number of the incident's newest decision, which this one replaces; None for the first.
    once
        A reason, among those of *because*, that one decision is made for, so that a caller that was cut short can call
        again: a decision of the model to do the same, for this reason too, is returned, unchanged. "" for none.

    Raises
    ------
    NotFound
        There is no such incident.
    IllegalMove
        The incident is of another model.
    """
    with reg.write() as c:
        if incident_id is None:
            earlier = _made_for(c, model, action, once) if once else None
            return earlier or write_decision(
                c, model=model, incident_id=None, action=action, because=because, actor=actor, now=now
            )
        incident = lookups.incident(c, incident_id)
        if incident.model != model:
            msg = f"incident {incident_id} is of model {incident.model}, not {model}"
            raise IllegalMove(msg)
        made = lookups.decision_about(c, incident_id)
        if made is not None and made.id != revises:
            return made
        return write_decision(
            c, model=model, incident_id=incident_id, action=action, because=because, actor=actor, now=now
        )


def _made_for(c: sa.Connection, model: str, action: Action, reason: str) -> Decision | None:
    made = mapping.matching(c, Decision, "id", model=model, action=action.value)
    return next((decision for decision in made if reason in decision.because), None)


def schedule_retrain(
    reg: Registry, model: str, *, because: Sequence[str], actor: str, newest: int, now: datetime
) -> Decision | None:
    """Record a decision to retrain that no incident calls for, and return it; None if another came before it.

    Between the look at what is on record and this call rows are counted, which takes long, so that another process may
    have decided on the same retrain, and even have finished it.

    Parameters
    ----------
    because
        Why it is due.
    actor
        Who decides.
    newest
        The number of the model's newest decision to retrain at the look, 0 for none. If there is a newer one by now,
        nothing is recorded.
    now
        The time that is recorded.
    """
    with reg.write() as c:
        made = mapping.matching(c, Decision, "id", model=model, action=Action.RETRAIN.value)
        if made and made[-1].id > newest:
            return None
        return write_decision(
            c, model=model, incident_id=None, action=Action.RETRAIN, because=because, actor=actor, now=now
        )


def set_pending(reg: Registry, incident_id: int, reason: str, *, now: datetime) -> None:
    """Record why an incident's decision is still waited for; the same reason again is no change."""
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.pending != reason:
            mapping.update(c, tables.incidents, tables.incidents.c.id == incident_id, pending=reason)
            chain.append(c, incident_line(incident, "incident.pending", chain.SYSTEM, now, reason=reason))


def acknowledge_incident(reg: Registry, incident_id: int, *, because: str, actor: str, now: datetime) -> Incident:
    """Record that *actor* has seen an open incident, and return it; again is no change, whoever asks.

    It stays open: windows go to it, a rise of its severity is told, and it still gets its decision.

    Raises
    ------
    NotFound
        There is no such incident.
    IllegalMove
        It is resolved, or there is no reason.
    """
    need_reason(because)
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.state is IncidentState.RESOLVED:
            msg = f"incident {incident_id} is resolved: {incident.resolution}"
            raise IllegalMove(msg, hint="nothing is left to acknowledge")
        if incident.state is IncidentState.OPEN:
            set_state(c, incident, IncidentState.ACKNOWLEDGED)
            chain.append(c, incident_line(incident, acknowledgements.ACTION, actor, now, because=because))
        return lookups.incident(c, incident_id)


def resolve_incident(reg: Registry, incident_id: int, *, because: str, actor: str, now: datetime) -> Incident:
    """Resolve an incident by hand and return it; one that is resolved already is returned as it is.

    Its resolution begins with who resolved it, so that no reason can be taken for one that the program gives. If it had
    no decision, one is recorded: to do nothing, because of the resolution. Drift that goes on opens another incident.

    Raises
    ------
    NotFound
        There is no such incident.
    IllegalMove
        There is no reason.
    """
    need_reason(because)
    with reg.write() as c:
        incident = lookups.incident(c, incident_id)
        if incident.state is IncidentState.RESOLVED:
            return incident
        return close(c, incident, resolution=f"by {actor}: {because}", actor=actor, now=now)


def need_reason(because: str) -> None:
    """Raise IllegalMove if a reason has no text: the audit log says why, or nothing is done."""
    if not because.strip():
        msg = "a reason is needed"
        raise IllegalMove(msg, hint="say why with --because")


def close(c: sa.Connection, incident: Incident, *, resolution: str, actor: str, now: datetime) -> Incident:
    """Resolve an open incident in the caller's transaction, with a decision if it had none, and return it."""
    if lookups.decision_about(c, incident.id) is None:
        write_decision(c, model=incident.model, incident_id=incident.id, action=Action.NOTHING, because=[resolution],
               actor=actor, now=now)  # fmt: skip
    set_state(c, incident, IncidentState.RESOLVED, resolved_at=now, resolution=resolution, pending="")
    closed = lookups.incident(c, incident.id)
    entry = chain.append(
        c, incident_line(incident, f"incident.{closed.displayed_state}", actor, now, reason=resolution)
    )
    outbox.add_message(c, entry, {"incident": {**closed.model_dump(mode="json"), "state": closed.displayed_state}})
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


def write_decision(  # noqa: PLR0913 - the fields of a Decision
    c: sa.Connection,
    *,
    model: str,
    incident_id: int | None,
    action: Action,
    because: Sequence[str],
    actor: str,
    now: datetime,
) -> Decision:
    """Write a decision in the caller's transaction, as the next revision where it is about an incident."""
    before = lookups.decision_about(c, incident_id) if incident_id is not None else None
    revision = before.revision + 1 if before else 1
    values = {"model": model, "incident_id": incident_id, "action": action, "because": tuple(because), "actor": actor,
            "made_at": now, "revision": revision}  # fmt: skip
    decision = Decision.model_validate({"id": mapping.insert(c, tables.decisions, **values), **values})
    if incident_id is not None:
        mapping.update(c, tables.incidents, tables.incidents.c.id == incident_id, pending="")
    details = {"action": action.value, "because": list(because), "incident": incident_id, "revision": revision}
    entry = chain.append(c, chain.Line(now, actor, "decision.made", model, f"decision {decision.id}", details))
    outbox.add_message(c, entry, {"decision": decision.model_dump(mode="json")})
    return decision


def incident_line(incident: Incident, action: str, actor: str, now: datetime, **details: chain.Detail) -> chain.Line:
    """Return the line for the audit log about *action* on *incident*."""
    about = {"version": incident.version, "signal": incident.signal.value, **details}
    return chain.Line(now, actor, action, incident.model, f"incident {incident.id}", about)
