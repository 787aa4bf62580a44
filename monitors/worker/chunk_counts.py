"""Counts of a decoded chunk: input cells, row batches for the label join, and rows that cannot be counted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features import errors
from features.events import decode
from features.schema import PREDICTION, EventSchema, Role
from features.values.untyped import Reject, reject
from features.window import to_ms
from monitors.job_spec import JobSpec, join
from monitors.profiles import counting, rejected_counts
from monitors.profiles.cells import Cell, merge_cells
from monitors.profiles.derived import FrozenProfile
from monitors.worker import row_batches

Texts = list[str]
Place = Callable[[int], tuple[str, int]]
"""From a row's index in the chunk to its place: path and line, or topic/partition and offset."""
_LOG = logging.getLogger("leeway.decode")


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """What decoded rows give.

    Parameters
    ----------
    cells
        Input cells.
    sheets
        Row batches for the label join, as joined text.
    lost
        Rows that cannot be counted, as rejected records.
    frozen
        Bins and derived variables of the rows' model versions.
    """

    cells: tuple[Cell, ...] = ()
    sheets: Texts = field(default_factory=list)
    lost: tuple[Reject, ...] = ()
    frozen: Mapping[str, FrozenProfile] = field(default_factory=dict)

    def plus(self, other: ChunkCounts) -> ChunkCounts:
        """Return the sum of both."""
        sheets, frozen = self.sheets + other.sheets, {**self.frozen, **other.frozen}
        return ChunkCounts(self.cells + other.cells, sheets, self.lost + other.lost, frozen)


def count_rows(spec: JobSpec, role: Role, decoded: decode.Decoded, place: Place, first: int = 0) -> ChunkCounts:
    """Return the counts of decoded rows; where counting raises, of each half, so that a bad row costs only itself.

    Parameters
    ----------
    spec
        The job's specification.
    role
        Whether the events are predictions or labels.
    decoded
        The decoded rows.
    place
        From a row's index in the chunk to its place.
    first
        Index of the first row in the chunk.
    """
    try:
        return _counted_labels(spec, decoded) if role == "labels" else _counted_predictions(spec, decoded, place, first)
    except (errors.LeewayError, MemoryError):
        raise
    except Exception as error:  # as in decoding: a bad record costs only itself
        rows = decoded.table.num_rows
        if rows > 1:
            middle = rows // 2
            low, high = (decode.Decoded(decoded.table.slice(*part), ()) for part in ((0, middle), (middle, rows)))
            return count_rows(spec, role, low, place, first).plus(count_rows(spec, role, high, place, first + middle))
        _LOG.warning("a record could not be counted", exc_info=error)
        row = json.dumps(decoded.table.to_pylist(), default=str).encode()
        return ChunkCounts(lost=(reject(place(first), f"cannot be counted: {type(error).__name__}: {error}", row),))


def _counted_labels(spec: JobSpec, decoded: decode.Decoded) -> ChunkCounts:
    rows = {name: _column(decoded.table, name) for name in ("id", "time", "label")}
    return ChunkCounts(sheets=_sheets(spec, "labels", rows))


def _counted_predictions(spec: JobSpec, decoded: decode.Decoded, place: Place, first: int) -> ChunkCounts:
    inside = _inside(spec, decoded.table)
    table, frozen, lost = _with_baseline(
        spec, lambda row: place(first + int(inside[row])), _take(decoded.table, inside)
    )
    cells = tuple(counting.count_inputs(spec.schema, frozen, table))
    rows = prediction_rows(spec.schema, frozen, table) if spec.outcomes else {}
    return ChunkCounts(cells, _sheets(spec, "predictions", rows) if rows else [], lost, frozen)


def refused_cells(
    spec: JobSpec, rejects: tuple[Reject, ...], frozen: Mapping[str, FrozenProfile], newest: int
) -> list[Cell]:
    """Return the cells that count rejected predictions.

    A record of an unknown version counts for the versions that came with it; if there are none, for all published ones.

    Parameters
    ----------
    spec
        The job's specification.
    rejects
        The rejected records.
    frozen
        Bins and derived variables of the versions in the chunk.
    newest
        Time (ms) for records whose own cannot be read.
    """
    if not rejects:
        return []
    times = np.array([newest if r.time is None else r.time for r in rejects], np.int64)
    refused = [r for r, inside in zip(rejects, is_within(spec, times), strict=True) if inside]
    own = _frozen(spec, {r.version for r in refused})
    known = {**own, **frozen} or _frozen(spec, spec.published())
    return merge_cells(rejected_counts.count_refused(spec.schema, known, refused, newest))


def _inside(spec: JobSpec, table: pa.Table) -> npt.NDArray[np.int64]:
    return np.flatnonzero(is_within(spec, table["time"].to_numpy()))


def is_within(spec: JobSpec, time: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which times (ms) are in the period that the job counts, (rows,)."""
    return (time >= (spec.start or 0)) & (time < (spec.end if spec.end is not None else np.iinfo(np.int64).max))


def _take(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    return table if len(rows) == table.num_rows else table.take(rows)


def _with_baseline(
    spec: JobSpec, place: Place, table: pa.Table
) -> tuple[pa.Table, dict[str, FrozenProfile], tuple[Reject, ...]]:
    """Return the rows whose version has a baseline, what it froze by version, and the other rows as rejects."""
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
    """Return the rejected record of a row whose version has no baseline."""
    event = table.slice(row, 1).to_pylist()[0]
    letter = reject(place(row), f"no baseline for model version {event['model_version']!r}", json.dumps(event).encode())
    return replace(letter, column="model_version", time=event["time"], version=event["model_version"])


def _frozen(spec: JobSpec, versions: Iterable[str]) -> dict[str, FrozenProfile]:
    """Return the bins and derived variables of those *versions* that have a baseline."""
    return {v: b.frozen for v in versions if (b := spec.baseline(v)) is not None}


def _column(table: pa.Table, name: str) -> npt.NDArray[np.generic]:
    return np.asarray(table[name].to_pandas().to_numpy())


def _sheets(spec: JobSpec, role: Role, columns: Mapping[str, npt.NDArray[np.generic]]) -> Texts:
    return [join(*sheet) for sheet in row_batches.pack(role, to_ms(spec.schema.windows.slide), columns, spec.buckets)]


def prediction_rows(
    schema: EventSchema, frozen: Mapping[str, FrozenProfile], table: pa.Table
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns of decoded predictions that the label join needs, (rows,) each; segments joined in one."""
    versions = _column(table, "model_version")
    segments = np.full(table.num_rows, "", object)
    for version in set(versions) if schema.segments else ():
        at = versions == version
        names = counting.segment_names(schema, frozen[version].bins, table.filter(pa.array(at))).values()
        segments[at] = [counting.SEGMENT_SEPARATOR.join(row) for row in zip(*names, strict=True)]
    sent = {name: _column(table, name) for name in ("id", "time", PREDICTION)}
    return {**sent, "version": versions, "segments": segments}
