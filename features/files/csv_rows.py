"""CSV chunks as untyped columns: parsed at once where they are sound, else record by record.

A faulty line (a byte of another encoding, an unclosed quote, too few columns) is rejected by itself, never the lines
around it, and every line keeps its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from features.conventions import CsvFormat
from features.files import csv_lines
from features.files.file_chunks import Chunk
from features.values.untyped import UntypedRows, reject

MAX_RECORD_LINES = 100
"""Lines that one record with quoted line ends may span."""


def read(chunk: Chunk, columns: Sequence[str], *, blank_is_null: bool) -> UntypedRows:
    """Return the columns of a chunk that are present, as text.

    Parameters
    ----------
    chunk
        A part of a CSV file.
    columns
        Columns to read, the first of which must be present.
    blank_is_null
        Whether empty values are null; it is quicker here than later.

    Raises
    ------
    DataError
        The header cannot be used, or the file is UTF-16.
    OSError
        The file cannot be read.
    """
    header, body = chunk.read_csv()
    header = csv_lines.strip_byte_order_mark(header)
    names = csv_lines.column_names(header, chunk.csv)
    csv_lines.check_names(names, columns, chunk.csv)
    if b"\n" not in body and b"\r" in body:
        body = body.replace(b"\r", b"\n")  # as spreadsheets of old Macs wrote it
    first = chunk.first + (0 if chunk.start else max(header.count(b"\n"), 1))
    nulls = [""] if blank_is_null else []
    raw = _at_once(chunk, names, columns, (body, first), nulls)
    return raw if raw is not None else _one_by_one(chunk, names, columns, (body, first))


Body = tuple[bytes, int]
"""A chunk's lines without the header, and the file's line number of the first."""


def _at_once(
    chunk: Chunk, names: list[str], columns: Sequence[str], lines: Body, nulls: list[str]
) -> UntypedRows | None:
    """Return the rows if each line is a record or has a wrong number of columns; None if they must be read singly."""
    body, first = lines
    text = _utf8(body, chunk.csv)
    cut = csv_lines.cut_lines(text, chunk.csv) if text is not None else None
    if text is None or cut is None:
        return None
    wanted = [c for c in dict.fromkeys(columns) if c in names]
    wrong = np.flatnonzero((cut.separators != len(names) - 1) | (cut.ends - cut.starts <= 1))
    rows = np.delete(np.arange(len(cut.ends)), wrong) if len(wrong) else np.arange(len(cut.ends))
    table = _table(csv_lines.drop_lines(text, cut, wrong), names, wanted, chunk.csv, nulls)
    if table is None or table.num_rows != len(rows):
        return None
    original = _Lines(body)
    because = f"columns where the header has {len(names)}"
    rejects = (
        reject((chunk.path, first + int(i)), f"{cut.separators[i] + 1} {because}", original(int(i)))
        for i in wrong if text[cut.starts[i] : cut.ends[i]].strip()
    )  # fmt: skip
    return UntypedRows(table, first + rows, tuple(rejects), original=lambda row: original(int(rows[row])),
               decimal=chunk.csv.decimal)  # fmt: skip


def _table(text: bytes, names: list[str], wanted: list[str], form: CsvFormat, nulls: list[str]) -> pa.Table | None:
    """Return the *wanted* columns of *text*, or None where Arrow cannot parse it.

    Every line must have a value for each of *names*: Arrow writes beyond its memory where a line has more.
    """
    types = dict.fromkeys(wanted, pa.string())
    if not text:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    try:
        return pa_csv.read_csv(
            pa.py_buffer(text),
            read_options=pa_csv.ReadOptions(use_threads=False, column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter=form.delimiter),
            convert_options=pa_csv.ConvertOptions(
                include_columns=wanted, column_types=types, null_values=nulls, strings_can_be_null=True
            ),
        )
    except (pa.ArrowException, ValueError):
        return None


def _utf8(body: bytes, form: CsvFormat) -> bytes | None:
    """Return *body* in UTF-8; None where it is not text in its encoding."""
    if body.isascii():
        return body
    try:
        text = body.decode(form.encoding)
    except UnicodeDecodeError:
        return None
    return body if form.encoding == "utf-8" else text.encode()


class _Lines:
    """The bytes of a line by its index from 0; split on first use."""

    def __init__(self, body: bytes) -> None:
        self._body, self._lines = body, list[bytes]()

    def __call__(self, number: int) -> bytes:
        self._lines = self._lines or self._body.split(b"\n")
        return self._lines[number].rstrip(b"\r")


@dataclass(slots=True)
class _Rows:
    """Records read one by one: their values and the lines they span, bad lines, and cells that are not text."""

    values: list[list[str | None]] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    unfit: dict[str, dict[int, str]] = field(default_factory=dict)


def _one_by_one(chunk: Chunk, names: list[str], columns: Sequence[str], whole: Body) -> UntypedRows:
    """Return the rows of a chunk, read record by record: slower, but each faulty line or cell costs only itself."""
    body, first = whole
    lines = body.split(b"\n")
    texts = [line.decode(chunk.csv.encoding, "surrogateescape").rstrip("\r") for line in lines]
    picked = {name: names.index(name) for name in dict.fromkeys(columns) if name in names}
    rows = _Rows()
    for at, stop, values in records(texts, len(names), chunk.csv, rows.bad):
        _add(rows, picked, (at, stop), values)
    table = pa.table({name: pa.array([row[i] for row in rows.values], pa.string()) for i, name in enumerate(picked)})
    starts = np.array([at for at, _ in rows.spans], np.int64)
    rejects = tuple(reject((chunk.path, first + at), why, lines[at].rstrip(b"\r")) for at, why in rows.bad)
    return UntypedRows(table, first + starts, rejects, rows.unfit, _original(lines, rows.spans), chunk.csv.decimal)


def _original(lines: list[bytes], spans: list[tuple[int, int]]) -> Callable[[int], bytes]:
    return lambda row: b"\n".join(lines[slice(*spans[row])]).rstrip(b"\r")


def records(
    texts: list[str], columns: int, form: CsvFormat, bad: list[tuple[int, str]]
) -> Iterator[tuple[int, int, list[str]]]:
    """Yield (line, line after the last, values) of each record; other lines are added to *bad* with the reason."""
    at = 0
    while at < len(texts):
        text, stop = texts[at], at + 1
        if text.count('"') % 2:
            stop = _closing(texts, at, columns, form)
            text = "\n".join(texts[at:stop])
        if text.strip():
            try:
                yield at, stop, _values(text, columns, form)
            except ValueError as error:
                bad.append((at, str(error)))
        at = stop


def _closing(texts: list[str], at: int, columns: int, form: CsvFormat) -> int:
    """Return the line after the record whose quote opens in line *at*; *at* + 1 if it is never closed.

    It closes in the next line with an odd number of quotes or not at all, which bounds the lines that are read ahead.
    """
    for stop in range(at + 1, min(at + MAX_RECORD_LINES, len(texts))):
        if csv_lines.is_record(texts[stop], columns, form):
            break
        if texts[stop].count('"') % 2:
            return stop + 1 if csv_lines.is_record("\n".join(texts[at : stop + 1]), columns, form) else at + 1
    return at + 1


def _values(text: str, columns: int, form: CsvFormat) -> list[str]:
    if text.count('"') % 2:
        msg = "a quote is not closed"
        raise ValueError(msg)
    values = csv_lines.parse_record(text, form)
    if len(values) != columns:
        msg = f"{len(values)} columns where the header has {columns}"
        raise ValueError(msg)
    return values


def _add(rows: _Rows, picked: dict[str, int], span: tuple[int, int], values: list[str]) -> None:
    """Add a record to *rows*; a value that is not text becomes null and is noted in ``unfit``."""
    row: list[str | None] = []
    for name, at in picked.items():
        value = values[at]
        if value.isascii() or _is_text(value):
            row.append(value)
        else:
            row.append(None)
            why = "not UTF-8 text; if the file has another encoding, set `csv: {encoding: cp1252}` or the like"
            rows.unfit.setdefault(name, {})[len(rows.values)] = why
    rows.values.append(row)
    rows.spans.append(span)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
