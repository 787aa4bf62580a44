"""Outcome counts and performance metrics: loss, coverage and score histogram of labelled rows as exact integers.

The loss is one number per row whose mean is compared: log loss (binary), squared error over the reference's label
variance, cut off at 30 sd (regression), 0-1 loss (multiclass), see :func:`features.scoring.losses`. Sums are in whole
millionths, each row rounded before it is added, so they are equal in any order and split of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features import scoring
from features.schema import LABEL, Task
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

SCORE_BINS = 200
"""Equal-width bins of a binary score in [0, 1]; 0.5 is one of their edges. The AUC is off by less than half the share
of tied pairs, see :func:`auc`."""
LOSS_UNIT = 1e-6
"""Value of one of the integers in ``loss``: a millionth."""
Mask = npt.NDArray[np.bool_]


def label_text(value: float | str | None) -> str | None:
    """Return the category that a label is counted under; None where there is none.

    Whole numbers have one spelling, whatever type they have.

    >>> label_text(1.0), label_text("yes"), label_text(0.5), label_text(float("nan"))
    ('1', 'yes', '0.5', None)
    """
    if value is None or isinstance(value, str):
        return value
    if np.isnan(value):
        return None
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def label_sd(bins: Mapping[str, NumericBins | CategoricalBins]) -> float:
    """Return the unit of a regression's errors: the standard deviation of the reference's labels, 1 where that is 0."""
    found = bins.get(LABEL)
    return (found.sd or 1.0) if isinstance(found, NumericBins) else 1.0


def count(  # noqa: PLR0913 - one argument a column; bundling them would only move the list
    task: Task,
    bins: Mapping[str, NumericBins | CategoricalBins],
    prediction: scoring.Values,
    label: scoring.Values,
    labelled: Mask,
    groups: npt.NDArray[np.int64],
    n_groups: int,
) -> dict[str, Counts]:
    """Return the outcome counts of rows by group, each an array (n_groups, cells).

    Parameters
    ----------
    task
        What the model predicts.
    bins
        Bins of the variables, among them ``label``.
    prediction
        Predictions, (rows,): float64 with NaN as missing (binary, regression), or text with None (multiclass).
    label
        Labels, (rows,), of the same type.
    labelled
        Which rows have a label event, (rows,).
    groups
        Group (slice and segment) of each row, (rows,).
    n_groups
        Number of groups.

    Returns
    -------
    dict
        ``label``: labels on the label's bins. ``coverage``: [rows scored, rows not]; a row is scored if it is labelled
        and both its values are usable. ``loss``: [sum of loss, sum of squared loss] over scored rows, in millionths.
        ``scores`` (binary): cell ``2 * bin + label`` of scored rows, on :data:`SCORE_BINS` bins.

    Examples
    --------
    >>> from monitors.stats.bins import CategoricalBins
    >>> p, y, one = np.array([0.5, 0.5, 0.9]), np.array([1.0, 0.0, np.nan]), np.zeros(3, np.int64)
    >>> c = count(Task.BINARY, {"label": CategoricalBins(categories=("0", "1"))}, p, y, ~np.isnan(y), one, 1)
    >>> c["coverage"].tolist(), c["loss"].tolist(), c["label"].tolist()
    ([[2, 1]], [[1386294, 960906]], [[1, 1, 0, 0, 0]])
    """
    scored = labelled & usable(task, prediction, label)
    rows = groups[scored]
    out = {
        "label": _tally(_label_cells(bins[LABEL], label[labelled]), groups[labelled], n_groups, bins[LABEL].cells),
        "coverage": _tally((~scored).astype(np.int64), groups, n_groups, 2),
        "loss": _sums(losses(task, bins, prediction[scored], label[scored]), rows, n_groups),
    }
    if task is Task.BINARY:
        cell = 2 * score_bin(prediction[scored].astype(np.float64)) + label[scored].astype(np.int64)
        out["scores"] = _tally(cell, rows, n_groups, 2 * SCORE_BINS)
    return out


def losses(
    task: Task, bins: Mapping[str, NumericBins | CategoricalBins], prediction: scoring.Values, label: scoring.Values
) -> Counts:
    """Return the loss of each row in whole millionths, (rows,); all rows must be :func:`usable`."""
    with np.errstate(over="ignore"):  # an infinite error is cut off like any other
        lost = scoring.losses(task, prediction, label, sd=label_sd(bins))
    return np.asarray(np.rint(lost / LOSS_UNIT).astype(np.int64))


def score_bin(score: scoring.Floats) -> Counts:
    """Return the bin, 0 to 199, of each finite binary score; scores beyond 0 and 1 are in the outermost bins.

    >>> score_bin(np.array([-1.0, 0.0, 0.004, 0.005, 1.0])).tolist()
    [0, 0, 0, 1, 199]
    """
    return np.minimum((np.clip(score, 0, 1) * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)


def usable(task: Task, prediction: scoring.Values, label: scoring.Values) -> Mask:
    """Return which rows can be scored, (rows,): both values are there, and a binary label is 0 or 1."""
    both = scoring.is_answered(prediction) & scoring.is_answered(label)
    return both & np.isin(label, (0.0, 1.0)) if task is Task.BINARY else both


def _label_cells(bins: NumericBins | CategoricalBins, label: scoring.Values) -> npt.NDArray[np.int64]:
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


def _sums(units: Counts, groups: npt.NDArray[np.int64], n_groups: int) -> Counts:
    out = np.zeros((n_groups, 2), np.int64)
    np.add.at(out[:, 0], groups, units)
    np.add.at(out[:, 1], groups, squared(units))
    return out


def squared(units: Counts) -> Counts:
    """Return the squares of rounded losses; both in millionths, (rows,), so that their sums follow from integers.

    >>> squared(np.array([1_386_294])).tolist()
    [1921811]
    """
    return np.asarray(np.rint(units * (units * LOSS_UNIT)).astype(np.int64))


def metrics(task: Task, counts: Mapping[str, Sequence[int] | Counts], *, sd: float = 1.0) -> dict[str, float]:
    """Return performance metrics from the outcome counts of one group; ``nan`` where they are undefined.

    Parameters
    ----------
    task
        What the model predicts.
    counts
        Outcome counts of one group, as :func:`count` returns them.
    sd
        Unit of a regression's errors, :func:`label_sd`.

    Returns
    -------
    dict
        Always ``coverage``, the share of rows scored. Binary: ``log_loss`` (nats), ``accuracy`` at 0.5, ``auc`` (see
        :func:`auc`) with ``auc_error``, and ``brier`` with each score at its bin's middle (off by at most 0.005).
        Regression: ``rmse`` in label units, and ``mean_loss``. Multiclass: ``accuracy``.
    """
    scored, rows = int(counts["coverage"][0]), int(sum(counts["coverage"]))
    mean = int(counts["loss"][0]) * LOSS_UNIT / scored if scored else np.nan
    out = {"coverage": scored / rows if rows else np.nan}
    if task is Task.REGRESSION:
        return {**out, "rmse": float(np.sqrt(mean) * sd), "mean_loss": mean}
    if task is Task.MULTICLASS:
        return {**out, "accuracy": 1 - mean}
    cells = np.asarray(counts["scores"]).reshape(SCORE_BINS, 2)
    area, error = auc(cells)
    middle = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
    right = cells[: SCORE_BINS // 2, 0].sum() + cells[SCORE_BINS // 2 :, 1].sum()
    squares = (cells[:, 0] * middle**2 + cells[:, 1] * (1 - middle) ** 2).sum()
    per_row = 1 / scored if scored else np.nan
    binary = {"log_loss": mean, "accuracy": right * per_row, "brier": squares * per_row, "auc": area}
    return {**out, **{k: float(v) for k, v in binary.items()}, "auc_error": error}


def auc(cells: Counts) -> tuple[float, float]:
    """Return the area under the ROC curve of a score histogram, and the largest error that its bins can cause.

    The probability that a 1 scores above a 0, ties counting half (Mann and Whitney 1947). Scores in one bin are tied,
    so the area of the raw scores lies within half the share of tied pairs: little for spread scores, much for a model
    whose scores all lie in a few bins. Both ``nan`` where a class is absent.

    Parameters
    ----------
    cells
        Counts of labels 0 and 1 by score bin, (bins, 2).

    References
    ----------
    Mann and Whitney (1947), "On a test of whether one of two random variables is stochastically larger than the other",
    Ann. Math. Stat. 18(1).

    Examples
    --------
    >>> auc(np.array([[2, 0], [1, 1], [0, 2]]))
    (0.9444444444444444, 0.05555555555555555)
    """
    zeros, ones = cells[:, 0].astype(float), cells[:, 1].astype(float)
    pairs = zeros.sum() * ones.sum()
    if pairs == 0:
        return float("nan"), float("nan")
    below = np.cumsum(zeros) - zeros
    tied = float((ones * zeros).sum() / pairs)
    return float((ones * below).sum() / pairs) + tied / 2, tied / 2
