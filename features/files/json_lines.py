"""JSON Lines as untyped columns: all lines at once where they have one shape, else line by line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.json as pa_json

from features import spelling
from features.files import csv_lines
from features.files.file_chunks import Chunk
from features.schema import FeatureKind
from features.values import untyped
from features.values.untyped import Columns, UntypedRows, reject

MAX_RECORD_BYTES = 4 << 20
"""Longest JSON record that is parsed, in bytes; parsed, it takes up to 30 times as many."""
_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def read(chunk: Chunk, columns: Columns) -> UntypedRows:
    """Return the columns of a chunk of a JSON Lines file.

    Parameters
    ----------
    chunk
        Whole lines of the file.
    columns
        Columns to read.

    Raises
    ------
    DataError
        The file is UTF-16, or one line is too long to be read.
    OSError
        The file cannot be read.
    """
    data = csv_lines.strip_byte_order_mark(chunk.read()) if not chunk.start else chunk.read()
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
    """Return all lines as columns at once; None where a line is no JSON object, or its values have other types.

    Parameters
    ----------
    data
        The lines, with a line feed between them.
    lines
        The same, one by one.
    columns
        Columns to read.
    """
    if not _is_utf8(data) or max(map(len, lines), default=0) > MAX_RECORD_BYTES:
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


def _wider(a: pa.DataType | None, b: pa.DataType, *, exact: bool) -> pa.DataType:
    """Return a type for both; among texts, such as ids, whole numbers do not become floats, which lose digits."""
    if a is None or a == b:
        return b
    return pa.float64() if {a, b} == {pa.int64(), pa.float64()} and not exact else pa.string()


@dataclass(frozen=True, slots=True)
class Rows:
    """Records read one by one.

    Parameters
    ----------
    table
        Those that are rows, as text.
    places
        Index of each row among all records, (rows,).
    bad
        Why the others are no rows: record -> reason.
    unfit
        Cells that no type can take: column -> row -> reason.
    """

    table: pa.Table
    places: npt.NDArray[np.int64]
    bad: dict[int, str]
    unfit: Mapping[str, Mapping[int, str]]


class DuplicateKeys(dict[str, Any]):
    """A JSON object with names that occur twice; the last value counts, and *names* lists them."""

    names: frozenset[str]


def json_rows(lines: Iterable[bytes], columns: Sequence[str]) -> Rows:
    """Return records read line by line: slower, but a bad line costs only itself. Values are text."""
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
    """Return a value as text; None where it is no single value, with the reason in *unfit*."""
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


def _object(line: bytes) -> dict[str, Any]:
    """Return the JSON object in a line; raise ValueError with the reason where it is none."""
    if len(line) > MAX_RECORD_BYTES:
        msg = f"a record of {len(line)} bytes, where records are read up to {MAX_RECORD_BYTES}"
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
    """Return values of any kind as text, and those that cannot be: row -> reason."""
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
    """Return a value of a record as text, independent of the types of other values in its column.

    Raises
    ------
    ValueError
        It is a list or a record, or text that is not valid Unicode.
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
