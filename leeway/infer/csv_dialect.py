"""Infers the dialect of a CSV file: the encoding, delimiter and decimal mark under which most rows are regular."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from pathlib import Path

from features.conventions import CsvFormat
from features.errors import DataError

HEAD_BYTES = 4 << 20
DELIMITERS = (",", ";", "\t", "|")
_SAMPLED_LINES = 200
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_FOREIGN = re.compile(r"(?<=[A-Za-z])[\udc80-\udcff]+|[\udc80-\udcff]+(?=[A-Za-z])")
"""Bytes that are not UTF-8 beside an ASCII letter."""
_POINT = re.compile(r"[+-]?\d+\.\d+")


def csv_format(path: Path) -> CsvFormat:
    """Return the dialect of the file at *path*, inferred from its beginning. Raises DataError if it is UTF-16."""
    data = head(path)
    encoding = _encoding(data, path)
    lines = data.decode(encoding, "replace").splitlines()[:_SAMPLED_LINES]
    delimiter = max(DELIMITERS, key=lambda mark: _regularity(lines, mark))
    cells = Counter(
        "," if _COMMA.fullmatch(cell) else "." for row in csv.reader(lines, delimiter=delimiter) for cell in row
        if _COMMA.fullmatch(cell) or _POINT.fullmatch(cell)
    )  # fmt: skip
    return CsvFormat(delimiter=delimiter, decimal="," if cells[","] > cells["."] else ".", encoding=encoding)


def head(path: Path) -> bytes:
    """Return the first `HEAD_BYTES` of a file, cut at the last line break."""
    with path.open("rb") as file:
        data = file.read(HEAD_BYTES)
        return data if len(data) < HEAD_BYTES else data[: data.rfind(b"\n") + 1]


def _encoding(data: bytes, path: Path) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        msg = f"{path} is in UTF-16"
        raise DataError(msg, hint="save it as UTF-8: files are cut into lines, byte by byte")
    decoded = data.decode("utf-8", "replace")
    wrong, lines = decoded.count("\ufffd"), data.count(b"\n") + 1
    if wrong == 0 or (wrong * 100 < lines and not _are_letters(data)):
        return "utf-8"  # a few cells that are not UTF-8 cost their rows, not the encoding
    return "cp1252"


def _are_letters(data: bytes) -> bool:
    """Return whether a file without any character of UTF-8 beyond ASCII has letters of Western languages in words.

    >>> _are_letters("Größe,Köln".encode("cp1252")), _are_letters("Größe,café".encode("cp1252") + "é".encode())
    (True, False)
    """
    text = data.decode("utf-8", "surrogateescape")
    foreign = [match[0] for match in _FOREIGN.finditer(text)]
    if any(ord(c) > 0x7F and not 0xDC80 <= ord(c) <= 0xDCFF for c in text):
        return False
    letters = ("".join(foreign)).encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return bool(foreign) and letters.isalpha()


def _regularity(lines: list[str], delimiter: str) -> tuple[float, int]:
    """Return the share of rows as long as the header, and its length; zeros where there is one column."""
    try:
        lengths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    if not lengths or lengths[0] < 2:
        return 0.0, 0
    return sum(n == lengths[0] for n in lengths) / len(lengths), lengths[0]
