"""Kafka records as they come, and from their bytes to untyped columns: the way that files go, by another door."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import avro, readers
from features.schema import Kind, RecordFormat, Source

Columns = Mapping[str, tuple[str, Kind | None]]
"""What to read, as `codec.wanted` says: name -> (column in the event, kind)."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one topic: for each its partition, its offset and its value (None is a tombstone).

    *avro_schema* is the file of their schema, "" for the one that features give; *registry* the URL of the registry
    whose schemas they name, "" where there is none.
    """

    topic: str
    format: RecordFormat
    partitions: Sequence[int]
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    avro_schema: str = ""
    registry: str = ""

    @staticmethod
    def of(
        source: Source, partitions: Sequence[int], offsets: Sequence[int], values: Sequence[bytes | None]
    ) -> Records:
        """Return records of *source*, a topic."""
        own = source.avro_schema or "", source.schema_registry or ""
        return Records(source.topic or "", source.format, partitions, offsets, values, *own)

    def place(self, index: int) -> tuple[str, int]:
        """Return ``topic/partition`` and the offset of the record at *index*: how a bad one is named."""
        return f"{self.topic}/{self.partitions[index]}", int(self.offsets[index])


def read(records: Records, columns: Columns) -> list[readers.Raw]:
    """Return the *columns* that are in *records*, in pieces of one shape each, and every bad record by its place.

    A row's line is its record's index in *records*.

    Raises:
        DataError: the Avro schema cannot be read.
    """
    full = [i for i, value in enumerate(records.values) if value]
    bad = {i: "the record has no value" for i, value in enumerate(records.values) if not value}
    values = [records.values[i] or b"" for i in full]
    pieces, wrong = _READERS[records.format](records, values, columns)
    index = np.array(full, np.int64)
    bad |= {full[i]: reason for i, reason in wrong.items()}
    rejects = tuple(_reject(records, i, reason) for i, reason in sorted(bad.items()))
    raws = [readers.Raw(table, index[places]) for table, places in pieces]
    return [*raws, readers.Raw(pa.table({}), np.zeros(0, np.int64), rejects)] if rejects else raws


def _reject(records: Records, index: int, reason: str) -> readers.Reject:
    text = (records.values[index] or b"")[: readers.RAW_LIMIT].decode("utf-8", "replace")
    return readers.Reject(*records.place(index), reason, text)


Piece = tuple[pa.Table, npt.NDArray[np.int64]]
"""Rows, and of each the place of its record."""
_Read = tuple[list[Piece], dict[int, str]]


def _names(columns: Columns) -> list[str]:
    return [column for column, _ in columns.values()]


def _read_json(records: Records, values: list[bytes], columns: Columns) -> _Read:
    data = b"\n".join(values)
    one_line_each = bool(values) and data.count(b"\n") == len(values) - 1
    table = readers.json_table(data, values, _names(columns)) if one_line_each else None
    if table is not None:
        return [(table, np.arange(table.num_rows))], {}
    rows = readers.json_rows(values, _names(columns))
    return [(rows.table, rows.places)], rows.bad


def _read_avro(records: Records, values: list[bytes], columns: Columns) -> _Read:
    event = avro.reader(records.avro_schema, columns, records.registry)
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    bad: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            rows.append(event(value))
            places.append(place)
        except ValueError as error:
            bad[place] = str(error)
    table = pa.table({name: _column([row.get(name) for row in rows]) for name in _names(columns)})
    return [(table, np.array(places, np.int64))], bad


def _column(values: list[Any]) -> pa.Array:
    """Return *values* as one column: of their own type if they have one that is a number, text or time."""
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([_text(value) for value in values], pa.string())
    nested = pa.types.is_nested(column.type) or pa.types.is_binary(column.type)
    return pa.array([_text(value) for value in values], pa.string()) if nested else column


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    return readers.json_text(value) if not isinstance(value, list | dict) else json.dumps(value, default=str)


def _read_arrow(records: Records, values: list[bytes], columns: Columns) -> _Read:
    """Read Arrow IPC streams; records of one shape that follow each other become one piece."""
    pieces: list[tuple[list[pa.Table], list[int]]] = []
    bad: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            table = _arrow_table(value, _names(columns))
        except (pa.ArrowException, OSError, ValueError) as error:
            bad[place] = f"not an Arrow IPC stream: {error}"
            continue
        if not pieces or pieces[-1][0][0].schema != table.schema:
            pieces.append(([], []))
        pieces[-1][0].append(table)
        pieces[-1][1].append(place)
    return [
        (pa.concat_tables(tables), np.repeat(np.array(places, np.int64), [t.num_rows for t in tables]))
        for tables, places in pieces
    ], bad


def _arrow_table(value: bytes, names: list[str]) -> pa.Table:
    table = pa.ipc.open_stream(value).read_all()
    table = table.select([name for name in dict.fromkeys(names) if name in table.column_names])
    table.validate(full=True)  # what anybody may have sent must not be read out of bounds
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):  # each record has its own
            table = table.set_column(i, field.name, table[i].cast(field.type.value_type))
    return table.replace_schema_metadata(None)


_READERS: dict[RecordFormat, Callable[[Records, list[bytes], Columns], _Read]] = {
    "json": _read_json, "avro": _read_avro, "arrow": _read_arrow,
}  # fmt: skip
