"""Reads a sample of a log undecoded: its first and last rows, for inferring columns and the period that it spans."""

from __future__ import annotations

import io
import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features.conventions import CsvFormat
from features.errors import DataError, NotEnoughData
from features.files import csv_lines, csv_rows, file_chunks
from features.values.typed_columns import NO_NUMBER
from leeway.infer import csv_dialect, row_count
from leeway.infer.csv_dialect import HEAD_BYTES

ROWS = 10_000
"""Rows read from each end of a log."""
ODD_MISSING = ("#N/A", "<NA>")
MISSING = (*NO_NUMBER, *ODD_MISSING)
"""Texts that mean a missing value among numbers."""


@dataclass(frozen=True, eq=False)
class LogSample:
    """Rows of a log, oldest first. *missing* are the texts that mean a missing value in its numeric columns.

    *log_rows* is about how many rows the log has, the sample's or more.
    """

    table: pa.Table
    csv: CsvFormat = field(default_factory=CsvFormat)
    missing: tuple[str, ...] = ()
    log_rows: int = 0


def read_sample(files: Sequence[Path]) -> LogSample:
    """Return the first rows of the first file with any and the last rows of the last file; no row twice.

    Raises DataError if a file cannot be read, or there is none; NotEnoughData if none has a row.
    """
    if not files:
        msg = "there are no event files, or all are empty"
        raise DataError(msg, hint=f"use a file that ends in {', '.join(file_chunks.FORMATS)}, and is not empty")
    heads = ((file, one) for file in files if (one := _rows(file, ROWS)).table.num_rows)
    file, first = next(heads, (None, None))
    if file is None or first is None:
        msg = "the sample has no rows"
        raise NotEnoughData(msg, hint="use a file with at least a few hundred events")
    last = _rows(files[-1], ROWS, newest=True, skip=ROWS if file == files[-1] else 0)
    missing = tuple(dict.fromkeys((*first.missing, *last.missing)))
    try:
        both = pa.concat_tables([first.table, last.table], promote_options="permissive")
    except pa.ArrowException:  # other columns or types at the end: `leeway check` will say which
        both = first.table
    return LogSample(both, first.csv, missing, max(row_count.estimate(files), both.num_rows))


def rows(file: Path, limit: int, csv: CsvFormat | None = None) -> pa.Table:
    """Return the first *limit* rows of a file with inferred types; an empty table for an empty file.

    *csv* is the dialect of a .csv file, inferred if it is None. Raises DataError if the file has not the format of its
    ending.
    """
    return _rows(file, limit, csv=csv).table if file.stat().st_size else pa.table({})


def _rows(file: Path, limit: int, *, newest: bool = False, skip: int = 0, csv: CsvFormat | None = None) -> LogSample:
    """Return the first or the *newest* rows of a file; of the newest without the first *skip* rows of the file."""
    kind = file_chunks.FORMATS.get(file.suffix)
    if kind is None:
        msg = f"{file} has an unknown format"
        raise DataError(msg, hint=f"use one of {', '.join(file_chunks.FORMATS)}")
    try:
        if kind == "parquet":
            return LogSample(_parquet(file, limit, newest=newest, skip=skip))
        data = _end(file, newest=newest, skip=skip)
        sample = _csv(file, data, csv or csv_dialect.csv_format(file)) if kind == "csv" else LogSample(_json(data))
        return replace(sample, table=_cut(sample.table, limit, newest=newest, skip=skip))
    except (pa.ArrowException, OSError, ValueError, CsvError) as error:
        msg = f"{file} cannot be read as {kind}: {error}"
        raise DataError(msg, hint="check that the file is complete and has the format of its ending") from error


def _parquet(path: Path, limit: int, *, newest: bool, skip: int) -> pa.Table:
    """Return up to *limit* rows of the first row group, or of the last; *skip* passes over those already taken."""
    file = pq.ParquetFile(path)
    empty = file.schema_arrow.empty_table()
    if not file.num_row_groups:
        return empty
    one = file.num_row_groups - 1 if newest else 0
    batches = file.iter_batches(limit, row_groups=[one])
    if newest and one == 0 and skip:
        next(batches, None)
    read_batches = deque(batches, maxlen=1) if newest else list(itertools.islice(batches, 1))
    return pa.Table.from_batches(read_batches, file.schema_arrow)


def _end(path: Path, *, newest: bool, skip: int) -> bytes:
    """Return whole lines from the beginning of a file, or from its end, after the beginning if *skip* is not 0."""
    size = path.stat().st_size
    if not newest or size <= HEAD_BYTES:
        return csv_dialect.head(path)
    with path.open("rb") as file:
        file.seek(max(size - HEAD_BYTES, HEAD_BYTES if skip else 0) - 1)
        return file.read().partition(b"\n")[2]


def _cut(table: pa.Table, limit: int, *, newest: bool, skip: int) -> pa.Table:
    return table.slice(max(skip, table.num_rows - limit)) if newest else table.slice(0, limit)


def _csv(path: Path, data: bytes, how: CsvFormat) -> LogSample:
    """Return the whole records in *data*, typed where a column is alike throughout; ValueError without column names."""
    head = csv_dialect.head(path)
    if not head.startswith(data[:HEAD_BYTES]):
        data = head.partition(b"\n")[0] + b"\n" + data
    text = data.decode(how.encoding, "replace").lstrip("\ufeff")
    names = next(csv_reader(io.StringIO(text), delimiter=how.delimiter), [])
    if not any(names):
        msg = "its first line names no columns"
        raise ValueError(msg)
    data = _whole_records(text.encode("utf-8", "replace"), len(names), how)
    typed, texts = (_table(data, how, kinds) for kinds in ({}, dict.fromkeys(names, pa.string())))
    columns, missing = [], set[str]()
    for i, column in enumerate(typed.columns):
        is_text = pa.types.is_string(column.type)
        columns.append(_with_points(texts.column(i), how) if is_text else column)
        if not is_text and column.null_count > texts.column(i).null_count:
            missing |= set(texts.column(i).unique().to_pylist()) & set(ODD_MISSING)
    table = pa.Table.from_arrays(columns, names=typed.column_names)
    return LogSample(table, how, tuple(sorted(missing)))


def _with_points(texts: pa.ChunkedArray, how: CsvFormat) -> pa.ChunkedArray:
    """Return *texts* with a point in those that are numbers with a decimal comma, as where one of them is odd."""
    return pc.replace_substring_regex(texts, r"^([+-]?\d+),(\d+)$", r"\1.\2") if how.decimal == "," else texts


def _whole_records(data: bytes, columns: int, how: CsvFormat) -> bytes:
    """Return the records with exactly *columns* cells: Arrow writes beyond its memory where a line has more."""
    if (cut := csv_lines.cut_lines(data, how)) is not None:
        return csv_lines.drop_lines(data, cut, np.flatnonzero(cut.separators != columns - 1))
    lines = data.decode().split("\n")
    return "\n".join("\n".join(lines[at:stop]) for at, stop, _ in csv_rows.records(lines, columns, how, [])).encode()


def _table(data: bytes, how: CsvFormat, kinds: dict[str, pa.DataType]) -> pa.Table:
    reading = pa_csv.ReadOptions(block_size=2 * HEAD_BYTES + len(data), use_threads=False)
    parsing = pa_csv.ParseOptions(delimiter=how.delimiter, newlines_in_values=True,
                                  invalid_row_handler=lambda _: "skip")  # fmt: skip
    nulls = [""] if kinds else ["", *MISSING]
    converting = pa_csv.ConvertOptions(decimal_point=how.decimal, column_types=kinds, null_values=nulls,
                                       strings_can_be_null=True)  # fmt: skip
    return pa_csv.read_csv(io.BytesIO(data), reading, parsing, converting)


def _json(data: bytes) -> pa.Table:
    lines = [line for line in data.split(b"\n") if line.strip()]
    records = list(_objects(lines))
    if lines and not records:
        msg = "every line must be an object, like {...}"
        raise ValueError(msg)
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({_safe(name): _array([record.get(name) for record in records]) for name in names})


def _objects(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the lines' objects; other lines are left out, the decoder reports them."""
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _array(values: list[Any]) -> pa.Array:
    """Return *values* with the type that pyarrow infers; as texts where there is none for all of them."""
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return pa.array(
            [None if v is None else _safe(v if isinstance(v, str) else json.dumps(v)) for v in values], pa.string()
        )


def _safe(text: str) -> str:
    """Return *text* without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
