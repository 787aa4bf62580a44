"""Samples of a stream as labelled rows, which models learn from and are tested on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features import scoring
from features.events.decode import ID, TIME, VERSION
from features.schema import LABEL, PREDICTION, EventSchema, Task
from features.window import from_ms, to_ms
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.training_set.join import numbers, targets
from retrain_flows.data.dataset import Dataset


def dataset(schema: EventSchema, table: pa.Table) -> Dataset:
    """Return samples as labelled rows."""
    times = table[TIME].to_numpy().astype("datetime64[ms]").astype(np.int64)
    end = int(times[-1]) + to_ms(schema.label_delay) if len(times) else 0
    logged = table[PREDICTION].to_pandas().to_numpy() if schema.task is Task.MULTICLASS else numbers(table[PREDICTION])
    return Dataset(
        task=schema.task, as_of=from_ms(end), frame=scoring.inputs(schema, table), target=targets(schema, table),
        logged=logged, versions=table[VERSION].to_pandas().to_numpy(object), times=times,
        ids=table[ID].to_pandas().to_numpy(object),
    )  # fmt: skip


def label_classes(schema: EventSchema, samples: SampleParts) -> tuple[str, ...]:
    """Return all classes of the labels of samples that are there (multiclass); none for other tasks."""
    if schema.task is not Task.MULTICLASS:
        return ()
    labels = (parts.samples(path)[LABEL].unique().to_pylist() for path in samples.listed())
    return tuple(sorted({str(label) for own in labels for label in own}))


def label_sd(schema: EventSchema, samples: SampleParts) -> float:
    """Return the standard deviation of the labels of samples that are there (regression); 1 where it is 0, or of none.

    Parts are read one at a time: all labels of a long stream need not fit in memory.
    """
    rows, mean, squares = 0, 0.0, 0.0
    for path in samples.listed():
        labels = targets(schema, parts.samples(path)).astype(np.float64)
        if len(labels) == 0:
            continue
        away, total = float(labels.mean()) - mean, rows + len(labels)
        squares += float(labels.var()) * len(labels) + away**2 * rows * len(labels) / total
        mean, rows = mean + away * len(labels) / total, total
    return float(np.sqrt(squares / rows)) or 1.0 if rows else 1.0
