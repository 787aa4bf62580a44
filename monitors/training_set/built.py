"""A built training set: sorted runs in a folder, with what became of the events; read in order, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.events import decode, location
from features.files import file_chunks, parquet_rows
from features.kafka import offset_ranges
from features.schema import LABEL, Role
from monitors.training_set import merge
from monitors.training_set.buckets import BUCKET_ROWS, Part, SetPlan
from monitors.training_set.join import LABEL_TIME, RowCounts
from monitors.training_set.period import TrainingPeriod

Run = Callable[[SetPlan, Sequence[Part]], None]
"""Splits all parts and joins all buckets: in this process, or in a Flink batch job."""
Sources = Sequence[tuple[Role, location.Place]]
"""Places of events, each with the role that its records are decoded in."""
_LINE_BYTES = 200
"""Bytes of an event as text, at the least where it matters: with shorter ones there are more rows in a bucket."""
_ARROW_RECORD = 1000
"""Events of a columnar record, about."""


@dataclass(frozen=True, slots=True)
class BuiltSet:
    """A training set on disk.

    Parameters
    ----------
    period
        Its period.
    folder
        The folder of its runs.
    counts
        What became of the predictions.
    read, rejected
        Records that were read and could be used or not, by role.
    """

    period: TrainingPeriod
    folder: Path
    counts: RowCounts
    read: dict[str, int]
    rejected: dict[str, int]

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows in order of time and id, as decoded predictions with label and label time.

        The first table has no rows, so that there is one in any case.
        """
        yield empty_rows(self.period)
        yield from merge.in_order(sorted(self.folder.glob("runs/*.arrow")))

    def letters(self) -> Iterator[dict[str, Any]]:
        """Yield the rejected records, each as its dead letter."""
        for path in sorted(self.folder.glob("rejects/*.jsonl")):
            with path.open() as lines:
                yield from map(json.loads, lines)


def empty_rows(period: TrainingPeriod) -> pa.Table:
    """Return the rows of a set that has none."""
    rows, kind = decode.empty(period.schema, "predictions"), decode.empty(period.schema, "labels").schema.field(LABEL)
    return rows.append_column(kind, pa.array([], kind.type)).append_column(LABEL_TIME, pa.array([], pa.int64()))


def build(period: TrainingPeriod, sources: Sources, folder: Path, run: Run) -> BuiltSet:
    """Build the training set of a period in a folder, which must not hold another one.

    Raises
    ------
    DataError
        A directory does not exist.
    BrokerError
        A topic cannot be read.
    EngineError
        The Flink job fails.
    """
    chunks = [(role, part) for role, place in sources for part in location.references(place)]
    rows = sum(_rows(part) for role, part in chunks if role != "labels")
    folder.mkdir(parents=True, exist_ok=True)
    run(SetPlan(period, str(folder), 1 + rows // BUCKET_ROWS), [(role, part.encode()) for role, part in chunks])
    return load(period, folder)


def load(period: TrainingPeriod, folder: Path) -> BuiltSet:
    """Return the set that was built in a folder."""
    counts = RowCounts()
    for path in folder.glob("counts/*.json"):
        counts = counts.plus(RowCounts(**json.loads(path.read_text())))
    read, rejected = dict[str, int](), dict[str, int]()
    for path in folder.glob("parts/*.json"):
        part = json.loads(path.read_text())
        read[part["role"]] = read.get(part["role"], 0) + part["rows"]
        rejected[part["role"]] = rejected.get(part["role"], 0) + part["rejected"]
    return BuiltSet(period, folder, counts, read, rejected)


def _rows(part: location.Reference) -> int:
    """Return about how many events a part has."""
    if isinstance(part, offset_ranges.Range):
        return (part.stop - part.start) * (_ARROW_RECORD if part.format == "arrow" else 1)
    return parquet_rows.count(part) if part.format == "parquet" else (part.stop - part.start) // _LINE_BYTES
