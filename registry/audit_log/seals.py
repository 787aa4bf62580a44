"""Each transaction's last line in the audit log: the digests of the rows that it wrote, signed.

So a row that was altered, added or removed past the program differs from what the log has of it, or is in no line; and
a log that was written anew has lines that nobody with the key has signed. There is one mechanism for all tables:
:mod:`registry.database.mapping` notes what is written, and :meth:`registry.connection.Registry.write` ends with
:func:`seal`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from features.errors import RegistryError
from registry.audit_log import chain, covered_rows
from registry.audit_log.covered_rows import Key
from registry.audit_log.digests import HINT_DIGITS, RowDigest
from registry.audit_log.heads import Signer
from registry.database import mapping
from registry.records import AuditEntry

WRITTEN = "rows.written"
"""The action of a line that digests what its transaction wrote."""
FOUND = "rows.found"
"""The action of a line that digests rows as they were found: when the schema was upgraded, or at somebody's word."""
ACTIONS = (WRITTEN, FOUND)
GONE = ""
"""What stands for the digest of a row that was removed."""
PER_LINE = 500
"""Rows of one line at most, so that no line takes megabytes."""


class RowInventory(NamedTuple):
    """Why rows are digested as they are: at *now*, *actor* did it for *because*; *found* is what did not fit."""

    now: datetime
    actor: str
    because: str
    found: Sequence[str] = ()


def seal(c: sa.Connection, now: datetime | None, signer: Signer | None) -> AuditEntry | None:
    """End the transaction with the line that digests its rows as they are now; None if it wrote none.

    *now* is the line's time; without one, it is that of the line before.

    Raises:
        RegistryError: nothing says when it was.
    """
    written, lines = mapping.taken(c), chain.taken(c)
    keys = [(table, key) for table in covered_rows.covered() for key in written.get(table.name, ())]
    if not keys:
        return None
    newest = lines[-1] if lines else chain.last(c)
    at = now or (newest.at if newest else None)
    if at is None:
        msg = "rows were written, and no time was given"
        raise RegistryError(msg, hint="pass the time to Registry.write")
    first = lines[0].seq if lines else 1 + (newest.seq if newest else 0)
    return _lines(c, chain.Line(at, chain.SYSTEM, WRITTEN, "", "", {"first": first}), keys, signer)


def inventory_rows(c: sa.Connection, why: RowInventory, signer: Signer | None) -> AuditEntry:
    """Digest every row as it is found, and say why; what did not fit before is in the line for good."""
    every = [(table, key) for table in covered_rows.covered() for key in covered_rows.keys(c, table)]
    newest = chain.last(c)
    first = 1 + (newest.seq if newest else 0)
    details: dict[str, chain.Detail] = {"first": first, "because": why.because, "differed": list(why.found)}
    return _lines(c, chain.Line(why.now, why.actor, FOUND, "", "", details), every, signer)


def _lines(
    c: sa.Connection, line: chain.Line, keys: Sequence[tuple[sa.Table, Key]], signer: Signer | None
) -> AuditEntry:
    """Digest the rows in as many lines as they need, and return the last; ``first`` is where each one's part begins."""
    first = line.details["first"]
    for part, start in enumerate(range(0, max(len(keys), 1), PER_LINE), 1):
        some = keys[start : start + PER_LINE]
        said = {"first": first, "part": part, "key": signer.name if signer else None}
        details = {**line.details, **said, "rows": _digests(c, some)}
        made = replace(line, subject=f"{len(some)} rows", details=details)
        entry = chain.append(c, made, signer.sign if signer else None)
        first = entry.seq + 1
    chain.taken(c)
    return entry


def _digests(c: sa.Connection, keys: Sequence[tuple[sa.Table, Key]]) -> dict[str, Any]:
    """Return the digests as a line holds them: by table, the columns once, and one text a row."""
    by_table: dict[sa.Table, list[Key]] = {}
    for table, key in keys:
        by_table.setdefault(table, []).append(key)
    return {table.name: _digests_of(c, table, some) for table, some in by_table.items()}


def _digests_of(c: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> dict[str, Any]:
    names = sorted(covered_rows.columns(table))
    found = {label: _written(digest, names) for label, digest in covered_rows.read(c, table, names, keys)}
    return {"columns": names, "digests": {label: found.get(label, GONE) for label in map(covered_rows.label, keys)}}


def _written(digest: RowDigest, names: Sequence[str]) -> str:
    return digest.sha256 + "".join(digest.columns[name] for name in names)


class Last(NamedTuple):
    """The last *digest* that the log has of a row (None: it was removed), and the line *seq* that it is in."""

    digest: RowDigest | None
    seq: int


def last_digests(log: Sequence[AuditEntry], stocks: Container[int]) -> tuple[dict[tuple[str, str], Last], list[str]]:
    """Return what the log has of each row, by table and label of the key, and the lines that cannot be understood.

    *stocks* are the numbers of the lines from which everything was digested anew.
    """
    last: dict[tuple[str, str], Last] = {}
    strange: list[str] = []
    for entry in log:
        if entry.seq in stocks:
            last.clear()
        try:
            last |= {(table, label): Last(digest, entry.seq) for table, label, digest in _digests_in(entry)}
        except (KeyError, TypeError, AttributeError):
            strange.append(f"line {entry.seq} ({entry.action}) is not of the form that this program writes")
    return last, strange


def inventories(log: Sequence[AuditEntry], signer: Signer | None) -> list[AuditEntry]:
    """Return the lines from which everything was digested anew: those signed by *signer*, all of them without one."""
    found = [entry for entry in log if entry.action == FOUND and entry.details.get("part") == 1]
    return [entry for entry in found if signer is None or is_signed(entry, signer)]


def is_signed(entry: AuditEntry, signer: Signer) -> bool:
    """Return whether *signer* has signed the line, and thereby all lines before it."""
    content = entry.model_dump(exclude={"previous", "hash"})
    try:
        return signer.signed(chain.signed_text(entry.previous, content), entry.details.get("signature"))
    except RecursionError:  # JSON that somebody nested too deep
        return False


def differed(entry: AuditEntry) -> list[str]:
    """Return what did not fit when stock was taken."""
    found = entry.details.get("differed")
    return [str(said) for said in found] if isinstance(found, list) else []


def _digests_in(entry: AuditEntry) -> Iterator[tuple[str, str, RowDigest | None]]:
    for table, content in entry.details["rows"].items() if entry.action in ACTIONS else ():
        for label, text in content["digests"].items():
            yield table, label, _parsed(text, content["columns"])


def _parsed(text: str, names: Sequence[str]) -> RowDigest | None:
    if text == GONE:
        return None
    hints = [text[at : at + HINT_DIGITS] for at in range(64, len(text), HINT_DIGITS)]
    return RowDigest(text[:64], dict(zip(names, hints, strict=False)))
