"""The history of a backtest: labelled events in memory, in order of time, and the period that is replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.errors import NotEnoughData, ProjectError
from features.events import decode
from features.events.decode import ID, TIME
from features.events.requests import read_requests
from features.schema import EventSchema
from features.window import UTC, from_ms, to_ms
from leeway.landed import landing
from leeway.project.load import Model
from retrain_flows.data import dataset
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.event_log import EventsInMemory

MIN_REPLAYED_SLICES = 2
"""Slices after the first training period below which there is nothing to replay."""
_OTHER_WAY = "or name a labelled log, which needs neither: leeway backtest LOG"


@dataclass(frozen=True, eq=False)
class History:
    """A labelled history.

    Parameters
    ----------
    schema
        The schema of its events.
    requests
        All events as predictions without an answer, in order of time.
    labels
        All labels.
    start
        Where the first training period starts.
    cut
        Where it ends and the replay starts, both in event time.
    rejected
        Number of records that could not be used.
    """

    schema: EventSchema
    requests: pa.Table
    labels: pa.Table
    start: datetime
    cut: datetime
    rejected: int

    @property
    def log(self) -> EventsInMemory:
        """The events as a model's event log."""
        return EventsInMemory(self.requests, self.labels)

    @property
    def end(self) -> datetime:
        """The end of the last whole slice."""
        last = int(self.requests[TIME][-1].as_py()) + 1
        return from_ms(self.schema.windows.slice_start(last))

    def labelled(self, start: datetime, end: datetime, as_of: datetime | None = None) -> Dataset:
        """Return the labelled rows of [start, end) as of a moment; None: when all their labels are known."""
        moment = as_of or end + self.schema.label_delay
        return dataset.read(self.log, self.schema, as_of=moment, start=start, end=end).rows


def read(model: Model, cut: datetime | None = None) -> History:
    """Return the labelled history of a project's model: its history of requests or, where there is none, its log.

    Parameters
    ----------
    model
        The model of the project.
    cut
        Where the first training period ends; by default at the end of the project file's baseline period.

    Raises
    ------
    ProjectError
        The model has no labels, no trainer or no baseline period.
    NotEnoughData
        The history ends before anything can be replayed.
    """
    if model.events.labels is None:
        msg = f"{model.name} has no labels, without which nothing can be compared"
        raise ProjectError(msg, hint=f"set events.labels in the project file; {_OTHER_WAY}")
    if model.retrain is None or not model.retrain.trainers:
        msg = f"no trainer is configured for {model.name}"
        raise ProjectError(msg, hint=f"set retrain.trainer in the project file; {_OTHER_WAY}")
    if cut is None and model.baseline is None:
        msg = f"no first training period is set for {model.name}"
        raise ProjectError(msg, hint="set baseline: {start: ..., end: ...}, or use --first-until")
    landing.land(model.landed, datetime.now(UTC))
    decoded = read_requests(model.schema, model.events.history or model.events.predictions)
    requests = decoded.table.sort_by([(TIME, "ascending"), (ID, "ascending")]).combine_chunks()
    labels = decode.read_events(model.schema, "labels", model.events.labels)
    until = cut or (model.baseline.end if model.baseline else None)
    if requests.num_rows == 0 or until is None:
        msg = f"{model.name} has no usable event"
        raise NotEnoughData(msg, hint="`leeway check` says what is wrong with the events")
    first = model.schema.windows.slice_start(int(requests[TIME][0].as_py()))
    history = History(model.schema, requests, labels.table, from_ms(first), model.schema.windows.slice_of(until),
                      len(decoded.rejects) + len(labels.rejects))  # fmt: skip
    if history.end - history.cut < MIN_REPLAYED_SLICES * model.schema.windows.slide:
        msg = f"the events of {model.name} end at {history.end:%Y-%m-%d %H:%M}, too soon after {history.cut:%Y-%m-%d}"
        raise NotEnoughData(msg, hint="let the first training period end earlier (--first-until)")
    return history


def of_period(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    """Return the rows of a decoded table, in order of time, that lie in [start, end)."""
    times = table[TIME].to_numpy()
    low, high = np.searchsorted(times, [to_ms(start), to_ms(end)])
    return table.slice(int(low), int(high - low))
