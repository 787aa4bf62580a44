"""Verification of the log's signatures: those of its transactions, and those in the file of signed heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from registry.audit_log import seals
from registry.audit_log.evidence import Evidence
from registry.audit_log.heads import Head, Signer
from registry.records import AuditEntry


def verify(evidence: Evidence) -> Iterator[str]:
    """Yield the findings, a sentence each. Without the key, signatures themselves are not checked."""
    ends = [entry for entry in evidence.log if entry.action in seals.ACTIONS]
    stocks = seals.inventories(evidence.log, evidence.signer)
    since = stocks[-1].seq if stocks else 0
    yield from _whole(evidence.log, [entry for entry in ends if entry.seq >= since], begun=bool(stocks))
    yield from _key(evidence, ends)
    yield from _forged([entry for entry in ends if entry.seq >= since], evidence.signer)
    yield from _file(evidence)


def signed(log: Sequence[AuditEntry]) -> list[AuditEntry]:
    """Return the lines that name the key that signed them."""
    return [entry for entry in log if entry.action in seals.ACTIONS and entry.details.get("key")]


def _whole(log: Sequence[AuditEntry], ends: Sequence[AuditEntry], *, begun: bool) -> Iterator[str]:
    """Check that every line since the newest inventory belongs to a transaction that ends with digests."""
    covered = _first(ends[0]) - 1 if begun and ends else 0
    for entry in ends:
        if _first(entry) != covered + 1:
            yield _loose(covered + 1, _first(entry) - 1)
        covered = entry.seq
    if log and log[-1].seq > covered:
        yield _loose(covered + 1, log[-1].seq)


def _loose(first: int, last: int) -> str:
    which = f"line {first}" if first >= last else f"lines {first} to {last}"
    return f"{which} of the log: not from a transaction that ended with the digests of its rows, so written by hand"


def _first(entry: AuditEntry) -> int:
    first = entry.details.get("first")
    return first if isinstance(first, int) else 0


def _key(evidence: Evidence, ends: Sequence[AuditEntry]) -> Iterator[str]:
    names = signed(ends)
    if evidence.signer is None and names and not evidence.offline:
        yield f"the key that signed the log (from line {names[0].seq} on) is gone: no signature can be checked"
    if evidence.heads and not names:
        yield "no line of the log is signed, though there is a file of signed heads: the log was written anew"
    elif evidence.signer and evidence.log and not names:
        yield "no line of the log is signed, though there is a key: the log was written anew"


def _forged(ends: Sequence[AuditEntry], signer: Signer | None) -> Iterator[str]:
    """Name the transactions that are not signed, or not with the key of *signer*, by the reason."""
    lines: dict[str, list[str]] = {}
    for entry in ends:
        key = entry.details.get("key")
        if key is None:
            lines.setdefault("are not signed: no key could be read when they were written", []).append(str(entry.seq))
        elif signer and key != signer.name:
            lines.setdefault(f"are signed with another key ({key})", []).append(str(entry.seq))
        elif signer and not seals.is_signed(entry, signer):
            lines.setdefault("are not signed by the key that they name", []).append(str(entry.seq))
    for what, which in lines.items():
        yield f"lines of the log {what}: {', '.join(which)}"


def _file(evidence: Evidence) -> Iterator[str]:
    """Check the file of signed heads by itself, and whether it begins and ends where the log's signatures do."""
    names = signed(evidence.log)
    heads = [head for head in evidence.heads if isinstance(head, Head)]
    if broken := len(evidence.heads) - len(heads):
        yield f"{broken} lines of the file of signed heads are no entries: they were altered, or a write was cut off"
    if heads:
        yield from _entries(heads, evidence.signer)
        yield from _reach(heads, names)
    elif len(names) > 1:
        yield f"the file of signed heads is gone: the log is signed from line {names[0].seq} on"


def _entries(heads: Sequence[Head], signer: Signer | None) -> Iterator[str]:
    if heads[0].n != 1 or heads[0].previous:
        yield f"the file of signed heads begins with entry {heads[0].n}: what came before was cut off"
    for before, head in pairwise(heads):
        if head.n != before.n + 1 or head.previous != before.signature:
            yield f"entry {head.n} of the file of signed heads does not follow from entry {before.n}"
    forged = [str(head.n) for head in heads if signer and not signer.signed(head.text, head.signature)]
    if forged:
        yield f"entries of the file of signed heads are not signed with this key: {', '.join(forged)}"


def _reach(heads: Sequence[Head], names: Sequence[AuditEntry]) -> Iterator[str]:
    """Check that the file begins where the signatures do, or with an inventory of all rows, and ends with the log.

    A program that dies between its write and its entry leaves one transaction out, which the next entry covers.
    """
    begins = {entry.seq for entry in names[:2]} | {e.seq for e in names if e.action == seals.ROWS_INVENTORIED}
    if names and heads[0].seq not in begins:
        yield f"the file of signed heads begins with line {heads[0].seq}, the log is signed from line {names[0].seq} on"
    newest = max(head.seq for head in heads)
    after = [entry.seq for entry in names if entry.seq > newest and entry.details.get("part") == 1]
    if len(after) > 1:
        yield (
            f"the file of signed heads ends with line {newest}, and {len(after)} transactions came after it: "
            "the file is shorter than it was, or could not be written"
        )
