"""Readers of Kafka records: JSON, Avro or Arrow bytes to untyped rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import errors
from features.files import csv_lines, json_lines
from features.kafka import arrow_sizes, avro, stored_schemas
from features.schema import Source
from features.topic import RecordFormat
from features.values.arrow_columns import basic, validated
from features.values.untyped import Columns, Reject, UntypedRows, reject
from features.values.untyped import sources as _names


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one topic.

    Parameters
    ----------
    topic
        The topic.
    format
        Format of their values.
    partitions
        Partition of each record.
    offsets
        Offset of each record.
    values
        Value of each record; None is a tombstone.
    avro_schema
        File of their Avro schema; empty for the schema that is derived from the features.
    registry
        URL of the schema registry whose ids are in front of the values; empty without one.
    schemas
        Avro schemas that were stored with the records (:func:`features.kafka.stored_schemas.of`); None where they are
        still to be looked up.
    """

    topic: str
    format: RecordFormat
    partitions: Sequence[int]
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    avro_schema: str = ""
    registry: str = ""
    schemas: Mapping[str, str] | None = None

    @staticmethod
    def of(
        source: Source, partitions: Sequence[int], offsets: Sequence[int], values: Sequence[bytes | None]
    ) -> Records:
        """Return records of *source*, a topic."""
        own = source.avro_schema or "", source.schema_registry or ""
        return Records(source.topic or "", source.format, partitions, offsets, values, *own)

    def place(self, index: int) -> tuple[str, int]:
        """Return ``topic/partition`` and the offset of the record at *index*, by which a bad one is named."""
        return f"{self.topic}/{self.partitions[index]}", int(self.offsets[index])


def read(records: Records, columns: Columns) -> list[UntypedRows]:
    """Return the columns that are in records, in one part for each shape, and the rejected records.

    A row's line is its record's index in records.

    Parameters
    ----------
    records
        Records of one topic.
    columns
        Columns to read.

    Raises
    ------
    DataError
        The Avro schema cannot be read.
    BrokerAway
        Its registry does not answer.
    """
    full = [i for i, value in enumerate(records.values) if value]
    bad = {i: "the record has no value" for i, value in enumerate(records.values) if not value}
    values = [records.values[i] or b"" for i in full]
    pieces, wrong = _READERS[records.format](records, values, columns)
    index = np.array(full, np.int64)
    bad |= {full[i]: reason for i, reason in wrong.items()}
    rejects = tuple(_reject(records, i, reason) for i, reason in sorted(bad.items()))
    raws = [_raw(records, piece, index[piece.places]) for piece in pieces]
    return [*raws, UntypedRows(pa.table({}), np.zeros(0, np.int64), rejects)] if rejects else raws


def _raw(records: Records, piece: RecordTable, lines: npt.NDArray[np.int64]) -> UntypedRows:
    return UntypedRows(piece.table, lines, (), piece.unfit, lambda row: records.values[int(lines[row])] or b"")


def _reject(records: Records, index: int, reason: str) -> Reject:
    return reject(records.place(index), reason, records.values[index] or b"")


@dataclass(frozen=True, slots=True)
class RecordTable:
    """Rows of one shape.

    Parameters
    ----------
    table
        The rows.
    places
        Index of each row's record, (rows,).
    unfit
        Cells that no type can take: column -> row -> reason.
    """

    table: pa.Table
    places: npt.NDArray[np.int64]
    unfit: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


_Read = tuple[list[RecordTable], dict[int, str]]


def _read_json(records: Records, values: list[bytes], columns: Columns) -> _Read:
    data = b"\n".join(values)
    one_line_each = bool(values) and data.count(b"\n") == len(values) - 1
    table = json_lines.json_table(data, values, columns) if one_line_each else None
    if table is not None:
        return [RecordTable(table, np.arange(table.num_rows))], {}
    rows = json_lines.json_rows(values, _names(columns))
    return [RecordTable(rows.table, rows.places, rows.unfit)], rows.bad


def _read_avro(records: Records, values: list[bytes], columns: Columns) -> _Read:
    """Return the records' fields as one table; a record that does not fit the schema is bad."""
    if records.schemas is None:
        event = avro.reader(records.avro_schema, columns, records.registry)
    else:
        event = stored_schemas.reader(records.schemas)
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    bad: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            rows.append(event(value))
            places.append(place)
        except ValueError as error:
            bad[place] = str(error)
    read = {name: _column([row.get(name) for row in rows]) for name in _names(columns)}
    unfit = {name: cells for name, (_, cells) in read.items() if cells}
    return [RecordTable(pa.table({name: c for name, (c, _) in read.items()}), np.array(places, np.int64), unfit)], bad


def _column(values: list[Any]) -> tuple[pa.Array, dict[int, str]]:
    """Return *values* as one column of their own type, if that is a number, text or time; else as text.

    Cells that are no single value are returned by row with the reason.
    """
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return json_lines.text_column(values)
    nested = pa.types.is_nested(column.type) or pa.types.is_binary(column.type)
    return json_lines.text_column(values) if nested else (column, {})


def _read_arrow(records: Records, values: list[bytes], columns: Columns) -> _Read:
    """Return Arrow IPC streams as tables; consecutive records of one shape become one table."""
    names = _names(columns)
    pieces: list[tuple[list[pa.Table], list[int]]] = []
    bad: dict[int, str] = {}
    for place, value in enumerate(values):
        try:
            table = _arrow_table(value, names)
        except errors.DataError as error:
            bad[place] = error.message
            continue
        except Exception as error:  # bytes of another kind make the reader fail in all its parts
            bad[place] = f"not an Arrow IPC stream: {error}"
            continue
        if not pieces or pieces[-1][0][0].schema != table.schema:
            pieces.append(([], []))
        pieces[-1][0].append(table)
        pieces[-1][1].append(place)
    return [
        RecordTable(pa.concat_tables(tables), np.repeat(np.array(places, np.int64), [t.num_rows for t in tables]))
        for tables, places in pieces
    ], bad


def _arrow_table(value: bytes, names: list[str]) -> pa.Table:
    rows = arrow_sizes.check(value, len(names))
    with pa.ipc.open_stream(value) as stream:
        csv_lines.check_names(stream.schema.names, names)
        table = stream.read_all()
    # What anybody may have sent must not be read out of bounds. Each record has dictionaries of its own.
    present = {name: basic(validated(table[name])) for name in names if name in table.column_names}
    return pa.table(present or {names[0]: pa.nulls(rows)})


_READERS: dict[RecordFormat, Callable[[Records, list[bytes], Columns], _Read]] = {
    "json": _read_json, "avro": _read_avro, "arrow": _read_arrow,
}  # fmt: skip
