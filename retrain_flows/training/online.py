"""Online (incremental) training with prequential predictions: each row is predicted before it is learned from.

A label is learned from only after its label delay, so the predictions are as good as in production, and no better.

References
----------
Gama, Sebastião and Rodrigues (2013), "On evaluating stream learning algorithms", Machine Learning 90(3) (prequential
evaluation).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import numpy as np

from features import errors, scoring
from features.schema import Task
from features.scoring import Values
from features.window import to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import permutation_importance, static
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases

BATCH_ROWS = 256
"""Rows that are predicted, and then learned from, at a time: one call of a scikit-learn model costs far more than one
row."""
WARM_UP_ROWS = 1000
"""Rows from which a new model learns before it predicts (a fifth of the rows if that is fewer): predictions of a model
that has seen next to nothing would be in its baseline."""
IMPORTANCE_SHARE = 0.2
"""Newest part of the rows on which permutation importance is measured, 0 to 1, by the model that has not learned from
them yet."""


@dataclass(frozen=True, eq=False)
class OnlineModel:
    """A model that has learned from rows, with its prequential predictions.

    Parameters
    ----------
    model
        The model.
    predictions
        The prediction of each row before it was learned from, (rows,); NaN or None during the warm-up.
    loss_increases
        Permutation importance on the newest part of the rows, before any of them was learned from.
    """

    model: Any
    predictions: Values
    loss_increases: tuple[LossIncreases, ...] = ()


class Learner(Protocol):
    """Learns from batches of rows, in order of time: one interface to River and scikit-learn."""

    def learn(self, rows: Dataset) -> None:
        """Learn from *rows* once."""


def learn(trainer: static.Trainer, champion: Any | None, data: Dataset, *, label_delay: timedelta) -> OnlineModel:
    """Train a model on rows in order of time, and return it with its prequential predictions.

    Parameters
    ----------
    trainer
        Returns a new model, if there is no champion to continue.
    champion
        The model to continue, which is changed in place; None for a new one.
    data
        The rows, in order of time.
    label_delay
        Time from a prediction until its label may be learned from.

    Raises
    ------
    NotEnoughData
        There are no rows.
    TrainerError
        The model has neither ``learn_one`` nor ``partial_fit``, or it raised.
    """
    if len(data) == 0:
        msg = "no labelled rows to learn from since the champion's last ones"
        raise errors.NotEnoughData(msg, hint="wait for labels to mature")
    model = trainer.new() if champion is None else champion
    learner = learner_of(trainer.path, model, classes(data.task, data.target) if champion is None else None)
    warm_up = 0 if champion is not None else max(1, min(WARM_UP_ROWS, len(data) // 5))
    predictions = scoring.unanswered(data.task, len(data))
    increases: tuple[LossIncreases, ...] = ()
    with static.trainer_errors(trainer.path):
        for matured, predicted in _schedule(data, label_delay, warm_up):
            if len(matured):
                learner.learn(matured)
            if not increases and predicted.stop > (1 - IMPORTANCE_SHARE) * len(data):
                to_come = data.rows(slice(predicted.start, None))
                increases = (
                    permutation_importance.measure(
                        HeldOut.of(model, to_come, sd=permutation_importance.target_sd(data.target))
                    ),
                )
            predictions[predicted] = scoring.score(model, data.rows(predicted).frame, data.task)
    return OnlineModel(model, predictions, increases)


def _schedule(data: Dataset, label_delay: timedelta, warm_up: int) -> Iterator[tuple[Dataset, slice]]:
    """Yield in turns the rows to learn from and the rows to predict after that; in the end all have been learned from.

    Rows whose label delay is over at the time of a batch's first row are learned from before it is predicted.
    """
    learned, delay = 0, to_ms(label_delay)
    for start in range(0, len(data), BATCH_ROWS):
        matured = int(np.searchsorted(data.times, data.times[start] - delay, side="right"))
        matured = min(matured, start)
        if matured >= warm_up:
            yield data.rows(slice(learned, matured)), slice(start, start + BATCH_ROWS)
            learned = matured
    yield data.rows(slice(learned, None)), slice(0, 0)


def learner_of(path: str, model: Any, first: Values | None) -> Learner:
    """Return the learner for a model.

    Parameters
    ----------
    path
        Import path of the trainer, for messages.
    model
        The model, which learns in place.
    first
        All classes of the labels that a new model will ever learn, as :func:`classes` returns them; None for a model
        that has learned before.

    Raises
    ------
    TrainerError
        The model has neither ``learn_one`` nor ``partial_fit``.
    """
    if hasattr(model, "learn_one"):
        return _River(model)
    steps = [step for _, step in getattr(model, "steps", [("model", model)])]
    if hasattr(steps[-1], "partial_fit"):
        return _PartialFit([s for s in steps[:-1] if hasattr(s, "transform")], steps[-1], first)
    msg = f"online trainer {path} returned a {type(model).__name__}, which has neither learn_one nor partial_fit"
    raise errors.TrainerError(msg, hint="return a River model, or an estimator or pipeline that ends in partial_fit")


class _River:
    """Learns with River's ``learn_one``, row by row."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def learn(self, rows: Dataset) -> None:
        for x, y in zip(scoring.records(rows.frame), static.targets(rows).tolist(), strict=True):
            self._model.learn_one(x, y)


class _PartialFit:
    """Learns with scikit-learn's ``partial_fit``, step by step, since its pipelines have none.

    A step without ``partial_fit`` is fitted on the first batch of a new model, and is not changed afterwards.
    """

    def __init__(self, steps: list[Any], last: Any, first: Values | None) -> None:
        self._steps, self._last, self._new = steps, last, first is not None
        # scikit-learn's classifiers want all classes with the first call, also those that come later.
        takes = "classes" in inspect.signature(last.partial_fit).parameters
        self._first = {"classes": first} if takes and first is not None and len(first) else {}

    def learn(self, rows: Dataset) -> None:
        x, y = rows.frame, static.targets(rows)
        for step in self._steps:
            if hasattr(step, "partial_fit"):
                step.partial_fit(x, y)
            elif self._new:
                step.fit(x, y)
            x = step.transform(x)
        self._last.partial_fit(x, y, **self._first)
        self._new, self._first = False, {}


def classes(task: Task, target: Values) -> Values:
    """Return all classes of labels, (classes,); of a regression none."""
    if task is Task.REGRESSION:
        return np.empty(0)
    return np.array([0, 1]) if task is Task.BINARY else np.unique(target.astype(str)).astype(object)
