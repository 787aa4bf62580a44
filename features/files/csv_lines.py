"""CSV syntax at the level of lines: the header, the column names, and which lines are whole records.

Files are cut into chunks at line ends, while a quoted value may contain line ends or be left open by a faulty writer.
Whether a line is a record is therefore decided from its content.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from features import errors
from features.conventions import CsvFormat

HEADER_LINES = 100
"""Lines that a header with quoted line ends may span."""
HEADER_BYTES = 8 << 20
"""Bytes that are searched for the end of a header: 100,000 columns have about a megabyte."""
_LINE_FEED = ord("\n")
_QUOTE = ord('"')
Positions = npt.NDArray[np.int64]
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def strip_byte_order_mark(data: bytes) -> bytes:
    """Return *data* without a byte-order mark of UTF-8 in front.

    Raises
    ------
    DataError
        The mark is one of UTF-16, whose lines cannot be separated by their bytes.
    """
    if data.startswith(_UTF16) and _ends_lines_in_two_bytes(data):
        msg = "the text is UTF-16, by its byte-order mark"
        raise errors.DataError(msg, hint="save the file as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def _ends_lines_in_two_bytes(data: bytes) -> bool:
    """Return whether the first line ends as in UTF-16: one bad record in front does not make the file UTF-16."""
    at = data.find(b"\n")
    if at < 0 or at + 1 == len(data):
        return True
    return data[at + 1] == 0 if data.startswith(codecs.BOM_UTF16_LE) else data[at - 1] == 0


def read_header(file: BinaryIO) -> bytes:
    """Return the header record at the start of *file*, its line end included; the first line if its quote never closes.

    >>> read_header(io.BytesIO(b"id,x\\na,1")), read_header(io.BytesIO(b'"i\\nd",x\\na,1'))
    (b'id,x\\n', b'"i\\nd",x\\n')
    """
    first = header = file.readline(HEADER_BYTES)
    for _ in range(HEADER_LINES):
        if header.count(b'"') % 2 == 0 or len(header) >= HEADER_BYTES:
            return header
        header += file.readline(HEADER_BYTES)
    return first


def column_names(header: bytes, form: CsvFormat) -> list[str]:
    """Return the column names in a header record.

    Raises
    ------
    DataError
        It is not a CSV record.
    """
    text = strip_byte_order_mark(header).decode(form.encoding, "replace").rstrip("\r\n")
    try:
        return parse_record(text, form) if text else []
    except ValueError as error:
        msg = f"the header is no CSV record: {error}"
        raise errors.DataError(msg, hint="the first line must name the columns") from error


def check_names(present: Collection[str], columns: Collection[str], form: CsvFormat | None = None) -> None:
    """Check the column names of a file.

    Parameters
    ----------
    present
        The names in the file.
    columns
        The names to read, the first of which must be there.
    form
        The CSV dialect, which a hint is derived from; None if the file is not CSV.

    Raises
    ------
    DataError
        One of `columns` occurs twice; or, of CSV, the first one is absent.
    """
    if twice := [name for name, n in Counter(present).items() if n > 1 and name in columns]:
        msg = f"column {twice[0]!r} stands twice in the header"
        raise errors.DataError(msg, hint="rename or drop one of the two")
    first = next(iter(columns))
    if form is None or first in present:
        return
    others = [mark for mark in ",;\t|" if mark != form.delimiter and any(mark in name for name in present)]
    hint = "the first line must name the columns"
    if others:
        mark = r'"\t"' if others[0] == "\t" else repr(others[0])  # YAML reads \t in double quotes only
        hint = f"columns seem to be separated by {mark}: set `csv: {{delimiter: {mark}}}` at the source"
    msg = f"no column {first!r} in the header, which has {', '.join(map(repr, list(present)[:10])) or 'none'}"
    raise errors.DataError(msg, hint=hint)


def parse_record(text: str, form: CsvFormat) -> list[str]:
    """Return the values of one record.

    Raises
    ------
    ValueError
        The text is not exactly one record.
    """
    try:
        # Two lines with an open quote each would be one record if quotes could close within a value.
        lines = io.StringIO(text, newline="\n")
        rows = list(csv.reader(lines, delimiter=form.delimiter, strict="\n" in text))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(rows) != 1:
        msg = "a line end inside the record"
        raise ValueError(msg)
    return rows[0]


@dataclass(frozen=True, slots=True)
class LineCuts:
    """Where lines of a text start and end (after their line ends), and the separators in each, all (lines,)."""

    starts: Positions
    ends: Positions
    separators: npt.NDArray[np.unsignedinteger[Any]]


def cut_lines(text: bytes, form: CsvFormat) -> LineCuts | None:
    """Return the lines of *text*; None where a line end is inside quotes, or quotes do not enclose whole values.

    >>> found = cut_lines(b'a,1\\n"b,c",2\\n,,', CsvFormat())
    >>> found.starts.tolist(), found.ends.tolist(), found.separators.tolist()
    ([0, 4, 12], [4, 12, 14], [1, 1, 2])
    """
    data = np.frombuffer(text, np.uint8)
    is_end, separates = data == _LINE_FEED, data == ord(form.delimiter)
    if b'"' in text:
        inside = _inside_quotes(data, form)
        if inside is None or (is_end & inside).any():
            return None
        separates &= ~inside
    ends = np.flatnonzero(is_end) + 1
    if len(data) and data[-1] != _LINE_FEED:
        ends = np.append(ends, len(data))
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1]])
    if not len(starts):
        return LineCuts(starts, ends, np.zeros(0, np.uint8))
    longest = int((ends - starts).max())
    # A sum in a byte is five times as quick, and wrong by multiples of 256, which the sum of all gives away.
    counts = np.add.reduceat(separates.view(np.uint8), starts, dtype=np.uint8)
    if longest > 255 and int(counts.sum(dtype=np.int64)) != np.count_nonzero(separates):
        counts = np.add.reduceat(separates.view(np.uint8), starts, dtype=np.uint32)
    return LineCuts(starts, ends, counts)


def _inside_quotes(data: npt.NDArray[np.uint8], form: CsvFormat) -> npt.NDArray[np.bool_] | None:
    """Return whether each byte is inside quotes; None where quotes do not enclose whole values."""
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return None
    around = np.concatenate([[_LINE_FEED], data, [_LINE_FEED]]).astype(np.uint8)
    before, after = around[quotes[::2]], around[quotes[1::2] + 2]
    outside = np.array([ord(form.delimiter), _LINE_FEED, ord("\r"), _QUOTE], np.uint8)
    if not (np.isin(before, outside).all() and np.isin(after, outside).all()):
        return None
    return (np.cumsum(data == _QUOTE, dtype=np.uint8) & 1).astype(bool)


def drop_lines(text: bytes, cut: LineCuts, lines: Positions) -> bytes:
    """Return *text* without *lines*: ascending indices from 0 into *cut*."""
    if not len(lines):
        return text
    kept, begin = [], 0
    for line in lines:
        kept.append(text[begin : cut.starts[line]])
        begin = int(cut.ends[line])
    return b"".join([*kept, text[begin:]])


def is_record(text: str, columns: int, form: CsvFormat) -> bool:
    """Return whether *text* is one whole record with that number of *columns*.

    The line after an unclosed quote may be the next record. Two quotes that faulty lines left open are not a pair: text
    would follow the second.

    >>> form = CsvFormat()
    >>> is_record("a,1", 2, form), is_record('a,"b', 2, form), is_record("a", 2, form)
    (True, False, False)
    """
    if text.count('"') % 2 or text.count(form.delimiter) < columns - 1:
        return False
    try:
        return len(parse_record(text, form)) == columns
    except ValueError:
        return False
