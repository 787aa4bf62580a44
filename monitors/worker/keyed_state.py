"""Keyed state: what a stream function stores for one key, in Flink or in memory (:mod:`monitors.flink.state_job`)."""

from __future__ import annotations

from typing import Any, Protocol


class KeyedState(Protocol):
    """The map state of one key."""

    def get(self, key: str, /) -> Any: ...  # noqa: D102
    def put(self, key: str, value: Any, /) -> None: ...  # noqa: D102
    def remove(self, key: str, /) -> None: ...  # noqa: D102


class MemoryState(dict[str, Any]):
    """A :class:`KeyedState` in memory.

    >>> state = MemoryState()
    >>> state.put("a", 1)
    >>> state.get("a"), state.get("b")
    (1, None)
    >>> state.remove("a")
    >>> state
    {}
    """

    def put(self, key: str, value: Any, /) -> None:
        """Store *value*."""
        self[key] = value

    def remove(self, key: str, /) -> None:
        """Remove what is stored under *key*, if anything."""
        self.pop(key, None)
