"""When a table, topic or view was last read to its end, or why it could not be: a small file beside what landed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from features.files.whole_file import write_whole
from leeway.project.landed import LandedSource


@dataclass(frozen=True, slots=True)
class LastRead:
    """The time (ISO 8601) of the last reading that reached the end, None before it; and why the newest one failed."""

    at: str | None = None
    problem: str = ""


def read(source: LandedSource) -> LastRead:
    """Return when *source* was last read."""
    try:
        return LastRead(**json.loads(_path(source).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return LastRead()


def succeeded(source: LandedSource, now: datetime) -> None:
    """Note that *source* was read to its end."""
    _write(source, LastRead(now.isoformat()))


def failed(source: LandedSource, problem: str) -> None:
    """Note why *source* could not be read."""
    _write(source, LastRead(read(source).at, problem))


def _write(source: LandedSource, note: LastRead) -> None:
    write_whole(_path(source), json.dumps(asdict(note)).encode())


def _path(source: LandedSource) -> Path:
    return source.beside("json")
