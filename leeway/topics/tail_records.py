"""Decodes the records of a topic for display: place, time, key, headers and value in any known format."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from features.errors import LeewayError, NotFound
from features.events import decode
from features.events.encode import CONTENT, json_lines
from features.kafka import avro
from features.schema import EventSchema, Role, Source
from leeway.project.load import Project

ROLES = ("predictions", "labels", "history")
OUTPUT_TOPICS = ("reports", "dead-letters", "progress")


@dataclass(frozen=True)
class Target:
    """A topic to show; *source*, *schema* and *role* describe its events where it is a topic of the project."""

    bootstrap: str
    topic: str
    source: Source | None = None
    schema: EventSchema | None = None
    role: Role = "predictions"

    @property
    def format(self) -> str | None:
        """The format of its records; None where it is unknown."""
        return self.source.format if self.source else None


def target(project: Project, name: str, model: str | None) -> Target:
    """Return the topic of *name*: a stream of the model, an output topic of its job, or any topic.

    Raises
    ------
    NotFound
        The stream is not in a topic, or the project has several models and *model* is None.
    """
    if name in OUTPUT_TOPICS:
        chosen = project.model(model)
        return Target(chosen.events.predictions.bootstrap or project.kafka, f"leeway.{chosen.name}.{name}")
    if name in ROLES:
        chosen = project.model(model)
        source = getattr(chosen.events, name)
        if source is None or source.topic is None:
            msg = f"events.{name} of {chosen.name} is not in a topic"
            raise NotFound(msg, hint=f"set events.{name}: {{topic: ...}}, or name a topic")
        return Target(source.bootstrap, source.topic, source, chosen.schema, role(name))
    for chosen in project.models.values():
        for stream in ROLES:
            source = getattr(chosen.events, stream)
            if source is not None and source.topic == name:
                return Target(source.bootstrap, name, source, chosen.schema, role(stream))
    return Target(project.kafka, name)


def role(name: str) -> Role:
    """Return the role as which the events of a stream of the project file are decoded."""
    return "labels" if name == "labels" else "requests" if name == "history" else "predictions"


def record(message: Any, at: Target) -> dict[str, Any]:
    """Return a record as plain values: place, time, key, headers and decoded value."""
    headers = {name: _text(value) for name, value in message.headers or ()}
    return {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "key": None if message.key is None else _text(message.key),
        "headers": headers,
        "value": value(message.value, at, headers),
    }


def value(raw: bytes | None, at: Target, headers: Mapping[str, str]) -> Any:
    """Return *raw* decoded by the topic's format or its ``content-type``, else as JSON or Arrow, else as text.

    A columnar record is the list of its events. Bytes that are not UTF-8 are base64.
    """
    if raw is None:
        return None
    kinds = {content: form for form, content in CONTENT.items()}
    form = at.format or kinds.get(headers.get("content-type", "")) or "json"
    for read in (form, "json", "arrow"):
        try:
            return _READ[read](raw, at)
        except (ValueError, LeewayError, pa.ArrowException, OSError, RecursionError):
            continue
    return _text(raw)


def _json(raw: bytes, at: Target) -> Any:
    return json.loads(raw)


def _avro(raw: bytes, at: Target) -> Any:
    if at.source is None or at.schema is None:
        msg = "the schema is unknown"
        raise ValueError(msg)
    columns = decode.event_columns(at.schema, at.role)
    return avro.reader(at.source.avro_schema, columns, at.source.schema_registry)(raw)


def _arrow(raw: bytes, at: Target) -> Any:
    table = pa.ipc.open_stream(raw).read_all()
    table.validate(full=True)
    for i, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(i, table.column_names[i], column.cast(column.type.value_type))
    return [json.loads(line) for line in json_lines(table)]


_READ = {"json": _json, "avro": _avro, "arrow": _arrow}


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"


def short(value: Any, width: int = 200) -> str:
    """Return *value* on one line of at most *width* characters; of a columnar record its first event.

    >>> short([{"x": 1}, {"x": 2}])
    '2 events, first {"x": 1}'
    """
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} events, first {short(value[0], width)}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= width else f"{text[: width - 1]}…"
