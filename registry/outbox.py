"""Messages to the outside, written in the transaction that makes them true and delivered by whoever leases them."""

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
"""Message ids are derived from audit hashes in this namespace: the same fact never gets two ids."""
FURTHEST = timedelta(days=2)
"""No attempt is put off for so long."""


def tell(c: sa.Connection, entry: AuditEntry, data: Mapping[str, Any]) -> Message:
    """Put the message about *entry* into the outbox, in the caller's transaction; *data* is JSON for the receiver.

    It also tells how the model stands by then, the worst first: that one thing ended does not say that all is well.
    """
    stands = model_status.of(c, entry.model)
    message = Message(
        id=str(uuid.uuid5(NAMESPACE, entry.hash)),
        type=entry.action,
        model=entry.model,
        data={
            **data,
            "standing": {"state": stands.state.value, "said": list(stands.lines)},
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

    *endpoints* maps a name to types: ``*`` is all, ``incident.*`` a family. *least* names the severity below which an
    endpoint is not told of an incident. A message is fanned out once: an endpoint added later is not sent what happened
    before.
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
    told = message.data.get("incident", {}).get("severity")
    return told is None or Severity(told).rank >= least.rank


def claim(reg: Registry, *, now: datetime, limit: int, lease: timedelta) -> list[tuple[Delivery, Message]]:
    """Lease up to *limit* deliveries that are due to the caller alone until ``now + lease``, and return them by age.

    Every endpoint has its turn, its oldest first: one with a thousand due does not keep the others waiting.

    A claim is an attempt: ``attempts`` of what is returned already counts it. If the caller crashes, the lease runs
    out and the delivery is claimed again, so a receiver may see a message twice, under the same id. What is put off
    for longer than anything ever is was put off by a clock that was ahead, and is due.
    """
    t = tables.deliveries
    due = (
        (t.c.state == "pending")
        & ((t.c.next_attempt_at <= now) | (t.c.next_attempt_at > now + FURTHEST))
        & (t.c.leased_until.is_(None) | (t.c.leased_until <= now) | (t.c.leased_until > now + 2 * lease))
    )
    age = (t.c.next_attempt_at, t.c.id)
    turn = sa.func.row_number().over(partition_by=t.c.endpoint, order_by=age)
    with reg.write(now) as c:
        ids = c.scalars(sa.select(t.c.id).where(due).order_by(turn, *age).limit(limit)).all()
        mapping.update(c, t, t.c.id.in_(ids), leased_until=now + lease, attempts=t.c.attempts + 1)
        mine = mapping.fetch(c, Delivery, mapping.select(Delivery, t.c.id.in_(ids)).order_by(*age))
        wanted = {d.message_id for d in mine}
        told = {m.id: m for m in mapping.fetch(c, Message, mapping.select(Message, tables.messages.c.id.in_(wanted)))}
    return [(delivery, told[delivery.message_id]) for delivery in mine]


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
    """Write down how the attempt ended that *claimed* stands for, give up its lease, and return the delivery.

    *claimed* is what :func:`claim` returned. Where somebody else has claimed the delivery since, or has ended it, this
    changes nothing: only whoever holds the lease can give it up. ``pending`` needs *next_attempt_at*.
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


def replay(reg: Registry, delivery_id: int, *, now: datetime) -> Delivery:
    """Make a dead delivery due again, with its attempts counted from none."""
    t = tables.deliveries
    with reg.write(now) as c:
        if not mapping.update(c, t, t.c.id == delivery_id, t.c.state == "dead", state="pending", attempts=0,
                           next_attempt_at=now):  # fmt: skip
            msg = f"delivery {delivery_id} is {lookups.delivery(c, delivery_id).state}; only a dead one is replayed"
            raise IllegalMove(msg)
        return lookups.delivery(c, delivery_id)
