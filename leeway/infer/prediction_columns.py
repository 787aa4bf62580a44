"""Infers the task and the positive label from samples of predictions and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError
from features.schema import Task
from features.spelling import canonical
from leeway.infer import feature_columns
from leeway.infer.roles import ColumnWishes

MAX_CLASSES = 20
"""Distinct whole-number labels from half of this many on are quantities, not classes."""
TELLING_AUC = 0.65
"""AUC of the prediction for a column of two values from which on that may be the label."""
MIN_OF_A_VALUE = 20
"""Rows of each of two values below which that says nothing."""
BINARY_LABELS = frozenset({"0", "1", "true", "false"})
"""Labels of a binary task that need no `events.positive`."""
_POSITIVE_WORDS = (
    "yes", "y", "true", "t", "positive", "pos", "1", "up", "bad", "fraud", "churn", "churned", "default", "won",
    "success", "late", "click", "ja", "j", "oui", "si", "sí", "sim", "da", "tak",
)  # fmt: skip
"""Labels that mean 1, the most telling first."""


@dataclass(frozen=True, eq=False)
class LabelSample:
    """Labels as canonical texts, each with the prediction of its row (*scores*), as far as that is sampled."""

    labels: Sequence[str]
    scores: Sequence[float | None] = ()
    whole_numbers: bool = False
    """Whether all labels are whole numbers, not text."""
    numbers: bool = False

    @property
    def values(self) -> list[str]:
        """The distinct labels, the rarest first."""
        return [label for label, _ in reversed(Counter(self.labels).most_common())]


def label_sample(table: pa.Table, parts: Mapping[str, str], labels: pa.Table | None) -> LabelSample | None:
    """Return the labels of the log itself or of *labels*; None if there are none."""
    column = parts.get("label")
    if column is None:
        return None
    made = table[parts["prediction"]] if "prediction" in parts else None
    if labels is None:
        return _label_sample(table[column], made)
    return _label_sample(
        labels[column], None if made is None else _by_id(made, table[parts["id"]], labels[parts["id"]])
    )


def _by_id(made: pa.ChunkedArray, ids: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the prediction of each of the *wanted* ids, null where it is not among *ids*."""
    known = {
        feature_columns.key_text(one): value
        for one, value in zip(ids.to_pylist(), made.to_pylist(), strict=True)
        if one is not None
    }
    found = [None if one is None else known.get(feature_columns.key_text(one)) for one in wanted.to_pylist()]
    return pa.chunked_array([pa.array(found, made.type)])


def _label_sample(column: pa.ChunkedArray, made: pa.ChunkedArray | None) -> LabelSample | None:
    there = column.is_valid()
    values = column.filter(there).to_pylist()
    if not values:
        return None
    scores = made.filter(there).to_pylist() if made is not None and pa.types.is_floating(made.type) else ()
    numbers = not feature_columns.is_text(column.type) and not pa.types.is_boolean(column.type)
    whole = numbers and all(float(value).is_integer() for value in values)
    return LabelSample([canonical(value) for value in values], scores, whole, numbers)


def infer_task(made: pa.ChunkedArray | None, labels: LabelSample | None, wishes: ColumnWishes) -> Task:
    """Return the task that predictions *made* and *labels* fit.

    Raises
    ------
    DataError
        Predictions are numbers where labels are more than two classes, or no probabilities where they are two.
    """
    if made is None:
        return _task_of_labels(labels, wishes)
    if feature_columns.is_text(made.type):
        return Task.BINARY if wishes.positive is not None else Task.MULTICLASS
    values = np.asarray(made.drop_null().to_pylist(), float)
    of_labels = _task_of_labels(labels, wishes) if labels is not None else Task.BINARY
    classes = {canonical(float(value)) for value in np.unique(values)[: MAX_CLASSES + 1]}
    if of_labels is Task.MULTICLASS and classes <= set(labels.labels if labels else ()):
        return Task.MULTICLASS
    if of_labels is not Task.REGRESSION and values.min() >= 0 and values.max() <= 1:
        if of_labels is Task.BINARY:
            return Task.BINARY
        if not (labels and labels.numbers):
            raise _undecided(labels)
    elif labels is not None and not labels.numbers:
        raise _undecided(labels)
    return Task.REGRESSION


def _undecided(labels: LabelSample | None) -> DataError:
    values = labels.values[:4] if labels else []
    msg = f"the predictions are numbers and the labels are {', '.join(map(repr, values))}: they cannot be compared"
    return DataError(
        msg,
        hint="log the probability (from 0 to 1) of one label and name it with --positive LABEL, or log the predicted "
        "class and name its column with --prediction",
    )


def _task_of_labels(labels: LabelSample | None, wishes: ColumnWishes) -> Task:
    """Return the task that labels suggest: binary for two names, regression for many numbers, else multiclass."""
    if labels is None:
        return Task.REGRESSION
    if (
        wishes.positive is not None
        or set(labels.values) <= BINARY_LABELS
        or (len(labels.values) == 2 and not labels.numbers)
    ):
        return Task.BINARY
    if labels.numbers and not (labels.whole_numbers and len(labels.values) <= MAX_CLASSES // 2):
        return Task.REGRESSION
    return Task.MULTICLASS


def positive_label(labels: LabelSample | None, wishes: ColumnWishes) -> str | None:
    """Return the label that counts as 1 in a binary task; None where labels are 0 and 1 or false and true.

    It is the one with higher predictions; without predictions the one among `_POSITIVE_WORDS`; else the rarest.
    """
    if wishes.positive is not None:
        return canonical(wishes.positive)
    if labels is None or set(labels.values) <= BINARY_LABELS:
        return None
    means = {value: _mean_score(labels, value) for value in labels.values}
    if len(set(means.values())) == len(means) and None not in means.values():
        return max(means, key=lambda value: means[value] or 0.0)
    return next(
        (value for word in _POSITIVE_WORDS for value in labels.values if value.casefold() == word), labels.values[0]
    )


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


def _mean_score(labels: LabelSample, value: str) -> float | None:
    scores = [s for label, s in zip(labels.labels, labels.scores, strict=False) if label == value and s is not None]
    return float(np.mean(scores)) if scores else None
