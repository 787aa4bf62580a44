"""File readers: a chunk of CSV, JSON Lines or Parquet as untyped columns, with lines and rejected records."""

from __future__ import annotations

from collections.abc import Collection

from features import errors
from features.files import csv_rows, file_chunks, json_lines, parquet_rows
from features.values import untyped
from features.values.untyped import Columns, UntypedRows

PARQUET = ("parquet", "records")
"""Formats of chunks that are row groups."""
MAX_COUNTED_ROWS = 10**12
"""Cap on the number of rows that an unreadable file claims to have."""


def read(chunk: file_chunks.Chunk, columns: Columns, missing: Collection[str] = ("",)) -> UntypedRows:
    """Return the columns of a chunk that are present.

    Parameters
    ----------
    chunk
        A part of a file.
    columns
        Columns to read.
    missing
        Texts that mean a missing value.

    Raises
    ------
    DataError
        The file cannot be read (gone, not Parquet, no header), or its records cannot be separated.
    """
    try:
        if chunk.format == "csv":
            return csv_rows.read(chunk, untyped.sources(columns), blank_is_null="" in missing)
        if chunk.format == "parquet":
            return parquet_rows.read(chunk, untyped.sources(columns))
        return json_lines.read(chunk, columns)
    except OSError as error:
        msg = f"{chunk.path} cannot be read: {error}"
        raise errors.DataError(msg) from error


def count(chunk: file_chunks.Chunk) -> int:
    """Return how many records an unreadable chunk seems to contain: its lines or rows, and at least one."""
    try:
        if chunk.format in PARQUET:
            return min(max(parquet_rows.count(chunk), 1), MAX_COUNTED_ROWS)
        return max(chunk.read().count(b"\n"), 1)
    except Exception:  # whatever keeps it from being read may keep it from being counted
        return 1
