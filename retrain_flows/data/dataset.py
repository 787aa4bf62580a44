"""Point-in-time correct datasets: labelled rows as they were at a moment, without labels from later and duplicates.

A prediction is matured once its label delay is over. Only matured rows are used, also where a label came early: labels
that come early are not like the others (quick defaults, short flights), and would bias the newest rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.events.decode import ID, TIME, VERSION
from features.schema import PREDICTION, EventSchema, Task
from features.scoring import Values, inputs
from features.window import to_ms
from monitors.training_set import period
from monitors.training_set.digest import RowDigest
from monitors.training_set.join import numbers, targets
from retrain_flows.data.event_log import EventLog, PeriodRows

# An array of Python values, one for each row.
Objects = npt.NDArray[np.object_]
_HASHED_ROWS = 1 << 16
"""Rows that are hashed at once: hashing takes as much memory as the rows."""
_TARGET, _LOGGED = "\0target", "\0logged"
"""Names of columns beside the features, which have no such names."""


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
        """The digest of ids, times, features and target in order (:class:`monitors.training_set.digest.RowDigest`)."""
        digest = RowDigest()
        for start in range(0, max(len(self), 1), _HASHED_ROWS):
            part = slice(start, start + _HASHED_ROWS)
            digest.add(self.frame.iloc[part], self.ids[part], self.times[part], self.target[part])
        return digest.hex()


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The labelled rows of a period.

    *rejected* is the number of records that could not be read, *barred* that of rows under a data fault.
    """

    rows: Dataset
    rejected: int
    barred: int = 0


def read(  # noqa: PLR0913 - rows are of a log, a schema, a moment and a period
    log: EventLog,
    schema: EventSchema,
    *,
    as_of: datetime,
    start: datetime,
    end: datetime,
    barred: Iterable[tuple[datetime, datetime]] = (),
    counted: bool = False,
) -> LabelledRows:
    """Read the matured, labelled rows of [start, end) from an event log, as of a moment, without those of barred times.

    With *counted*, the rows are those that were counted last for the same period, if they were.
    Memory grows with the rows that are returned, and with nothing else: each table is copied into columns of the final
    length.

    Raises
    ------
    DataError
        The events cannot be read at all.
    BrokerError
        A topic cannot be read.
    """
    source = log.read(period.as_of(schema, as_of, start, end, barred), counted=counted)
    rows = _collected(schema, as_of, source)
    return LabelledRows(rows, source.rejected, source.counts.barred)


def _collected(schema: EventSchema, as_of: datetime, source: PeriodRows) -> Dataset:
    """Return the rows of all tables in columns of one piece."""
    n, values = source.counts.rows, (_objects if schema.task is Task.MULTICLASS else numbers)
    columns, words, at = dict[str, npt.NDArray[Any]](), dict[str, str](), 0
    for table in source.tables:
        part = {**inputs(schema, table), _TARGET: targets(schema, table), _LOGGED: values(table[PREDICTION]),
                TIME: table[TIME].to_numpy(), ID: _objects(table[ID]), VERSION: _objects(table[VERSION])}  # fmt: skip
        for name, column in part.items():
            own = np.asarray(column)
            if name not in columns:
                columns[name] = np.empty(n, own.dtype)
            shared = own if own.dtype != object or name == ID else _shared(own, words)
            columns[name][at : at + len(own)] = shared
        at += table.num_rows
    features = {name: columns[name] for name in schema.features}
    return Dataset(
        task=schema.task, as_of=as_of, frame=pd.DataFrame(features, copy=False), target=columns[_TARGET],
        logged=columns[_LOGGED], versions=columns[VERSION], times=columns[TIME], ids=columns[ID],
        unusable=source.counts.unusable,
    )  # fmt: skip


def _shared(values: Objects, words: dict[str, str]) -> Objects:
    """Return texts, of which equal ones are one object in all tables."""
    codes, distinct = pd.factorize(values)
    own = np.array([words.setdefault(text, text) for text in distinct] + [None], dtype=object)
    return own[codes]


def _objects(column: pa.ChunkedArray) -> Objects:
    return np.asarray(column.to_pandas(), dtype=object)
