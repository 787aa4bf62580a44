"""Models that go on learning from where they are: prequential (each row is predicted before it is learned from).

A label is learned from only when it would have been there, `label_delay` after its prediction; so the predictions are
as good as they would have been in production, and no better.
"""

from __future__ import annotations

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
"""How many rows are predicted, and then learned from, at a time."""
WARM_UP_ROWS = 1000
"""Rows from which a new model first learns before it is asked anything (a fifth of the rows if that is fewer)."""


@dataclass(frozen=True, eq=False)
class OnlineModel:
    """A model that has learned from rows, and what it said of each before it had; NaN or None while it was new.

    *rises* is what mattered to it on the newest fifth of the rows while those were still to come.
    """

    model: Any
    predictions: Values
    loss_increases: tuple[LossIncreases, ...] = ()


class Learner(Protocol):
    """What learns from the next rows, in the order of their times."""

    def learn(self, rows: Dataset) -> None:
        """Learn from *rows* once."""


def learn(trainer: static.Trainer, champion: Any | None, data: Dataset, *, label_delay: timedelta) -> OnlineModel:
    """Return the *champion*'s model after it has learned from *data* as well; a new model of *trainer* if it is None.

    The champion's model is changed in place: give a copy of your own.

    Raises:
        NotEnoughData: there are no rows.
        TrainerError: the model can neither ``learn_one`` nor ``partial_fit``, or raised.
    """
    if len(data) == 0:
        msg = "no labelled rows to learn from since the champion's last ones"
        raise errors.NotEnoughData(msg, hint="wait for labels to mature")
    model = trainer.new() if champion is None else champion
    learner = _learner(trainer.path, model, None if champion is not None else data)
    warm_up = 0 if champion is not None else max(1, min(WARM_UP_ROWS, len(data) // 5))
    predictions = scoring.unanswered(data.task, len(data))
    increases: tuple[LossIncreases, ...] = ()
    with static.trainer_errors(trainer.path):
        for known, predicted in _schedule(data, label_delay, warm_up):
            if len(known):
                learner.learn(known)
            if not increases and predicted.stop > 0.8 * len(data):
                to_come = data.rows(slice(predicted.start, None))
                increases = (
                    permutation_importance.measure(
                        HeldOut.of(model, to_come, sd=permutation_importance.target_sd(data.target))
                    ),
                )
            predictions[predicted] = scoring.score(model, data.rows(predicted).frame, data.task)
    return OnlineModel(model, predictions, increases)


def _schedule(data: Dataset, label_delay: timedelta, warm_up: int) -> Iterator[tuple[Dataset, slice]]:
    """Yield the rows to learn from next, and then those to predict; in the end all have been learned from."""
    learned, delay = 0, to_ms(label_delay)
    for start in range(0, len(data), BATCH_ROWS):
        known = int(np.searchsorted(data.times, data.times[start] - delay, side="right"))
        known = min(known, start)
        if known >= warm_up:
            yield data.rows(slice(learned, known)), slice(start, start + BATCH_ROWS)
            learned = known
    yield data.rows(slice(learned, None)), slice(0, 0)


def _learner(path: str, model: Any, first: Dataset | None) -> Learner:
    """Return what makes *model* learn; *first* is what a new model is going to learn from."""
    if hasattr(model, "learn_one"):
        return _River(model)
    steps = [step for _, step in getattr(model, "steps", [("model", model)])]
    if hasattr(steps[-1], "partial_fit"):
        return _PartialFit([s for s in steps[:-1] if hasattr(s, "transform")], steps[-1], first)
    msg = f"online trainer {path} returned a {type(model).__name__}, which has neither learn_one nor partial_fit"
    raise errors.TrainerError(msg, hint="return a River model, or an estimator or pipeline that ends in partial_fit")


class _River:
    def __init__(self, model: Any) -> None:
        self._model = model

    def learn(self, rows: Dataset) -> None:
        for x, y in zip(scoring.records(rows.frame), static.targets(rows).tolist(), strict=True):
            self._model.learn_one(x, y)


class _PartialFit:
    """scikit-learn's pipelines cannot `partial_fit`; their steps can.

    A step that cannot learn bit by bit is fitted on a new model's first rows, and then stays as it is.
    """

    def __init__(self, steps: list[Any], last: Any, first: Dataset | None) -> None:
        self._steps, self._last, self._new = steps, last, first is not None
        # A classifier must be told all classes the first time, also those that come later.
        self._first = {} if first is None or first.task is Task.REGRESSION else {"classes": _classes(first)}

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


def _classes(data: Dataset) -> Any:
    return np.array([0, 1]) if data.task is Task.BINARY else np.unique(data.target.astype(str)).astype(object)
