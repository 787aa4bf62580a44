"""The evidence of an audit of the registry, as one value: read from the database, or from a file that was exported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from registry.audit_log import covered_rows, seals
from registry.audit_log.digests import RowDigest
from registry.audit_log.heads import Head, Signer
from registry.database import mapping, tables
from registry.records import AuditEntry


class Anchor(NamedTuple):
    """The number and hash of a line of the log, as they are on record outside of the log; *source* says where."""

    seq: int
    hash: str
    source: str


class End(NamedTuple):
    """The number and hash of the last line of the log, as the registry has them in a row of their own."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Evidence:
    """The audit log, and all that it is compared with.

    Parameters
    ----------
    log
        The lines of the log, by number.
    end
        The number and hash of the last line; None if that row is gone.
    rows
        The digest of each row as it is now, by table and label of the key.
    heads
        The entries of the file of signed heads; a text is a line that is no entry.
    anchors
        The ends of the log that messages carry.
    signer
        Has the key; None where there is none.
    unread
        What could not be read at all, in sentences.
    offline
        Whether it comes from an export, which may come without the key.
    """

    log: Sequence[AuditEntry]
    end: End | None
    rows: Mapping[str, Mapping[str, RowDigest]]
    heads: Sequence[Head | str] = ()
    anchors: Sequence[Anchor] = ()
    signer: Signer | None = None
    unread: Sequence[str] = ()
    offline: bool = False


def read_evidence(c: sa.Connection, signer: Signer | None) -> Evidence:
    """Return the evidence that is in the database, to be checked with the key of *signer*."""
    log, unread = _log(c)
    head = c.execute(sa.select(tables.audit_head.c.seq, tables.audit_head.c.hash)).one_or_none()
    last, _ = seals.last_digests(log, {entry.seq for entry in seals.inventories(log, signer)})
    columns = {row: tuple(found.digest.columns) for row, found in last.items() if found.digest is not None}
    stored = dict(_tables(c, columns, unread))
    end = End(head.seq, head.hash) if head else None
    return Evidence(log, end, stored, anchors=_message_anchors(c, unread), signer=signer, unread=unread)


def _log(c: sa.Connection) -> tuple[list[AuditEntry], list[str]]:
    """Return the lines of the log, and in sentences those that cannot be read."""
    numbers = c.scalars(sa.select(tables.audit_log.c.seq).order_by(tables.audit_log.c.seq)).all()
    try:
        return mapping.fetch(c, AuditEntry, mapping.select(AuditEntry).order_by(tables.audit_log.c.seq)), []
    except covered_rows.UNREADABLE as error:
        covered_rows.reraise_unless_unreadable(error)
        lines, unread = list[AuditEntry](), list[str]()
    for seq in numbers:
        try:
            lines += mapping.fetch(c, AuditEntry, mapping.select(AuditEntry, tables.audit_log.c.seq == seq))
        except covered_rows.UNREADABLE as error:
            unread.append(f"line {seq} of the log cannot be read: {error}")
    return lines, unread


def _tables(
    c: sa.Connection, columns: Mapping[tuple[str, str], tuple[str, ...]], unread: list[str]
) -> Iterator[tuple[str, dict[str, RowDigest]]]:
    """Yield the digests of each table's rows, each over the columns that its last digest covers."""
    inspected = sa.inspect(c)
    for table in covered_rows.covered():
        if not inspected.has_table(table.name) and table.name not in {name for name, _ in columns}:
            continue  # of a release to come, before its migration
        usual = tuple(sorted(covered_rows.columns(table)))
        try:
            with c.begin_nested():
                groups: dict[tuple[str, ...], list[covered_rows.Key]] = defaultdict(list)
                for key in covered_rows.keys(c, table):
                    groups[columns.get((table.name, covered_rows.key_label(key)), usual)].append(key)
                read = [covered_rows.row_digests(c, table, names, keys) for names, keys in groups.items()]
                yield table.name, {label: digest for some in read for label, digest in some}
        except sa.exc.DatabaseError as error:
            unread.append(f"table {table.name} cannot be read: {error.orig}")


def _message_anchors(c: sa.Connection, unread: list[str]) -> list[Anchor]:
    """Return the ends of the log that the outbox's messages carry."""
    t = tables.messages.c
    try:
        with c.begin_nested():
            found = [(row.id, row.data) for row in c.execute(sa.select(t.id, t.data).order_by(t.seq))]
    except (*covered_rows.UNREADABLE, sa.exc.DatabaseError) as error:
        unread.append(f"the outbox's messages cannot be read: {error}")
        return []
    return [made for name, data in found if (made := message_anchor(data, f"message {name}"))]


def message_anchor(data: object, source: str) -> Anchor | None:
    """Return the number and hash of the line of the log that a message's *data* name; None if they name none."""
    audit = data.get("audit") if isinstance(data, dict) else None
    seq, digest = (audit.get("seq"), audit.get("hash")) if isinstance(audit, dict) else (None, None)
    return Anchor(seq, digest, source) if isinstance(seq, int) and isinstance(digest, str) else None
