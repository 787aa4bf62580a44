"""Usable rows: the labelled rows of a period that no data fault has touched, which are trained and compared on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from features.window import to_ms
from registry.faulty_periods import faulty_periods
from retrain_flows.data import dataset
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace


class UsableRows(NamedTuple):
    """The labelled rows of a period without those under a data fault, which are neither trained nor compared on.

    *rejected* is the number of records that could not be read, *barred* that of rows under a data fault.
    """

    rows: Dataset
    rejected: int
    barred: int


def read(ws: Workspace, *, as_of: datetime, start: datetime, end: datetime) -> UsableRows:
    """Read the matured, labelled rows of a period as of a moment in event time, without those under a data fault.

    Raises
    ------
    DataError
        The events cannot be read at all.
    """
    labelled = dataset.read(ws.log, ws.schema, as_of=as_of, start=start, end=end)
    barred = _under_fault(ws, labelled.rows)
    return UsableRows(labelled.rows.rows(~barred), labelled.rejected, int(barred.sum()))


def _under_fault(ws: Workspace, rows: Dataset) -> npt.NDArray[np.bool_]:
    """Return which rows are under a data fault, (rows,)."""
    barred = np.zeros(len(rows), bool)
    for period in faulty_periods(ws.registry, ws.model):
        barred |= (rows.times >= to_ms(period.start)) & (rows.times < to_ms(period.end))
    return barred
