"""Scoring: what a model's answer is and how its loss is computed, the same for training, the gate and serving.

Models are recognised by their methods: ``predict_one`` (River) or ``predict`` (scikit-learn). Neither library is
imported here, so that Flink's workers can use this module.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features import errors
from features.schema import EventSchema, FeatureKind, Task

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Values = Floats | npt.NDArray[np.object_]
"""float64 (binary, regression), or object ``str | None`` (multiclass)."""

LARGEST_ERROR = 30.0
"""Errors of a regression are cut off at this many standard deviations of the label, so that one outlier does not decide
a window's mean loss."""
PROBABILITY_MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1 before the log loss, which is then at most 13.8 nats."""


def inputs(schema: EventSchema, table: pa.Table) -> pd.DataFrame:
    """Return the features of a decoded table as a model's input, for training and for scoring alike.

    Infinite numbers become missing: no model can learn from them and libraries refuse them (see
    :data:`features.values.typed_columns.LARGEST_FINITE` for what counts as infinite).
    """
    frame: pd.DataFrame = table.select(list(schema.features)).to_pandas()
    numbers = [name for name, kind in schema.features.items() if kind is FeatureKind.NUMERIC]
    infinite = np.isinf(frame[numbers].to_numpy(dtype=np.float64))
    if infinite.any():
        frame[numbers] = frame[numbers].mask(infinite)
    return frame


def score(model: Any, frame: pd.DataFrame, task: Task) -> Values:
    """Return the model's prediction for each row.

    Whatever the model raises passes through.

    Parameters
    ----------
    model
        A River model (``predict_one``) or a scikit-learn estimator (``predict``).
    frame
        The rows, one column per feature, as :func:`inputs` returns them.
    task
        What the model predicts.

    Returns
    -------
    Values
        (rows,): the probability of label 1 (binary), the value (regression), or the class as text (multiclass).

    Raises
    ------
    TrainerError
        The model has neither ``predict_one`` nor ``predict``, or a binary one gives no probabilities.
    """
    if len(frame) == 0:
        return unanswered(task, 0)
    answers = _one_by_one(model, frame, task) if hasattr(model, "predict_one") else _at_once(model, frame, task)
    if task is Task.MULTICLASS:
        return np.array([None if a is None else str(a) for a in answers], dtype=object)
    return np.asarray(answers, dtype=np.float64).reshape(-1)


def unanswered(task: Task, n: int) -> Values:
    """Return *n* missing predictions: NaN, or None where predictions are classes.

    >>> unanswered(Task.BINARY, 2).tolist(), unanswered(Task.MULTICLASS, 1).tolist()
    ([nan, nan], [None])
    """
    return np.full(n, None, dtype=object) if task is Task.MULTICLASS else np.full(n, np.nan)


def is_answered(answers: Values) -> npt.NDArray[np.bool_]:
    """Return which predictions are there and finite, (rows,)."""
    if answers.dtype == object:
        return np.array([a is not None for a in answers], dtype=bool)
    return np.asarray(np.isfinite(answers), dtype=bool)


def records(frame: pd.DataFrame) -> Iterator[dict[Hashable, Any]]:
    """Yield each row as a dict, the form that River learns from; a missing value has no key.

    >>> import pandas as pd
    >>> list(records(pd.DataFrame({"x": [1.5, float("nan")], "c": ["a", None]})))
    [{'x': 1.5, 'c': 'a'}, {}]
    """
    missing = frame.isna().to_numpy()
    for row, gone in zip(frame.to_dict("records"), missing, strict=True):
        yield {name: v for (name, v), absent in zip(row.items(), gone, strict=True) if not absent}


def losses(task: Task, prediction: Values, label: Values, *, sd: float = 1.0) -> Floats:
    """Return the loss of each row, (rows,); no value may be missing.

    Binary: log loss in nats, the probability kept within :data:`PROBABILITY_MARGIN` of 0 and 1. Regression: squared
    error in units of `sd` squared, the error cut off at :data:`LARGEST_ERROR` `sd`. Multiclass: 0-1 loss.
    :mod:`monitors.profiles.outcome_counts` sums the same figures.

    Parameters
    ----------
    task
        What the model predicts.
    prediction
        Predictions, (rows,), as :func:`score` returns them.
    label
        Labels, (rows,): 0 or 1, a number, or a class as text.
    sd
        Standard deviation of the reference's labels (regression).

    Examples
    --------
    >>> losses(Task.BINARY, np.array([0.5, 1.0]), np.array([1.0, 0.0])).round(3).tolist()
    [0.693, 13.816]
    >>> losses(Task.REGRESSION, np.array([3.0]), np.array([1.0]), sd=2.0).tolist()
    [1.0]
    """
    if task is Task.MULTICLASS:
        return np.asarray(prediction != label, dtype=np.float64)
    p, y = prediction.astype(np.float64), label.astype(np.float64)
    if task is Task.REGRESSION:
        return np.asarray(np.minimum(np.abs(p - y) / sd, LARGEST_ERROR) ** 2, dtype=np.float64)
    p = np.clip(p, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return np.asarray(-np.log(np.where(y == 1, p, 1 - p)), dtype=np.float64)


def _one_by_one(model: Any, frame: pd.DataFrame, task: Task) -> list[Any]:
    if task is not Task.BINARY:
        return [model.predict_one(x) for x in records(frame)]
    if not hasattr(model, "predict_proba_one"):
        raise _no_probabilities(model)
    # A River classifier that has seen one class, or none, does not know the other yet.
    return [model.predict_proba_one(x).get(1, 0.0) for x in records(frame)]


def _at_once(model: Any, frame: pd.DataFrame, task: Task) -> Any:
    if not hasattr(model, "predict"):
        msg = f"{type(model).__name__} can neither predict nor predict_one"
        raise errors.TrainerError(msg, hint="return a scikit-learn estimator or a River model from the trainer")
    if task is not Task.BINARY:
        return model.predict(frame)
    if not hasattr(model, "predict_proba"):
        raise _no_probabilities(model)
    classes = [float(c) for c in model.classes_]
    return model.predict_proba(frame)[:, classes.index(1.0)] if 1.0 in classes else np.zeros(len(frame))


def _no_probabilities(model: Any) -> errors.TrainerError:
    msg = f"{type(model).__name__} gives no probabilities, which a binary model is judged by"
    return errors.TrainerError(msg, hint="use a classifier with predict_proba, or wrap it in CalibratedClassifierCV")
