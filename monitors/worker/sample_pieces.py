"""Samples in a Flink job, without Flink: chunks to pieces by slice, and pieces of a slice to its part of the stream."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.events import decode
from features.events.decode import TIME
from features.kafka.records import Records
from features.schema import EventSchema, Role
from features.values.untyped import dead_letter, records_of
from features.window import agreed_newest, to_ms
from monitors.job_spec import join
from monitors.samples.parts import Receipt, SampleParts, name_of
from monitors.training_set import slice_join
from monitors.training_set.buckets import packed, read_part
from monitors.training_set.period import Interval, TrainingPeriod
from monitors.worker import decoding

BUCKET = 0
"""All events of a slice meet in one place: their samples are one file, and files are in order of time."""


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """What a worker needs to know.

    Parameters
    ----------
    schema
        The model's events.
    folder
        The folder of samples.
    since
        Where samples begin, in milliseconds since the epoch.
    barred
        A file of intervals that are under a data fault, in JSON: slices that mature from then on lack their samples.
    """

    schema: EventSchema
    folder: Path
    since: int
    barred: Path

    def period(self, start: int) -> TrainingPeriod:
        """Return the slice that begins at *start* (ms), with the data faults of now."""
        slide = to_ms(self.schema.windows.slide)
        return TrainingPeriod(self.schema, start, start + slide, read_barred(self.barred))


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a chunk gives: the time (ms) up to which it advances event time, pieces and dead letters as text."""

    high: int
    pieces: list[str]
    rejects: list[str]


def decode_chunk(spec: SampleSpec, role: Role, reference: str) -> Pieces:
    """Return the pieces of a chunk, one a slice, as joined text: bucket, role, start of the slice (ms), Arrow rows."""
    decoded = read_part(spec.schema, role, reference)
    times, jump = decoding.event_times(decoded), decoding.largest_jump(spec.schema)
    high = 0 if role == "labels" else agreed_newest(times, jump)
    return Pieces(high, _pieces(spec, role, decoded), [dead_letter(role, one) for one in decoded.rejects])


def decode_records(spec: SampleSpec, role: Role, records: Records) -> tuple[list[str], str]:
    """Return the pieces of a batch of Kafka records, and a line of progress (JSON).

    A record that cannot be read is counted; its dead letter is the affair of the job that monitors the same topics.
    """
    decoded = decoding.decoded_records(spec.schema, role, records)
    line = {"part": "", "rows": 0, "late": 0, "rejected": records_of(decoded.rejects)}
    return _pieces(spec, role, decoded), json.dumps(line) if decoded.rejects else ""


def _pieces(spec: SampleSpec, role: Role, decoded: decode.Decoded) -> list[str]:
    """Return decoded events as pieces, one a slice."""
    columns = decode.empty(spec.schema, "labels" if role == "labels" else "predictions").column_names
    table = decoded.table.select(columns).sort_by(TIME)
    return [
        join(BUCKET, role, start, base64.b64encode(packed(rows)).decode())
        for start, rows in slice_join.slices([table], to_ms(spec.schema.windows.slide))
        if start >= spec.since
    ]


def unpack(schema: EventSchema, role: Role, texts: Sequence[str]) -> pa.Table:
    """Return the rows of pieces."""
    lines = (line for text in texts for line in text.split("\n"))
    tables = [pa.ipc.open_stream(base64.b64decode(line)).read_all() for line in lines]
    return pa.concat_tables([decode.empty(schema, role), *tables]).combine_chunks()


def publish(spec: SampleSpec, start: int, predictions: Sequence[str], labels: Sequence[str]) -> Receipt | None:
    """Join the pieces of a slice and write its part, unless it is there; return its receipt.

    None: a later part is there already, and readers rely on the order of parts. A receipt alone is no part: a worker
    that was killed has left it, and the part is written again.
    """
    period, parts = spec.period(start), SampleParts(spec.folder)
    if parts.is_done(start):
        return parts.receipt(name_of(start))
    if parts.newest() > name_of(start):
        return None
    made, known = unpack(spec.schema, "predictions", predictions), unpack(spec.schema, "labels", labels)
    return parts.write(period, *slice_join.of_slice(period, made, known))


def rows_in(rows: str) -> int:
    """Return the number of rows of a piece."""
    return sum(pa.ipc.open_stream(base64.b64decode(line)).read_all().num_rows for line in rows.split("\n"))


def read_barred(path: Path) -> tuple[Interval, ...]:
    """Return the intervals (ms) that are under a data fault; none where the file is not there."""
    return tuple((a, b) for a, b in json.loads(path.read_bytes())) if path.is_file() else ()
