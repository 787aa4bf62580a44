"""Metrics of a backtest: one that the field reads for each task, and the loss that the gate compares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features import scoring
from features.schema import Task
from features.scoring import Values
from retrain_flows.data.dataset import Dataset

METRIC = {Task.BINARY: "AUC", Task.REGRESSION: "MAE", Task.MULTICLASS: "accuracy"}
HIGHER_IS_BETTER = {Task.BINARY: True, Task.REGRESSION: False, Task.MULTICLASS: True}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a schedule's predictions are worth on the labelled rows of the replayed period.

    Parameters
    ----------
    metric
        Area under the ROC curve, mean absolute error, or accuracy, by task; NaN where it is not defined.
    loss
        The mean loss that the gate compares: log loss, squared error in units of the label's variance, or 0-1 loss.
    rows
        Number of rows with an answer.
    """

    metric: float
    loss: float
    rows: int


def measure(rows: Dataset, answers: Values, sd: float) -> Measured:
    """Return the metrics of answers, (rows,); rows without one are left out; *sd* is the unit of squared errors."""
    answered = scoring.is_answered(answers)
    predicted, target = answers[answered], rows.target[answered]
    if len(predicted) == 0:
        return Measured(np.nan, np.nan, 0)
    loss = float(scoring.losses(rows.task, predicted, target, sd=sd).mean())
    return Measured(_metric(rows.task, predicted, target), loss, len(predicted))


def _metric(task: Task, answers: Values, target: Values) -> float:
    if task is Task.MULTICLASS:
        return float(np.mean(answers == target))
    p, y = answers.astype(np.float64), target.astype(np.float64)
    if task is Task.REGRESSION:
        return float(np.abs(p - y).mean())
    from sklearn.metrics import roc_auc_score  # slow

    return float(roc_auc_score(y, p)) if len(np.unique(y)) == 2 else np.nan
