"""The transactional outbox: messages written in the transaction that makes them true, delivered by whoever leases them.

So no message is lost and none is sent about what was rolled back; a receiver may get one twice, under the same id.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

import sqlalchemy as sa

from features.errors import IllegalMove
from monitors.signals import Severity
from registry import lookups, model_status
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AuditEntry, Delivery, Message

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:leeway:outbox")
"""Message ids are UUIDs of audit hashes in this namespace: what happened once never gets two ids."""
LONGEST_DELAY = timedelta(days=2)
"""Longer than any delay of the retry policy; what is put off for longer was put off by a clock that was ahead."""


def add_message(c: sa.Connection, entry: AuditEntry, data: Mapping[str, Any]) -> Message:
    """Put the message about *entry* into the outbox, in the caller's transaction.

    It also carries the status of the model by then, worst first: that one incident ended does not say that all is well.

    Parameters
    ----------
    entry
        The line of the audit log that the message is about.
    data
        JSON for the receiver.
    """
    status = model_status.read_in(c, entry.model)
    message = Message(
        id=str(uuid.uuid5(NAMESPACE, entry.hash)),
        type=entry.action,
        model=entry.model,
        data={
            **data,
            "status": {"state": status.state.value, "lines": list(status.lines)},
            "audit": {"seq": entry.seq, "hash": entry.hash},
        },
        created_at=entry.at,
    )
    mapping.insert(c, tables.messages, **message.model_dump(), seq=entry.seq)
    return message


def fan_out(
    reg: Registry,
    endpoints: Mapping[str, Sequence[str]],
    *,
    least: Mapping[str, Severity] | None = None,
    now: datetime,
) -> int:
    """Make a delivery of every new message for every endpoint that wants its type; return how many.

    A message is fanned out once: an endpoint added later is not sent what happened before. What happened before
    the first call of all waits for that call.

    Parameters
    ----------
    endpoints
        The types of messages that each endpoint wants, by its name: ``*`` is all, ``incident.*`` a family.
    least
        The severity from which on an endpoint gets messages about incidents, by its name; all if absent.
    now
        The time that is recorded.
    """
    made = 0
    with reg.write(now) as c:
        new = mapping.select(Message, tables.messages.c.fanned_out_at.is_(None)).order_by(tables.messages.c.seq)
        for message in mapping.fetch(c, Message, new):
            for name, types in endpoints.items():
                wanted = any(fnmatchcase(message.type, pattern) for pattern in types)
                if wanted and _matters(message, (least or {}).get(name, Severity.INFO)):
                    mapping.insert(c, tables.deliveries, message_id=message.id, endpoint=name, state="pending",
                                next_attempt_at=now)  # fmt: skip
                    made += 1
            mapping.update(c, tables.messages, tables.messages.c.id == message.id, fanned_out_at=now)
    return made


def _matters(message: Message, least: Severity) -> bool:
    """Return whether a message is about an incident of severity *least* or more, or about something else."""
    severity = message.data.get("incident", {}).get("severity")
    return severity is None or Severity(severity).rank >= least.rank


def claim(reg: Registry, *, now: datetime, limit: int, lease: timedelta) -> list[tuple[Delivery, Message]]:
    """Lease deliveries that are due to the caller alone, and return them by age with their messages.

    Endpoints take turns, the oldest delivery of each first: one with a thousand due does not keep the others waiting.

    A claim is an attempt: ``attempts`` of what is returned already counts it. If the caller crashes, the lease runs
    out and the delivery is claimed again, so a receiver may see a message twice, under the same id. A delivery that was
    put off for longer than :data:`LONGEST_DELAY` is due.

    Parameters
    ----------
    now
        The time by which deliveries are due.
    limit
        How many to lease at most.
    lease
        For how long from *now* on they are the caller's.
    """
    t = tables.deliveries
    due = (
        (t.c.state == "pending")
        & ((t.c.next_attempt_at <= now) | (t.c.next_attempt_at > now + LONGEST_DELAY))
        & (t.c.leased_until.is_(None) | (t.c.leased_until <= now) | (t.c.leased_until > now + 2 * lease))
    )
    age = (t.c.next_attempt_at, t.c.id)
    turn = sa.func.row_number().over(partition_by=t.c.endpoint, order_by=age)
    with reg.write(now) as c:
        ids = c.scalars(sa.select(t.c.id).where(due).order_by(turn, *age).limit(limit)).all()
        mapping.update(c, t, t.c.id.in_(ids), leased_until=now + lease, attempts=t.c.attempts + 1)
        mine = mapping.fetch(c, Delivery, mapping.select(Delivery, t.c.id.in_(ids)).order_by(*age))
        wanted = {d.message_id for d in mine}
        messages = {
            m.id: m for m in mapping.fetch(c, Message, mapping.select(Message, tables.messages.c.id.in_(wanted)))
        }
    return [(delivery, messages[delivery.message_id]) for delivery in mine]


def mark(  # noqa: PLR0913 - all that is known of an attempt
    reg: Registry,
    claimed: Delivery,
    *,
    state: Literal["pending", "delivered", "dead"],
    status_code: int | None = None,
    error: str = "",
    next_attempt_at: datetime | None = None,
    now: datetime,
) -> Delivery:
    """Record how an attempt ended, give up its lease, and return the delivery.

    Where somebody else has claimed the delivery since, or has ended it, this changes nothing: only whoever has the
    lease can give it up.

    Parameters
    ----------
    claimed
        The delivery as :func:`claim` returned it.
    state
        ``delivered``, ``pending`` (it is tried again) or ``dead`` (it is given up).
    status_code, error
        The HTTP status of the answer, and what went wrong in words.
    next_attempt_at
        When it is tried again; needed where it is ``pending``.

    Raises
    ------
    IllegalMove
        It is ``pending`` and has no time of its next attempt.
    """
    t = tables.deliveries
    if state == "pending" and next_attempt_at is None:
        msg = "a delivery that is tried again needs the time of the next attempt"
        raise IllegalMove(msg)
    done = now if state == "delivered" else None
    # A claim counts an attempt and sets an end, so that no two claims of a delivery have both in common.
    mine = (t.c.id == claimed.id, t.c.attempts == claimed.attempts, t.c.leased_until == claimed.leased_until)
    with reg.write(now) as c:
        mapping.update(c, t, *mine, t.c.state == "pending", state=state, status_code=status_code,
                    error=error, next_attempt_at=next_attempt_at, leased_until=None, delivered_at=done)  # fmt: skip
        return lookups.delivery(c, claimed.id)


def requeue(reg: Registry, delivery_id: int, *, now: datetime) -> Delivery:
    """Make a delivery that was given up, or waits for its next attempt, due now, with no attempts counted.

    So a receiver that was repaired need not be waited for: the last delays of the schedule are hours.

    Raises
    ------
    NotFound
        There is no such delivery.
    IllegalMove
        It was delivered, or is being sent.
    """
    t = tables.deliveries
    with reg.write(now) as c:
        delivery = lookups.delivery(c, delivery_id)
        if delivery.state == "delivered":
            msg = f"delivery {delivery_id} is delivered, and is not sent twice"
            raise IllegalMove(msg, hint="`leeway alerts list --state dead` lists those that were given up")
        idle = t.c.leased_until.is_(None) | (t.c.leased_until <= now)
        if not mapping.update(c, t, t.c.id == delivery_id, t.c.state != "delivered", idle, state="pending", attempts=0,
                           next_attempt_at=now):  # fmt: skip
            msg = f"delivery {delivery_id} is being sent"
            raise IllegalMove(msg, hint="`leeway alerts list` shows the result in a minute")
        return lookups.delivery(c, delivery_id)


def messages(reg: Registry, model: str | None = None, *, type: str | None = None) -> list[Message]:  # noqa: A002
    """Return the outbox's messages, in the order they were written."""
    t = tables.messages.c
    where = [column == value for column, value in ((t.model, model), (t.type, type)) if value is not None]
    with reg.read() as c:
        return mapping.fetch(c, Message, mapping.select(Message, *where).order_by(t.seq))


def deliveries(reg: Registry, *, endpoint: str | None = None, state: str | None = None) -> list[Delivery]:
    """Return deliveries, oldest first."""
    t = tables.deliveries.c
    where = [column == value for column, value in ((t.endpoint, endpoint), (t.state, state)) if value is not None]
    with reg.read() as c:
        return mapping.fetch(c, Delivery, mapping.select(Delivery, *where).order_by(t.id))
