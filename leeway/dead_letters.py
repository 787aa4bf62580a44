"""Dead letters: records that could not be used, stored as JSON Lines with file, line and reason."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from features.values.untyped import Reject, dead_letter


def folder(state: Path, model: str) -> Path:
    """Return the folder of the dead letters of *model*."""
    return state / "dead_letters" / model


def write(state: Path, model: str, name: str, lines: Iterable[str]) -> None:
    """Write dead letters (JSON) of *model* to the file *name*, in place of those that an earlier run left there."""
    path = folder(state, model) / f"{name}.jsonl"
    if texts := [f"{line}\n" for line in lines]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(texts))
    else:
        path.unlink(missing_ok=True)


def count(state: Path, model: str) -> int:
    """Return the number of dead letters; a record that several runs rejected counts once."""
    return len({line for path in folder(state, model).glob("*.jsonl") for line in path.read_text().splitlines()})


def summary(state: Path, model: str, limit: int = 5) -> list[dict[str, Any]]:
    """Return up to *limit* kinds of reasons, the most frequent first, each with its number of records.

    Each has the full reason and the place of its newest record. Reasons that differ only in numbers and quoted values
    are of one kind.
    """
    kinds: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for letter in _letters(folder(state, model)):
        role, reason = str(letter.get("role", "records")), str(letter.get("reason", ""))
        group = kinds[role, kind(reason)]
        place = f"{letter.get('path', '?')} line {letter.get('line', '?')}"
        group |= {"role": role, "reason": reason, "records": group.get("records", 0) + 1, "place": place}
    return sorted(kinds.values(), key=lambda one: -int(one["records"]))[:limit]


def kind(reason: str) -> str:
    """Return a reason without numbers and quoted values, which differ from record to record.

    >>> kind("column 'x' stands twice"), kind("7 columns where the header has 5")
    ('column … stands twice', '… columns where the header has …')
    """
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", reason)


def _letters(place: Path) -> Iterator[dict[str, Any]]:
    """Yield the dead letters in *place*, the oldest file first, each once."""
    files = sorted(place.glob("*.jsonl"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    for line in dict.fromkeys(line for path in files for line in path.read_text().splitlines()):
        yield json.loads(line)


def append(state: Path, model: str, role: str, rejects: Iterable[Reject]) -> None:
    """Write records that could not be used, each once however often it is written."""
    if lines := [dead_letter(role, one) + "\n" for one in rejects]:
        place = folder(state, model)
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{role}.jsonl").open("a") as file:
            file.writelines(lines)
