"""New files of facts into a store: what a server does again and again while it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from features.errors import DataError
from features.events import location
from features.facts import reading
from features.facts.lookup import FactValues
from features.files import file_chunks
from features.values.untyped import Reject
from features.window import to_ms

LATE_ROWS = timedelta(days=1)
"""How far before the present a row may be and still have its facts."""
FORGET_EVERY = timedelta(minutes=10)
"""How often facts that count no more are dropped."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read from one file: how many facts were new, and the records that could not be used."""

    path: Path
    facts: int
    rejects: tuple[Reject, ...]


class DirectoryFeed:
    """Reads each file of facts once, those of earlier runs left out.

    A file that is written anew is read again, and nothing that an earlier version of it said is taken back.

    Parameters
    ----------
    values
        Whose store takes the facts.
    """

    def __init__(self, values: FactValues) -> None:
        self._values = values
        self._forgotten: datetime | None = None

    def take(self, now: datetime) -> Iterator[Taken]:
        """Store the facts of all new files, and yield what was read from each.

        Raises
        ------
        DataError
            A directory of facts does not exist; those of the other sources have been read by then.
        sqlite3.Error
            The store cannot be written.
        """
        if self._forgotten is None or now - self._forgotten >= FORGET_EVERY:
            for group in self._values.groups:
                self._values.keep_since(group, to_ms(now - LATE_ROWS) - group.reach)
            self._forgotten = now
        missing: DataError | None = None
        for source in self._values.declared.sources:
            try:
                yield from self._of_source(source, now)
            except DataError as error:
                missing = missing or error
        if missing is not None:
            raise missing

    def _of_source(self, source: str, now: datetime) -> Iterator[Taken]:
        """Store the facts of the new files of one source; a file may grow while it is read, and is read again then."""
        place, store = reading.place(self._values.declared.sources[source]), self._values.store
        groups = [group for group in self._values.groups if group.source == source]
        for path in file_chunks.list_files(location.directory(place)):
            if (state := _state(path)) and not all(store.is_read(group, str(path), state) for group in groups):
                yield self._read(source, path, now)
                for group in groups:
                    store.mark_read(group, str(path), state)

    def _read(self, source: str, path: Path, now: datetime) -> Taken:
        """Store the facts of one file."""
        declared, new, rejects = self._values.declared, 0, list[Reject]()
        for chunk in location.file_references(path, declared.sources[source].csv):
            rows = reading.read(declared, self._values.groups, source, chunk, now=now)
            new += self._values.add(rows)
            rejects += rows.rejects
        return Taken(path, new, tuple(rejects))


def mark(path: Path, name: str) -> str:
    """Return what a file of a *name* is marked by as read: written anew, it is read again. Empty where it is gone."""
    state = _state(path)
    return f"{name} {state}" if state else ""


def _state(path: Path) -> str:
    """Return size and time of the last change of a file; empty where it is gone."""
    try:
        now = path.stat()
    except OSError:
        return ""
    return f"{now.st_size} {now.st_mtime_ns}"
