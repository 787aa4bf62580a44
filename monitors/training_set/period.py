"""Period of a training set: which predictions it holds, as of which moment, and which rows are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.events.decode import TIME
from features.schema import EventSchema
from features.window import to_ms

Interval = tuple[int, int]
"""[start, end), in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TrainingPeriod:
    """The period of a training set; it travels to Flink's workers as a value.

    Parameters
    ----------
    schema
        The schema of the events.
    start
        Where the predictions start, in milliseconds since the epoch.
    until
        Where they end, exclusive: no later one has matured.
    barred
        Intervals, such as those of data faults, whose rows are left out.
    """

    schema: EventSchema
    start: int
    until: int
    barred: tuple[Interval, ...] = ()

    @property
    def delay(self) -> int:
        """The label delay, in milliseconds."""
        return to_ms(self.schema.label_delay)

    @property
    def slide(self) -> int:
        """The length of a slice, in milliseconds."""
        return to_ms(self.schema.windows.slide)

    @property
    def predictions(self) -> Interval:
        """Where predictions count."""
        return self.start, self.until

    @property
    def labels(self) -> Interval:
        """Where labels count: no later one came within the label delay of a prediction of the period."""
        return self.start, self.until + self.delay

    def under_fault(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which times lie in a barred interval, (rows,)."""
        out = np.zeros(len(times), bool)
        for first, last in self.barred:
            out |= (times >= first) & (times < last)
        return out


def as_of(
    schema: EventSchema,
    moment: datetime,
    start: datetime,
    end: datetime,
    barred: Iterable[tuple[datetime, datetime]] = (),
) -> TrainingPeriod:
    """Return the period of the predictions of [start, end) that have matured by a moment, all in event time.

    A prediction has matured once its label delay is over, also where its label came early: quick labels are not like
    the others, and would bias the newest rows.
    """
    until = min(to_ms(end), to_ms(moment) - to_ms(schema.label_delay) + 1)
    return TrainingPeriod(schema, to_ms(start), until, tuple((to_ms(a), to_ms(b)) for a, b in barred))


def within(table: pa.Table, interval: Interval) -> pa.Table:
    """Return the rows of a decoded table whose times lie in an interval."""
    times = table[TIME].to_numpy()
    inside = (times >= interval[0]) & (times < interval[1])
    return table if inside.all() else table.take(np.flatnonzero(inside))
