"""Buckets of a training set: events divided by their ids, so that each part can be joined by itself, in bounded memory.

Two steps, which any runner can call: chunks are split into pieces, and the pieces of a bucket are joined to a run of
rows in order. :mod:`monitors.in_process.training_set_runner` and :mod:`monitors.flink.training_set_job` differ only in
how pieces reach their bucket.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.events import decode, location
from features.events.decode import ID, TIME
from features.events.requests import unanswered_predictions
from features.facts.declaration import NO_FACTS, FactFeatures
from features.schema import LABEL, EventSchema, Role
from features.values.untyped import dead_letter, records_of
from features.window import UTC
from monitors.training_set import slice_join
from monitors.training_set.join import RowCounts, labelled
from monitors.training_set.parts import overlaps
from monitors.training_set.period import TrainingPeriod, within
from monitors.training_set.recomputed import RecomputedFeatures

BUCKET_ROWS = 100_000
"""About how many predictions a bucket has: with 25 features they take 20 MB. Each bucket is an open file when runs are
merged, so there should not be too many."""
MAX_BUCKETS = 256
"""Buckets at most, which is within any system's limit of open files; they are larger in a longer period."""
RUN_BATCH = 4096
"""Rows of a run that are in memory at once while runs are merged."""
_WRITTEN = pa.ipc.IpcWriteOptions(compression="lz4")

Piece = tuple[int, bytes]
"""A bucket, and events of it as an Arrow stream."""


@dataclass(frozen=True, slots=True)
class SetPlan:
    """How a training set is built; it travels to Flink's workers as a value.

    Parameters
    ----------
    period
        The period.
    folder
        The folder in which runs, their counts and rejected records are written.
    buckets
        The number of buckets. The set does not depend on it.
    by_slice
        Whether each slice is joined by itself, as a stream does (:mod:`monitors.training_set.slice_join`).
    facts
        The fact features, which are computed where the log has no value.
    now
        The present, one for all workers: the clock's when the plan is made.
    """

    period: TrainingPeriod
    folder: str
    buckets: int = 1
    by_slice: bool = False
    facts: FactFeatures = NO_FACTS
    now: datetime = field(default_factory=partial(datetime.now, UTC))

    def file(self, kind: str, name: object) -> Path:
        """Return the file of a kind: ``runs``, ``counts``, ``slices`` or ``rejects``."""
        return Path(self.folder, kind, str(name))


def read_part(schema: EventSchema, role: Role, reference: str, *, now: datetime | None = None) -> decode.Decoded:
    """Return the decoded records of a part of the log as of *now*; requests are predictions without an answer."""
    decoded = decode.decode(schema, role, location.decode(reference), now=now)
    return unanswered_predictions(schema, decoded) if role == "requests" else decoded


def split(plan: SetPlan, role: Role, reference: str) -> Iterator[Piece]:
    """Yield the events of a part of the log that lie in the period, by bucket; write its times and rejected records.

    A part all events of which lie elsewhere is as if it had not been read.

    Parameters
    ----------
    plan
        How the set is built.
    role
        Whether the events are predictions, labels or requests.
    reference
        The part, as its ``encode()`` wrote it.
    """
    schema = plan.period.schema
    decoded = read_part(schema, role, reference, now=plan.now)
    name = hashlib.sha256(f"{role} {reference}".encode()).hexdigest()[:32]
    times = event_times(decoded)
    inside = overlaps(plan.period, role, times)
    about = {"role": role, "part": reference, "times": times, "rows": decoded.table.num_rows if inside else 0,
             "rejected": records_of(decoded.rejects) if inside else 0}  # fmt: skip
    _write(plan.file("parts", f"{name}.json"), [json.dumps(about)])
    if not inside:
        return
    letters = [dead_letter(role, one) for one in decoded.rejects]
    if letters:
        _write(plan.file("rejects", f"{name}.jsonl"), letters)
    labels = role == "labels"
    table = within(decoded.table, plan.period.labels if labels else plan.period.predictions)
    columns = decode.empty(schema, "labels" if labels else "predictions").column_names
    yield from ((bucket, packed(rows)) for bucket, rows in _divided(table.select(columns), plan.buckets))


def event_times(decoded: decode.Decoded) -> tuple[int, int] | None:
    """Return the first and the last time of decoded records; None where there are none, or some have no time.

    A time that is refused, since it lies in the future, is one later.
    """
    ends = pc.min_max(decoded.table[TIME]).as_py()
    if any(reject.column == TIME for reject in decoded.rejects):
        return None
    return None if ends["min"] is None else (ends["min"], ends["max"])


def _divided(table: pa.Table, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each bucket that has any."""
    if buckets == 1 or not table.num_rows:
        yield from [(0, table)] if table.num_rows else []
        return
    own = pd.util.hash_array(table[ID].to_pandas().to_numpy(object), categorize=False) % buckets
    order = np.argsort(own, kind="stable")
    ends = np.searchsorted(own[order], np.arange(buckets + 1))
    ordered = table.take(order)
    for bucket in range(buckets):
        if rows := int(ends[bucket + 1] - ends[bucket]):
            yield bucket, ordered.slice(int(ends[bucket]), rows)


def packed(table: pa.Table) -> bytes:
    """Return a table as a compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_WRITTEN) as stream:
        stream.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


class BucketJoin:
    """Joins buckets of a set; each process that does so has one, which holds the facts that it has read.

    Parameters
    ----------
    plan
        How the set is built.
    """

    def __init__(self, plan: SetPlan) -> None:
        self._plan = plan
        self._recomputed = RecomputedFeatures(plan.facts, Path(plan.folder), plan.period.until, plan.now)

    def write_run(self, bucket: int, pieces: Iterable[bytes]) -> RowCounts:
        """Join the pieces of a bucket, in any order, and write its rows as a run; return what became of predictions.

        Raises
        ------
        DataError
            A directory of facts does not exist.
        """
        rows, counts = _joined(self._plan, bucket, pieces)
        rows = self._recomputed.fill(rows)
        path = self._plan.file("runs", f"{bucket:05}.arrow")
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_stream(str(path), rows.schema, options=_WRITTEN) as stream:
            stream.write_table(rows.combine_chunks(), max_chunksize=RUN_BATCH)
        _write(self._plan.file("counts", f"{bucket:05}.json"), [json.dumps(asdict(counts))])
        return counts


def _joined(plan: SetPlan, bucket: int, pieces: Iterable[bytes]) -> tuple[pa.Table, RowCounts]:
    """Return the joined rows of the pieces of a bucket, in order, and what became of its predictions."""
    schema = plan.period.schema
    tables = [pa.ipc.open_stream(piece).read_all() for piece in pieces]
    made = [decode.empty(schema, "predictions"), *(table for table in tables if LABEL not in table.column_names)]
    known = [decode.empty(schema, "labels"), *(table for table in tables if LABEL in table.column_names)]
    predictions, labels = (pa.concat_tables(parts).combine_chunks() for parts in (made, known))
    if not plan.by_slice:
        return labelled(plan.period, predictions, labels)
    rows, by_slice = slice_join.joined(plan.period, predictions, labels)
    _write(plan.file("slices", f"{bucket:05}.json"), [slice_join.text_of(by_slice)])
    return rows, slice_join.total(by_slice.values())


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
