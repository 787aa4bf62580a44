"""The store of facts: a port with one promise, and its form in memory.

Facts may be added in any order and any number of times: what is stored is the set of their versions, of which the
newest wins when a value is read. So two writers cannot disagree, and one that was killed starts again from anywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from features.facts.fact import Fact, Key, Value
from features.facts.groups import Group
from features.facts.key_state import KeyState


class FactStore(Protocol):
    """Where the facts of each key are stored. It is used by several threads at once."""

    def add(self, group: Group, facts: Iterable[tuple[Key, Fact]]) -> int:
        """Store facts, each with its key; return how many were new."""
        ...

    def value(self, group: Group, key: Key, name: str, time: int) -> Value:
        """Return the value of a feature of the group at a time (ms); None where no fact counts."""
        ...

    def forget(self, group: Group, before: int) -> None:
        """Drop facts that happened before a moment (ms), with a precision of a tile."""
        ...

    def is_read(self, group: Group, file: str, state: str) -> bool:
        """Return whether a file was marked as read in the state that it is in."""
        ...

    def mark_read(self, group: Group, file: str, state: str) -> None:
        """Mark a file as read in a state, after its facts were added; a mark of an earlier state is replaced."""
        ...

    def close(self) -> None:
        """End the use of what the store holds open."""
        ...


class MemoryStore:
    """A :class:`FactStore` in memory: of batches, of tests, and of a server that may read all facts when it starts."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._states: dict[str, dict[Key, KeyState]] = {}
        self._files: dict[tuple[str, str], str] = {}

    def add(self, group: Group, facts: Iterable[tuple[Key, Fact]]) -> int:
        """Store facts; see :meth:`FactStore.add`."""
        with self._lock:
            states, new = self._states.setdefault(group.name, {}), 0
            for key, fact in facts:
                if key not in states:
                    states[key] = KeyState(group)
                new += states[key].add(fact)
            return new

    def value(self, group: Group, key: Key, name: str, time: int) -> Value:
        """Return the value of a feature."""
        with self._lock:
            state = self._states.get(group.name, {}).get(key)
            return None if state is None else state.value(name, time)

    def forget(self, group: Group, before: int) -> None:
        """Drop old facts, and keys without any."""
        with self._lock:
            states = self._states.get(group.name, {})
            for key in list(states):
                states[key].forget(before)
                if not len(states[key]):
                    del states[key]

    def is_read(self, group: Group, file: str, state: str) -> bool:
        """Return whether a file was marked in its state."""
        return self._files.get((group.name, file)) == state

    def mark_read(self, group: Group, file: str, state: str) -> None:
        """Mark a file."""
        self._files[group.name, file] = state

    def close(self) -> None:
        """Do nothing: memory is not held open."""
