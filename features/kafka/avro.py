"""Avro: an event a record without a container around it; both sides know the schema, or a registry does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import fastavro

from features import errors
from features.kafka import schema_registry
from features.schema import FeatureKind

_TYPES = {None: "long", FeatureKind.NUMERIC: "double", FeatureKind.CATEGORICAL: "string"}
_MILLIS = ("timestamp-millis", "local-timestamp-millis")


def derive(columns: Mapping[str, tuple[str, FeatureKind | None]]) -> str:
    """Return the Avro schema that *columns* (as `codec.wanted` gives them) ask for, as JSON.

    The first two, id and time, must be there; every other field may be null. Times are milliseconds.

    >>> print(derive({"id": ("id", FeatureKind.CATEGORICAL), "time": ("at", None), "x": ("x", FeatureKind.NUMERIC)}))
    {"type": "record", "name": "Event", "fields": [{"name": "id", "type": "string"}, {"name": "at", "type":
    {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "x", "type": ["null", "double"], "default": null}]}
    """
    fields: list[dict[str, Any]] = []
    for name, (source, kind) in columns.items():
        if kind is None:
            fields.append({"name": source, "type": {"type": "long", "logicalType": "timestamp-millis"}})
        elif name == "id":
            fields.append({"name": source, "type": _TYPES[kind]})
        else:
            fields.append({"name": source, "type": ["null", _TYPES[kind]], "default": None})
    return json.dumps({"type": "record", "name": "Event", "fields": fields})


def written(file: str | None, columns: Mapping[str, tuple[str, FeatureKind | None]]) -> str:
    """Return the schema that records are written with, as JSON: that of *file*, else the one that *columns* give.

    Raises:
        DataError: the file cannot be read.
    """
    return load(file) if file else derive(columns)


@lru_cache(maxsize=64)
def load(path: str) -> str:
    """Return the text of the schema file at *path*.

    Raises:
        DataError: it is not there.
    """
    try:
        return Path(path).read_text()
    except OSError as error:
        msg = f"the Avro schema {path} cannot be read: {error}"
        raise errors.DataError(msg, hint="mend events.*.avro_schema in the project file") from error


@lru_cache(maxsize=64)
def parse(text: str) -> Any:
    """Return a schema that records can be read and written with. Milliseconds stay numbers.

    Raises:
        DataError: *text* is no Avro schema of a record, or a field's name is none of Avro's.
    """
    try:
        schema = fastavro.parse_schema(_plain(json.loads(text)))
    except (
        fastavro.schema.SchemaParseException,
        fastavro.schema.UnknownType,
        ValueError,
        TypeError,
        KeyError,
    ) as error:
        msg = f"this is not an Avro schema: {error}"
        raise errors.DataError(msg, hint="Avro names are letters, digits and _; write JSON or Arrow instead") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        msg = "an event's Avro schema must be a record"
        raise errors.DataError(msg)
    return schema


def _plain(node: Any) -> Any:
    """Return *node* without the logical types that would make milliseconds into datetimes, one by one."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {k: _plain(v) for k, v in node.items() if not (k == "logicalType" and v in _MILLIS)}


def reader(
    file: str | None, columns: Mapping[str, tuple[str, FeatureKind | None]], registry: str | None
) -> Callable[[bytes], dict[str, Any]]:
    """Return what reads a record with the schema that *written* gives, or that the *registry* has under its number.

    What is returned raises ValueError where a record cannot be read, and BrokerAway where the registry does not answer.
    A number that the registry does not have is asked for once.

    Raises:
        DataError: the schema is needed, and cannot be read or is no Avro schema of a record.
    """
    if not registry:
        plan = parse(written(file, columns))
        return lambda value: read(value, plan)
    url = registry

    @cache
    def found(number: int) -> Any:
        try:
            return parse(schema_registry.schema(url, number))
        except errors.DataError as error:
            return error.message
        except ValueError as error:
            return str(error)

    def event(value: bytes) -> dict[str, Any]:
        number, record = schema_registry.split(value)
        if isinstance(plan := found(number), str):
            raise ValueError(plan)
        return read(record, plan)

    return event


def read(value: bytes, schema: Any) -> dict[str, Any]:
    """Return the one event that *value* holds.

    Raises:
        ValueError: it is not a record of that schema, or not only one.
    """
    stream = io.BytesIO(value)
    try:
        record = fastavro.schemaless_reader(stream, schema, None)
    except Exception as error:  # bytes of another kind make the reader fail in all its parts
        msg = f"not Avro of the expected schema: {error or type(error).__name__}"
        raise ValueError(msg) from error
    if left := len(value) - stream.tell():
        msg = f"not Avro of the expected schema: {left} bytes are left over"
        raise ValueError(msg)
    return record  # type: ignore[return-value]


def write(record: Mapping[str, Any], schema: Any) -> bytes:
    """Return *record* as bytes; a field that it lacks is null.

    Raises:
        ValueError: a value does not fit its field.
    """
    stream = io.BytesIO()
    try:
        fastavro.schemaless_writer(stream, schema, record)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        msg = f"an event does not fit the Avro schema: {error}"
        raise ValueError(msg) from error
    return stream.getvalue()
