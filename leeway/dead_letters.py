"""Dead letters: the records that could not be used, kept as lines of JSON with file, line and reason."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def folder(state: Path, model: str) -> Path:
    """Return where the dead letters of *model* are."""
    return state / "dead_letters" / model


def count(state: Path, model: str) -> int:
    """Return how many records were set aside; one that was met again by another run counts once."""
    return len({line for path in folder(state, model).glob("*.jsonl") for line in path.read_text().splitlines()})


def summary(state: Path, model: str, limit: int = 5) -> list[dict[str, Any]]:
    """Return how many records were set aside for each kind of reason, the most frequent first, *most* of them at most.

    With the newest of each: its whole reason and its place. What is quoted in a reason differs from record to record,
    and makes no kind of its own.
    """
    kinds: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for letter in _letters(folder(state, model)):
        role, reason = str(letter.get("role", "records")), str(letter.get("reason", ""))
        group = kinds[role, kind(reason)]
        place = f"{letter.get('path', '?')} line {letter.get('line', '?')}"
        group |= {"role": role, "reason": reason, "records": group.get("records", 0) + 1, "place": place}
    return sorted(kinds.values(), key=lambda one: -int(one["records"]))[:limit]


def kind(reason: str) -> str:
    """Return a reason without what differs from record to record: numbers, and what is quoted.

    >>> kind("column 'x' stands twice"), kind("7 columns where the header has 5")
    ('column … stands twice', '… columns where the header has …')
    """
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", reason)


def _letters(place: Path) -> Iterator[dict[str, Any]]:
    """Yield the letters in *place*, the oldest file first; one that was met again by another run comes once."""
    files = sorted(place.glob("*.jsonl"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    for line in dict.fromkeys(line for path in files for line in path.read_text().splitlines()):
        yield json.loads(line)
