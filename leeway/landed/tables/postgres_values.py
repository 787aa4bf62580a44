"""Values of PostgreSQL that Python has no type for, as text: one of them must not end the query that all are in."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types import datetime as times
from psycopg.types.json import set_json_loads


class _Date(times.DateLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


class _Timestamp(times.TimestampLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


class _ZonedTimestamp(times.TimestamptzLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


def _or_text(load: Any, data: Any) -> Any:
    """Return the loaded value; its text where it is beyond Python's times, like infinity or a year before Christ."""
    try:
        return load(data)
    except (psycopg.DataError, ValueError, OverflowError):
        return bytes(data).decode()


def accept_all(connection: Any, _: object) -> None:
    """Let a new *connection* read times beyond Python's as text, and JSON as its own text."""
    for name, loader in (("date", _Date), ("timestamp", _Timestamp), ("timestamptz", _ZonedTimestamp)):
        connection.adapters.register_loader(name, loader)
    set_json_loads(lambda data: data if isinstance(data, str) else bytes(data).decode(), connection)
