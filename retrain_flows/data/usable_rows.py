"""Usable rows: the labelled rows of a period that no data fault has touched, which are trained and compared on."""

from __future__ import annotations

from datetime import datetime

from features.schema import EventSchema
from monitors.training_set import period
from monitors.training_set.period import TrainingPeriod
from registry.connection import Registry
from registry.faulty_periods import faulty_periods
from retrain_flows.data import dataset
from retrain_flows.data.dataset import LabelledRows
from retrain_flows.data.workspace import Workspace


def read(ws: Workspace, *, as_of: datetime, start: datetime, end: datetime, counted: bool = False) -> LabelledRows:
    """Read the matured, labelled rows of a period as of a moment in event time, without those under a data fault.

    With *counted*, they are those that :func:`count` has counted last for the same period, if it has.

    Raises
    ------
    DataError
        The events cannot be read at all.
    """
    barred = _barred(ws.registry, ws.model)
    return dataset.read(ws.log, ws.schema, as_of=as_of, start=start, end=end, barred=barred, counted=counted)


def count(ws: Workspace, *, as_of: datetime, start: datetime, end: datetime) -> int:
    """Return how many rows :func:`read` would return. They are stored, so that it need not read the events again."""
    return ws.log.read(usable_period(ws.registry, ws.schema, as_of=as_of, start=start, end=end)).counts.rows


def usable_period(
    reg: Registry, schema: EventSchema, *, as_of: datetime, start: datetime, end: datetime
) -> TrainingPeriod:
    """Return the period whose rows :func:`read` returns, which training sets and samples in files have too."""
    return period.as_of(schema, as_of, start, end, _barred(reg, schema.model))


def _barred(reg: Registry, model: str) -> list[tuple[datetime, datetime]]:
    return [(fault.start, fault.end) for fault in faulty_periods(reg, model)]
