"""CSV by lines: where its header ends, what its columns are called, and whether a line is a record by itself.

Files are cut into chunks at line ends, and a quoted value may hold line ends, or be left open by a broken writer: what
a line is can only be told by looking at it.
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
"""Lines that a header with quoted line ends may have."""
HEADER_BYTES = 8 << 20
"""Bytes of a header that are looked at: 100,000 columns have a megabyte."""
_LINE_FEED, _QUOTE = ord("\n"), ord('"')
Positions = npt.NDArray[np.int64]
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def without_mark(data: bytes) -> bytes:
    """Return *data* without a byte-order mark of UTF-8 in front.

    Raises:
        DataError: the mark is one of UTF-16, whose lines cannot be told apart by their bytes.
    """
    if data.startswith(_UTF16) and _ends_lines_in_two_bytes(data):
        msg = "the text is UTF-16, by its byte-order mark"
        raise errors.DataError(msg, hint="save the file as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def _ends_lines_in_two_bytes(data: bytes) -> bool:
    """Say whether the first line ends as UTF-16 does: one bad record in front makes no file of another encoding."""
    at = data.find(b"\n")
    if at < 0 or at + 1 == len(data):
        return True
    return data[at + 1] == 0 if data.startswith(codecs.BOM_UTF16_LE) else data[at - 1] == 0


def read_header(file: BinaryIO) -> bytes:
    """Return the header record that *file* starts with, its line end included; the first line where it never ends.

    >>> read_header(io.BytesIO(b"id,x\\na,1")), read_header(io.BytesIO(b'"i\\nd",x\\na,1'))
    (b'id,x\\n', b'"i\\nd",x\\n')
    """
    first = header = file.readline(HEADER_BYTES)
    for _ in range(HEADER_LINES):
        if header.count(b'"') % 2 == 0 or len(header) >= HEADER_BYTES:
            return header
        header += file.readline(HEADER_BYTES)
    return first


def names(header: bytes, form: CsvFormat) -> list[str]:
    """Return what a header record calls the columns.

    Raises:
        DataError: it is no record.
    """
    text = without_mark(header).decode(form.encoding, "replace").rstrip("\r\n")
    try:
        return parse(text, form) if text else []
    except ValueError as error:
        msg = f"the header is no CSV record: {error}"
        raise errors.DataError(msg, hint="the first line must name the columns") from error


def check_names(found: Collection[str], columns: Collection[str], form: CsvFormat | None = None) -> None:
    """Check the *found* names of a file's columns against those that are wanted, the first of which must be there.

    Raises:
        DataError: one of *columns* stands twice, or the first is not there; of CSV, what the cause may be.
    """
    if twice := [name for name, n in Counter(found).items() if n > 1 and name in columns]:
        msg = f"column {twice[0]!r} stands twice in the header"
        raise errors.DataError(msg, hint="which of the two is meant cannot be told: rename or drop one")
    first = next(iter(columns))
    if form is None or first in found:
        return
    others = [mark for mark in ",;\t|" if mark != form.delimiter and any(mark in name for name in found)]
    hint = "the first line must name the columns"
    if others:
        mark = r'"\t"' if others[0] == "\t" else repr(others[0])  # YAML reads \t in double quotes only
        hint = f"columns seem to be separated by {mark}: set `csv: {{delimiter: {mark}}}` at the source"
    msg = f"no column {first!r} in the header, which has {', '.join(map(repr, list(found)[:10])) or 'none'}"
    raise errors.DataError(msg, hint=hint)


def parse(text: str, form: CsvFormat) -> list[str]:
    """Return the values of one record. Raises ValueError where it is none."""
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
class RecordCuts:
    """Where the lines of a text start, where they end (behind their line ends), and the separators in each."""

    starts: Positions
    ends: Positions
    separators: npt.NDArray[np.unsignedinteger[Any]]


def cut(text: bytes, form: CsvFormat) -> RecordCuts | None:
    """Return *text* cut at its line ends; None where one is inside quotes, or quotes stand where none should.

    >>> found = cut(b'a,1\\n"b,c",2\\n,,', CsvFormat())
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
        return RecordCuts(starts, ends, np.zeros(0, np.uint8))
    longest = int((ends - starts).max())
    # A sum in a byte is five times as quick, and wrong by multiples of 256, which the sum of all gives away.
    counts = np.add.reduceat(separates.view(np.uint8), starts, dtype=np.uint8)
    if longest > 255 and int(counts.sum(dtype=np.int64)) != np.count_nonzero(separates):
        counts = np.add.reduceat(separates.view(np.uint8), starts, dtype=np.uint32)
    return RecordCuts(starts, ends, counts)


def _inside_quotes(data: npt.NDArray[np.uint8], form: CsvFormat) -> npt.NDArray[np.bool_] | None:
    """Say of each byte whether it is in quotes, None where they do not enclose whole values."""
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return None
    around = np.concatenate([[_LINE_FEED], data, [_LINE_FEED]]).astype(np.uint8)
    before, after = around[quotes[::2]], around[quotes[1::2] + 2]
    outside = np.array([ord(form.delimiter), _LINE_FEED, ord("\r"), _QUOTE], np.uint8)
    if not (np.isin(before, outside).all() and np.isin(after, outside).all()):
        return None
    return (np.cumsum(data == _QUOTE, dtype=np.uint8) & 1).astype(bool)


def without(text: bytes, cut: RecordCuts, lines: Positions) -> bytes:
    """Return *text* without *lines*, which are numbers from 0 in their order."""
    if not len(lines):
        return text
    kept, begin = [], 0
    for line in lines:
        kept.append(text[begin : cut.starts[line]])
        begin = int(cut.ends[line])
    return b"".join([*kept, text[begin:]])


def is_record(text: str, columns: int, form: CsvFormat) -> bool:
    """Say whether *text* is a whole record of so many *columns*: what follows an open quote may be the next one.

    Quotes that two broken lines leave open are no pair: text would follow the second.

    >>> form = CsvFormat()
    >>> is_record("a,1", 2, form), is_record('a,"b', 2, form), is_record("a", 2, form)
    (True, False, False)
    """
    if text.count('"') % 2 or text.count(form.delimiter) < columns - 1:
        return False
    try:
        return len(parse(text, form)) == columns
    except ValueError:
        return False
