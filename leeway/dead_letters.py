"""Dead letters: records that could not be used, stored as JSON Lines with file, line and reason.

A file keeps letters up to `MAX_BYTES`. What comes after is counted by kind of reason, in a file beside it: a source
that sends nothing but bad records fills no disk, and none of them goes uncounted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.files.whole_file import write_whole
from features.values.untyped import Reject, dead_letter

Kinds = dict[tuple[str, str], dict[str, Any]]
"""Entries by role and kind of reason: role, reason, records, place."""
MAX_BYTES = 16 << 20
"""Size of a file of letters: some dozens of the longest, tens of thousands of common ones."""
KINDS = 100
"""Kinds of reasons that are told apart beyond that; more of them are counted together."""
OTHER = "other reasons"
UNREADABLE = "the letter itself cannot be read: its writing was cut short"


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of a model.

    Parameters
    ----------
    count
        How many there are; a record that several runs rejected counts once.
    kinds
        Kinds of reasons, the most frequent first, each with its number of records, and the full reason and the place of
        its newest record. Reasons that differ only in numbers and quoted values are of one kind.
    """

    count: int
    kinds: Sequence[dict[str, Any]]


def folder(state: Path, model: str) -> Path:
    """Return the folder of the dead letters of *model*."""
    return state / "dead_letters" / model


def write(state: Path, model: str, name: str, lines: Iterable[str]) -> None:
    """Write dead letters (JSON) of *model* to the file *name*, in place of those that an earlier run left there."""
    place, fresh = folder(state, model), [line.encode() for line in lines]
    fitting, beyond = _split(fresh, MAX_BYTES)
    if fresh:
        place.mkdir(parents=True, exist_ok=True)
    if fitting:
        write_whole(place / f"{name}.jsonl", b"".join(line + b"\n" for line in fitting))
    else:
        (place / f"{name}.jsonl").unlink(missing_ok=True)
    _count_beyond(place / f"{name}.beyond", beyond, {})


def append(state: Path, model: str, role: str, rejects: Iterable[Reject]) -> None:
    """Write records that could not be used, each once however often it is written.

    Beyond `MAX_BYTES` there is nothing to compare with: a record that comes again there counts again.
    """
    append_lines(state, model, role, [dead_letter(role, one) for one in rejects])


def append_lines(state: Path, model: str, name: str, lines: Iterable[str]) -> None:
    """Add dead letters (JSON) to the file *name*, as `append` does; processes take turns."""
    fresh = {_digest(line): line for line in (text.encode() for text in lines)}
    if not fresh:
        return
    place = folder(state, model)
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{name}.jsonl").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        last = b"\n"
        file.seek(0)
        for last in file:
            fresh.pop(_digest(last), None)
        fitting, beyond = _split(fresh.values(), MAX_BYTES - file.tell())
        torn = b"" if last.endswith(b"\n") else b"\n"  # by a full disk, or a kill: it spoils no letter but its own
        file.write(torn + b"".join(line + b"\n" for line in fitting))
        if beyond:
            path = place / f"{name}.beyond"
            _count_beyond(path, beyond, _read_beyond(path))


def read(state: Path, model: str) -> Letters:
    """Return how many dead letters *model* has, and why; a line that is no letter is counted as such."""
    kinds, seen, place = Kinds(), set[bytes](), folder(state, model)
    for path in sorted(place.glob("*.jsonl"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
        with path.open("rb") as file:
            for line in file:
                if (digest := _digest(line)) not in seen:
                    seen.add(digest)
                    _add(kinds, _entry(line))
    for path in sorted(place.glob("*.beyond")):
        for entry in _read_beyond(path).values():
            _add(kinds, entry)
    ordered = sorted(kinds.values(), key=lambda one: -int(one["records"]))
    return Letters(sum(one["records"] for one in ordered), ordered)


def kind(reason: str) -> str:
    """Return a reason without numbers and quoted values, which differ from record to record.

    >>> kind("column 'x' stands twice"), kind("7 columns where the header has 5")
    ('column … stands twice', '… columns where the header has …')
    """
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", reason)


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line.rstrip(b"\n"), digest_size=16).digest()


def _entry(line: bytes) -> dict[str, Any]:
    """Return what is told of a letter's kind."""
    try:
        letter = dict(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return {"role": "records", "reason": UNREADABLE, "records": 1, "place": "unknown"}
    role, reason = str(letter.get("role", "records")), str(letter.get("reason", ""))
    place = f"{letter.get('path', '?')} line {letter.get('line', '?')}"
    return {"role": role, "reason": reason, "records": 1, "place": place}


def _add(kinds: Kinds, entry: dict[str, Any]) -> None:
    """Add an entry to those of its kind, whose newest it is."""
    key = entry["role"], kind(entry["reason"])
    before = kinds[key]["records"] if key in kinds else 0
    kinds[key] = {**entry, "records": before + int(entry["records"])}


def _split(lines: Iterable[bytes], room: int) -> tuple[list[bytes], list[bytes]]:
    """Return the lines that there is room for (bytes), and those beyond."""
    fitting, beyond = list[bytes](), list[bytes]()
    for line in lines:
        room -= len(line) + 1
        (fitting if room >= 0 else beyond).append(line)
    return fitting, beyond


def _count_beyond(path: Path, lines: Sequence[bytes], kinds: Kinds) -> None:
    """Write how many letters of each kind there are beyond a file: those known, and *lines*."""
    for line in lines:
        entry = _entry(line)
        if len(kinds) >= KINDS and (entry["role"], kind(entry["reason"])) not in kinds:
            entry |= {"reason": OTHER}
        _add(kinds, entry)
    if kinds:
        write_whole(path, json.dumps(list(kinds.values())).encode())
    else:
        path.unlink(missing_ok=True)


def _read_beyond(path: Path) -> Kinds:
    """Return what was counted beyond a file of letters; nothing where nothing was."""
    kinds: Kinds = {}
    if path.is_file():
        try:
            for entry in json.loads(path.read_bytes()):
                _add(kinds, entry)
        except (ValueError, TypeError, KeyError):
            _add(kinds, _entry(b""))
    return kinds
