"""The audit log as a hash chain: each line's hash covers the line before it, so that a change to history shows.

``hash = sha256(previous hash || canonical JSON of the line)``, from a fixed first value, numbered without gaps; hashed
is what the database gives back. Somebody who can rewrite the whole table can rewrite the chain too, but neither the
signatures (:mod:`registry.audit_log.seals`) nor the hashes outside of the database, which are in
:mod:`registry.audit_log.heads` and in every outgoing message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.errors import RegistryError
from features.window import UTC
from registry.audit_log import digests
from registry.database import mapping, tables
from registry.records import AuditEntry

GENESIS = hashlib.sha256(b"leeway audit log, version 1").hexdigest()
"""The hash before the first line."""

SYSTEM = "leeway"
"""The actor of actions that the program takes by itself."""

Detail = str | int | None | Sequence[str] | Mapping[str, Any]
"""A value in the details of a line."""
Sign = Callable[[str], str]
"""Returns the signature of a text: that of a line with the hash before it."""
_LINES = "leeway.lines"
"""The name under which a connection has the lines written on it."""


@dataclass(frozen=True)
class Line:
    """What is to be logged: at the time *at*, *actor* did *action* to *subject* of *model*, with *details*."""

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


def append(c: sa.Connection, line: Line, sign: Sign | None = None) -> AuditEntry:
    """Write *line* at the end of the log, in the caller's transaction, and return it with its number and hash.

    With *sign*, the line's details also hold the ``signature`` of :func:`signed_text`.

    Raises
    ------
    RegistryError
        The database does not give back what was written, so that nobody could check it later.
    """
    end = c.execute(sa.select(tables.audit_head.c.seq, tables.audit_head.c.hash).with_for_update()).one()
    content = {**vars(line), "at": line.at.astimezone(UTC), "details": _plain(line.details), "seq": end.seq + 1}
    if sign is not None:
        content["details"]["signature"] = sign(signed_text(end.hash, content))
    written = {**content, "previous": end.hash, "hash": line_hash(end.hash, content)}
    stored = c.execute(tables.audit_log.insert().values(written).returning(*tables.audit_log.c)).one()
    entry = AuditEntry.model_validate(dict(stored._mapping))
    if entry.hash != hash_of(entry):
        msg = (
            f"the database gives line {entry.seq} ({entry.action}) of the audit log back otherwise than it was written"
        )
        raise RegistryError(msg, hint="nothing was changed; look for a trigger or a conversion of text in the database")
    c.execute(tables.audit_head.update().values(seq=entry.seq, hash=entry.hash))
    c.info.setdefault(_LINES, []).append(entry)
    return entry


def pop_lines(c: sa.Connection) -> list[AuditEntry]:
    """Return the lines written on *c* since the last call, oldest first, and forget them."""
    lines: list[AuditEntry] = c.info.pop(_LINES, [])
    return lines


def last(c: sa.Connection) -> AuditEntry | None:
    """Return the newest line, None in an empty log."""
    newest = mapping.select(AuditEntry).order_by(tables.audit_log.c.seq.desc()).limit(1)
    return next(iter(mapping.fetch(c, AuditEntry, newest)), None)


def line_hash(previous: str, content: Mapping[str, Any]) -> str:
    """Return the sha256 of *previous* and the line's canonical JSON, times as ISO 8601 in UTC with microseconds."""
    return hashlib.sha256((previous + digests.canonical(dict(content))).encode()).hexdigest()


def hash_of(entry: AuditEntry) -> str:
    """Return the hash that *entry* must have."""
    return line_hash(entry.previous, entry.model_dump(exclude={"previous", "hash"}))


def signed_text(previous: str, content: Mapping[str, Any]) -> str:
    """Return the text that a signature covers: the hash before the line and all of the line but the signature."""
    details = {name: value for name, value in content["details"].items() if name != "signature"}
    return previous + digests.canonical({**content, "details": details})


def verify(entries: Iterable[AuditEntry], *, seq: int, head: str) -> list[str]:
    """Return the findings on a log, in sentences; none if no line was altered, removed or added.

    Needs no database: an exported log can be checked anywhere.

    Parameters
    ----------
    entries
        The lines, by number.
    seq, head
        The number and hash of the line that the log must end with.
    """
    findings: list[str] = []
    expected, previous = 1, GENESIS
    for entry in entries:
        if entry.seq != expected:
            findings.append(f"line {expected} is missing: line {entry.seq} follows line {expected - 1}")
        elif entry.previous != previous:
            findings.append(f"line {entry.seq} does not follow from line {entry.seq - 1}")
        if not _fits(entry):
            findings.append(f"line {entry.seq} ({entry.action}) was altered: its hash does not fit its content")
        expected, previous = entry.seq + 1, entry.hash
    if (expected - 1, previous) != (seq, head):
        findings.append(f"the log ends with line {expected - 1}; the registry's last line was {seq}")
    return findings


def _fits(entry: AuditEntry) -> bool:
    try:
        return entry.hash == hash_of(entry)
    except RecursionError:  # JSON that somebody nested too deep
        return False


def _plain(details: Mapping[str, Detail]) -> dict[str, Any]:
    return {k: v if v is None or isinstance(v, str | int | Mapping) else list(v) for k, v in details.items()}
