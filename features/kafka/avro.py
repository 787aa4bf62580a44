"""Avro records: one event each, without a container; the schema is agreed on, or in a schema registry."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import fastavro

from features import errors
from features.kafka import schema_registry
from features.schema import FeatureKind

_TYPES = {None: "long", FeatureKind.NUMERIC: "double", FeatureKind.CATEGORICAL: "string"}
_MILLIS = ("timestamp-millis", "local-timestamp-millis")


def derive(columns: Mapping[str, tuple[str, FeatureKind | None]]) -> str:
    """Return the Avro schema of the columns, as JSON.

    Id and time must have a value; every other field may be null. Times are milliseconds.

    Parameters
    ----------
    columns
        As :func:`features.events.decode.event_columns` returns them.

    Examples
    --------
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
    """Return the schema that records are written with, as JSON: that of *file*, else derived from *columns*.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    return load(file) if file else derive(columns)


def load(path: str) -> str:
    """Return the text of the schema file at *path*, as it is now.

    It is read again once the file has changed: what follows a topic stores the text with its records for good.

    Raises
    ------
    DataError
        It cannot be read.
    """
    try:
        now = Path(path).stat()
        return _text(path, now.st_mtime_ns, now.st_size)
    except OSError as error:
        msg = f"the Avro schema {path} cannot be read: {error}"
        raise errors.DataError(msg, hint="correct events.*.avro_schema in the project file") from error


@lru_cache(maxsize=64)
def _text(path: str, _changed: int, _size: int) -> str:
    return Path(path).read_text()


@lru_cache(maxsize=64)
def parse(text: str) -> Any:
    """Return a parsed schema for :func:`read` and :func:`write`; milliseconds stay numbers.

    Raises
    ------
    DataError
        *text* is not the Avro schema of a record, or a field's name is not allowed in Avro.
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
    """Return *node* without the logical types that would turn milliseconds into datetimes, one by one."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {k: _plain(v) for k, v in node.items() if not (k == "logicalType" and v in _MILLIS)}


def reader(
    file: str | None, columns: Mapping[str, tuple[str, FeatureKind | None]], registry: str | None
) -> Callable[[bytes], dict[str, Any]]:
    """Return a function that reads a record.

    It raises ValueError where a record cannot be read, and BrokerAway where the registry does not answer. A schema that
    the registry does not have is requested once.

    Parameters
    ----------
    file
        File of the Avro schema; None for the schema derived from `columns`.
    columns
        As :func:`features.events.decode.event_columns` returns them.
    registry
        URL of the schema registry whose schema ids are in front of the records; None or empty without one.

    Raises
    ------
    DataError
        The schema is needed and cannot be read, or is not the Avro schema of a record.
    """
    if not registry:
        plan = parse(written(file, columns))
        return lambda value: read(value, plan)
    return registered_reader(partial(schema_registry.schema, registry))


def registered_reader(schema_of: Callable[[int], str]) -> Callable[[bytes], dict[str, Any]]:
    """Return a function that reads a record by the schema whose number is in front of it.

    It raises ValueError where a record cannot be read, and what *schema_of* raises beside that.

    Parameters
    ----------
    schema_of
        Returns the schema of a number as JSON, or raises ValueError.
    """

    @cache
    def parsed(schema_id: int) -> Any:
        try:
            return parse(schema_of(schema_id))
        except errors.DataError as error:
            return error.message
        except ValueError as error:
            return str(error)

    def event(value: bytes) -> dict[str, Any]:
        schema_id, record = schema_registry.split_header(value)
        if isinstance(plan := parsed(schema_id), str):
            raise ValueError(plan)
        return read(record, plan)

    return event


def read(value: bytes, schema: Any) -> dict[str, Any]:
    """Return the event that *value* contains.

    Raises
    ------
    ValueError
        It is not exactly one record of that schema.
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

    Raises
    ------
    ValueError
        A value does not fit its field.
    """
    stream = io.BytesIO()
    try:
        fastavro.schemaless_writer(stream, schema, record)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        msg = f"an event does not fit the Avro schema: {error}"
        raise ValueError(msg) from error
    return stream.getvalue()
