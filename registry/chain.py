"""The audit log: each line's hash covers the line before it, so that a change to history shows.

``hash = sha256(previous hash || canonical JSON of the line)``, from a fixed first value, numbered without gaps.
Somebody who can rewrite the whole table can rewrite the chain too: every outgoing message carries its line's number and
hash, so that those who were told hold the proof.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.errors import RegistryError
from features.window import UTC
from registry import rows, tables
from registry.records import AuditEntry

GENESIS = hashlib.sha256(b"leeway audit log, version 1").hexdigest()
"""The hash before the first line."""

SYSTEM = "leeway"
"""The actor of what the program does by itself."""

Detail = str | int | None | Sequence[str]
"""What a line may hold. No fractions: databases and programs write them in different ways, and a hash would differ."""


@dataclass(frozen=True)
class Line:
    """What happened: at *at*, *actor* did *action* to *subject* of *model*."""

    at: datetime
    actor: str
    action: str
    model: str
    subject: str
    details: Mapping[str, Detail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            msg = f"{self.at.isoformat()} has no time zone"
            raise RegistryError(msg, hint="pass an aware datetime")


def append(c: sa.Connection, line: Line) -> AuditEntry:
    """Write *line* at the end of the log, in the caller's transaction, and return it with its number and hash."""
    end = c.execute(sa.select(tables.audit_head.c.seq, tables.audit_head.c.hash).with_for_update()).one()
    content = {**vars(line), "at": line.at.astimezone(UTC), "details": _plain(line.details), "seq": end.seq + 1}
    hashed = line_hash(end.hash, content)
    entry = AuditEntry(**content, previous=end.hash, hash=hashed)
    rows.insert(c, tables.audit_log, **entry.model_dump())
    c.execute(tables.audit_head.update().values(seq=entry.seq, hash=entry.hash))
    return entry


def line_hash(previous: str, content: Mapping[str, Any]) -> str:
    """Return the sha256 of *previous* and the line's canonical JSON, times as ISO 8601 in UTC with microseconds."""
    said = {**content, "at": content["at"].astimezone(UTC).isoformat(timespec="microseconds")}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256((previous + text).encode()).hexdigest()


def verify(entries: Iterable[AuditEntry], *, seq: int, head: str) -> list[str]:
    """Return what is wrong with a log that should end with line *seq* and hash *head*; nothing if it is whole.

    Needs no database: an exported log can be checked anywhere.
    """
    findings: list[str] = []
    expected, previous = 1, GENESIS
    for entry in entries:
        if entry.seq != expected:
            findings.append(f"line {expected} is missing: line {entry.seq} follows line {expected - 1}")
        elif entry.previous != previous:
            findings.append(f"line {entry.seq} does not follow from line {entry.seq - 1}")
        if entry.hash != line_hash(entry.previous, entry.model_dump(exclude={"previous", "hash"})):
            findings.append(f"line {entry.seq} ({entry.action}) was altered: its hash does not fit what it says")
        expected, previous = entry.seq + 1, entry.hash
    if (expected - 1, previous) != (seq, head):
        findings.append(f"the log ends with line {expected - 1}; the registry's last line was {seq}")
    return findings


def _plain(details: Mapping[str, Detail]) -> dict[str, Any]:
    return {k: v if v is None or isinstance(v, str | int) else list(v) for k, v in details.items()}
