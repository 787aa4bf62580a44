"""Copies a log without ids and adds a column of them: the file's name and the row number.

Labels join predictions by id, also predictions that are made later from the log. So ids are written into a copy once:
derived from a row's place they would change with every copy.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError
from features.files import file_chunks
from leeway.infer import csv_dialect, log_files

COLUMN = "id"
FOLDER = "events/numbered"


def copy(log: Path, home: Path, *, force: bool = False) -> Path:
    """Write copies of the files of *log* with an added column `id` under *home*, and return their folder.

    Raises DataError if the folder exists and not *force*, or a file cannot be read or has a column `id`.
    """
    folder = home / FOLDER
    if folder.exists() and not force:
        msg = f"{folder} exists already"
        raise DataError(msg, hint="--force overwrites it")
    for file in log_files.files(log):
        name = "_".join(file.relative_to(log).parts) if log.is_dir() else file.name
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f".{target.name}.tmp")
        try:
            _COPY[file_chunks.FORMATS[file.suffix]](file, half)
        except (OSError, ValueError, csv.Error, pa.ArrowException, RecursionError) as error:
            half.unlink(missing_ok=True)
            msg = f"{file} cannot be copied: {error}"
            raise DataError(msg, hint="check that the file is complete and has the format of its ending") from error
        half.replace(target)
    return folder


def _ids(file: Path) -> Callable[[int], str]:
    return lambda row: f"{file.stem}:{row}"


def _need_free(names: list[str]) -> None:
    if COLUMN in names:
        msg = f"there is a column `{COLUMN}` already, whose values are not unique: rename it"
        raise ValueError(msg)


def _csv(file: Path, target: Path) -> None:
    how = csv_dialect.csv_format(file)
    with file.open(encoding=how.encoding, errors="surrogateescape", newline="") as read, target.open(
        "w", encoding=how.encoding, errors="surrogateescape", newline=""
    ) as write:  # fmt: skip
        out = csv.writer(write, delimiter=how.delimiter, lineterminator="\n")
        out.writerows(_numbered(read, how.delimiter, _ids(file)))


def _numbered(read: TextIO, delimiter: str, name: Callable[[int], str]) -> Iterator[list[str]]:
    rows = (row for row in csv.reader(read, delimiter=delimiter) if row)
    header = [cell.lstrip("\ufeff") for cell in next(rows, [])]
    _need_free(header)
    yield [COLUMN, *header]
    yield from ([name(number), *row] for number, row in enumerate(rows, start=1))


def _jsonl(file: Path, target: Path) -> None:
    name = _ids(file)
    with file.open("rb") as read, target.open("wb") as write:
        for number, line in enumerate(read, start=1):
            body = line.strip()
            if body.startswith(b"{") and body != b"{}":
                _need_free(list(json.loads(body)) if number == 1 else [])
                line = b"{" + json.dumps(COLUMN).encode() + b": " + json.dumps(name(number)).encode() + b", " + body[1:]
            write.write(line.rstrip(b"\n") + b"\n")


def _parquet(file: Path, target: Path) -> None:
    name, number = _ids(file), 1
    with pq.ParquetFile(file) as read:
        _need_free(read.schema_arrow.names)
        schema = read.schema_arrow.insert(0, pa.field(COLUMN, pa.string()))
        with pq.ParquetWriter(target, schema) as write:
            for batch in read.iter_batches(10_000):
                ids = pa.array([name(number + i) for i in range(batch.num_rows)], pa.string())
                write.write_batch(pa.RecordBatch.from_arrays([ids, *batch.columns], schema=schema))
                number += batch.num_rows


_COPY: dict[file_chunks.FileFormat, Callable[[Path, Path], None]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
