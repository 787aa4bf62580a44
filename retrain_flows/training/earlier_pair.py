"""An earlier pair of models: how the difference of two models' losses went from slice to slice before the evaluation.

The gate must know how long slices of such differences remember one another, and a dozen evaluation slices cannot tell
(docs/statistics/gate.md). So two models are fitted on the first and the first two thirds of the rows before, as if the
later one had been a challenger then, and compared on the last third.
"""

from __future__ import annotations

import numpy as np

from features import errors, scoring
from features.scoring import Floats
from features.window import Windows
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import slice_sums
from retrain_flows.training import static

MIN_SLICES = 10
"""Slices below which a history says too little about memory to fit two models for it."""
MIN_ROWS = 60
"""Rows of a third below which no models are fitted."""


def differences(trainer: static.Trainer, rows: Dataset, windows: Windows, sd: float) -> Floats | None:
    """Return the mean difference of an earlier pair's losses by slice, (slices,); None where there are too few.

    Parameters
    ----------
    trainer
        Returns a new model for each of the pair.
    rows
        The labelled rows before the evaluation.
    windows
        What a slice is.
    sd
        The unit of a regression's losses.

    Raises
    ------
    TrainerError
        The user's trainer raised.
    """
    third = len(rows) // 3
    if third < MIN_ROWS:
        return None
    last = rows.rows(slice(2 * third, None))
    if len(slice_sums.by_slice(np.ones(len(last)), last.times, windows)[0]) < MIN_SLICES:
        return None
    losses = []
    for part in (rows.rows(slice(third)), rows.rows(slice(2 * third))):
        if len(set(part.target.tolist())) < 2:
            return None
        model = static.fit_static(trainer, part)
        with static.trainer_errors(trainer.path):
            answers = scoring.score(model, last.frame, last.task)
        if not scoring.is_answered(answers).all():
            msg = f"trainer {trainer.path} made a model that does not answer every row"
            raise errors.TrainerError(msg, hint="predict a value for each row, also where features are missing")
        losses.append(scoring.losses(last.task, answers, last.target, sd=sd))
    _, sums, counts = slice_sums.by_slice(losses[1] - losses[0], last.times, windows)
    return np.asarray(sums / counts)
