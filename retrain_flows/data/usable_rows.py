"""Usable rows: the labelled rows of a period that no data fault has touched, which are trained and compared on."""

from __future__ import annotations

from datetime import datetime

from monitors.training_set import period
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
    return dataset.read(ws.log, ws.schema, as_of=as_of, start=start, end=end, barred=_barred(ws), counted=counted)


def count(ws: Workspace, *, as_of: datetime, start: datetime, end: datetime) -> int:
    """Return how many rows :func:`read` would return. They are stored, so that it need not read the events again."""
    return ws.log.read(period.as_of(ws.schema, as_of, start, end, _barred(ws))).counts.rows


def _barred(ws: Workspace) -> list[tuple[datetime, datetime]]:
    return [(fault.start, fault.end) for fault in faulty_periods(ws.registry, ws.model)]
