"""Point-in-time correct datasets: labelled rows as they were at a moment, without labels from later and duplicates.

A prediction is matured once its label delay is over. Only matured rows are used, also where a label came early: labels
that come early are not like the others (quick defaults, short flights), and would bias the newest rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.events.decode import ID, TIME, VERSION
from features.schema import LABEL, PREDICTION, EventSchema, Task
from features.scoring import Floats, Values, inputs
from features.window import to_ms
from monitors.profiles import label_join
from retrain_flows.data.event_log import EventLog

# An array of Python values, one for each row.
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows, ordered by time and then by id.

    Parameters
    ----------
    task
        The model's task.
    as_of
        The moment, in event time, up to which labels are used.
    frame
        The features and nothing else, (rows, features): numbers as float64 (NaN where missing or infinite), categories
        as ``str | None``.
    target
        The labels, (rows,): float64, or ``str`` (multiclass).
    logged
        The predictions that were logged, (rows,), in the same form.
    versions
        The model version of each prediction, (rows,).
    times
        When each prediction was made, (rows,), in milliseconds since the epoch.
    ids
        The prediction ids, (rows,).
    unusable
        Number of matured rows that were left out because their label is no value of the task.
    """

    task: Task
    as_of: datetime
    frame: pd.DataFrame
    target: Values
    logged: Values
    versions: Objects
    times: npt.NDArray[np.int64]
    ids: Objects
    unusable: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, where: slice | npt.NDArray[Any]) -> Dataset:
        """Return the rows that a slice, a mask or an index array selects."""
        return replace(
            self,
            frame=self.frame.iloc[where].reset_index(drop=True),
            target=self.target[where],
            logged=self.logged[where],
            versions=self.versions[where],
            times=self.times[where],
            ids=self.ids[where],
        )

    def split(self, at: datetime) -> tuple[Dataset, Dataset]:
        """Return the rows before a moment, and those from it on."""
        cut = int(np.searchsorted(self.times, to_ms(at)))
        return self.rows(slice(cut)), self.rows(slice(cut, None))

    def followed_by(self, later: Dataset) -> Dataset:
        """Return these rows followed by those of *later*, none of which may be earlier than the last one here."""
        return replace(
            later,
            frame=pd.concat([self.frame, later.frame], ignore_index=True),
            target=np.concatenate([self.target, later.target]),
            logged=np.concatenate([self.logged, later.logged]),
            versions=np.concatenate([self.versions, later.versions]),
            times=np.concatenate([self.times, later.times]),
            ids=np.concatenate([self.ids, later.ids]),
        )

    @cached_property
    def digest(self) -> str:
        """sha256, in hex, of ids, times, features and target in order: equal digests mean the same training data."""
        table = self.frame.assign(**{"\0id": self.ids, "\0time": self.times, "\0target": self.target})
        names = "\n".join(f"{name} {kind}" for name, kind in table.dtypes.items())
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
        return hashlib.sha256(names.encode() + rows.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The labelled rows of a period; *rejected* is the number of records that could not be read."""

    rows: Dataset
    rejected: int


def read(log: EventLog, schema: EventSchema, *, as_of: datetime, start: datetime, end: datetime) -> LabelledRows:
    """Read the matured, labelled rows of a period from an event log, as of a moment: see :func:`build`.

    Raises
    ------
    DataError
        The events cannot be read at all.
    BrokerError
        A topic cannot be read.
    """
    events = log.read(start, min(end, as_of))
    rows = build(schema, events.predictions, events.labels, as_of=as_of, start=start, end=end)
    return LabelledRows(rows, events.rejected)


def build(
    schema: EventSchema, predictions: pa.Table, labels: pa.Table, *, as_of: datetime, start: datetime, end: datetime
) -> Dataset:
    """Join the matured predictions of a period with their labels, as of a moment.

    The join is the monitors' own (:mod:`monitors.profiles.label_join`), so that a model is trained on the rows that
    its performance is measured on.

    Parameters
    ----------
    schema
        The schema of the events.
    predictions, labels
        Decoded events (:mod:`features.events.decode`), in any order. Of several predictions with one id the earliest in
        the period is used, of several labels the newest that came within the label delay.
    as_of
        The moment, in event time.
    start, end
        The period of the predictions, [start, end), in event time.

    Returns
    -------
    Dataset
        Without predictions that have no label.
    """
    times, delay = predictions[TIME].to_numpy(), to_ms(schema.label_delay)
    until = min(to_ms(end), to_ms(as_of) - delay + 1)
    predicted = predictions.take(np.flatnonzero((times >= to_ms(start)) & (times < until)))
    joined = _joined(predicted, labels, delay).sort_by([(TIME, "ascending"), (ID, "ascending")])
    usable = _usable(schema.task, joined[LABEL])
    return _to_dataset(schema, joined.filter(pa.array(usable)), as_of, int((~usable).sum()))


def _joined(predictions: pa.Table, labels: pa.Table, delay: int) -> pa.Table:
    """Return the labelled predictions with their labels; *delay* is the label delay in milliseconds.

    Only id, time and label go through the join; of predictions with one id and time the other columns decide, in the
    order of the table, so that the order of delivery does not matter.
    """
    others = [(name, "ascending") for name in predictions.column_names if name not in (ID, TIME)]
    ordered = (
        predictions.sort_by([(ID, "ascending"), (TIME, "ascending"), *others]) if predictions.num_rows else predictions
    )
    made = ordered.select([ID, TIME]).to_pandas().assign(row=np.arange(ordered.num_rows))
    matched = label_join.match(made, labels.select([ID, TIME, LABEL]).to_pandas(), delay)
    labelled = matched[matched["known"].notna()]
    values = pa.array(labelled[LABEL], type=labels[LABEL].type, from_pandas=True)
    return ordered.take(labelled["row"].to_numpy(np.int64)).append_column(LABEL, values)


def _usable(task: Task, label: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which labels are values of the task, (rows,): any class, 0 or 1, or a finite number."""
    if task is Task.MULTICLASS:
        return np.asarray(pc.is_valid(label).to_numpy(), dtype=bool)
    values = _floats(label)
    return np.isin(values, (0.0, 1.0)) if task is Task.BINARY else np.isfinite(values)


def _to_dataset(schema: EventSchema, table: pa.Table, as_of: datetime, unusable: int) -> Dataset:
    """Return the joined rows as a dataset."""
    values = _objects if schema.task is Task.MULTICLASS else _floats
    return Dataset(
        task=schema.task,
        as_of=as_of,
        frame=inputs(schema, table),
        target=values(table[LABEL]),
        logged=values(table[PREDICTION]),
        versions=_objects(table[VERSION]),
        times=table[TIME].to_numpy(),
        ids=_objects(table[ID]),
        unusable=unusable,
    )


def _floats(column: pa.ChunkedArray) -> Floats:
    """Return numbers, NaN for what is none. A binary label is decoded as text, to be counted by category."""
    return np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)


def _objects(column: pa.ChunkedArray) -> Objects:
    return np.array(column.to_pylist(), dtype=object)
