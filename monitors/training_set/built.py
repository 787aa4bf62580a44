"""A built training set: sorted runs in a folder, with what became of the events; read in order, in bounded memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.events import decode, location
from features.facts.declaration import NO_FACTS, FactFeatures
from features.files import parquet_rows, readers
from features.kafka import offset_ranges
from features.schema import LABEL
from monitors.training_set import merge, slice_join
from monitors.training_set.buckets import BUCKET_ROWS, MAX_BUCKETS, SetPlan
from monitors.training_set.join import LABEL_TIME, RowCounts
from monitors.training_set.parts import Part
from monitors.training_set.period import Interval, TrainingPeriod
from monitors.training_set.slice_join import SliceCounts

Run = Callable[[SetPlan, Sequence[Part]], None]
"""Splits all parts and joins all buckets: in this process, or in a Flink batch job."""
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

    def part_times(self) -> dict[Part, Interval | None]:
        """Return the first and last event time of each part that was read; None where it has no usable record."""
        return {(part["role"], part["part"]): part["times"] for part in _parts(self.folder)}

    def slices(self) -> dict[int, SliceCounts]:
        """Return what became of the predictions of each slice, by its start (ms); empty unless joined by slice."""
        texts = (path.read_text() for path in sorted(self.folder.glob("slices/*.json")))
        return slice_join.merged(slice_join.parsed(text) for text in texts)

    def letters(self) -> Iterator[dict[str, Any]]:
        """Yield the rejected records, each as its dead letter."""
        for path in sorted(self.folder.glob("rejects/*.jsonl")):
            with path.open() as lines:
                yield from map(json.loads, lines)


def empty_rows(period: TrainingPeriod) -> pa.Table:
    """Return the rows of a set that has none."""
    rows, kind = decode.empty(period.schema, "predictions"), decode.empty(period.schema, "labels").schema.field(LABEL)
    return rows.append_column(kind, pa.array([], kind.type)).append_column(LABEL_TIME, pa.array([], pa.int64()))


def build(
    period: TrainingPeriod,
    parts: Sequence[Part],
    folder: Path,
    run: Run,
    *,
    facts: FactFeatures = NO_FACTS,
    by_slice: bool = False,
) -> BuiltSet:
    """Build the training set of a period from parts of the log, in a folder that must not hold another one.

    Values of fact features that the log does not have are computed of the facts. With *by_slice*, each slice is joined
    by itself (:mod:`monitors.training_set.slice_join`).

    Raises
    ------
    DataError
        A directory of facts does not exist.
    BrokerError
        A topic cannot be read.
    EngineError
        The Flink job fails.
    """
    rows = sum(_rows(location.decode(part)) for role, part in parts if role != "labels")
    folder.mkdir(parents=True, exist_ok=True)
    if parts:
        buckets = min(1 + rows // BUCKET_ROWS, MAX_BUCKETS)
        run(SetPlan(period, str(folder), buckets, by_slice, facts), parts)
    return load(period, folder)


def load(period: TrainingPeriod, folder: Path) -> BuiltSet:
    """Return the set that was built in a folder."""
    counts = RowCounts()
    for path in folder.glob("counts/*.json"):
        counts = counts.plus(RowCounts(**json.loads(path.read_text())))
    read, rejected = Counter[str](), Counter[str]()
    for part in _parts(folder):
        read[part["role"]] += part["rows"]
        rejected[part["role"]] += part["rejected"]
    return BuiltSet(period, folder, counts, dict(read), dict(rejected))


def _parts(folder: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(path.read_text()) for path in sorted(folder.glob("parts/*.json")))


def _rows(part: location.Reference) -> int:
    """Return about how many events a part has."""
    if isinstance(part, offset_ranges.Range):
        return (part.stop - part.start) * (_ARROW_RECORD if part.format == "arrow" else 1)
    return parquet_rows.count(part) if part.format in readers.PARQUET else (part.stop - part.start) // _LINE_BYTES
