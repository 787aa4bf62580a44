"""When a table was last read to its end, or why it could not be: a small file beside its rows, for `leeway status`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from features.files.whole_file import write_whole
from leeway.project.tables import LandedTable


@dataclass(frozen=True, slots=True)
class LastRead:
    """The time (ISO 8601) of the last reading that reached the end, None before it; and why the newest one failed."""

    at: str | None = None
    problem: str = ""


def read(table: LandedTable) -> LastRead:
    """Return when *table* was last read."""
    try:
        return LastRead(**json.loads(_path(table).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return LastRead()


def succeeded(table: LandedTable, now: datetime) -> None:
    """Note that *table* was read to its end."""
    _write(table, LastRead(now.isoformat()))


def failed(table: LandedTable, problem: str) -> None:
    """Note why *table* could not be read."""
    _write(table, LastRead(read(table).at, problem))


def _write(table: LandedTable, note: LastRead) -> None:
    write_whole(_path(table), json.dumps(asdict(note)).encode())


def _path(table: LandedTable) -> Path:
    return table.folder.with_suffix(".json")
