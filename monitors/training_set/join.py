"""Joined rows of a training set: predictions with their labels, by the monitors' own label join.

The rows that a model is trained on are thus those that its performance is measured on
(:mod:`monitors.profiles.label_join`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.events.decode import ID, TIME
from features.schema import LABEL, EventSchema, Task
from features.scoring import Values
from monitors.profiles import label_join
from monitors.training_set.period import TrainingPeriod, within

LABEL_TIME = "\0label_time"
"""Column of a label's time in joined rows. No feature has such a name."""
ORDER = [(TIME, "ascending"), (ID, "ascending")]
"""The order of a training set. It is total, since an id occurs once."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Numbers of predictions of a period, by what became of them.

    Parameters
    ----------
    predictions
        All of them.
    repeated
        Later ones of an id that has an earlier one in the period.
    unlabelled
        Those without a label that came within the label delay.
    unusable
        Those whose label is no value of the task.
    barred
        Those under a data fault.
    rows
        The rest: the rows of the training set.
    """

    predictions: int = 0
    repeated: int = 0
    unlabelled: int = 0
    unusable: int = 0
    barred: int = 0
    rows: int = 0

    def plus(self, other: RowCounts) -> RowCounts:
        """Return the sum of both."""
        return RowCounts(**{name: n + getattr(other, name) for name, n in asdict(self).items()})


def labelled(period: TrainingPeriod, predictions: pa.Table, labels: pa.Table) -> tuple[pa.Table, RowCounts]:
    """Return the rows of a training set from all events of some ids, in order, and what became of the predictions.

    Parameters
    ----------
    period
        The period. Predictions of other times are ignored.
    predictions, labels
        Decoded events (:mod:`features.events.decode`), in any order. Of several predictions with one id the earliest
        in the period counts, of several labels the newest that came within the label delay.

    Returns
    -------
    tuple
        The columns of *predictions*, the label and :data:`LABEL_TIME` (int64, milliseconds since the epoch).
    """
    predicted = within(predictions, period.predictions)
    matched = _matched(predicted, labels, period.delay)
    joined = matched[matched["known"].notna()]
    label = pa.chunked_array([pa.array(joined["label"], type=labels[LABEL].type, from_pandas=True)])
    times = predicted[TIME].to_numpy()[joined["at"].to_numpy(np.int64)]
    usable, barred = is_usable(period.schema.task, label), period.under_fault(times)
    keep = usable & ~barred
    rows = predicted.take(joined["at"].to_numpy(np.int64)[keep]).append_column(LABEL, label.filter(pa.array(keep)))
    rows = rows.append_column(LABEL_TIME, pa.array(joined["known"].to_numpy()[keep].astype(np.int64)))
    counts = RowCounts(
        predictions=predicted.num_rows, repeated=predicted.num_rows - len(matched),
        unlabelled=len(matched) - len(joined), unusable=int((~usable).sum()), barred=int((usable & barred).sum()),
        rows=rows.num_rows,
    )  # fmt: skip
    return rows.sort_by(ORDER), counts


def _matched(predictions: pa.Table, labels: pa.Table, delay: int) -> pd.DataFrame:
    """Return one prediction an id, as its row ``at``, with its label; *delay* is the label delay in milliseconds.

    Only id and time go through the join. Among predictions with one id and time the other columns decide, in the order
    of the table, so that the order of delivery does not matter.
    """
    made = predictions.select([ID, TIME]).to_pandas()
    rank, repeated = np.zeros(len(made), np.int64), np.flatnonzero(made["id"].duplicated(keep=False))
    if len(repeated):
        again = predictions.take(repeated).append_column("\0at", pa.array(repeated))
        order = again.sort_by([(name, "ascending") for name in again.column_names])["\0at"].to_numpy()
        rank[order] = np.arange(len(order))
    made = made.assign(rank=rank, at=np.arange(len(made)))
    return label_join.match(made, labels.select([ID, TIME, LABEL]).to_pandas(), delay)


def is_usable(task: Task, label: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which labels are values of the task, (rows,): any class, 0 or 1, or a finite number."""
    if task is Task.MULTICLASS:
        return np.asarray(pc.is_valid(label).to_numpy(), dtype=bool)
    values = numbers(label)
    return np.isin(values, (0.0, 1.0)) if task is Task.BINARY else np.isfinite(values)


def numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Return numbers, NaN for what is none. A binary label may be decoded as text, to be counted by category."""
    return np.asarray(pd.to_numeric(column.to_pandas(), errors="coerce"), dtype=np.float64)


def targets(schema: EventSchema, rows: pa.Table) -> Values:
    """Return the labels of joined rows in the form that is trained on, (rows,): float64, or ``str`` (multiclass)."""
    if schema.task is Task.MULTICLASS:
        return np.asarray(rows[LABEL].to_pandas(), dtype=object)
    return numbers(rows[LABEL])
