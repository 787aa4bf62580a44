"""What Flink's Python workers do first: references to chunks, or records, in; counts and rows as text out.

Nothing that a record holds can end the job: what raises while it is decoded or counted becomes a dead letter.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features import errors
from features.events import decode, location
from features.kafka.records import Records
from features.schema import PREDICTION, EventSchema, Role
from features.values.untyped import Reject, by_reason, records_of, reject
from features.window import agreed_newest, to_ms
from monitors.job_spec import FIELD_SEPARATOR, JobSpec, join
from monitors.profiles import counting, rejected_counts
from monitors.profiles.cells import Cell, merge_cells
from monitors.profiles.derived import FrozenProfile
from monitors.worker import row_batches
from monitors.worker.report_lines import cell_texts

DECODED = ("high", "cells", "sheets", "rejects", "progress")
"""What is decoded of one chunk, in the order of its fields."""
MAX_REASONS = 5
"""How many reasons a line of progress tells, the most frequent first."""
Texts = list[str]
Place = Callable[[int], tuple[str, int]]
_LOG = logging.getLogger("leeway.decode")


def decode_chunk(spec: JobSpec, role: Role, reference: str) -> tuple[int, Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names of one chunk: up to when it moves event time (ms; 0: labels), rows as text.

    A chunk that cannot be read is one dead letter; nothing raises, so one bad file stops nothing else.
    """
    chunk = location.decode(reference)
    decoded = decode.decode(spec.schema, role, chunk)
    taken = _decoded_chunk(spec, role, decoded, lambda row: (chunk.path, int(decoded.lines[row])))
    letters = [json.dumps({"role": role, **asdict(r)}, sort_keys=True) for r in taken.rejects]
    high = taken.reached if role == "predictions" else 0
    return high, cell_texts(taken.cells), taken.sheets, letters, taken.progress(role, file=chunk.path)


def decode_records(spec: JobSpec, role: Role, records: Records) -> tuple[Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names, without the first, of a batch of records; a dead letter is joined text.

    It has the fields role, topic, partition, offset, reason and the record's bytes in hex: one a record, whatever is
    wrong in it and how often.
    """
    try:
        decoded = decode.decode_records(spec.schema, role, records)
    except errors.DataError as error:
        everything = tuple(reject(records.place(i), error.message, v or b"") for i, v in enumerate(records.values))
        decoded = decode.Decoded(decode.empty(spec.schema, role), everything)
    taken = _decoded_chunk(spec, role, decoded, lambda row: records.place(int(decoded.lines[row])))
    letters = list(_letters(role, records, taken.rejects))
    return cell_texts(taken.cells), taken.sheets, letters, taken.progress(role, topic=records.topic)


@dataclass(frozen=True, slots=True)
class _DecodedChunk:
    """What came of a chunk or batch: its cells, sheets and dead letters, its rows, and its newest agreed time (ms)."""

    cells: tuple[Cell, ...]
    sheets: Texts
    rejects: tuple[Reject, ...]
    rows: int
    reached: int

    def progress(self, role: Role, **source: str) -> str:
        """Return the line that tells of it: its rows, what was set aside, and why most often."""
        reasons = {group.first.reason: group.records for group in by_reason(self.rejects)[:MAX_REASONS]}
        newest = self.reached if role == "predictions" else 0
        line = {"role": role, **source, "rows": self.rows, "rejected": records_of(self.rejects), "newest": newest,
                "reasons": reasons}  # fmt: skip
        return json.dumps(line, sort_keys=True)


def _decoded_chunk(spec: JobSpec, role: Role, decoded: decode.Decoded, place: Place) -> _DecodedChunk:
    counted = _counted(spec, role, decoded, place)
    rejects, reached = (*decoded.rejects, *counted.lost), _reached(spec, decoded)
    refused = _refused_cells(spec, rejects, counted.frozen, reached) if role == "predictions" else []
    return _DecodedChunk(
        (*counted.cells, *refused), counted.sheets, rejects, decoded.table.num_rows - len(counted.lost), reached
    )


def _reached(spec: JobSpec, decoded: decode.Decoded) -> int:
    """Return up to when records move event time (ms), those that were set aside for another reason among them."""
    aside = np.array([r.time for r in decoded.rejects if r.time is not None], np.int64)
    times = np.concatenate([decoded.table["time"].to_numpy(), aside])
    jump = max(spec.schema.windows.size, spec.schema.times.max_jump)
    return agreed_newest(times[_within(spec, times)], to_ms(jump))


def _letters(role: Role, records: Records, rejects: Iterable[Reject]) -> Iterable[str]:
    reasons: dict[tuple[str, int], dict[str, None]] = {}
    for one in rejects:
        reasons.setdefault((one.path, one.line), {})[one.reason] = None
    if not reasons:
        return
    for i, value in enumerate(records.values):
        if because := reasons.get(records.place(i)):
            text = "; ".join(because).replace(FIELD_SEPARATOR, " ")
            yield join(role, records.topic, records.partitions[i], records.offsets[i], text, (value or b"").hex())


@dataclass(frozen=True, slots=True)
class _ChunkCounts:
    """What came of decoded rows: cells, sheets for the label join, and the rows that are no use after all.

    *frozen* is what the baselines of the rows' versions froze.
    """

    cells: tuple[Cell, ...] = ()
    sheets: Texts = field(default_factory=list)
    lost: tuple[Reject, ...] = ()
    frozen: Mapping[str, FrozenProfile] = field(default_factory=dict)

    def plus(self, other: _ChunkCounts) -> _ChunkCounts:
        """Return both as one."""
        sheets, frozen = self.sheets + other.sheets, {**self.frozen, **other.frozen}
        return _ChunkCounts(self.cells + other.cells, sheets, self.lost + other.lost, frozen)


def _counted(spec: JobSpec, role: Role, decoded: decode.Decoded, place: Place, first: int = 0) -> _ChunkCounts:
    """Return what comes of the rows of *decoded*, the first of which is number *first* of all.

    Where counting raises, it is tried with each half, so that a row that cannot be counted costs itself only.
    """
    try:
        return _counted_labels(spec, decoded) if role == "labels" else _counted_predictions(spec, decoded, place, first)
    except (errors.LeewayError, MemoryError):
        raise
    except Exception as error:  # whatever a record holds, it becomes a dead letter and nothing else ends
        rows = decoded.table.num_rows
        if rows > 1:
            middle = rows // 2
            low, high = (decode.Decoded(decoded.table.slice(*part), ()) for part in ((0, middle), (middle, rows)))
            return _counted(spec, role, low, place, first).plus(_counted(spec, role, high, place, first + middle))
        _LOG.warning("a record could not be counted", exc_info=error)
        row = json.dumps(decoded.table.to_pylist(), default=str).encode()
        return _ChunkCounts(lost=(reject(place(first), f"cannot be counted: {type(error).__name__}: {error}", row),))


def _counted_labels(spec: JobSpec, decoded: decode.Decoded) -> _ChunkCounts:
    rows = {name: _column(decoded.table, name) for name in ("id", "time", "label")}
    return _ChunkCounts(sheets=_sheets(spec, "labels", rows))


def _counted_predictions(spec: JobSpec, decoded: decode.Decoded, place: Place, first: int) -> _ChunkCounts:
    inside = _inside(spec, decoded.table)
    table, frozen, lost = _with_baseline(
        spec, lambda row: place(first + int(inside[row])), _take(decoded.table, inside)
    )
    cells = tuple(counting.count_inputs(spec.schema, frozen, table))
    rows = _prediction_rows(spec.schema, frozen, table) if spec.outcomes else {}
    return _ChunkCounts(cells, _sheets(spec, "predictions", rows) if rows else [], lost, frozen)


def _refused_cells(
    spec: JobSpec, rejects: tuple[Reject, ...], frozen: Mapping[str, FrozenProfile], newest: int
) -> list[Cell]:
    """Return the cells that count rejected predictions; those without a time count as of the *newest* with them.

    One of no version that is known counts for those that came with it; if none did, for all that are published.
    """
    if not rejects:
        return []
    times = np.array([newest if r.time is None else r.time for r in rejects], np.int64)
    refused = [r for r, inside in zip(rejects, _within(spec, times), strict=True) if inside]
    own = _frozen(spec, {r.version for r in refused})
    known = {**own, **frozen} or _frozen(spec, spec.published())
    return merge_cells(rejected_counts.count_refused(spec.schema, known, refused, newest))


def _inside(spec: JobSpec, table: pa.Table) -> npt.NDArray[np.int64]:
    return np.flatnonzero(_within(spec, table["time"].to_numpy()))


def _within(spec: JobSpec, time: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return (time >= (spec.start or 0)) & (time < (spec.end if spec.end is not None else np.iinfo(np.int64).max))


def _take(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    return table if len(rows) == table.num_rows else table.take(rows)


def _with_baseline(
    spec: JobSpec, place: Place, table: pa.Table
) -> tuple[pa.Table, dict[str, FrozenProfile], tuple[Reject, ...]]:
    """Return the rows whose version has a baseline, what it froze by version, and the others as rejects."""
    versions = _column(table, "model_version")
    found = _frozen(spec, set(versions))
    known = pd.Series(versions).isin(found).to_numpy()
    if known.all():
        return table, found, ()
    return (
        table.filter(pa.array(known)),
        found,
        tuple(_without_baseline(place, table, int(i)) for i in np.flatnonzero(~known)),
    )


def _without_baseline(place: Place, table: pa.Table, row: int) -> Reject:
    """Return the dead letter of a row whose version has no baseline."""
    event = table.slice(row, 1).to_pylist()[0]
    letter = reject(place(row), f"no baseline for model version {event['model_version']!r}", json.dumps(event).encode())
    return replace(letter, column="model_version", time=event["time"], version=event["model_version"])


def _frozen(spec: JobSpec, versions: Iterable[str]) -> dict[str, FrozenProfile]:
    """Return what the baselines of *versions* froze, of those that have one."""
    return {v: b.frozen for v in versions if (b := spec.baseline(v)) is not None}


def _column(table: pa.Table, name: str) -> npt.NDArray[np.generic]:
    return np.asarray(table[name].to_pandas().to_numpy())


def _sheets(spec: JobSpec, role: Role, columns: Mapping[str, npt.NDArray[np.generic]]) -> Texts:
    return [join(*sheet) for sheet in row_batches.pack(role, to_ms(spec.schema.windows.slide), columns, spec.buckets)]


def _prediction_rows(
    schema: EventSchema, frozen: Mapping[str, FrozenProfile], table: pa.Table
) -> dict[str, npt.NDArray[np.generic]]:
    versions = _column(table, "model_version")
    segments = np.full(table.num_rows, "", object)
    for version in set(versions) if schema.segments else ():
        at = versions == version
        names = counting.segment_names(schema, frozen[version].bins, table.filter(pa.array(at))).values()
        segments[at] = [counting.SEGMENT_SEPARATOR.join(row) for row in zip(*names, strict=True)]
    sent = {name: _column(table, name) for name in ("id", "time", PREDICTION)}
    return {**sent, "version": versions, "segments": segments}
