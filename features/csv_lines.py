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
from typing import BinaryIO

from features import errors
from features.conventions import CsvFormat

HEADER_LINES = 100
"""Lines that a header with quoted line ends may have."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def without_mark(data: bytes) -> bytes:
    """Return *data* without a byte-order mark of UTF-8 in front.

    Raises:
        DataError: the mark is one of UTF-16, whose lines cannot be told apart by their bytes.
    """
    if data.startswith(_UTF16):
        msg = "the text is UTF-16, by its byte-order mark"
        raise errors.DataError(msg, hint="save the file as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def read_header(file: BinaryIO) -> bytes:
    """Return the header record that *file* starts with, its line end included; the first line where it never ends.

    >>> read_header(io.BytesIO(b"id,x\\na,1")), read_header(io.BytesIO(b'"i\\nd",x\\na,1'))
    (b'id,x\\n', b'"i\\nd",x\\n')
    """
    first = header = file.readline()
    for _ in range(HEADER_LINES):
        if header.count(b'"') % 2 == 0:
            return header
        header += file.readline()
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


def parse(text: str, form: CsvFormat, *, strict: bool = False) -> list[str]:
    """Return the values of one record. Raises ValueError where it is none, *strict* where text follows a quote."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline="\n"), delimiter=form.delimiter, strict=strict))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(rows) != 1:
        msg = "a line end inside the record"
        raise ValueError(msg)
    return rows[0]


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
        return len(parse(text, form, strict=True)) == columns
    except ValueError:
        return False
