"""Seals: the last line of each transaction in the audit log, with the digests of the rows that it wrote, signed.

So a row that was altered, added or removed past the program differs from its digest in the log, or has none; and a log
that was written anew has lines without a valid signature. All tables are covered in the same way:
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

ROWS_WRITTEN = "rows.written"
"""The action of a line with the digests of the rows that its transaction wrote."""
ROWS_INVENTORIED = "rows.found"
"""The action of a line with the digests of rows as they were: after an upgrade of the schema, or by `audit accept`."""
ACTIONS = (ROWS_WRITTEN, ROWS_INVENTORIED)
REMOVED = ""
"""The digest of a row that was removed."""
PER_LINE = 500
"""Rows in one line at most, so that no line takes megabytes."""


class RowInventory(NamedTuple):
    """Why all rows are digested as they are: *actor* did it at the time *now*, *because* of a reason in words.

    *differences* are the findings of an audit right before, in sentences.
    """

    now: datetime
    actor: str
    because: str
    differences: Sequence[str] = ()


def seal(c: sa.Connection, now: datetime | None, signer: Signer | None) -> AuditEntry | None:
    """End the transaction with the line that digests the rows it wrote, and return that; None if it wrote none.

    Parameters
    ----------
    now
        The line's time; if absent, that of the line before.
    signer
        Signs the line; None where there is no key.

    Raises
    ------
    RegistryError
        There is no time and no line before.
    """
    written, lines = mapping.pop_written(c), chain.pop_lines(c)
    keys = [(table, key) for table in covered_rows.covered() for key in written.get(table.name, ())]
    if not keys:
        return None
    newest = lines[-1] if lines else chain.last(c)
    at = now or (newest.at if newest else None)
    if at is None:
        msg = "rows were written, and no time was given"
        raise RegistryError(msg, hint="pass the time to Registry.write")
    first = lines[0].seq if lines else 1 + (newest.seq if newest else 0)
    return _lines(c, chain.Line(at, chain.SYSTEM, ROWS_WRITTEN, "", "", {"first": first}), keys, signer)


def inventory_rows(c: sa.Connection, why: RowInventory, signer: Signer | None) -> AuditEntry:
    """Digest every row as it is, and log why; the findings of an audit until then are in that line for good."""
    every = [(table, key) for table in covered_rows.covered() for key in covered_rows.keys(c, table)]
    newest = chain.last(c)
    first = 1 + (newest.seq if newest else 0)
    details: dict[str, chain.Detail] = {"first": first, "because": why.because, "differed": list(why.differences)}
    return _lines(c, chain.Line(why.now, why.actor, ROWS_INVENTORIED, "", "", details), every, signer)


def _lines(
    c: sa.Connection, line: chain.Line, keys: Sequence[tuple[sa.Table, Key]], signer: Signer | None
) -> AuditEntry:
    """Digest the rows in as many lines as they need, and return the last; ``first`` is where each one's part begins."""
    first = line.details["first"]
    for part, start in enumerate(range(0, max(len(keys), 1), PER_LINE), 1):
        some = keys[start : start + PER_LINE]
        about = {"first": first, "part": part, "key": signer.name if signer else None}
        details = {**line.details, **about, "rows": _digests(c, some)}
        made = replace(line, subject=f"{len(some)} rows", details=details)
        entry = chain.append(c, made, signer.sign if signer else None)
        first = entry.seq + 1
    chain.pop_lines(c)
    return entry


def _digests(c: sa.Connection, keys: Sequence[tuple[sa.Table, Key]]) -> dict[str, Any]:
    """Return the digests as a line holds them: by table, the columns once, and one text a row."""
    by_table: dict[sa.Table, list[Key]] = {}
    for table, key in keys:
        by_table.setdefault(table, []).append(key)
    return {table.name: _digests_of(c, table, some) for table, some in by_table.items()}


def _digests_of(c: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> dict[str, Any]:
    names = sorted(covered_rows.columns(table))
    found = {label: _written(digest, names) for label, digest in covered_rows.row_digests(c, table, names, keys)}
    return {
        "columns": names,
        "digests": {label: found.get(label, REMOVED) for label in map(covered_rows.key_label, keys)},
    }


def _written(digest: RowDigest, names: Sequence[str]) -> str:
    return digest.sha256 + "".join(digest.columns[name] for name in names)


class LastDigest(NamedTuple):
    """The last *digest* of a row in the log (None: the row was removed), and the number *seq* of its line."""

    digest: RowDigest | None
    seq: int


def last_digests(
    log: Sequence[AuditEntry], inventory_lines: Container[int]
) -> tuple[dict[tuple[str, str], LastDigest], list[str]]:
    """Return the last digest of each row, by table and label of the key, and the lines that cannot be read.

    Parameters
    ----------
    log
        The lines of the log, by number.
    inventory_lines
        The numbers of the lines from which on all rows were digested anew.
    """
    last: dict[tuple[str, str], LastDigest] = {}
    strange: list[str] = []
    for entry in log:
        if entry.seq in inventory_lines:
            last.clear()
        try:
            last |= {(table, label): LastDigest(digest, entry.seq) for table, label, digest in _digests_in(entry)}
        except (KeyError, TypeError, AttributeError):
            strange.append(f"line {entry.seq} ({entry.action}) is not of the form that this program writes")
    return last, strange


def inventories(log: Sequence[AuditEntry], signer: Signer | None) -> list[AuditEntry]:
    """Return the lines from which on all rows were digested anew: those that *signer* signed, or all without a key."""
    found = [entry for entry in log if entry.action == ROWS_INVENTORIED and entry.details.get("part") == 1]
    return [entry for entry in found if signer is None or is_signed(entry, signer)]


def is_signed(entry: AuditEntry, signer: Signer) -> bool:
    """Return whether *signer* has signed the line, and thereby all lines before it."""
    content = entry.model_dump(exclude={"previous", "hash"})
    try:
        return signer.signed(chain.signed_text(entry.previous, content), entry.details.get("signature"))
    except RecursionError:  # JSON that somebody nested too deep
        return False


def differences(entry: AuditEntry) -> list[str]:
    """Return the findings that were logged when all rows were digested anew."""
    found = entry.details.get("differed")
    return [str(finding) for finding in found] if isinstance(found, list) else []


def _digests_in(entry: AuditEntry) -> Iterator[tuple[str, str, RowDigest | None]]:
    for table, content in entry.details["rows"].items() if entry.action in ACTIONS else ():
        for label, text in content["digests"].items():
            yield table, label, _parsed(text, content["columns"])


def _parsed(text: str, names: Sequence[str]) -> RowDigest | None:
    if text == REMOVED:
        return None
    hints = [text[at : at + HINT_DIGITS] for at in range(64, len(text), HINT_DIGITS)]
    return RowDigest(text[:64], dict(zip(names, hints, strict=False)))
