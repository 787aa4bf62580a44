"""File chunks: directories of event files, cut into parts of a file that can be read independently.

What travels through Flink is a reference to a chunk, not its rows.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import errors
from features.conventions import CsvFormat
from features.files import csv_lines

FileFormat = Literal["jsonl", "csv", "parquet"]
RECORDS_MARK = b"leeway.records"
"""Key in the metadata of a Parquet file of Kafka records as they came (:mod:`features.kafka.record_files`)."""
Format = FileFormat | Literal["records"]
FORMATS: dict[str, FileFormat] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
CHUNK_BYTES = 16 << 20
"""About how many bytes a chunk has: a worker decodes it in memory, and few chunks cost few calls."""
MAX_CHUNK_BYTES = 2 * CHUNK_BYTES
"""A chunk that is longer is a single line that never ends; it is rejected without being read."""
MAX_CHUNK_LINES = 1 << 18
"""Lines after which a chunk ends even if it is shorter, since each line costs memory of its own."""
DEFAULT_CSV = CsvFormat()
"""The dialect of RFC 4180: commas, points, UTF-8."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one file: bytes ``[start, stop)`` of whole lines, or row groups ``[start, stop)`` of a Parquet file.

    Parameters
    ----------
    path
        The file.
    format
        Its format.
    start
        First byte, or row group.
    stop
        The byte, or row group, after the last.
    first
        Number of the first line (or row) in the file, from 1, so that a bad record can be named.
    csv
        Dialect of a .csv file.
    """

    path: str
    format: Format
    start: int
    stop: int
    first: int
    csv: CsvFormat = DEFAULT_CSV

    def encode(self) -> str:
        """Return the chunk as one line of JSON."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({**own, "csv": self.csv.model_dump(exclude_defaults=True)}, separators=(",", ":"))

    @staticmethod
    def decode(own: dict[str, Any]) -> Chunk:
        """Return the chunk from the JSON object that :meth:`encode` wrote."""
        return Chunk(**{**own, "csv": CsvFormat(**own["csv"])})

    def read(self) -> bytes:
        """Return the bytes of a text chunk.

        Raises
        ------
        DataError
            It is one line of more than :data:`MAX_CHUNK_BYTES`.
        OSError
            The file cannot be read.
        """
        self._check_size()
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            return file.read(self.stop - self.start)

    def _check_size(self) -> None:
        if self.stop - self.start > MAX_CHUNK_BYTES:
            msg = (
                f"a line of {(self.stop - self.start) >> 20} MB, where lines are read up to {MAX_CHUNK_BYTES >> 20} MB"
            )
            raise errors.DataError(msg, hint="end each record with a line end")

    def read_csv(self) -> tuple[bytes, bytes]:
        """Return the header record of a CSV file, and the bytes of this chunk without it.

        Raises
        ------
        DataError
            It is one line of more than :data:`MAX_CHUNK_BYTES`.
        OSError
            The file cannot be read.
        """
        self._check_size()
        with Path(self.path).open("rb") as file:
            header = csv_lines.read_header(file)
            start = self.start or len(header)
            file.seek(start)
            return header, file.read(max(self.stop - start, 0))


def list_files(directory: Path) -> list[Path]:
    """Return the event files under *directory* in the order of their names, oldest first by convention.

    Names that start with a dot or an underscore, or end in ``.tmp``, belong to files that are still being written and
    are left out. The path of a single file gives that file.

    Raises
    ------
    DataError
        The directory does not exist.
    """
    if _is_file(directory):
        return [directory]
    if not directory.is_dir():
        msg = f"{directory} is not there"
        raise errors.DataError(msg, hint="create the directory, or correct `path` of its source in the project file")
    files = (p for p in directory.rglob("*") if p.suffix in FORMATS and _is_file(p))
    return sorted(p for p in files if not any(part[0] in "._" for part in p.relative_to(directory).parts))


def _is_file(path: Path) -> bool:
    """Return whether *path* is a file, or may not be inspected; a pipe or a device would never end."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def chunks(path: Path, size: int = CHUNK_BYTES, csv: CsvFormat | None = None) -> list[Chunk]:
    """Return a file cut into chunks; an empty file gives none.

    Parameters
    ----------
    path
        The file.
    size
        Bytes of a chunk, about.
    csv
        Dialect of a .csv file; by default commas, points, UTF-8.

    Raises
    ------
    DataError
        The name does not end in a known format, or a Parquet file cannot be opened.
    """
    kind = FORMATS.get(path.suffix)
    if kind is None:
        msg = f"{path} has no known format"
        raise errors.DataError(msg, hint=f"use one of {', '.join(FORMATS)}")
    return _row_groups(path) if kind == "parquet" else _line_ranges(path, kind, size, csv or DEFAULT_CSV)


def _row_groups(path: Path) -> list[Chunk]:
    """Return a chunk for each row group of a Parquet file."""
    try:
        meta = pq.read_metadata(path)
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        msg = f"{path} is not a readable Parquet file: {error}"
        raise errors.DataError(msg, hint="write it whole, under a name with a leading dot, then rename it") from error
    kind: Format = "records" if RECORDS_MARK in (meta.metadata or {}) else "parquet"
    out, first = [], 1
    for i in range(meta.num_row_groups):
        out.append(Chunk(str(path), kind, i, i + 1, first))
        first += meta.row_group(i).num_rows
    return out


def _line_ranges(path: Path, kind: Literal["jsonl", "csv"], size: int, csv: CsvFormat) -> list[Chunk]:
    """Return chunks of a text file that end at line ends; of CSV, at the end of a record."""
    total, out = path.stat().st_size, []
    with path.open("rb") as file:
        start, line = 0, 1
        while start < total:
            stop = _line_end(file, min(start + size, total))
            before = _before(file, start, size) if stop - start > MAX_CHUNK_BYTES else 0
            stop = before or stop
            stop, lines = _few_lines(file, start, stop)
            if kind == "csv" and not before and (end := _record_end(file, stop, csv)) != stop:
                stop, lines = end, _line_ends(file, start, end)
            out.append(Chunk(str(path), kind, start, stop, line, csv))
            line += lines
            start = stop
    return out


def _line_end(file: io.BufferedReader, position: int) -> int:
    """Return the end of the line at *position*, however long it is."""
    file.seek(position - 1)
    for block in iter(lambda: file.read(1 << 20), b""):
        if (at := block.find(b"\n")) >= 0:
            return file.tell() - len(block) + at + 1
    return file.tell()


def _before(file: io.BufferedReader, start: int, size: int) -> int:
    """Return the end of the last line that ends within *size* bytes from *start*; 0 if none does."""
    file.seek(start)
    return start + end + 1 if (end := file.read(size).rfind(b"\n")) >= 0 else 0


def _few_lines(file: io.BufferedReader, start: int, stop: int) -> tuple[int, int]:
    """Return the end of a chunk and its lines: *stop*, or the end of the last line that it may have."""
    if stop - start > MAX_CHUNK_BYTES:
        return stop, 1
    file.seek(start)
    data = file.read(stop - start)
    if (lines := data.count(b"\n")) <= MAX_CHUNK_LINES:
        return stop, lines
    return start + int(
        np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))[MAX_CHUNK_LINES - 1]
    ) + 1, MAX_CHUNK_LINES


def _line_ends(file: io.BufferedReader, start: int, stop: int) -> int:
    if stop - start > MAX_CHUNK_BYTES:
        return 1
    file.seek(start)
    return file.read(stop - start).count(b"\n")


def _record_end(file: io.BufferedReader, position: int, csv: CsvFormat) -> int:
    """Return the first line end from *position* on that is followed by a whole record, so not inside a quoted value.

    *position* itself if there is none within :data:`features.files.csv_lines.HEADER_LINES` lines.
    """
    file.seek(0)
    header = csv_lines.read_header(file)
    try:
        columns = len(csv_lines.column_names(header, csv))
    except errors.DataError:
        return position
    file.seek(max(position, len(header)))
    for _ in range(csv_lines.HEADER_LINES):
        at, line = file.tell(), file.readline(MAX_CHUNK_BYTES)
        if not line or csv_lines.is_record(line.decode(csv.encoding, "replace").rstrip("\r\n"), columns, csv):
            return at
    return position
