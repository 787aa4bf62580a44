"""Event encoding: the inverse of :mod:`features.events.decode`; what is written here decodes to the same table."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features import errors
from features.events import decode
from features.kafka import avro, schema_registry
from features.schema import EventSchema, Role, Source
from features.topic import RecordFormat
from features.window import from_ms

CONTENT: Mapping[RecordFormat, str] = {
    "json": "application/json", "avro": "avro/binary", "arrow": "application/vnd.apache.arrow.stream",
}  # fmt: skip
"""MIME type in the header ``content-type`` of a record, by format."""


def events(schema: EventSchema, role: Role, table: pa.Table) -> pa.Table:
    """Encode a typed table as events: columns named as in the project file, times as timestamps."""
    named = renamed({name: source for name, (source, _) in decode.event_columns(schema, role).items()}, table)
    if role != "labels" or schema.positive is None:
        return named
    at = schema.columns.label
    return named.set_column(named.column_names.index(at), at, labels(schema, named[at].to_pylist()))


def labels(schema: EventSchema, values: Iterable[Any]) -> pa.Array:
    """Return labels as the project file names them: 1.0 and 0.0 of a binary task as the names of its classes.

    >>> schema = EventSchema(model="m", task="binary", features={"x": "numeric"}, positive="yes")
    >>> labels(schema, [1.0, 0.0, None]).to_pylist()
    ['yes', '0', None]
    """
    if schema.positive is None:
        return pa.array(values)
    other = schema.negative or ("0" if schema.positive != "0" else "1")
    return pa.array([None if v is None else schema.positive if v == 1 else other for v in values], pa.string())


def renamed(names: Mapping[str, str], table: pa.Table) -> pa.Table:
    """Return the columns of a decoded table under other names.

    Parameters
    ----------
    names
        Name in the decoded table -> name in the answer; columns that it does not list are left out.
    table
        A decoded table.
    """
    times = table[decode.TIME].cast(pa.timestamp("ms", "UTC"))
    return pa.table({theirs: times if own == decode.TIME else table[own] for own, theirs in names.items()})


DIGEST = "leeway.digest"
"""Further column, and header, of a prediction: the sha256 of the model file that made it."""


def records(
    schema: EventSchema, role: Role, table: pa.Table, source: Source, more: Mapping[str, str] | None = None
) -> list[bytes]:
    """Return the values of Kafka records, one per event, or one for the whole table in the columnar format.

    Parameters
    ----------
    schema
        The model's event schema.
    role
        Whether the rows are predictions, labels or requests.
    table
        A decoded table.
    source
        The topic: its record format, Avro schema and schema registry.
    more
        Further columns, each of one value; an Avro schema has no place for them.

    Raises
    ------
    DataError
        An event does not fit the Avro schema.
    BrokerError
        The schema registry does not answer, or refuses the schema.
    """
    named = events(schema, role, table)
    if source.format != "avro":
        for name, value in (more or {}).items():
            named = named.append_column(name, pa.repeat(value, named.num_rows))
    if source.format == "arrow":
        return [arrow(named)] if named.num_rows else []
    if source.format == "json":
        return list(json_lines(named, schema.times.format))
    text = avro.written(source.avro_schema, decode.event_columns(schema, role))
    plan, registry = avro.parse(text), source.schema_registry
    front = schema_registry.header(schema_registry.schema_id(registry, source.topic or "", text)) if registry else b""
    try:
        return [front + avro.write(row, plan) for row in _rows(_as_avro(named, plan))]
    except ValueError as error:
        raise errors.DataError(
            str(error), hint="leave `avro_schema` out to write the one that features give"
        ) from error


def json_lines(table: pa.Table, way: str | None = None) -> Iterator[bytes]:
    """Yield each row as a line of JSON (UTF-8); a number that is not finite, which JSON does not have, is text.

    Parameters
    ----------
    table
        Events, with times as timestamps.
    way
        How to write times (strftime, `events.times.format`); by default ISO 8601.

    Examples
    --------
    >>> list(json_lines(pa.table({"x": [1.5, float("inf")], "c": ["a", None]})))
    [b'{"x":1.5,"c":"a"}', b'{"x":"inf","c":null}']
    """
    names, columns = table.column_names, [_json_values(column, way) for column in table.columns]
    for row in zip(*columns, strict=True):
        yield orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_NAIVE_UTC)


def _json_values(column: pa.ChunkedArray, way: str | None) -> list[Any]:
    """Return the values of a column as JSON has them; by column, since most have none that JSON lacks."""
    if pa.types.is_timestamp(column.type):
        if not way:  # orjson writes ISO 8601 itself
            return column.cast(pa.timestamp("ms"), safe=False).to_numpy().tolist()  # type: ignore[no-any-return]
        return [at and at.strftime(way) for at in _values(column)]
    values = _values(column)
    if not pa.types.is_floating(column.type) or pc.all(pc.is_finite(column)).as_py() is not False:
        return values
    return [value if value is None or math.isfinite(value) else str(value) for value in values]


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    names, columns = table.column_names, [_values(column) for column in table.columns]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_floating(column.type) and column.null_count == 0:
        return column.to_numpy().tolist()  # type: ignore[no-any-return]
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]
    return [None if ms is None else from_ms(ms) for ms in _ms(column)]


def _ms(column: pa.ChunkedArray) -> list[int | None]:
    return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]


def _as_avro(table: pa.Table, plan: Any) -> pa.Table:
    """Return *table* with times as numbers where the schema *plan* has plain ones."""
    plain = {field["name"] for field in plan["fields"] if not _is_logical(field["type"])}
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.name in plain:
            table = table.set_column(i, field.name, table[i].cast(pa.int64()))
    return table


def _is_logical(kind: Any) -> bool:
    return any(
        isinstance(part, dict) and "logicalType" in part for part in (kind if isinstance(kind, list) else [kind])
    )


def arrow(table: pa.Table) -> bytes:
    """Return *table* as one Arrow IPC stream; strings of which at most half are distinct are dictionary-encoded."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            encoded = table[i].combine_chunks().dictionary_encode()
            if len(encoded.dictionary) <= len(encoded) // 2:
                table = table.set_column(i, field.name, encoded)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
