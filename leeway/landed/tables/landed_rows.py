"""Rows of a table that have landed in numbered files, and up to which key it was read when each file appeared.

A row is recognised by what is in the files, when it is read again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leeway.landed import numbered_files
from leeway.landed.tables import keys, values
from leeway.landed.tables.keys import Key

_DIGEST, _POSITION, _KEY = "leeway.row", "leeway.position", "leeway.key"
"""Columns beside those of the table: what a row is recognised by, where its key lies, and the key as text."""
_PRUNE_AT = 100_000
"""Rows that are no longer needed are dropped from memory once there are more than this, and twice as many as needed."""


Place = tuple[int, Key]
"""A key, and before it where it lies as a number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read: its key and where that lies, what it is recognised by, and its plain values."""

    key: Key
    position: int
    digest: bytes
    values: tuple[Any, ...]


@dataclass
class LandedRows:
    """What has landed in *folder*, as far back as the next query goes.

    Parameters
    ----------
    folder
        The directory of files.
    overlap
        How far behind the largest key a row may become visible, in the unit of positions.
    number
        The number of the newest file, 0 where there is none.
    total
        How many rows have landed.
    start
        The key from which the next query reads, itself included; None for the table's beginning.
    high
        The largest key.
    recent
        Position by digest of each row from *start* on.
    """

    folder: Path
    overlap: int
    number: int = 0
    total: int = 0
    start: Place | None = None
    high: Place | None = None
    recent: dict[bytes, int] = field(default_factory=dict)
    _keys: list[Place] = field(default_factory=list)
    _prune_at: int = _PRUNE_AT

    @classmethod
    def load(cls, folder: Path, overlap: int) -> LandedRows:
        """Return what has landed in *folder*. Raises DataError if a file cannot be read."""
        landed = cls(folder, overlap)
        for path in reversed(numbered_files.paths(folder)):
            noted = numbered_files.place_of(path)
            high = _decoded(noted["high"])
            if landed.high is None:
                landed.number, landed.total, landed.high = numbered_files.number(path), int(noted["total"]), high
                landed.start = _decoded(noted["start"]) if noted["start"] else None
            if landed.start is not None and high[0] < landed.start[0]:
                break
            landed._take_back(path, noted["high"][1][0])
        landed._keys = sorted(set(landed._keys))
        return landed

    @property
    def total_before_start(self) -> int:
        """How many rows have landed whose key lies before the start."""
        if self.start is None:
            return 0
        return self.total - sum(at >= self.start[0] for at in self.recent.values())

    @property
    def has_one_key(self) -> bool:
        """Whether all rows of which that is known have the same key."""
        return len(self._keys) == 1

    @property
    def high_text(self) -> str:
        """The largest key, for people."""
        return keys.text(self.high[1]) if self.high else "none"

    def is_current(self) -> bool:
        """Return whether no other process has landed rows since, or removed them."""
        return numbered_files.is_newest(self.folder, self.number)

    def _take_back(self, path: Path, kind: str) -> None:
        """Recognise the rows of a file from the start on; *kind* is the type of its keys."""
        try:
            rows = pq.read_table(path, columns=[_DIGEST, _POSITION, _KEY]).to_pydict()
        except (OSError, pa.ArrowException) as error:
            raise numbered_files.unreadable(path, error) from error
        for digest, at, key in zip(rows[_DIGEST], rows[_POSITION], rows[_KEY], strict=True):
            if self.start is None or at >= self.start[0]:
                self.recent[digest] = at
                self._keys.append((at, keys.decode([kind, key])))

    def add(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Land *rows*, none of which has landed yet, in one new file; *names* are those of their values.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        landing = sorted({*self._keys, *((row.position, row.key) for row in rows)})
        high = max([landing[-1], *([self.high] if self.high else [])])
        start = self._start(landing, high[0]) or self.start
        total = self.total + len(rows)
        noted = {"high": _encoded(high), "start": _encoded(start) if start else None, "total": total}
        self.number = numbered_files.write(self.folder, self.number, _table(rows, names), noted)
        self.total, self.high, self.start = total, high, start
        self._keys = landing if start is None else landing[bisect_left(landing, start[0], key=_position) :]
        self.recent |= {row.digest: row.position for row in rows}
        if len(self.recent) > self._prune_at and start is not None:
            self.recent = {digest: at for digest, at in self.recent.items() if at >= start[0]}
            self._prune_at = max(_PRUNE_AT, 2 * len(self.recent))

    def _start(self, landing: Sequence[Place], high: int) -> Place | None:
        """Return the largest of the keys that lie the overlap or more behind *high*; None if none does.

        It is a key of the table, not a difference: the database compares it in its own way, whatever its type.
        """
        behind = bisect_right(landing, high - self.overlap, key=_position)
        return landing[bisect_left(landing, landing[behind - 1][0], key=_position)] if behind else None


def _position(place: Place) -> int:
    return place[0]


def _encoded(place: Place) -> list[Any]:
    return [place[0], keys.encode(place[1])]


def _decoded(stored: list[Any]) -> Place:
    return int(stored[0]), keys.decode(stored[1])


def _table(rows: Sequence[Row], names: Sequence[str]) -> pa.Table:
    by_name = zip(*(row.values for row in rows), strict=True)
    columns = {name: values.column(own) for name, own in zip(names, by_name, strict=True)}
    columns[_DIGEST] = pa.array([row.digest for row in rows], pa.binary(values.DIGEST_BYTES))
    columns[_POSITION] = pa.array([row.position for row in rows], pa.int64())
    columns[_KEY] = pa.array([keys.text(row.key) for row in rows], pa.string())
    return pa.table(columns)
