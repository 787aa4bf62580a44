"""Building a baseline: events of a period are read and frozen, and every slice is counted by a function that is passed.

The Flink job (:mod:`monitors.flink.baseline_job`) and the run without an engine (:mod:`monitors.in_process`) differ
only in who counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from features import errors
from features.events import decode, location
from features.events.location import Place
from features.schema import EventSchema
from features.values.untyped import Reject, by_reason, records_of
from features.window import to_ms
from monitors.baseline import freeze
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage


@dataclass(frozen=True, eq=False)
class BaselineEvents:
    """The decoded events of one version's baseline period, [start, end); labels are those of its predictions."""

    version: str
    start: datetime
    end: datetime
    predictions: pa.Table
    labels: pa.Table


CountSlices = Callable[[Baseline, BaselineEvents], Mapping[Stage, Sequence[Slice]]]
"""Counts every slice of a period with the bins of a draft baseline, which has no counts yet."""


def read(
    schema: EventSchema,
    *,
    version: str,
    predictions: Place,
    labels: Place | None,
    start: datetime,
    end: datetime,
) -> BaselineEvents:
    """Return the events of a version's baseline period.

    Raises
    ------
    NotEnoughData
        No prediction of that version lies in the period, or none of the labels can be used.
    """
    rows = _rows(schema, version, predictions, start, end)
    return BaselineEvents(version, start, end, rows, _labels(schema, rows, labels))


def build(
    schema: EventSchema,
    policy: MonitorPolicy,
    events: BaselineEvents,
    count: CountSlices,
    importance: Mapping[str, float] | None = None,
) -> Baseline:
    """Return the baseline of a version: bins and derivations frozen on its events, and the counts of every slice.

    Parameters
    ----------
    schema
        The model's event schema.
    policy
        The monitoring policy.
    events
        The version's events.
    count
        Counts the slices.
    importance
        Importance of each feature to the version; None if unknown.
    """
    rows, truth = events.predictions, events.labels
    learned = freeze.freeze_derived(schema, policy, freeze.freeze_bins(schema, policy, rows, truth), rows, truth)
    frozen = learned.frozen
    draft = Baseline(events=schema, version=events.version, start=events.start, end=events.end, rows=rows.num_rows,
                     bins=dict(frozen.bins), derived=frozen.derived, inputs=())  # fmt: skip
    slices = count(draft, events)
    inputs = learned.recounted(schema, rows, slices.get(Stage.INPUTS, ()))
    outcomes = tuple(slices.get(Stage.OUTCOMES, ()))
    return draft.model_copy(update={"importance": dict(importance or {}), "inputs": inputs, "outcomes": outcomes})


def _rows(schema: EventSchema, version: str, predictions: Place, start: datetime, end: datetime) -> pa.Table:
    """Return the version's predictions in the period; raise NotEnoughData where there are none."""
    decoded = decode.read_events(schema, "predictions", predictions)
    table = decoded.table
    time = table["time"].to_numpy()
    inside = (time >= to_ms(start)) & (time < to_ms(end))
    own = table.filter(pc.and_(pa.array(inside), pc.equal(table["model_version"], version)))
    if own.num_rows == 0:
        known = ", ".join(sorted(set(table["model_version"].to_pylist()))) or "none"
        span = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        msg = f"no prediction by version {version!r} of {schema.model} lies in {span} in {location.name(predictions)}"
        hint = f"versions found at any time: {known}; see `baseline` in the project file"
        raise errors.NotEnoughData(msg + _aside(decoded.rejects), hint=hint)
    return own


def _aside(rejects: Sequence[Reject]) -> str:
    """Return a clause with the number of rejected records and the most frequent reason; empty where there are none."""
    reasons = by_reason(rejects)
    if not reasons:
        return ""
    total, most = records_of(rejects), reasons[0]
    return f"; {total} records were set aside, {most.records} of them because {most.first.reason}"


def _labels(schema: EventSchema, rows: pa.Table, labels: Place | None) -> pa.Table:
    table = _usable_labels(schema, labels) if labels else decode.empty(schema, "labels")
    return table.filter(pc.is_in(table["id"], value_set=rows["id"].combine_chunks()))


def _usable_labels(schema: EventSchema, labels: Place) -> pa.Table:
    """Return the labels. There may be none yet, but where there are records, at least one must be usable."""
    decoded = decode.read_events(schema, "labels", labels)
    if decoded.rejects and not decoded.table.num_rows:
        msg = f"no label of {schema.model} in {location.name(labels)} can be used{_aside(decoded.rejects)}"
        raise errors.NotEnoughData(msg, hint="`leeway check` says more; without `events.labels`, none are expected")
    return decoded.table
