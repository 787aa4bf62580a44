"""Values of a table's rows, as drivers return them, in the few types that event files have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from features.window import UTC

Plain = None | bool | int | float | str | bytes | datetime
"""A value of an event file."""
DIGEST_BYTES = 16
_INT64 = range(-(2**63), 2**63)


def plain(value: Any) -> Plain:
    """Return a driver's value in a type that event files have; text of whatever else there is.

    No value raises, or its row would end each reading of its table: what cannot be used is set aside by the decoder.

    >>> plain(Decimal("12.50")), plain(Decimal("12")), plain({"a": 1}), plain([Decimal("sNaN")])
    (12.5, 12, '{"a": 1}', '["sNaN"]')
    """
    if value is None or isinstance(value, bool | float | str | bytes):
        return value
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _time(value: datetime) -> Plain:
    """Return a time in UTC, where one without a zone is; its text where it is beyond Python's years there."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return value.isoformat()


def _number(value: Decimal) -> Plain:
    """Return a decimal as the whole number that it is, else as the nearest float64; its text where it is neither."""
    if value.is_snan():
        return str(value)
    if value.is_finite() and value.as_tuple().exponent == 0:
        whole = int(value)
        return whole if whole in _INT64 else str(value)  # the text of the int would be refused above 4300 digits
    return float(value)


def digest(values: Sequence[Any]) -> bytes:
    """Return what a row is recognised by when it is read again.

    Parameters
    ----------
    values
        Plain values of all its columns, in the order of their names.
    """
    return hashlib.blake2b(repr(tuple(values)).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def column(values: Sequence[Plain]) -> pa.Array:
    """Return plain values as a column of one type; where they are of several, as text, which decoders read alike.

    >>> column([1, 2]).type, column([1, "b"]).to_pylist()
    (DataType(int64), ['1', 'b'])
    """
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values])


def _text(value: Plain) -> str | bytes:
    """Return a value as text; bytes of no encoding as text with their escapes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
