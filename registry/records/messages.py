"""Records of the outbox, of the audit log and of audits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from registry.records.record import Record


class Message(Record):
    """A message in the outbox, written in the transaction that made it true. *id* is a UUID."""

    id: str
    type: str
    model: str
    data: dict[str, Any]
    created_at: datetime


class Delivery(Record):
    """The delivery of one message to one endpoint.

    *state* is ``pending``, ``delivered`` or ``dead`` (given up); a claim on it lasts until *leased_until*.
    """

    id: int
    message_id: str
    endpoint: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    status_code: int | None = None
    error: str = ""
    delivered_at: datetime | None = None
    leased_until: datetime | None = None


class AuditEntry(Record):
    """A line of the audit log. *seq* has no gaps; *hash* covers the line and *previous*, the hash before it."""

    seq: int
    at: datetime
    actor: str
    action: str
    model: str
    subject: str
    details: dict[str, Any]
    previous: str
    hash: str


class AuditResult(Record):
    """A finished audit of a period of event time. *findings* are sentences; without any, it *passed*."""

    id: int
    model: str
    period_start: datetime
    period_end: datetime
    passed: bool
    findings: tuple[str, ...]
    numbers: dict[str, float]
    report: str = Field(description="path of the markdown report")
    made_at: datetime
