"""From a chunk of a file to untyped columns, with the line of every row and every bad record as it came."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.json as pa_json

from features import errors, spelling
from features.files import csv_lines, csv_rows, file_chunks, parquet_rows
from features.schema import FeatureKind
from features.values import untyped
from features.values.untyped import Columns, UntypedRows, reject


def read(chunk: file_chunks.Chunk, columns: Columns, missing: Collection[str] = ("",)) -> UntypedRows:
    """Return the *columns* of *chunk* that are there; *missing* lists the texts that mean no value.

    Raises:
        DataError: the file itself cannot be read (gone, not Parquet, no header), or none of its records be told apart.
    """
    try:
        if chunk.format == "csv":
            return csv_rows.read(chunk, untyped.sources(columns), blank_is_null="" in missing)
        if chunk.format == "parquet":
            return parquet_rows.read(chunk, untyped.sources(columns))
        return _read_jsonl(chunk, columns)
    except OSError as error:
        msg = f"{chunk.path} cannot be read: {error}"
        raise errors.DataError(msg) from error


def count(chunk: file_chunks.Chunk) -> int:
    """Return how many records a chunk that cannot be read seems to hold: its lines or rows, and at least one."""
    try:
        if chunk.format == "parquet":
            return min(max(parquet_rows.count(chunk), 1), MOST_ROWS)
        return max(chunk.read().count(b"\n"), 1)
    except Exception:  # whatever keeps it from being read may keep it from being counted
        return 1


def _read_jsonl(chunk: file_chunks.Chunk, columns: Columns) -> UntypedRows:
    data = csv_lines.without_mark(chunk.read()) if not chunk.start else chunk.read()
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    table = json_table(data, lines, columns)
    if table is not None:
        return UntypedRows(table, chunk.first + np.arange(table.num_rows), original=lambda row: lines[row])
    rows = json_rows(lines, untyped.sources(columns))
    rejects = tuple(
        reject((chunk.path, chunk.first + i), reason, lines[i]) for i, reason in rows.bad.items() if lines[i].strip()
    )
    return UntypedRows(
        rows.table, chunk.first + rows.places, rejects, rows.unfit, lambda row: lines[int(rows.places[row])]
    )


def json_table(data: bytes, lines: Sequence[bytes], columns: Columns) -> pa.Table | None:
    """Return *data*, which are the *lines* with a line feed between them, as columns at once.

    None where some line is no JSON object, or one of another shape than the first: :func:`json_rows` then tells which.
    """
    if not _is_utf8(data) or max(map(len, lines), default=0) > RECORD_BYTES:
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
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _sniff(lines: Sequence[bytes], columns: Columns, unknown: pa.DataType) -> pa.Schema:
    """Return the types of the first lines' values; a later value of another type makes the reader fall back."""
    names = untyped.sources(columns)
    texts = {column for column, kind in columns.values() if kind is FeatureKind.CATEGORICAL}
    shapes = {tuple(map(type, map(_object(line).get, names))) for line in lines[:50]}
    kinds: dict[str, pa.DataType] = {}
    for name, kind in (pair for shape in shapes for pair in zip(names, shape, strict=True)):
        if kind is not type(None):
            kinds[name] = _wider(kinds.get(name), _ARROW.get(kind, pa.string()), exact=name in texts)
    return pa.schema([(name, kinds.get(name, unknown)) for name in names])


_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def _wider(a: pa.DataType | None, b: pa.DataType, *, exact: bool) -> pa.DataType:
    """Return what holds both; among texts, such as ids, whole numbers do not become floats, which lose digits."""
    if a is None or a == b:
        return b
    return pa.float64() if {a, b} == {pa.int64(), pa.float64()} and not exact else pa.string()


@dataclass(frozen=True, slots=True)
class Rows:
    """Records read one by one: those that are rows, where they stood among all, and why the others are *bad*.

    *unfit* are cells that no type can take: column -> row -> reason.
    """

    table: pa.Table
    places: npt.NDArray[np.int64]
    bad: dict[int, str]
    unfit: Mapping[str, Mapping[int, str]]


class DuplicateKeys(dict[str, Any]):
    """A JSON object in which names stand twice; the last value counts, and *names* tells which they are."""

    names: frozenset[str]


def json_rows(lines: Iterable[bytes], columns: Sequence[str]) -> Rows:
    """Read line by line: slower, but a bad line is set aside and the others stay. Values are text."""
    names = list(dict.fromkeys(columns))
    words: list[list[str | None]] = [[] for _ in names]
    places: list[int] = []
    bad: dict[int, str] = {}
    unfit: dict[str, dict[int, str]] = {}
    for place, line in enumerate(lines):
        try:
            record = _object(line)
            _check_once(record, columns)
        except ValueError as error:
            bad[place] = str(error)
            continue
        for name, column in zip(names, words, strict=True):
            column.append(_word(record.get(name), unfit, name, len(places)))
        places.append(place)
    table = pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, words, strict=True)})
    return Rows(table, np.array(places, np.int64), bad, unfit)


def _word(value: Any, unfit: dict[str, dict[int, str]], name: str, row: int) -> str | None:
    """Return a value as text; where it is none, None, and note why in *unfit*."""
    if type(value) is str and value.isascii():
        return value
    try:
        return plain_text(value)
    except ValueError as error:
        unfit.setdefault(name, {})[row] = str(error)
        return None


def _check_once(record: dict[str, Any], columns: Sequence[str]) -> None:
    if isinstance(record, DuplicateKeys) and (names := record.names.intersection(columns)):
        msg = f"{min(names)!r} stands twice in the record"
        raise ValueError(msg)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    twice = DuplicateKeys(record)
    names = [name for name, _ in pairs]
    twice.names = frozenset(name for name in record if names.count(name) > 1)
    return twice


MOST_ROWS = 10**12
"""Rows that a file is believed to hold which cannot be read."""
RECORD_BYTES = 4 << 20
"""Bytes of a JSON record that are looked at: parsed, it takes up to 30 times as many."""


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > RECORD_BYTES:
        msg = f"a record of {len(line)} bytes, where records are read up to {RECORD_BYTES}"
        raise ValueError(msg)
    try:
        record = json.loads(line.decode("utf-8", "surrogateescape"), object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON: {error}"
        raise ValueError(msg) from error
    if not isinstance(record, dict):
        msg = "not a JSON object"
        raise ValueError(msg)
    return record


def text_column(values: Sequence[Any]) -> tuple[pa.Array, dict[int, str]]:
    """Return *values* of any kind as text, and which of them are none, with the reason: row -> why."""
    words: list[str | None] = []
    unfit: dict[int, str] = {}
    for row, value in enumerate(values):
        try:
            words.append(plain_text(value))
        except ValueError as error:
            words.append(None)
            unfit[row] = str(error)
    return pa.array(words, pa.string()), unfit


def plain_text(value: Any) -> str | None:
    """Return a value of a record as text: what other types stand beside it may not change what it means.

    Raises:
        ValueError: it is a list, a record or no text that could be written.
    """
    if value is None:
        return None
    if isinstance(value, list | dict | tuple | set):
        msg = "a list or record, no single value"
        raise ValueError(msg)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        return spelling.number_text(value) if isinstance(value, float) else json.dumps(value, default=str).strip('"')
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        msg = "text that is not UTF-8, or has half of a surrogate pair"
        raise ValueError(msg)
    return value
