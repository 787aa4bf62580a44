"""From the rows of the training period to frozen bins, one for every variable that will ever be counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import LABEL, EventSchema, Kind
from monitors import performance, profiles
from monitors.bins import Bins, freeze_categorical, freeze_numeric
from monitors.policy import MonitorPolicy


def freeze_bins(schema: EventSchema, policy: MonitorPolicy, predictions: pa.Table, labels: pa.Table) -> dict[str, Bins]:
    """Return the bins of every variable, from the rows of the training period."""
    kinds = {**schema.variables, LABEL: schema.label_kind}
    return {
        name: _freeze((labels if name == LABEL else predictions)[name], kind, policy) for name, kind in kinds.items()
    }


def _freeze(column: pa.ChunkedArray, kind: Kind, policy: MonitorPolicy) -> Bins:
    if kind is Kind.NUMERIC:
        return freeze_numeric(profiles.floats(column)[0], policy.bins)
    if pa.types.is_floating(column.type):
        column = pa.chunked_array([pa.array(map(performance.label_text, column.to_pylist()), pa.string())])
    return freeze_categorical(_objects(column), policy.top)


def _objects(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    values: npt.NDArray[np.object_] = column.to_pandas().to_numpy(dtype=object)
    return values
