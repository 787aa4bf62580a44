"""Remarks for the user on predictions and labels: which column may be the label, and what looks like another task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import Task
from features.spelling import canonical
from leeway.infer import feature_columns, prediction_columns
from leeway.infer.prediction_columns import LabelSample

TELLING_AUC = 0.65
"""AUC of the prediction for a column of two values from which on that may be the label."""
MIN_OF_A_VALUE = 20
"""Rows of each of two values below which that says nothing."""
FEW_LABELS = 3
"""Distinct whole labels up to which a regression is remarked on."""


def on_task(task: Task, made: pa.ChunkedArray | None, labels: LabelSample | None) -> Iterator[str]:
    """Yield what speaks against *task*, which was inferred: rows that it sets aside, or labels that look like classes.

    Parameters
    ----------
    task
        The inferred task.
    made
        The predictions; None where there are none.
    labels
        The labels; None where there are none.
    """
    made = None if made is None else prediction_columns.numbers_of(made)
    numbers = made is not None and not feature_columns.is_text(made.type)
    values = np.asarray(made.drop_null().to_pylist() if made is not None and numbers else [], float)
    if task is Task.BINARY:
        if labels is not None and labels.zero_one and (odd := labels.odd):
            yield _set_aside(f"{len(odd):,} of {len(labels.labels):,} labels are neither 0 nor 1", odd)
        if len(far := prediction_columns.outside(values)):
            what = f"{len(far):,} of {len(values):,} predictions are not from 0 to 1"
            yield _set_aside(what, [repr(float(value)) for value in far])
    elif task is Task.REGRESSION and labels and labels.whole_numbers and len(labels.values) <= FEW_LABELS:
        listed = ", ".join(sorted(labels.values, key=float))
        yield f"The labels are only {listed}, but a regression is set up: {_instead(values)}"


def _set_aside(what: str, odd: Collection[str]) -> str:
    most = ", ".join(value for value, _ in Counter(odd).most_common(prediction_columns.MAX_CODES))
    return (
        f"{what} ({most}): such rows are set aside; if they are right, name the task: --task regression or multiclass"
    )


def _instead(predictions: npt.NDArray[np.float64]) -> str:
    """Return what *predictions* look like beside labels of few values, and what to do."""
    fix = "then --task binary goes with it; if the labels are numbers, all is well"
    if not len(predictions) or prediction_columns.are_probabilities(predictions, labelled=True):
        return "if they are classes, name the task: --task binary or multiclass"
    if predictions.min() >= 0 and predictions.max() <= 100:
        return f"predictions look like percentages (up to {predictions.max():g}). Log them divided by 100, {fix}"
    if predictions.min() < 0 < predictions.max():
        low, high = predictions.min(), predictions.max()
        return f"predictions look like log-odds ({low:.3g} to {high:.3g}). Log 1 / (1 + exp(-x)) of them, {fix}"
    return f"log the probability, from 0 to 1, of one of them, {fix}"


def possible_labels(table: pa.Table, parts: Mapping[str, str], features: Iterable[str]) -> Iterator[str]:
    """Yield a remark for each feature that may be the label: two values that go with the prediction, and no label.

    Parameters
    ----------
    table
        A sample of the log.
    parts
        Role to column.
    features
        The features.
    """
    if "label" in parts or "prediction" not in parts or not pa.types.is_floating(table[parts["prediction"]].type):
        return
    for name in features:
        auc = _auc(table[name], table[parts["prediction"]])
        if max(auc, 1 - auc) >= TELLING_AUC:
            goes = f"`{name}` has two values and goes with the prediction (AUC {max(auc, 1 - auc):.2f})"
            yield f"{goes}: if it is the label and no input, name it with --label {name}"


def _auc(values: pa.ChunkedArray, made: pa.ChunkedArray) -> float:
    """Return how surely the larger of two values has the larger prediction; .5 where there are not two values."""
    there = pc.and_(values.is_valid(), made.is_valid())
    texts = np.array([canonical(value) for value in values.filter(there).to_pylist()], object)
    kinds, member = np.unique(texts, return_inverse=True)
    n = np.bincount(member, minlength=2)
    if len(kinds) != 2 or n.min() < MIN_OF_A_VALUE:
        return 0.5
    from sklearn.metrics import roc_auc_score  # slow

    return float(roc_auc_score(member, made.filter(there).to_numpy()))
