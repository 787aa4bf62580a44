"""What a reader hands to the decoder: untyped columns, where each row stood, and what could not be used, as it came."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import FeatureKind

Mask = npt.NDArray[np.bool_]
"""Of each row of a column, whether something is so."""
Columns = Mapping[str, tuple[str, FeatureKind | None]]
"""What to read: decoded name -> (column in the event, kind), the id first; kind None is the time."""


def sources(columns: Columns) -> list[str]:
    """Return the columns of an event that are to be read, each once."""
    return list(dict.fromkeys(column for column, _ in columns.values()))


RAW_LIMIT = 1 << 16
"""Bytes of a record that a dead letter keeps: more than that is cut, and its place tells where the rest is."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be used, and why: a dead letter in the making.

    *line* counts from 1 (rows, in Parquet; 0 is the whole file); of a topic, *path* is ``topic/partition`` and *line*
    the offset. *raw* is the record as it came, with bytes that are not UTF-8 as ``\\xNN``; where there are any,
    *raw_hex* has all bytes. *column* is the one whose value did not fit, by its decoded name; of such a record *time*
    (ms) and *version* are known where they could be read. *records* is how many records the reject stands for: more
    than one where no record could be told apart from the others.
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


def reject(place: tuple[str, int], reason: str, original: bytes, **known: Any) -> Reject:
    """Return the dead letter of the record at *place* (path and line), whose bytes are *original*.

    *known* is what else a :class:`Reject` tells: column, time, version, records.

    >>> letter = reject(("a.csv", 3), "not UTF-8", b"caf\\xe9")
    >>> letter.raw, letter.raw_hex
    ('caf\\\\xe9', '636166e9')
    """
    kept = original[:RAW_LIMIT]
    text = kept.decode("utf-8", "backslashreplace")
    exact = text.encode() == kept and len(kept) == len(original)
    if len(kept) < len(original):
        reason = f"{reason} (the first {RAW_LIMIT} of {len(original)} bytes are kept)"
    if not reason.isascii():  # half a surrogate pair, in a file's name or an error, is no text that travels
        reason = reason.encode("utf-8", "backslashreplace").decode()
    return Reject(*place, reason, text, raw_hex="" if exact else kept.hex(), **known)


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rejects of one kind: the *first* of them, and the number of *records* that they stand for."""

    first: Reject
    records: int


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
    """Return a cell of a column as a Python object, its bytes or what it is called where Python has none for it.

    Not all text of a Parquet file is UTF-8, and not all times are within Python's years or known zones.

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

    *lines* has the line of each row of *table*, from 1; where Kafka records were read, the record's index among them,
    from 0. *rejects* are records that are no rows at all. *unfit* are cells that no type can take, as a list or text
    that is not UTF-8: column of the event -> row -> reason. *original* gives the bytes of a row. *decimal* is the mark
    that numbers have in text.
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
