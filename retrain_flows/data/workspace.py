"""All that retraining one model needs, as one value: what is registered, what is configured, and where things are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from features import errors
from features.events import decode
from features.events.decode import TIME
from features.events.location import Place
from features.events.requests import read_requests
from features.schema import Events, EventSchema
from features.window import from_ms, to_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from registry.connection import Registry
from retrain_flows.config import Retrain, Signals


class BuildBaseline(Protocol):
    """The baseline job: counts a version's events of a period (`monitors/flink/baseline_job.py` runs it on Flink)."""

    def __call__(  # noqa: PLR0913, D102 - a baseline is of a version, its events and a period
        self,
        schema: EventSchema,
        policy: MonitorPolicy,
        *,
        version: str,
        predictions: Place,
        labels: Place | None,
        start: datetime,
        end: datetime,
        importance: Mapping[str, float] | None = None,
    ) -> Baseline: ...


@dataclass(frozen=True)
class Workspace:
    """One model's surroundings. Paths in *events* are absolute; *state* is the folder for all that Leeway writes.

    *retrain* is None where Leeway only watches.
    """

    registry: Registry
    schema: EventSchema
    events: Events
    monitor: MonitorPolicy
    signals: Signals
    retrain: Retrain | None
    project_dir: Path
    state: Path
    build_baseline: BuildBaseline

    @property
    def model(self) -> str:
        """The model's name."""
        return self.schema.model

    @property
    def trainers(self) -> Retrain:
        """How challengers are made.

        Raises:
            ProjectError: nothing is configured, or a new version's events could not be told from the old one's.
        """
        if self.retrain is None or not self.retrain.trainers:
            msg = f"no trainer is configured for {self.model}"
            raise errors.ProjectError(msg, hint="set retrain.trainer (or retrain.online) in the project file")
        if self.schema.version is not None:
            msg = f"events.version calls every event of {self.model} {self.schema.version}, also those of a new version"
            raise errors.ProjectError(msg, hint="log the model version and name its column in events.columns.version")
        return self.retrain


@dataclass(frozen=True, eq=False)
class History:
    """The events that there are, decoded. *rejected* counts the records that could not be used."""

    predictions: pa.Table
    labels: pa.Table
    rejected: int

    @property
    def newest(self) -> datetime | None:
        """The newest prediction's time: what the monitors' clock says too. None without predictions."""
        newest = pc.max(self.predictions[TIME]).as_py()
        return None if newest is None else from_ms(newest)


def read(ws: Workspace) -> History:
    """Return all events of the model, those of its history first; no labels where none are configured.

    Raises:
        DataError: a directory is not there, or a file cannot be read at all.
        BrokerError: a topic cannot be read.
    """
    made = decode.read_events(ws.schema, "predictions", ws.events.predictions)
    table, rejected = made.table, len(made.rejects)
    if ws.events.history is not None:
        before = read_requests(ws.schema, ws.events.history)
        table = pa.concat_tables([before.table.select(table.column_names), table])
        rejected += len(before.rejects)
    if ws.events.labels is None:
        return History(table, decode.empty(ws.schema, "labels"), rejected)
    known = decode.read_events(ws.schema, "labels", ws.events.labels)
    return History(table, known.table, rejected + len(known.rejects))


@dataclass(frozen=True, slots=True)
class Periods:
    """Which predictions are trained on, [start, evaluation), and which are kept for the gate, [evaluation, end)."""

    start: datetime
    evaluation: datetime
    end: datetime


def periods(schema: EventSchema, retrain: Retrain, as_of: datetime) -> Periods:
    """Return the periods of a retrain that may know what was known at *as_of*.

    They end where labels have matured, at whole slices of time, so that a baseline made of them has no half slices.
    """
    end = from_ms(schema.windows.slice_start(to_ms(as_of - schema.label_delay)))
    return Periods(end - retrain.window, end - retrain.evaluation, end)
