"""Export of the audit log's evidence as JSON lines, so that it can be checked without its database and its project.

The first line is a header, then comes one line an item, of the kinds ``log``, ``row``, ``head`` and ``told`` (an end of
the log that a message carried), and last a line that counts them and, where there is a key, signs all lines before it.
Rows are in it as digests alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from features.errors import DataError
from registry.audit_log import digests, evidence
from registry.audit_log.digests import RowDigest
from registry.audit_log.evidence import Anchor, End, Evidence
from registry.audit_log.heads import Head, Signer
from registry.connection import Registry
from registry.files import artifacts
from registry.records import AuditEntry

KIND = "leeway audit export"
"""The kind of the first line."""
FORM = 1
"""The number of the format; a reader refuses another one."""
ALTERED = "the export is not signed by this key: it was altered, or exported with another one"


def collect(reg: Registry) -> Evidence:
    """Return the evidence for an audit of the registry itself, from one snapshot: the log, the rows, the signed heads.

    The file of heads is read before the database, which must have every line that it names, and again after it, for the
    entries of transactions that ended in between.
    """
    before, signer = reg.heads.read(), reg.heads.existing_signer
    with reg.read() as c:
        found = evidence.read_evidence(c, signer)
    seq = found.log[-1].seq if found.log else 0
    after = [head for head in reg.heads.read()[len(before) :] if isinstance(head, str) or head.seq <= seq]
    return replace(found, heads=[*before, *after])


def write(collected: Evidence, path: Path, *, now: datetime) -> int:
    """Write *collected* to *path*, whole or not at all, and return the number of lines."""
    lines = [digests.canonical(line) for line in _lines(collected, now)]
    end: dict[str, object] = {"kind": "end", "lines": len(lines)}
    if collected.signer:
        end |= {"key": collected.signer.name, "signature": collected.signer.sign(_all(lines))}
    path.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_whole(path, "".join(f"{line}\n" for line in [*lines, digests.canonical(end)]).encode())
    return len(lines) + 1


def read(path: Path, signer: Signer | None) -> Evidence:
    """Return the evidence in *path*, to be checked with the key of *signer*, if there is one.

    Raises
    ------
    DataError
        The file cannot be read, is no export, or is not whole.
    """
    lines = _lines_of(path)
    items = [_item(path, number, line) for number, line in enumerate(lines, 1)]
    if not items or (items[0].get("kind"), items[0].get("form")) != (KIND, FORM):
        msg = f"{path} is no export of an audit log that this release reads"
        raise DataError(msg, hint="`leeway audit export FILE` writes one")
    if items[-1].get("kind") != "end" or items[-1].get("lines") != len(lines) - 1:
        msg = f"{path} is not whole: its last line does not count {len(lines) - 1} lines before it"
        raise DataError(msg, hint="copy it again")
    try:
        exported = _evidence(items, signer)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        msg = f"{path} has a line that is not of the format: {error}"
        raise DataError(msg, hint="export it again") from error
    if signer and not signer.signed(_all(lines[:-1]), items[-1].get("signature")):
        return replace(exported, unread=[*exported.unread, ALTERED])
    return exported


def anchors(path: Path) -> list[Anchor]:
    """Return the ends of the log in *path*, which holds bodies of delivered messages, one a line.

    Raises
    ------
    DataError
        The file cannot be read, or a line is no such message.
    """
    ends = []
    for number, line in enumerate(_lines_of(path), 1):
        item = _item(path, number, line)
        anchor = evidence.message_anchor(item.get("data"), f"line {number} of {path.name}")
        if anchor is None:
            msg = f"{path}:{number} has no `data.audit` with `seq` and `hash`"
            raise DataError(msg, hint="one body of a delivered message a line")
        ends.append(anchor)
    return ends


def _lines(collected: Evidence, now: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of an export before its last one, as JSON objects."""
    end = collected.end and {"seq": collected.end.seq, "hash": collected.end.hash}
    yield {"kind": KIND, "form": FORM, "at": now, "end": end, "unread": list(collected.unread)}
    for entry in collected.log:
        yield {"kind": "log", **entry.model_dump()}
    for table, rows in collected.rows.items():
        yield {"kind": "table", "table": table}
        for label, digest in rows.items():
            yield {"kind": "row", "table": table, "key": label, "sha256": digest.sha256, "columns": digest.columns}
    for head in collected.heads:
        yield {"kind": "head", **(head.model_dump() if isinstance(head, Head) else {"text": head})}
    for anchor in collected.anchors:
        yield {"kind": "told", **anchor._asdict()}


def _evidence(items: list[dict[str, Any]], signer: Signer | None) -> Evidence:
    """Return the evidence in the lines of an export, its first and last line included."""
    log: list[AuditEntry] = []
    rows: dict[str, dict[str, RowDigest]] = {}
    heads: list[Head | str] = []
    ends: list[Anchor] = []
    for item in items[1:-1]:
        kind = item.pop("kind")
        if kind == "log":
            log.append(AuditEntry.model_validate(item))
        elif kind == "table":
            rows[item["table"]] = {}
        elif kind == "row":
            rows[item["table"]][item["key"]] = RowDigest(item["sha256"], item["columns"])
        elif kind == "head":
            heads.append(item["text"] if "text" in item else Head.model_validate(item))
        elif kind == "told":
            ends.append(Anchor(**item))
    end = End(**items[0]["end"]) if items[0]["end"] else None
    return Evidence(log, end, rows, heads, ends, signer, items[0]["unread"], offline=True)


def _lines_of(path: Path) -> list[str]:
    try:  # not splitlines: a text of JSON may hold characters that it takes for the end of a line
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}"
        raise DataError(msg) from error


def _item(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{path}:{number} is no JSON: {error}"
        raise DataError(msg) from error
    if not isinstance(item, dict):
        msg = f"{path}:{number} is no JSON object"
        raise DataError(msg)
    return item


def _all(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
