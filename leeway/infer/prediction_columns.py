"""Infers the task and the positive label from samples of predictions and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import DataError
from features.schema import Task
from features.spelling import canonical
from features.values import typed_columns
from leeway.infer import feature_columns
from leeway.infer.roles import ColumnWishes

MAX_CLASSES = 20
"""Distinct whole-number labels from half of this many on are quantities, not classes."""
MIN_TASK_SHARE = 0.9
"""Share of labels, or of predictions, that must fit a task if the others have a few values, such as -1 for unknown."""
MIN_SHARE_OF_ANY = 0.99
"""The same share if the others have any value, where labels of 0 and 1 tell that predictions are probabilities."""
MAX_CODES = 3
"""Distinct values that may stand for an unknown label or prediction."""
_FRACTION = re.compile(r"-?\d+\.\d+")
_ROUNDING = 1e-6
"""How far beyond 0 or 1 a probability lies at most if it was only rounded."""
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

    @property
    def odd(self) -> Sequence[str]:
        """The labels that are neither 0 nor 1, neither false nor true."""
        return [label for label in self.labels if label not in BINARY_LABELS]

    @property
    def zero_one(self) -> bool:
        """Whether nearly all labels are 0 and 1, and the others may stand for unknown ones."""
        kinds = set(self.values) & BINARY_LABELS
        if not (odd := self.odd):
            return True
        return len(kinds) > 1 and len(odd) <= (1 - MIN_TASK_SHARE) * len(self.labels) and _are_codes(set(odd))


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
    """Return the labels of *column*, each with the prediction *made* of its row; None where all are missing."""
    there = column.is_valid()
    values = column.filter(there).to_pylist()
    if not values:
        return None
    made = None if made is None else numbers_of(made)
    scores = made.filter(there).to_pylist() if made is not None and pa.types.is_floating(made.type) else ()
    counts = numbers_of(column)
    numbers = not feature_columns.is_text(counts.type) and not pa.types.is_boolean(column.type)
    whole = numbers and all(float(value).is_integer() for value in counts.drop_null().to_pylist())
    return LabelSample([canonical(value) for value in values], scores, whole, numbers)


def numbers_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that are nearly all numbers, most of them fractions, as numbers; any other column as it is.

    One word among them, which the decoder sets aside, makes no classes; texts of whole numbers may be codes of classes.
    """
    if not feature_columns.is_text(column.type) or not feature_columns.are_numbers(column):
        return column
    values = [typed_columns.spelled(text) if text is not None else None for text in column.to_pylist()]
    floats = pa.array([None if isinstance(value, str) else value for value in values], pa.float64())
    fractions = sum(value % 1 != 0 for value in floats.drop_null().to_pylist())
    return pa.chunked_array([floats]) if 2 * fractions > len(floats) - floats.null_count else column


def infer_task(made: pa.ChunkedArray | None, labels: LabelSample | None, wishes: ColumnWishes) -> Task:
    """Return the task that predictions *made* and *labels* fit.

    Raises
    ------
    DataError
        Predictions are numbers where labels are more than two classes, or no probabilities where they are two.
    """
    if made is None:
        return _task_of_labels(labels, wishes)
    made = numbers_of(made)
    if feature_columns.is_text(made.type):
        return Task.BINARY if wishes.positive is not None else Task.MULTICLASS
    values = np.asarray(made.drop_null().to_pylist(), float)
    of_labels = _task_of_labels(labels, wishes) if labels is not None else Task.BINARY
    classes = {canonical(float(value)) for value in np.unique(values)[: MAX_CLASSES + 1]}
    named = labels is not None and wishes.positive is None and not labels.zero_one
    if of_labels is not Task.REGRESSION and named and classes <= set(labels.labels if labels else ()):
        return Task.MULTICLASS
    if of_labels is not Task.REGRESSION and are_probabilities(values, labelled=labels is not None):
        if of_labels is Task.BINARY:
            return Task.BINARY
        if not (labels and labels.numbers):
            raise _undecided(labels)
    elif labels is not None and not labels.numbers:
        raise _undecided(labels)
    return Task.REGRESSION


def outside(predictions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return those *predictions* that are no probabilities."""
    return predictions[(predictions < 0) | (predictions > 1)]


def are_probabilities(predictions: npt.NDArray[np.float64], *, labelled: bool) -> bool:
    """Return whether nearly all *predictions* lie from 0 to 1; the decoder sets the others aside.

    Those are rounded or stand for unknown ones; where binary labels tell the task (*labelled*) they may be any few.
    """
    odd = outside(predictions)
    far = odd[(odd < -_ROUNDING) | (odd > 1 + _ROUNDING)]
    if labelled and len(odd) <= (1 - MIN_SHARE_OF_ANY) * len(predictions):
        return True
    return len(odd) <= (1 - MIN_TASK_SHARE) * len(predictions) and _are_codes({canonical(float(n)) for n in far})


def _are_codes(values: Collection[str]) -> bool:
    """Return whether *values* may stand for unknown ones beside 0 and 1: few, and no 2, which goes on counting.

    >>> _are_codes({"-1", "99", "n.a."}), _are_codes({"2", "3"}), _are_codes({"1.5"})
    (True, False, False)
    """
    return len(values) <= MAX_CODES and "2" not in values and not any(map(_FRACTION.fullmatch, values))


def _undecided(labels: LabelSample | None) -> DataError:
    values = labels.values[:4] if labels else []
    msg = f"the predictions are numbers and the labels are {', '.join(map(repr, values))}: they cannot be compared"
    return DataError(
        msg,
        hint="log the probability (from 0 to 1) of one label and name it with --positive LABEL, or log the predicted "
        "class and name its column with --prediction",
    )


def _task_of_labels(labels: LabelSample | None, wishes: ColumnWishes) -> Task:
    """Return the task that labels suggest: binary for two names or whole numbers, regression for many, else multiclass.

    Of 0 and 1 a few others may be among the labels.
    """
    if labels is None:
        return Task.REGRESSION
    two = len(labels.values) == 2 and (labels.whole_numbers or not labels.numbers)
    if wishes.positive is not None or labels.zero_one or two:
        return Task.BINARY
    if labels.numbers and not (labels.whole_numbers and len(labels.values) <= MAX_CLASSES // 2):
        return Task.REGRESSION
    return Task.MULTICLASS


def positive_label(labels: LabelSample | None, wishes: ColumnWishes) -> str | None:
    """Return the label that counts as 1 in a binary task; None where labels are 0 and 1 or false and true.

    It is the one with higher predictions; without predictions the greater of two numbers, the one among
    `_POSITIVE_WORDS`, else the rarest.
    """
    if wishes.positive is not None:
        return canonical(wishes.positive)
    if labels is None or labels.zero_one:
        return None
    means = {value: _mean_score(labels, value) for value in labels.values}
    if len(set(means.values())) == len(means) and None not in means.values():
        return max(means, key=lambda value: means[value] or 0.0)
    if len(labels.values) == 2 and all(re.fullmatch(r"-?\d+", value) for value in labels.values):
        return max(labels.values, key=int)
    return next(
        (value for word in _POSITIVE_WORDS for value in labels.values if value.casefold() == word), labels.values[0]
    )


def _mean_score(labels: LabelSample, value: str) -> float | None:
    scores = [s for label, s in zip(labels.labels, labels.scores, strict=False) if label == value and s is not None]
    return float(np.mean(scores)) if scores else None
