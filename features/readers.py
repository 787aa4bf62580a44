"""From a chunk of a file to untyped columns, with the line of every row and every bad record kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from features import errors, sources

_CSV_NULLS = ["", "NA", "null", "NULL", "None", "NaN", "nan"]
RAW_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be used, and why.

    *line* counts from 1 (rows, in Parquet); *raw* is the beginning of the record. Of a topic, *path* is
    ``topic/partition`` and *line* the offset. *column* is the one whose value did not fit, by its decoded name; of such
    a record *time* (ms) and *version* are told where they could be read.
    """

    path: str
    line: int
    reason: str
    raw: str
    column: str = ""
    time: int | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """A chunk as it was read: untyped columns, the line of each row, and the records that are no rows at all.

    Where Kafka records were read, a row's line is its record's place among them, from 0.
    """

    table: pa.Table
    lines: npt.NDArray[np.int64]
    rejects: tuple[Reject, ...] = ()


def read(chunk: sources.Chunk, columns: list[str]) -> Raw:
    """Return the *columns* of *chunk* that are there.

    Raises:
        DataError: the file itself cannot be read (gone, not Parquet, no header).
    """
    try:
        return _READERS[chunk.format](chunk, columns)
    except OSError as error:
        msg = f"{chunk.path} cannot be read: {error}"
        raise errors.DataError(msg) from error


def number_text(value: float) -> str:
    """Return a number as a category: whole numbers without a point, so that 3 and 3.0 are the same.

    >>> number_text(3.0), number_text(2.5)
    ('3', '2.5')
    """
    return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))


def _read_parquet(chunk: sources.Chunk, columns: list[str]) -> Raw:
    try:
        file = pq.ParquetFile(chunk.path)
        present = [c for c in columns if c in file.schema_arrow.names]
        table = file.read_row_groups(list(range(chunk.start, chunk.stop)), columns=present)
    except (OSError, pa.ArrowException) as error:
        msg = f"{chunk.path} cannot be read as Parquet: {error}"
        raise errors.DataError(msg) from error
    return Raw(table, chunk.first + np.arange(table.num_rows))


def _read_csv(chunk: sources.Chunk, columns: list[str]) -> Raw:
    rejects: list[Reject] = []

    def keep(row: Any) -> str:
        reason = f"{row.actual_columns} columns where the header has {row.expected_columns}"
        rejects.append(
            Reject(chunk.path, chunk.first + row.number - (2 if chunk.start else 1), reason, row.text[:RAW_LIMIT])
        )
        return "skip"

    data = chunk.read()
    names = next(csv.reader([data.split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")]), [])
    try:
        table = pa_csv.read_csv(
            io.BytesIO(data),
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=keep),
            convert_options=pa_csv.ConvertOptions(
                include_columns=[c for c in columns if c in names],
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=_CSV_NULLS,
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowException as error:
        msg = f"{chunk.path} cannot be read as CSV: {error}"
        raise errors.DataError(msg, hint="the first line must name the columns; text must be UTF-8") from error
    skipped = {r.line for r in rejects}
    first = chunk.first if chunk.start else chunk.first + 1
    lines = _lines_without(skipped, first, table.num_rows)
    return Raw(table, lines, tuple(rejects))


def _lines_without(skipped: set[int], first: int, rows: int) -> npt.NDArray[np.int64]:
    every = np.arange(first, first + rows + len(skipped))
    return every[~np.isin(every, list(skipped))][:rows]


def _read_jsonl(chunk: sources.Chunk, columns: list[str]) -> Raw:
    data = chunk.read()
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    table = json_table(data, lines, columns)
    if table is not None:
        return Raw(table, chunk.first + np.arange(table.num_rows))
    rows = json_rows(lines, columns)
    rejects = tuple(
        Reject(chunk.path, chunk.first + i, reason, lines[i].decode("utf-8", "replace")[:RAW_LIMIT])
        for i, reason in rows.bad.items()
        if lines[i].strip()
    )
    return Raw(rows.table, chunk.first + rows.places, rejects)


def json_table(data: bytes, lines: Sequence[bytes], columns: list[str]) -> pa.Table | None:
    """Return *data*, which are the *lines* with a line feed between them, as columns at once.

    None where some line is no JSON object, or one of another shape than the first: :func:`json_rows` then tells which.
    """
    if not _is_utf8(data):
        return None
    for unknown in (pa.string(), pa.float64()):  # what the first lines leave open may be text or a number
        try:
            table = pa_json.read_json(
                io.BytesIO(data),
                read_options=pa_json.ReadOptions(use_threads=False, block_size=max(len(data), 1) + 1),
                parse_options=pa_json.ParseOptions(_sniff(lines, columns, unknown), unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowException, ValueError):
            continue
        if table.num_rows == len(lines):  # else there are blank lines, and row numbers would be wrong
            return table
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sniff(lines: Sequence[bytes], columns: list[str], unknown: pa.DataType) -> pa.Schema:
    """Return the types of the first lines' values; a later value of another type makes the reader fall back."""
    shapes = {tuple(map(type, map(_object(line).get, columns))) for line in lines[:50]}
    kinds: dict[str, pa.DataType] = {}
    for name, kind in (pair for shape in shapes for pair in zip(columns, shape, strict=True)):
        if kind is not type(None):
            kinds[name] = _wider(kinds.get(name), _ARROW.get(kind, pa.string()))
    return pa.schema([(name, kinds.get(name, unknown)) for name in columns])


_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def _wider(a: pa.DataType | None, b: pa.DataType) -> pa.DataType:
    return b if a is None or a == b else pa.float64() if {a, b} == {pa.int64(), pa.float64()} else pa.string()


@dataclass(frozen=True, slots=True)
class Rows:
    """Records read one by one: those that are rows, where they stood among all, and why the others are *bad*."""

    table: pa.Table
    places: npt.NDArray[np.int64]
    bad: dict[int, str]


def json_rows(lines: Iterable[bytes], columns: list[str]) -> Rows:
    """Read line by line: slower, but a bad line is set aside and the others stay. Values are text."""
    rows: list[dict[str, str | None]] = []
    places: list[int] = []
    bad: dict[int, str] = {}
    for place, line in enumerate(lines):
        try:
            record = _object(line)
        except ValueError as error:
            bad[place] = str(error)
        else:
            rows.append({c: json_text(record.get(c)) for c in columns})
            places.append(place)
    table = pa.table({c: pa.array([r[c] for r in rows], pa.string()) for c in columns})
    return Rows(table, np.array(places, np.int64), bad)


def _object(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {error}"
        raise ValueError(msg) from error
    if not isinstance(record, dict):
        msg = "not a JSON object"
        raise ValueError(msg)
    return record


def json_text(value: Any) -> str | None:
    """Return *value* of a JSON record as text: what other types stand beside it may not change what it means."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return number_text(value)
    return json.dumps(value)


_READERS: dict[sources.Format, Callable[[sources.Chunk, list[str]], Raw]] = {
    "parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_jsonl,
}  # fmt: skip
