"""What Flink's Python workers do first: references to chunks, or records, in; counts and rows as text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import codec, errors, places, readers
from features.records import Records
from features.schema import PREDICTION, EventSchema, Role
from monitors import profiles
from monitors.derived import Frozen
from monitors.worker import FIELD, Spec, join

DECODED = ("high", "cells", "predictions", "labels", "rejects", "progress")
Texts = list[str]


def decode(spec: Spec, role: Role, reference: str) -> tuple[int, Texts, Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names of one chunk: its newest prediction time (ms; 0 for labels), rows as text.

    A chunk that cannot be read is one dead letter; nothing raises, so one bad file stops nothing else.
    """
    chunk = places.decode(reference)
    try:
        decoded = codec.decode(spec.schema, role, chunk)
    except errors.DataError as error:
        decoded = codec.Decoded(codec.empty(spec.schema, role), (readers.Reject(chunk.path, 0, error.message, ""),))
    high, cells, predictions, labels, lost = _counted(spec, role, decoded, lambda _: (chunk.path, 0))
    rejects = [json.dumps({"role": role, **asdict(r)}, sort_keys=True) for r in (*decoded.rejects, *lost)]
    progress = json.dumps({"role": role, "file": chunk.path, "rows": decoded.table.num_rows, "rejected": len(rejects),
                           "newest": high}, sort_keys=True)  # fmt: skip
    return high, cells, predictions, labels, rejects, progress


def decode_records(spec: Spec, role: Role, records: Records) -> tuple[Texts, Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names, without the first, of a batch of records; a dead letter is joined text.

    It has the fields role, topic, partition, offset, reason and the record's bytes in hex: one a record, whatever is
    wrong in it and how often.
    """
    try:
        decoded = codec.decode_records(spec.schema, role, records)
    except errors.DataError as error:
        everything = tuple(readers.Reject(*records.place(i), error.message, "") for i in range(len(records.values)))
        decoded = codec.Decoded(codec.empty(spec.schema, role), everything)
    high, cells, predictions, labels, lost = _counted(
        spec, role, decoded, lambda row: records.place(decoded.lines[row])
    )
    rejects = (*decoded.rejects, *lost)
    progress = json.dumps({"role": role, "topic": records.topic, "rows": decoded.table.num_rows,
                           "rejected": len(rejects), "newest": high}, sort_keys=True)  # fmt: skip
    return cells, predictions, labels, list(_letters(role, records, rejects)), progress


def late_line(rows: int, newest: int) -> str:
    """Return the line of progress that tells of *rows* predictions that came after their slice was closed."""
    return json.dumps({"late": rows, "newest": newest}, sort_keys=True)


def _letters(role: Role, records: Records, rejects: Iterable[readers.Reject]) -> Iterable[str]:
    reasons: dict[tuple[str, int], dict[str, None]] = {}
    for reject in rejects:
        reasons.setdefault((reject.path, reject.line), {})[reject.reason] = None
    if not reasons:
        return
    for i, value in enumerate(records.values):
        if told := reasons.get(records.place(i)):
            said = "; ".join(told).replace(FIELD, " ")
            yield join(role, records.topic, records.partitions[i], records.offsets[i], said, (value or b"").hex())


def _counted(
    spec: Spec, role: Role, decoded: codec.Decoded, place: Callable[[int], tuple[str, int]]
) -> tuple[int, Texts, Texts, Texts, tuple[readers.Reject, ...]]:
    """Return the newest prediction time, cells, predictions, labels, and the rows of unknown versions as rejects."""
    if role == "labels":
        return 0, [], [], _rows(decoded.table, "id", "time", "label"), ()
    inside = _inside(spec, decoded.table)
    table, frozen, lost = _known(spec, lambda row: place(int(inside[row])), _take(decoded.table, inside))
    high = int(np.max(table["time"].to_numpy(), initial=0))
    times = np.array([high if r.time is None else r.time for r in decoded.rejects], np.int64)
    refused = [r for r, inside in zip(decoded.rejects, _within(spec, times), strict=True) if inside]
    known = _frozen(spec, {r.version for r in refused}) | frozen
    counted = profiles.count_inputs(spec.schema, frozen, table)
    unused = profiles.merge(profiles.count_refused(spec.schema, known, refused, high))
    cells = [join(*asdict(c).values()) for c in (*counted, *unused)]
    return high, cells, _prediction_rows(spec.schema, frozen, table), [], lost


def _inside(spec: Spec, table: pa.Table) -> npt.NDArray[np.int64]:
    return np.flatnonzero(_within(spec, table["time"].to_numpy()))


def _within(spec: Spec, time: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return (time >= (spec.start or 0)) & (time < (spec.end if spec.end is not None else np.iinfo(np.int64).max))


def _take(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    return table if len(rows) == table.num_rows else table.take(rows)


def _known(
    spec: Spec, place: Callable[[int], tuple[str, int]], table: pa.Table
) -> tuple[pa.Table, dict[str, Frozen], tuple[readers.Reject, ...]]:
    """Return the rows whose version has a baseline, what it froze by version, and the others as rejects."""
    versions = table["model_version"].to_pandas().to_numpy(dtype=object)
    found = _frozen(spec, set(versions))
    known = np.array([v in found for v in versions], bool)
    ids = table["id"].to_pylist()
    lost = tuple(
        readers.Reject(*place(int(i)), f"no baseline for model version {versions[i]!r}", ids[i])
        for i in np.flatnonzero(~known)
    )
    return table if known.all() else table.filter(pa.array(known)), found, lost


def _frozen(spec: Spec, versions: Iterable[str]) -> dict[str, Frozen]:
    """Return what the baselines of *versions* froze, of those that have one."""
    return {v: b.frozen for v in versions if (b := spec.baseline(v)) is not None}


def _rows(table: pa.Table, *columns: str) -> list[str]:
    return [join(*row) for row in zip(*(table[c].to_pylist() for c in columns), strict=True)]


def _prediction_rows(schema: EventSchema, frozen: Mapping[str, Frozen], table: pa.Table) -> list[str]:
    versions = table["model_version"].to_pandas().to_numpy(dtype=object)
    segments = np.full(table.num_rows, "", object)
    for version in set(versions):
        at = versions == version
        names = profiles.segment_names(schema, frozen[version].bins, table.filter(pa.array(at))).values()
        segments[at] = [profiles.JOIN.join(row) for row in zip(*names, strict=True)] if schema.segments else ""
    ids, times, answers = (table[c].to_pylist() for c in ("id", "time", PREDICTION))
    return [join(*row) for row in zip(ids, times, versions, segments, answers, strict=True)]
