"""Training and evaluation rows as they could have been known at a moment: no label from later, no row twice.

A prediction is *matured* once its label has had its time (`label_delay`). Only matured rows are used, also where a
label came early: otherwise the quick ones, which are not like the others, would be learned from first.
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

Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled rows in the order of their times (then ids).

    *frame* holds the features and nothing else: numbers as float64 (NaN is missing or was infinite), categories
    as ``str | None``.
    *target* is float64, or object ``str`` (multiclass). *logged* is what was predicted at the time, and *versions* by
    which model version. *times* are in milliseconds since the epoch. *unusable* counts matured rows that were left out
    because their label is no value of the task.
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
        """Return the rows that *where* (a slice, mask or index) picks."""
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
        """Return the rows before *at*, and the others."""
        cut = int(np.searchsorted(self.times, to_ms(at)))
        return self.rows(slice(cut)), self.rows(slice(cut, None))

    def followed_by(self, later: Dataset) -> Dataset:
        """Return these rows and then those of *later*, none of which may be earlier."""
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
        """sha256 over ids, times, features and target in order: equal digests are the same training data."""
        table = self.frame.assign(**{"\0id": self.ids, "\0time": self.times, "\0target": self.target})
        names = "\n".join(f"{name} {kind}" for name, kind in table.dtypes.items())
        rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
        return hashlib.sha256(names.encode() + rows.tobytes()).hexdigest()


def build(
    schema: EventSchema, predictions: pa.Table, labels: pa.Table, *, as_of: datetime, start: datetime, end: datetime
) -> Dataset:
    """Return the matured predictions of [start, end), each with the newest label known at *as_of*.

    Both tables are as `features.events.decode` decodes them. Where an id comes twice, its earliest prediction counts,
    whatever order the rows are in.
    """
    made = _first_of_each_id(predictions, newest=False)
    until = min(to_ms(end) - 1, to_ms(as_of - schema.label_delay))
    made = made.filter(pc.and_(pc.greater_equal(made[TIME], to_ms(start)), pc.less_equal(made[TIME], until)))
    known = _first_of_each_id(labels.filter(pc.less_equal(labels[TIME], to_ms(as_of))), newest=True)
    joined = made.join(known.select([ID, LABEL]), ID, join_type="inner")
    joined = joined.sort_by([(TIME, "ascending"), (ID, "ascending")])
    usable = _usable(schema.task, joined[LABEL])
    return _to_dataset(schema, joined.filter(pa.array(usable)), as_of, int((~usable).sum()))


def _first_of_each_id(table: pa.Table, *, newest: bool) -> pa.Table:
    """Return one row an id, the earliest or the newest; the other columns break ties, so that order never matters."""
    times = "descending" if newest else "ascending"
    others = [(name, "descending") for name in table.column_names if name not in (ID, TIME)]
    ordered = table.take(pc.sort_indices(table, sort_keys=[(ID, "ascending"), (TIME, times), *others]))
    ids = _objects(ordered[ID])
    first = np.ones(len(ids), bool)
    first[1:] = ids[1:] != ids[:-1]
    return ordered.filter(pa.array(first))


def _usable(task: Task, label: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    if task is Task.MULTICLASS:
        return np.asarray(pc.is_valid(label).to_numpy(), dtype=bool)
    values = _floats(label)
    return np.isin(values, (0.0, 1.0)) if task is Task.BINARY else np.isfinite(values)


def _to_dataset(schema: EventSchema, table: pa.Table, as_of: datetime, unusable: int) -> Dataset:
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
    """Return numbers, NaN for what is none; the codec gives a binary label as text, since it is counted by category."""
    return np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)


def _objects(column: pa.ChunkedArray) -> Objects:
    return np.array(column.to_pylist(), dtype=object)
