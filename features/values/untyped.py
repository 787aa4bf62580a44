"""Untyped rows, the output of readers: columns as they were read, the line of each row, and rejected records."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import FeatureKind

Mask = npt.NDArray[np.bool_]
"""A truth value for each row of a column."""
Columns = Mapping[str, tuple[str, FeatureKind | None]]
"""Columns to read: decoded name -> (column in the event, kind), the id first; the time's kind is None."""


def sources(columns: Columns) -> list[str]:
    """Return the columns of an event that have to be read, each once."""
    return list(dict.fromkeys(column for column, _ in columns.values()))


MAX_RAW_BYTES = 1 << 16
"""Bytes of a record that a dead letter contains; a longer record is cut, and its place says where the rest is."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected record and the reason: the content of a dead letter.

    Parameters
    ----------
    path
        The file, or ``topic/partition``.
    line
        Line in the file from 1 (row, in Parquet; 0 is the whole file), or the offset in the partition.
    reason
        Why it could not be used.
    raw
        The record, with bytes that are not UTF-8 as ``\\xNN``.
    column
        Decoded name of the column whose value did not fit; empty where no single column is to blame.
    time
        The record's time in milliseconds, where it could be read.
    version
        Its model version, where it could be read.
    raw_hex
        All bytes of `raw` in hexadecimal, where it was not UTF-8 or was cut.
    records
        Number of records that it stands for: more than one where they could not be separated.
    """

    path: str
    line: int
    reason: str
    raw: str
    column: str = ""
    time: int | None = None
    version: str = ""
    raw_hex: str = ""
    records: int = 1


def reject(place: tuple[str, int], reason: str, original: bytes, **fields: Any) -> Reject:
    """Return the rejected record at *place* (path and line) with the bytes *original*.

    *fields* are further fields of :class:`Reject`: column, time, version, records.

    >>> letter = reject(("a.csv", 3), "not UTF-8", b"caf\\xe9")
    >>> letter.raw, letter.raw_hex
    ('caf\\\\xe9', '636166e9')
    """
    shown = original[:MAX_RAW_BYTES]
    text = shown.decode("utf-8", "backslashreplace")
    exact = text.encode() == shown and len(shown) == len(original)
    if len(shown) < len(original):
        reason = f"{reason} (the first {MAX_RAW_BYTES} of {len(original)} bytes are kept)"
    if not reason.isascii():  # half a surrogate pair, in a file's name or an error, is no text that travels
        reason = reason.encode("utf-8", "backslashreplace").decode()
    return Reject(*place, reason, text, raw_hex="" if exact else shown.hex(), **fields)


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rejects of one kind: the *first* of them, and the number of *records* that they stand for."""

    first: Reject
    records: int


def dead_letter(role: str, one: Reject) -> str:
    """Return the dead letter of a record of a role, as a line of JSON: the same record gives the same line."""
    return json.dumps({"role": role, **asdict(one)}, sort_keys=True)


def records_of(rejects: Iterable[Reject]) -> int:
    """Return the number of records that *rejects* stand for."""
    return sum(one.records for one in rejects)


def by_reason(
    rejects: Iterable[Reject], key: Callable[[Reject], Hashable] = operator.attrgetter("reason")
) -> list[RejectGroup]:
    """Return *rejects* in groups of one *key*, by default the reason, those of most records first."""
    groups: dict[Hashable, list[Reject]] = {}
    for one in rejects:
        groups.setdefault(key(one), []).append(one)
    return sorted(
        (RejectGroup(group[0], records_of(group)) for group in groups.values()), key=lambda group: -group.records
    )


def value_of(cell: pa.Scalar) -> object:
    """Return a cell as a Python object; as its bytes, or number and type, where Python has no value for it.

    Not all text in Parquet files is UTF-8, and not all times are within Python's years or known zones.

    >>> value_of(pa.scalar(1.5)), value_of(pa.scalar(2**62).cast(pa.timestamp("us")))
    (1.5, '4611686018427387904 timestamp[us]')
    """
    try:
        return cell.as_py()
    except (ValueError, OverflowError, LookupError, TypeError, NotImplementedError):
        pass
    if hasattr(cell, "as_buffer"):
        return bytes(cell.as_buffer())
    return f"{getattr(cell, 'value', '?')} {cell.type}"


def _nothing(_: int) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class UntypedRows:
    """A chunk as it was read.

    Parameters
    ----------
    table
        One row per record, columns of any type.
    lines
        Line of each row, (rows,), from 1; of Kafka records the index among them, from 0.
    rejects
        Records that could not be made into rows.
    unfit
        Cells that no type can take, such as a list or text that is not UTF-8: column -> row -> reason.
    original
        From a row to its bytes.
    decimal
        Decimal mark of numbers in text.
    """

    table: pa.Table
    lines: npt.NDArray[np.int64]
    rejects: tuple[Reject, ...] = ()
    unfit: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    original: Callable[[int], bytes] = _nothing
    decimal: str = "."

    def part(self, rows: slice) -> UntypedRows:
        """Return the *rows* (start and stop) by themselves, without the rejects."""
        start, stop = rows.start, rows.stop
        unfit = {
            column: {row - start: why for row, why in cells.items() if start <= row < stop}
            for column, cells in self.unfit.items()
        }
        table, lines = self.table.slice(start, stop - start), self.lines[start:stop]
        return UntypedRows(table, lines, (), unfit, lambda row: self.original(row + start), self.decimal)

    def original_bytes(self, row: int) -> bytes:
        """Return the bytes of a row; the reason in their place where they cannot be shown."""
        try:
            return self.original(row)
        except Exception as error:  # a record that cannot be shown is reported all the same
            return f"the record cannot be shown: {type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
