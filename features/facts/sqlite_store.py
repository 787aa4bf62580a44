"""The store of facts in one SQLite file: what a server needs is there again when it starts.

States of keys are built from the file when they are first asked for, and then follow what this process adds. Several
processes may share the file: each of them reads every file of facts itself, and what is stored already is not stored
again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from features.facts.fact import Fact, Key, Value
from features.facts.groups import Group
from features.facts.key_state import KeyState, state_of

MAX_STATES = 100_000
"""Keys whose state is in memory; those that were not asked for the longest are read again when they are."""
WAIT_SECONDS = 5.0
"""How long a write waits for another process."""
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (grp TEXT, key TEXT, id TEXT, known_time INTEGER, time INTEGER, vals TEXT,
  PRIMARY KEY (grp, key, id, known_time, time, vals)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (grp TEXT, path TEXT, PRIMARY KEY (grp, path)) WITHOUT ROWID;
"""


class SqliteStore:
    """A :class:`features.facts.store.FactStore` in a file.

    Parameters
    ----------
    path
        The file, created where it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=WAIT_SECONDS, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # what is lost with the power is read again
        self._connection.executescript(_TABLES)
        self._lock = threading.RLock()
        self._states: OrderedDict[tuple[str, Key], KeyState] = OrderedDict()
        self._files: dict[str, set[str]] = {}

    def add(self, group: Group, facts: Iterable[tuple[Key, Fact]]) -> int:
        """Store facts, in one transaction; see :meth:`features.facts.store.FactStore.add`."""
        entries = list(facts)
        rows = [
            (group.name, json.dumps(key), fact.id, fact.known_time, fact.time, json.dumps(fact.values))
            for key, fact in entries
        ]
        with self._lock, self._connection:
            before = self._connection.total_changes
            self._connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?, ?, ?)", rows)
            new = self._connection.total_changes - before
            for key, fact in entries:
                if (state := self._states.get((group.name, key))) is not None:
                    state.add(fact)
        return new

    def value(self, group: Group, key: Key, name: str, time: int) -> Value:
        """Return the value of a feature.

        Raises
        ------
        sqlite3.Error
            The file cannot be read.
        """
        with self._lock:
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
        return state

    def _stored(self, group: Group, key: Key) -> Sequence[Fact]:
        query = "SELECT id, time, known_time, vals FROM facts WHERE grp = ? AND key = ?"
        rows = self._connection.execute(query, (group.name, json.dumps(key)))
        return [Fact(fact_id, time, known, tuple(json.loads(values))) for fact_id, time, known, values in rows]

    def forget(self, group: Group, before: int) -> None:
        """Drop old facts, from the file and from memory."""
        end = before - before % group.tile
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM facts WHERE grp = ? AND time < ?", (group.name, end))
            for (name, _), state in self._states.items():
                if name == group.name:
                    state.forget(end)

    def is_read(self, group: Group, path: str) -> bool:
        """Return whether a file was marked before this process started, or by it."""
        with self._lock:
            if group.name not in self._files:
                rows = self._connection.execute("SELECT path FROM files WHERE grp = ?", (group.name,))
                self._files[group.name] = {path for (path,) in rows}
            return path in self._files[group.name]

    def mark_read(self, group: Group, path: str) -> None:
        """Mark a file."""
        with self._lock, self._connection:
            if not self.is_read(group, path):
                self._files[group.name].add(path)
                self._connection.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (group.name, path))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
