"""Connections to Java by thread: each Python thread talks to one Java thread, and to no other.

Flink's planner keeps what it needs in a variable of the Java thread that made the table environment
(``RelMetadataQueryBase.THREAD_PROVIDERS`` of Calcite; FLINK-23020), and py4j has one Java thread a connection. Its
client hands any free connection to any thread. A Python thread that uses Java between two calls of another, if only to
release an object that the garbage collector found there, takes the connection away: the next call is in a Java thread
without that variable, and the statement ends with a ``NullPointerException: metadataHandlerProvider``.
"""

from __future__ import annotations

import logging
import threading
from typing import Any


class _OwnConnections(threading.local):
    """Free connections of the thread that asks, with what py4j's client uses of a ``deque``."""

    def __init__(self) -> None:
        self._free: list[Any] = []

    def pop(self) -> Any:
        """Return the connection that this thread used last; ``IndexError`` makes the client open one."""
        return self._free.pop()

    def append(self, connection: Any) -> None:
        """Add a connection that is free again."""
        self._free.append(connection)

    def __len__(self) -> int:
        return len(self._free)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    """Return whether a log record is another one than py4j's traceback of a Ctrl-C, which the command answers."""
    return not str(record.msg).startswith("KeyboardInterrupt while sending command")


def separate_threads() -> None:
    """Give each thread of this process connections to Java of its own; starts Java where it is not running yet."""
    from pyflink.java_gateway import get_gateway

    logging.getLogger().addFilter(_is_no_interrupt)
    client = get_gateway()._gateway_client
    shared = client.deque
    if isinstance(shared, _OwnConnections):
        return
    client.deque = _OwnConnections()
    while shared:
        client.deque.append(shared.popleft())
