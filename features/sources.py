"""Directories of event files, cut into chunks: what travels through Flink is a reference to rows, not rows."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from features import csv_lines, errors
from features.conventions import CsvFormat

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
CHUNK_BYTES = 16 << 20
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
        """Return the bytes of a text chunk."""
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            return file.read(self.stop - self.start)

    def read_csv(self) -> tuple[bytes, bytes]:
        """Return the header record of a CSV file and the bytes of this chunk without it."""
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
    if directory.is_file():
        return [directory]
    if not directory.is_dir():
        msg = f"{directory} is not there"
        raise errors.DataError(msg, hint="create the directory, or mend events.*.path in the project file")
    files = (p for p in directory.rglob("*") if p.suffix in FORMATS and p.is_file())
    return sorted(p for p in files if not any(part[0] in "._" for part in p.relative_to(directory).parts))


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
    except (OSError, ValueError) as error:
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
            if kind == "csv":
                stop = _record_end(file, stop, csv)
            file.seek(start)
            out.append(Chunk(str(path), kind, start, stop, line, csv))
            line += file.read(stop - start).count(b"\n")
            start = stop
    return out


def _line_end(file: io.BufferedReader, position: int) -> int:
    file.seek(position - 1)
    return position if file.read(1) == b"\n" else file.seek(position) + len(file.readline())


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
        at, line = file.tell(), file.readline()
        if not line or csv_lines.is_record(line.decode(csv.encoding, "replace").rstrip("\r\n"), columns, csv):
            return at
    return position
