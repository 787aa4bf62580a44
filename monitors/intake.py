"""What Flink's Python workers do first: references to chunks, or records, in; counts and rows as text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features import codec, errors, places, readers
from features.records import Records
from features.schema import PREDICTION, EventSchema, Role
from features.window import to_ms
from monitors import profiles, sheets
from monitors.derived import Frozen
from monitors.worker import FIELD, Spec, cell_texts, join

DECODED = ("high", "cells", "sheets", "rejects", "progress")
Texts = list[str]


def decode(spec: Spec, role: Role, reference: str) -> tuple[int, Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names of one chunk: its newest prediction time (ms; 0 for labels), rows as text.

    A chunk that cannot be read is one dead letter; nothing raises, so one bad file stops nothing else.
    """
    chunk = places.decode(reference)
    try:
        decoded = codec.decode(spec.schema, role, chunk)
    except errors.DataError as error:
        decoded = codec.Decoded(codec.empty(spec.schema, role), (readers.Reject(chunk.path, 0, error.message, ""),))
    high, cells, waiting, lost = _counted(spec, role, decoded, lambda _: (chunk.path, 0))
    rejects = [json.dumps({"role": role, **asdict(r)}, sort_keys=True) for r in (*decoded.rejects, *lost)]
    progress = json.dumps({"role": role, "file": chunk.path, "rows": decoded.table.num_rows, "rejected": len(rejects),
                           "newest": high}, sort_keys=True)  # fmt: skip
    return high, cells, waiting, rejects, progress


def decode_records(spec: Spec, role: Role, records: Records) -> tuple[Texts, Texts, Texts, str]:
    """Return what :data:`DECODED` names, without the first, of a batch of records; a dead letter is joined text.

    It has the fields role, topic, partition, offset, reason and the record's bytes in hex: one a record, whatever is
    wrong in it and how often.
    """
    try:
        decoded = codec.decode_records(spec.schema, role, records)
    except errors.DataError as error:
        everything = tuple(readers.Reject(*records.place(i), error.message, "") for i in range(len(records.values)))
        decoded = codec.Decoded(codec.empty(spec.schema, role), everything)
    high, cells, waiting, lost = _counted(spec, role, decoded, lambda row: records.place(decoded.lines[row]))
    rejects = (*decoded.rejects, *lost)
    progress = json.dumps({"role": role, "topic": records.topic, "rows": decoded.table.num_rows,
                           "rejected": len(rejects), "newest": high}, sort_keys=True)  # fmt: skip
    return cells, waiting, list(_letters(role, records, rejects)), progress


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
) -> tuple[int, Texts, Texts, tuple[readers.Reject, ...]]:
    """Return the newest prediction time, cells, sheets of rows, and the rows of unknown versions as rejects."""
    if role == "labels":
        return 0, [], _sheets(spec, role, {name: _column(decoded.table, name) for name in ("id", "time", "label")}), ()
    inside = _inside(spec, decoded.table)
    table, frozen, lost = _known(spec, lambda row: place(int(inside[row])), _take(decoded.table, inside))
    high = int(np.max(table["time"].to_numpy(), initial=0))
    times = np.array([high if r.time is None else r.time for r in decoded.rejects], np.int64)
    refused = [r for r, inside in zip(decoded.rejects, _within(spec, times), strict=True) if inside]
    known = _frozen(spec, {r.version for r in refused}) | frozen
    counted = profiles.count_inputs(spec.schema, frozen, table)
    unused = profiles.merge(profiles.count_refused(spec.schema, known, refused, high))
    rows = _prediction_rows(spec.schema, frozen, table) if spec.outcomes else {}
    return high, cell_texts((*counted, *unused)), _sheets(spec, role, rows) if rows else [], lost


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
    versions = _column(table, "model_version")
    found = _frozen(spec, set(versions))
    known = pd.Series(versions).isin(found).to_numpy()
    if known.all():
        return table, found, ()
    ids = _column(table, "id")
    lost = tuple(
        readers.Reject(*place(int(i)), f"no baseline for model version {versions[i]!r}", ids[i])
        for i in np.flatnonzero(~known)
    )
    return table.filter(pa.array(known)), found, lost


def _frozen(spec: Spec, versions: Iterable[str]) -> dict[str, Frozen]:
    """Return what the baselines of *versions* froze, of those that have one."""
    return {v: b.frozen for v in versions if (b := spec.baseline(v)) is not None}


def _column(table: pa.Table, name: str) -> npt.NDArray[np.generic]:
    return np.asarray(table[name].to_pandas().to_numpy())


def _sheets(spec: Spec, role: Role, columns: Mapping[str, npt.NDArray[np.generic]]) -> Texts:
    return [join(*sheet) for sheet in sheets.pack(role, to_ms(spec.schema.windows.slide), columns, spec.buckets)]


def _prediction_rows(
    schema: EventSchema, frozen: Mapping[str, Frozen], table: pa.Table
) -> dict[str, npt.NDArray[np.generic]]:
    versions = _column(table, "model_version")
    segments = np.full(table.num_rows, "", object)
    for version in set(versions) if schema.segments else ():
        at = versions == version
        names = profiles.segment_names(schema, frozen[version].bins, table.filter(pa.array(at))).values()
        segments[at] = [profiles.JOIN.join(row) for row in zip(*names, strict=True)]
    sent = {name: _column(table, name) for name in ("id", "time", PREDICTION)}
    return {**sent, "version": versions, "segments": segments}
