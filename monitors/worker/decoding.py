"""Decoding step of the Flink job: references to chunks, or Kafka records, in; counts, row batches and dead letters out.

No record can end the job: one that raises while it is decoded or counted becomes a dead letter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from features import errors
from features.events import decode, location
from features.kafka.records import Records
from features.schema import EventSchema, Role
from features.values.untyped import Reject, by_reason, dead_letter, records_of, reject
from features.window import agreed_newest, to_ms
from monitors.job_spec import FIELD_SEPARATOR, JobSpec, join
from monitors.profiles.cells import Cell
from monitors.worker.chunk_counts import Place, Texts, count_rows, is_within, refused_cells
from monitors.worker.report_lines import cell_texts

DECODED = ("high", "cells", "sheets", "rejects", "progress")
"""Names of the fields of a decoded chunk, in order; they are columns in Flink."""
MAX_REASONS = 5
"""Reasons that a line of progress lists, the most frequent first."""


def decode_chunk(spec: JobSpec, role: Role, reference: str) -> tuple[int, Texts, Texts, Texts, str]:
    """Return the fields of :data:`DECODED` for one chunk.

    A chunk that cannot be read is one dead letter; nothing raises, so one bad file stops nothing else.

    Parameters
    ----------
    spec
        The job's specification.
    role
        Whether the events are predictions or labels.
    reference
        The chunk, as its ``encode()`` wrote it.

    Returns
    -------
    tuple
        Time up to which the chunk advances event time (ms; 0 for labels), and as text: cells, row batches, dead letters
        (JSON) and a line of progress (JSON).
    """
    chunk = location.decode(reference)
    decoded = decode.decode(spec.schema, role, chunk)
    taken = _decoded_chunk(spec, role, decoded, lambda row: (chunk.path, int(decoded.lines[row])))
    letters = [dead_letter(role, one) for one in taken.rejects]
    high = taken.reached if role == "predictions" else 0
    return high, cell_texts(taken.cells), taken.sheets, letters, taken.progress(role, file=chunk.path)


def decode_records(spec: JobSpec, role: Role, records: Records) -> tuple[Texts, Texts, Texts, str]:
    """Return the fields of :data:`DECODED`, without the first, for a batch of Kafka records.

    A dead letter is joined text: role, topic, partition, offset, reason, and the record's bytes in hexadecimal. Each
    record has one at most, whatever is wrong with it.

    Parameters
    ----------
    spec
        The job's specification.
    role
        Whether the events are predictions or labels.
    records
        The records.
    """
    decoded = decoded_records(spec.schema, role, records)
    taken = _decoded_chunk(spec, role, decoded, lambda row: records.place(int(decoded.lines[row])))
    letters = list(record_letters(role, records, taken.rejects))
    return cell_texts(taken.cells), taken.sheets, letters, taken.progress(role, topic=records.topic)


@dataclass(frozen=True, slots=True)
class _DecodedChunk:
    """A chunk or batch after decoding and counting.

    Parameters
    ----------
    cells
        Its input cells, those of rejected records included.
    sheets
        Row batches for the label join, as joined text.
    rejects
        Its rejected records.
    rows
        Number of rows that were counted.
    reached
        Time up to which it advances event time, in milliseconds.
    """

    cells: tuple[Cell, ...]
    sheets: Texts
    rejects: tuple[Reject, ...]
    rows: int
    reached: int

    def progress(self, role: Role, **source: str) -> str:
        """Return the line of progress (JSON): rows, rejected records, and the most frequent reasons."""
        newest = self.reached if role == "predictions" else 0
        return progress_line(role, self.rows, self.rejects, newest, **source)


def progress_line(role: Role, rows: int, rejects: Sequence[Reject], newest: int, **more: str) -> str:
    """Return a line of progress (JSON): rows, rejected records and the most frequent reasons, the newest time (ms)."""
    reasons = {group.first.reason: group.records for group in by_reason(rejects)[:MAX_REASONS]}
    line = {"role": role, **more, "rows": rows, "rejected": records_of(rejects), "newest": newest, "reasons": reasons}
    return json.dumps(line, sort_keys=True)


def _decoded_chunk(spec: JobSpec, role: Role, decoded: decode.Decoded, place: Place) -> _DecodedChunk:
    """Return a decoded chunk with its cells, row batches and all rejected records."""
    counted = count_rows(spec, role, decoded, place)
    rejects, reached = (*decoded.rejects, *counted.lost), _reached(spec, decoded)
    refused = refused_cells(spec, rejects, counted.frozen, reached) if role == "predictions" else []
    return _DecodedChunk(
        (*counted.cells, *refused), counted.sheets, rejects, decoded.table.num_rows - len(counted.lost), reached
    )


def _reached(spec: JobSpec, decoded: decode.Decoded) -> int:
    """Return the time (ms) up to which records advance event time, rejected ones with a readable time included."""
    times = event_times(decoded)
    return agreed_newest(times[is_within(spec, times)], largest_jump(spec.schema))


def event_times(decoded: decode.Decoded) -> npt.NDArray[np.int64]:
    """Return the times (ms) of decoded records, also of rejected ones that have a readable time."""
    aside = np.array([r.time for r in decoded.rejects if r.time is not None], np.int64)
    return np.concatenate([decoded.table["time"].to_numpy(), aside])


def largest_jump(schema: EventSchema) -> int:
    """Return how far (ms) a few records may advance event time beyond all others."""
    return to_ms(max(schema.windows.size, schema.times.max_jump))


def decoded_records(schema: EventSchema, role: Role, records: Records, now: datetime | None = None) -> decode.Decoded:
    """Return records as :func:`features.events.decode.decode_records` does; all are rejects if their schema is bad."""
    try:
        return decode.decode_records(schema, role, records, now=now)
    except errors.DataError as error:
        everything = tuple(reject(records.place(i), error.message, v or b"") for i, v in enumerate(records.values))
        return decode.Decoded(decode.empty(schema, role), everything)


def record_letters(role: Role, records: Records, rejects: Iterable[Reject]) -> Iterable[str]:
    """Yield one dead letter for each rejected record, with all its reasons, as :func:`decode_records` describes it."""
    reasons: dict[tuple[str, int], dict[str, None]] = {}
    for one in rejects:
        reasons.setdefault((one.path, one.line), {})[one.reason] = None
    if not reasons:
        return
    for i, value in enumerate(records.values):
        if because := reasons.get(records.place(i)):
            text = "; ".join(because).replace(FIELD_SEPARATOR, " ")
            yield join(role, records.topic, records.partitions[i], records.offsets[i], text, (value or b"").hex())
