"""How well the model did once labels are known: losses as exact integer sums, the metrics and the verdict from them.

The loss is one number a row whose mean is compared: log loss (binary), squared error over the reference's label
variance (regression), 0-1 loss (multiclass). Sums are kept in whole millionths, each row rounded before it is added, so
that they are equal whatever the order or the split of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from features.schema import LABEL, Task
from monitors.bins import CategoricalBins, Counts, NumericBins

GRID = 200
"""Equal-width bins of a binary score in [0, 1]; 0.5 is one of their edges."""
UNIT = 1e-6
"""What one of the integers in ``loss`` is worth."""
LARGEST_ERROR = 30.0
"""Where a regression's error is cut off, in label sd, so that eleven million such rows still fit the sum of squares."""
_CLIP = 1e-6

Floats = npt.NDArray[np.float64]
Values = Floats | npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]


def label_text(value: float | str | None) -> str | None:
    """Return the category that a label is counted under; None where there is none.

    Whole numbers have one spelling, however they were typed.

    >>> label_text(1.0), label_text("yes"), label_text(0.5), label_text(float("nan"))
    ('1', 'yes', '0.5', None)
    """
    if value is None or isinstance(value, str):
        return value
    if np.isnan(value):
        return None
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def label_sd(bins: Mapping[str, NumericBins | CategoricalBins]) -> float:
    """Return the unit in which a regression's errors are measured: the reference label's sd, 1 where that is 0."""
    found = bins.get(LABEL)
    return (found.sd or 1.0) if isinstance(found, NumericBins) else 1.0


def count(  # noqa: PLR0913 - one argument a column; bundling them would only move the list
    task: Task,
    bins: Mapping[str, NumericBins | CategoricalBins],
    prediction: Values,
    label: Values,
    labelled: Mask,
    groups: npt.NDArray[np.int64],
    n_groups: int,
) -> dict[str, Counts]:
    """Return the outcome counts of *n_groups* groups (slice and segment) of rows, each an array (n_groups, cells).

    *prediction* and *label* are float64 (binary, regression; NaN is missing) or object ``str | None`` (multiclass);
    *labelled* says which rows have a label event, *groups* which group each row is in.

    ``label``: the labels of labelled rows on the label's bins. ``coverage``: [rows scored, rows not]; a row is scored
    if it is labelled and both its values are usable. ``loss``: [sum of loss, sum of squared loss] over scored rows in
    units of 1e-6. ``scores`` (binary): cell ``2 * bin + label`` of scored rows, on a grid of 200 equal bins of [0, 1].

    >>> from monitors.bins import CategoricalBins
    >>> p, y, one = np.array([0.5, 0.5, 0.9]), np.array([1.0, 0.0, np.nan]), np.zeros(3, np.int64)
    >>> c = count(Task.BINARY, {"label": CategoricalBins(categories=("0", "1"))}, p, y, ~np.isnan(y), one, 1)
    >>> c["coverage"].tolist(), c["loss"].tolist(), c["label"].tolist()
    ([[2, 1]], [[1386294, 960906]], [[1, 1, 0, 0, 0]])
    """
    usable = labelled & _usable(task, prediction, label)
    rows = groups[usable]
    out = {
        "label": _tally(_label_cells(bins[LABEL], label[labelled]), groups[labelled], n_groups, bins[LABEL].cells),
        "coverage": _tally((~usable).astype(np.int64), groups, n_groups, 2),
        "loss": _sums(_losses(task, prediction[usable], label[usable], label_sd(bins)), rows, n_groups),
    }
    if task is Task.BINARY:
        bin_ = np.minimum((np.clip(prediction[usable], 0, 1).astype(float) * GRID).astype(np.int64), GRID - 1)
        out["scores"] = _tally(2 * bin_ + label[usable].astype(np.int64), rows, n_groups, 2 * GRID)
    return out


def _usable(task: Task, prediction: Values, label: Values) -> Mask:
    if task is Task.MULTICLASS:
        return np.array([p is not None and y is not None for p, y in zip(prediction, label, strict=True)], bool)
    usable: Mask = np.isfinite(prediction.astype(float)) & np.isfinite(label.astype(float))
    return usable & np.isin(label, (0.0, 1.0)) if task is Task.BINARY else usable


def _losses(task: Task, prediction: Values, label: Values, sd: float) -> Floats:
    if task is Task.MULTICLASS:
        return np.asarray(prediction != label, dtype=np.float64)
    p, y = prediction.astype(np.float64), label.astype(np.float64)
    if task is Task.REGRESSION:
        with np.errstate(over="ignore"):  # an infinite error is cut off like any other
            return np.asarray(np.minimum(np.abs(p - y) / sd, LARGEST_ERROR) ** 2)
    p = np.clip(p, _CLIP, 1 - _CLIP)
    return np.asarray(-np.log(np.where(y == 1, p, 1 - p)))


def _label_cells(bins: NumericBins | CategoricalBins, label: Values) -> npt.NDArray[np.int64]:
    if isinstance(bins, NumericBins):
        values = label.astype(np.float64)
        return bins.index(values, np.isnan(values))
    if label.dtype == object:
        return bins.index(np.asarray(label, dtype=object))
    # A binary label has a handful of distinct values: look those up, not every row.
    distinct, where = np.unique(label, return_inverse=True)
    return bins.index(np.array([label_text(v) for v in distinct], dtype=object))[where]


def _tally(cell: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], n_groups: int, cells: int) -> Counts:
    flat = np.bincount(groups * cells + cell, minlength=n_groups * cells)
    return flat.reshape(n_groups, cells).astype(np.int64)


def _sums(loss: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], n_groups: int) -> Counts:
    # The square is taken of the rounded loss, so both sums follow from the same integers.
    units = np.rint(loss / UNIT).astype(np.int64)
    out = np.zeros((n_groups, 2), np.int64)
    np.add.at(out[:, 0], groups, units)
    np.add.at(out[:, 1], groups, np.rint(units * (units * UNIT)).astype(np.int64))
    return out
