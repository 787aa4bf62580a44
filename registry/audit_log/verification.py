"""Verification of a registry by its audit log: pure, on evidence from the database or from an export alike.

Compared are the log with itself, the rows with their digests in the log, and the log with each place outside of the
database where its end was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.audit_log import chain, covered_rows, seals, signatures
from registry.audit_log.digests import RowDigest
from registry.audit_log.evidence import Anchor, Evidence
from registry.audit_log.heads import Head
from registry.records import AuditEntry


def verify(evidence: Evidence) -> list[str]:
    """Return the findings, a sentence each; none if all that is compared is equal."""
    return [*_log(evidence), *evidence.unread, *_rows(evidence), *signatures.verify(evidence), *_anchors(evidence)]


def notes(evidence: Evidence) -> list[str]:
    """Return notes for whoever reads the findings: what was accepted, and what was not checked."""
    lines = []
    taken = [e for e in seals.inventories(evidence.log, evidence.signer) if e.actor != chain.SYSTEM]
    for entry in taken[-1:]:
        because, count = entry.details.get("because"), len(seals.differences(entry))
        lines.append(
            f"{entry.actor} accepted all rows as they were at line {entry.seq}, with {count} findings: {because}"
        )
    if evidence.signer is None and signatures.signed(evidence.log):
        lines.append("signatures were not checked: the key is not here")
    return lines


def _log(evidence: Evidence) -> Iterator[str]:
    if evidence.end is None:
        yield "the row that holds the end of the log (audit_head) is gone"
        last = evidence.log[-1] if evidence.log else None
        yield from chain.verify(evidence.log, seq=last.seq if last else 0, head=last.hash if last else chain.GENESIS)
    else:
        yield from chain.verify(evidence.log, seq=evidence.end.seq, head=evidence.end.hash)


def _rows(evidence: Evidence) -> Iterator[str]:
    """Compare each row with its last digest in the log."""
    stocks = seals.inventories(evidence.log, evidence.signer)
    logged, strange = seals.last_digests(evidence.log, {entry.seq for entry in stocks})
    yield from strange
    for entry in stocks[-1:]:
        if entry.actor == chain.SYSTEM:  # a person has seen the findings, the program only logged them
            yield from (f"{said} (before line {entry.seq})" for said in seals.differences(entry))
    for table, stored in evidence.rows.items():
        for label, digest in stored.items():
            yield from _row(covered_rows.row_name(table, label), digest, logged.pop((table, label), None))
    for (table, label), last in logged.items():
        if last.digest is not None and table in evidence.rows:
            row = covered_rows.row_name(table, label)
            yield f"{row} is gone: line {last.seq} of the log has it, and the table does not"


def _row(name: str, digest: RowDigest, last: seals.LastDigest | None) -> Iterator[str]:
    if last is None:
        yield f"{name} is in no line of the log: it was added by hand, or by a release older than schema 0005"
    elif last.digest is None:
        yield f"{name} is in the table, though line {last.seq} of the log says that it was removed"
    elif differ := digest.differs_from(last.digest):
        yield f"{name} is not what line {last.seq} of the log has of it: {', '.join(differ)} differs"


def _anchors(evidence: Evidence) -> Iterator[str]:
    heads = [head for head in evidence.heads if isinstance(head, Head)]
    signed = [Anchor(h.seq, h.hash, f"the signed head of {h.at:%Y-%m-%d %H:%M}") for h in heads]
    for anchors in (signed, evidence.anchors):
        yield from _compared(evidence.log, anchors)


def _compared(log: Sequence[AuditEntry], anchors: Sequence[Anchor]) -> Iterator[str]:
    """Compare the log with anchors of one kind; name the newest line that is missing and the oldest that differs."""
    by_seq, end = {entry.seq: entry.hash for entry in log}, log[-1].seq if log else 0
    ordered = sorted(anchors)
    missing = [a for a in ordered if a.seq not in by_seq]
    other = [a for a in ordered if a.seq in by_seq and by_seq[a.seq] != a.hash]
    for a in missing[-1:]:
        what = f"the log has no line {a.seq}, which {a.source} names{_more(missing)}; it ends with line {end}"
        yield f"{what}: it was cut, or an older database was put in its place"
    for a in other[:1]:
        yield f"line {a.seq} of the log is not the one that {a.source} names{_more(other)}: the log was written anew"


def _more(anchors: Sequence[Anchor]) -> str:
    return f" (and {len(anchors) - 1} more)" if len(anchors) > 1 else ""
