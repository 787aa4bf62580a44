"""Directories of event files, cut into chunks: what travels through Flink is a reference to rows, not rows."""

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

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
CHUNK_BYTES = 16 << 20
MOST_BYTES = 2 * CHUNK_BYTES
"""A longer chunk is one line that never ends: it is set aside without being read."""
MOST_LINES = 1 << 18
"""A chunk of shorter lines is cut after so many, since each line costs memory of its own."""
COMMAS = CsvFormat()
"""CSV as its name says."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one file: bytes ``[start, stop)`` of whole lines, or row groups ``[start, stop)`` of a Parquet file.

    *first* is the number of the first line (or row) in the file, counted from 1, so that a bad record can be named.
    *csv* is how a .csv file is written.
    """

    path: str
    format: Format
    start: int
    stop: int
    first: int
    csv: CsvFormat = COMMAS

    def encode(self) -> str:
        """Return the chunk as a line of JSON."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({**own, "csv": self.csv.model_dump(exclude_defaults=True)}, separators=(",", ":"))

    @staticmethod
    def decode(own: dict[str, Any]) -> Chunk:
        """Return the chunk that :meth:`encode` wrote, from its JSON object."""
        return Chunk(**{**own, "csv": CsvFormat(**own["csv"])})

    def read(self) -> bytes:
        """Return the bytes of a text chunk. Raises DataError where one line of it is longer than any may be."""
        self._check_size()
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            return file.read(self.stop - self.start)

    def _check_size(self) -> None:
        if self.stop - self.start > MOST_BYTES:
            msg = f"a line of {(self.stop - self.start) >> 20} MB, where lines are read up to {MOST_BYTES >> 20} MB"
            raise errors.DataError(msg, hint="end each record with a line end")

    def read_csv(self) -> tuple[bytes, bytes]:
        """Return the header record of a CSV file and the bytes of this chunk without it.

        Raises DataError as :meth:`read` does.
        """
        self._check_size()
        with Path(self.path).open("rb") as file:
            header = csv_lines.read_header(file)
            start = self.start or len(header)
            file.seek(start)
            return header, file.read(max(self.stop - start, 0))


def list_files(directory: Path) -> list[Path]:
    """Return the event files under *directory* in the order of their names, oldest first by convention.

    Names that start with a dot or an underscore, or end in ``.tmp``, are files still being written, and are left out.
    A single file is a directory of one.

    Raises:
        DataError: the directory does not exist.
    """
    if _is_file(directory):
        return [directory]
    if not directory.is_dir():
        msg = f"{directory} is not there"
        raise errors.DataError(msg, hint="create the directory, or mend events.*.path in the project file")
    files = (p for p in directory.rglob("*") if p.suffix in FORMATS and _is_file(p))
    return sorted(p for p in files if not any(part[0] in "._" for part in p.relative_to(directory).parts))


def _is_file(path: Path) -> bool:
    """Say whether *path* is a file, or one that may not be looked at; a pipe or a device would never end."""
    try:
        return path.is_file()
    except PermissionError:
        return True


def chunks(path: Path, size: int = CHUNK_BYTES, csv: CsvFormat | None = None) -> list[Chunk]:
    """Return *path* cut into chunks of about *size* bytes; an empty file gives none. *csv*: how it is written, if so.

    Raises:
        DataError: the name does not end in a known format, or a Parquet file cannot be opened.
    """
    kind = FORMATS.get(path.suffix)
    if kind is None:
        msg = f"{path} has no known format"
        raise errors.DataError(msg, hint=f"use one of {', '.join(FORMATS)}")
    return _row_groups(path) if kind == "parquet" else _line_ranges(path, kind, size, csv or COMMAS)


def _row_groups(path: Path) -> list[Chunk]:
    try:
        meta = pq.read_metadata(path)
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        msg = f"{path} is not a readable Parquet file: {error}"
        raise errors.DataError(msg, hint="write it whole, under a name with a leading dot, then rename it") from error
    out, first = [], 1
    for i in range(meta.num_row_groups):
        out.append(Chunk(str(path), "parquet", i, i + 1, first))
        first += meta.row_group(i).num_rows
    return out


def _line_ranges(path: Path, kind: Literal["jsonl", "csv"], size: int, csv: CsvFormat) -> list[Chunk]:
    total, out = path.stat().st_size, []
    with path.open("rb") as file:
        start, line = 0, 1
        while start < total:
            stop = _line_end(file, min(start + size, total))
            before = _before(file, start, size) if stop - start > MOST_BYTES else 0
            stop = before or stop
            stop, lines = _few_lines(file, start, stop)
            if kind == "csv" and not before and (end := _record_end(file, stop, csv)) != stop:
                stop, lines = end, _line_ends(file, start, end)
            out.append(Chunk(str(path), kind, start, stop, line, csv))
            line += lines
            start = stop
    return out


def _line_end(file: io.BufferedReader, position: int) -> int:
    """Return where the line at *position* ends, however far that is."""
    file.seek(position - 1)
    for block in iter(lambda: file.read(1 << 20), b""):
        if (at := block.find(b"\n")) >= 0:
            return file.tell() - len(block) + at + 1
    return file.tell()


def _before(file: io.BufferedReader, start: int, size: int) -> int:
    """Return where the last line ends that ends within *size* bytes from *start*, 0 if none does."""
    file.seek(start)
    return start + end + 1 if (end := file.read(size).rfind(b"\n")) >= 0 else 0


def _few_lines(file: io.BufferedReader, start: int, stop: int) -> tuple[int, int]:
    """Return *stop*, or the end of the :data:`MOST_LINES`th line from *start* on if that comes first, and the lines."""
    if stop - start > MOST_BYTES:
        return stop, 1
    file.seek(start)
    data = file.read(stop - start)
    if (lines := data.count(b"\n")) <= MOST_LINES:
        return stop, lines
    return start + int(np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))[MOST_LINES - 1]) + 1, MOST_LINES


def _line_ends(file: io.BufferedReader, start: int, stop: int) -> int:
    if stop - start > MOST_BYTES:
        return 1
    file.seek(start)
    return file.read(stop - start).count(b"\n")


def _record_end(file: io.BufferedReader, position: int, csv: CsvFormat) -> int:
    """Return the first line end from *position* on after which a whole record stands: not one inside a quoted value.

    Where none is near, *position* itself.
    """
    file.seek(0)
    header = csv_lines.read_header(file)
    try:
        columns = len(csv_lines.names(header, csv))
    except errors.DataError:
        return position
    file.seek(max(position, len(header)))
    for _ in range(csv_lines.HEADER_LINES):
        at, line = file.tell(), file.readline(MOST_BYTES)
        if not line or csv_lines.is_record(line.decode(csv.encoding, "replace").rstrip("\r\n"), columns, csv):
            return at
    return position
