"""Dead letters: the records that could not be used, kept as lines of JSON with file, line and reason."""

from __future__ import annotations

from pathlib import Path


def folder(state: Path, model: str) -> Path:
    """Return where the dead letters of *model* are."""
    return state / "dead_letters" / model


def count(state: Path, model: str) -> int:
    """Return how many records were set aside; one that was met again by another run counts once."""
    return len({line for path in folder(state, model).glob("*.jsonl") for line in path.read_text().splitlines()})
