"""The store of facts in one SQLite file: what a server needs is there again when it starts.

States of keys are built from the file when they are first asked for, and then follow what this process adds. Several
processes may share the file: each of them reads every file of facts itself, and what is stored already is not stored
again.

Facts are written by a connection of their own, and readers wait for no write: they wait only while some facts are added
to states in memory.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time as clock
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from features import errors
from features.facts.fact import Fact, Key, Value
from features.facts.groups import Group
from features.facts.key_state import KeyState, state_of

MAX_STATES = 100_000
"""Keys whose state is in memory; those that were not asked for the longest are read again when they are."""
WAIT_SECONDS = 5.0
"""How long a write waits for another process."""
BATCH = 200
"""Facts that are written together; a reader waits for so many at most, about a millisecond."""
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (grp TEXT, key TEXT, id TEXT, known_time INTEGER, time INTEGER, vals TEXT,
  PRIMARY KEY (grp, key, id, known_time, time, vals)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS facts_by_time ON facts (grp, time);
CREATE TABLE IF NOT EXISTS read_files (grp TEXT, path TEXT, state TEXT, PRIMARY KEY (grp, path)) WITHOUT ROWID;
"""
_MARK = "INSERT INTO read_files VALUES (?, ?, ?) ON CONFLICT (grp, path) DO UPDATE SET state = excluded.state"


class SqliteStore:
    """A :class:`features.facts.store.FactStore` in a file.

    Parameters
    ----------
    path
        The file, created where it is missing.

    Raises
    ------
    DataError
        It is no such file, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._reader, self._writer = _opened(path), _opened(path)
        except sqlite3.DatabaseError as error:
            msg = f"the store of facts {path} cannot be opened: {error}"
            raise errors.DataError(msg, hint="delete it: it is made again from the files of facts") from error
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._states: OrderedDict[tuple[str, Key], KeyState] = OrderedDict()
        self._files: dict[str, dict[str, str]] = {}
        self._since: dict[str, int] = {}

    def add(self, group: Group, facts: Iterable[tuple[Key, Fact]]) -> int:
        """Store facts; see :meth:`features.facts.store.FactStore.add`."""
        entries, new = list(facts), 0
        for at in range(0, len(entries), BATCH):
            new += self._add(group, entries[at : at + BATCH])
            clock.sleep(0)  # readers first
        return new

    def _add(self, group: Group, entries: Sequence[tuple[Key, Fact]]) -> int:
        """Write facts in one transaction, then add them to the states in memory."""
        rows = [
            (group.name, json.dumps(key), fact.id, fact.known_time, fact.time, json.dumps(fact.values))
            for key, fact in entries
        ]
        with self._writing, self._writer:
            before = self._writer.total_changes
            self._writer.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?, ?, ?)", rows)
            new = self._writer.total_changes - before
        with self._reading:
            for key, fact in entries:
                if (state := self._states.get((group.name, key))) is not None:
                    state.forget(self._since.get(group.name, 0))
                    state.add(fact)
        return new

    def value(self, group: Group, key: Key, name: str, time: int) -> Value:
        """Return the value of a feature.

        Raises
        ------
        sqlite3.Error
            The file cannot be read.
        """
        with self._reading:
            return self._state(group, key).value(name, time)

    def _state(self, group: Group, key: Key) -> KeyState:
        """Return the state of a key, from memory or from the file."""
        state = self._states.get((group.name, key))
        if state is None:
            state = self._states[group.name, key] = state_of(group, self._stored(group, key))
            if len(self._states) > MAX_STATES:
                self._states.popitem(last=False)
        else:
            self._states.move_to_end((group.name, key))
        state.forget(self._since.get(group.name, 0))
        return state

    def _stored(self, group: Group, key: Key) -> Sequence[Fact]:
        query = "SELECT id, time, known_time, vals FROM facts WHERE grp = ? AND key = ?"
        rows = self._reader.execute(query, (group.name, json.dumps(key)))
        return [
            Fact(fact_id, time, known_time, tuple(json.loads(values))) for fact_id, time, known_time, values in rows
        ]

    def forget(self, group: Group, before: int) -> None:
        """Drop old facts, from the file now, and from memory when a state is used next."""
        end = before - before % group.tile
        with self._writing, self._writer:
            self._writer.execute("DELETE FROM facts WHERE grp = ? AND time < ?", (group.name, end))
        with self._reading:
            self._since[group.name] = end

    def is_read(self, group: Group, file: str, state: str) -> bool:
        """Return whether a file was marked in its state before this process started, or by it."""
        with self._writing:
            if group.name not in self._files:
                rows = self._writer.execute("SELECT path, state FROM read_files WHERE grp = ?", (group.name,))
                self._files[group.name] = dict(rows)
            return self._files[group.name].get(file) == state

    def mark_read(self, group: Group, file: str, state: str) -> None:
        """Mark a file."""
        with self._writing, self._writer:
            if not self.is_read(group, file, state):
                self._writer.execute(_MARK, (group.name, file, state))
                self._files[group.name][file] = state

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what is lost with the power is read again
    connection.executescript(_TABLES)
    with connection:
        _take_over_marks(connection)
    return connection


def _take_over_marks(connection: sqlite3.Connection) -> None:
    """Move the marks of earlier releases, a row for each state that a file has had, to the table of one row a file.

    Their table stays, empty: a process of such a release may still have the file open.
    """
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'files'").fetchone():
        return
    marks = [(group, *text.rsplit(" ", 2)) for group, text in connection.execute("SELECT grp, path FROM files")]
    marks.sort(key=lambda mark: int(mark[-1]))  # by time of change: the newest is the one that stays
    if marks:
        connection.executemany(_MARK, [(group, path, f"{size} {changed}") for group, path, size, changed in marks])
        connection.execute("DELETE FROM files")
