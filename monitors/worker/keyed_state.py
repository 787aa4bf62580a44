"""What a function keeps of one key, wherever it is kept: see :mod:`monitors.flink.state_job`. No Flink."""

from __future__ import annotations

from typing import Any, Protocol


class KeyedState(Protocol):
    """What is asked of one key's map state."""

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
        """Keep *value*."""
        self[key] = value

    def remove(self, key: str, /) -> None:
        """Forget what is kept, if anything."""
        self.pop(key, None)
