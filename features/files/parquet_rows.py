"""Parquet row groups as untyped columns, in bounded memory: a few kilobytes may expand to gigabytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import errors
from features.files import csv_lines
from features.files.file_chunks import Chunk
from features.values import arrow_columns
from features.values.untyped import UntypedRows, value_of

MEMORY_ALLOWANCE = 64 << 20
"""Bytes of memory that any row group may take."""
MAX_EXPANSION = 200
"""Larger row groups may take this many times their compressed size; measured event logs take 3 to 30 times."""
SMALL_VALUE_BYTES = 8
"""A text column whose values take fewer bytes than this, on average, is read as a dictionary."""
DENSE_COMPRESSION = 20
"""So is one that is compressed by more than this factor: its values repeat."""


def read(chunk: Chunk, columns: Sequence[str]) -> UntypedRows:
    """Return the columns of a chunk that are present.

    Parameters
    ----------
    chunk
        Row groups of a Parquet file.
    columns
        Columns to read.

    Raises
    ------
    DataError
        The file is not Parquet, names a column twice, or would take far more memory than its size.
    OSError
        It cannot be opened.
    """
    try:
        with pq.ParquetFile(chunk.path) as file:
            names = file.schema_arrow.names
            csv_lines.check_names(names, columns)
            present = [c for c in columns if c in names]
            groups = [file.metadata.row_group(g) for g in range(chunk.start, chunk.stop)]
            parts = [part for group in groups for part in _parts(group, present)]
            room = max(MEMORY_ALLOWANCE, MAX_EXPANSION * sum(part.total_compressed_size for part in parts))
            _check(sum(map(_least, parts)) + sum(8 * group.num_rows for group in groups), room)
        repeating = sorted({part.path_in_schema for part in parts if _repeats(part)})
        with pq.ParquetFile(chunk.path, read_dictionary=repeating) as file:
            table = file.read_row_groups(list(range(chunk.start, chunk.stop)), columns=present)
        _check(sum(_decoded(column, room) for column in table.columns), room)
        table = pa.table({name: arrow_columns.validated(table[name]) for name in present}) if present else table
    except (pa.ArrowException, UnicodeDecodeError) as error:
        msg = f"{chunk.path} cannot be read as Parquet: {error}"
        raise errors.DataError(msg) from error
    return UntypedRows(table, chunk.first + np.arange(table.num_rows), original=_row(table))


def count(chunk: Chunk) -> int:
    """Return the number of rows of *chunk* by the file's metadata.

    Raises
    ------
    DataError
        The metadata cannot be read.
    OSError
        The file cannot be opened.
    """
    try:
        meta = pq.read_metadata(chunk.path)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        msg = f"{chunk.path} cannot be read as Parquet: {error}"
        raise errors.DataError(msg) from error
    return sum(meta.row_group(i).num_rows for i in range(chunk.start, min(chunk.stop, meta.num_row_groups)))


def _parts(group: Any, columns: Sequence[str]) -> list[Any]:
    """Return the metadata of each of *columns* in a row group."""
    parts = (group.column(i) for i in range(group.num_columns))
    return [part for part in parts if _belongs(part.path_in_schema, columns)]


def _belongs(path: str, columns: Sequence[str]) -> bool:
    """Return whether *path* is one of *columns* or nested in one; a column's own name may contain a point."""
    return path in columns or any(path.startswith(f"{name}.") for name in columns)


def _least(part: Any) -> int:
    """Return the bytes that a column takes in memory at least."""
    width = 4 if part.physical_type == "BYTE_ARRAY" else 8
    return int(max(part.num_values * width, part.total_uncompressed_size))


def _repeats(part: Any) -> bool:
    """Return whether a column of texts has few distinct values, each of which may be long."""
    if part.physical_type != "BYTE_ARRAY" or not part.has_dictionary_page or "." in part.path_in_schema:
        return False
    size = part.total_uncompressed_size
    return bool(size < SMALL_VALUE_BYTES * part.num_values or size > DENSE_COMPRESSION * part.total_compressed_size)


def _decoded(column: pa.ChunkedArray, room: int) -> int:
    """Return the bytes that a column takes without its dictionary; an upper bound where that is far below *room*."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        sizes = pc.binary_length(chunk.dictionary)
        bound = len(chunk) * (pc.max(sizes).as_py() or 0)
        total += bound if bound < room // 64 else pc.sum(sizes.take(chunk.indices)).as_py() or 0
    return total


def _check(size: int, room: int) -> None:
    if size > room:
        msg = f"its rows would take {size >> 20} MB of memory, far more than a file of its size should"
        raise errors.DataError(msg, hint="write smaller row groups")


def _row(table: pa.Table) -> Callable[[int], bytes]:
    """Return a function from a row to its JSON: Parquet has no bytes of a single row."""

    def original(row: int) -> bytes:
        return json.dumps({name: str(value_of(table[name][row])) for name in table.column_names}).encode()

    return original
