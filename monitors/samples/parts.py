"""Parts of a sample stream: the samples of one slice in a Parquet file, with a receipt, once their labels are final.

A part leaves a receipt and then its file, which appears whole and is not replaced (decision 16). So a part that can be
seen is final, whoever made it, and a reader may rest on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features import errors
from features.files import file_chunks
from features.files.whole_file import write_whole
from features.schema import EventSchema
from features.window import UTC, from_ms, to_ms
from monitors.report import canonical
from monitors.training_set import written
from monitors.training_set.digest import RowDigest
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.slice_join import SliceCounts

_FOLDER = "_receipts"
"""Folder of receipts: readers of event files leave out names with an underscore."""
_NAME = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a part is.

    Parameters
    ----------
    name
        Its file name: the start of its slice. Names are in order of time.
    start, end
        Its slice, [start, end), in milliseconds since the epoch.
    mark
        The event time (ms) from which all its labels are final: the end of the slice and the label delay.
    rows
        Its samples.
    digest
        The digest of ids, times, features and labels in order.
    counts
        What became of the slice's predictions.
    """

    name: str
    start: int
    end: int
    mark: int
    rows: int
    digest: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class SampleParts:
    """The parts of one model's sample stream in a folder."""

    folder: Path

    def begin(self, schema: EventSchema) -> None:
        """Create the folder for samples of a model.

        Raises
        ------
        DataError
            It holds samples of another model, or of other features, slices or label delay.
        """
        identity = hashlib.sha256(canonical(schema).encode()).hexdigest()
        path = self.folder / _FOLDER / "schema.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"model": schema.model, "schema": identity})
        if path.is_file() and path.read_text() != about:
            msg = f"the samples in {self.folder} are of another model, or its section of the project file has changed"
            raise errors.DataError(msg, hint="name another folder with --out, or remove this one")
        write_whole(path, about.encode())

    def is_done(self, start: int) -> bool:
        """Return whether the part of the slice that begins at *start* (ms) is there."""
        try:
            return self._is_whole(self.receipt(name_of(start)))
        except FileNotFoundError:
            return False

    def _is_whole(self, receipt: Receipt) -> bool:
        return receipt.rows == 0 or (self.folder / receipt.name).exists()

    def receipt(self, name: str) -> Receipt:
        """Return the receipt of a part by its name; FileNotFoundError where there is none."""
        return Receipt(**json.loads(self._receipt_path(name).read_bytes()))

    def file_of(self, start: int) -> Path:
        """Return the file of the part of the slice that begins at *start* (ms)."""
        return self.folder / name_of(start)

    def _receipt_path(self, name: str) -> Path:
        return self.folder / _FOLDER / f"{name}.json"

    def write(self, period: TrainingPeriod, rows: pa.Table, counts: SliceCounts) -> Receipt:
        """Write the part of a slice, unless it is there; return its receipt.

        Parameters
        ----------
        period
            The slice.
        rows, counts
            Its samples and counts, as :func:`monitors.training_set.slice_join.of_slice` returns them.
        """
        name = name_of(period.start)
        if self.is_done(period.start):
            return self.receipt(name)
        digest = RowDigest()
        table = written.columns(period, rows, digest)
        made = Receipt(name, period.start, period.until, period.until + period.delay, table.num_rows, digest.hex(),
                       counts.numbers())  # fmt: skip
        write_whole(self._receipt_path(name), json.dumps(asdict(made), sort_keys=True).encode())
        if made.rows:
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd", row_group_size=table.num_rows)  # a part is one chunk
            write_whole(self.folder / name, sink.getvalue().to_pybytes())
        return made

    def listed(self) -> list[Path]:
        """Return the files of the parts that are there, in order of time, without a gap.

        A listing of a folder into which somebody writes may lack a file and have one that was written after it. What
        was there before the newest of a first listing is in a second one for certain.
        """
        newest = max((path.name for path in file_chunks.list_files(self.folder)), default="")
        return [path for path in file_chunks.list_files(self.folder) if path.name <= newest]

    def receipts(self) -> list[Receipt]:
        """Return the receipts of all parts that are there, also of those without samples, in order of time."""
        own = (self.receipt(path.stem) for path in sorted((self.folder / _FOLDER).glob("*.parquet.json")))
        return [receipt for receipt in own if self._is_whole(receipt)]

    def newest(self) -> str:
        """Return the name of the newest part, "" where there is none: parts are only added after it."""
        names = (path.stem for path in (self.folder / _FOLDER).glob("*.parquet.json"))
        return max(names, default="")


def name_of(start: int) -> str:
    """Return the name of the part of a slice that begins at *start*, in milliseconds since the epoch.

    >>> name_of(86_400_000)
    '19700102T000000.000.parquet'
    """
    return f"{from_ms(start).strftime(_NAME)}.{start % 1000:03}.parquet"


def start_of(name: str) -> int:
    """Return the start (ms) of the slice of a part by its name.

    >>> start_of("19700102T000000.000.parquet")
    86400000
    """
    text, ms, _ = name.split(".")
    return to_ms(datetime.strptime(text, _NAME).replace(tzinfo=UTC)) + int(ms)


def samples(path: Path) -> pa.Table:
    """Return the samples of a part: the columns of a training set (:mod:`monitors.training_set.written`).

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        table: pa.Table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        msg = f"the samples in {path} cannot be read: {' '.join(str(error).split())[:200]}"
        hint = (
            "restore the file from a backup; or remove its folder, and `leeway samples build` makes the same of the log"
        )
        raise errors.DataError(msg, hint=hint) from error
    return table


def totals(receipts: Iterable[Receipt]) -> dict[str, Any]:
    """Return how many parts there are, the mark of the newest, and the sums of their counts."""
    own, counts = list(receipts), dict[str, int]()
    for receipt in own:
        for name, n in receipt.counts.items():
            counts[name] = counts.get(name, 0) + n
    mark = max((receipt.mark for receipt in own), default=None)
    return {"parts": len(own), "mark": None if mark is None else from_ms(mark), "counts": counts}
