"""Batch training: loads and runs the user's trainer, and predicts the training rows by blocked cross-validation.

The trainer is code of the user's; each error in it is reported with its import path and its own message.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features import errors, scoring, user_code
from features.schema import Task
from features.scoring import Floats, Values
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import permutation_importance, sample_weights
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases

FOLDS = 5
"""Number of folds of the blocked cross-validation, each model being fitted on four fifths of the rows. Hastie,
Tibshirani and Friedman, "The elements of statistical learning", section 7.10, recommend 5 or 10."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """A function of the user's that returns a new, unfitted model; *path* is its import path in the project file."""

    path: str
    function: Callable[[], Any]

    def new(self) -> Any:
        """Return a new model.

        Raises
        ------
        TrainerError
            The function raised.
        """
        with trainer_errors(self.path):
            return self.function()


@contextmanager
def trainer_errors(path: str) -> Iterator[None]:
    """Raise an error of the user's code as a TrainerError with import path and line; the original is its cause."""
    try:
        yield
    except errors.LeewayError:
        raise
    except Exception as error:
        place = user_code.raised_at(error)
        msg = f"trainer {path} raised {type(error).__name__}: {error}{f' ({place})' if place else ''}"
        hint = "run the trainer by itself on a few rows; LEEWAY_DEBUG=1 shows the whole traceback"
        raise errors.TrainerError(msg, hint=hint) from error


def load_trainer(path: str, project_dir: Path) -> Trainer:
    """Import a trainer by its path, ``module:function``, from the project's folder or an installed package.

    Raises
    ------
    TrainerError
        There is no such module or function, or another module of that name comes first.
    """
    name, _, attribute = path.partition(":")
    user_code.make_importable(project_dir)
    with trainer_errors(path):
        module = importlib.import_module(name)
    if other := user_code.shadowed(module, name, project_dir):
        msg = f"trainer module {name} was taken {other}"
        raise errors.TrainerError(msg, hint=f"rename {name}.py: another module of that name comes first")
    function = getattr(module, attribute, None)
    if not callable(function):
        msg = f"trainer {path}: {module.__file__} has no function {attribute}"
        raise errors.TrainerError(msg, hint="write it as module:function, as in train:make_model")
    return Trainer(path, function)


def fit_static(trainer: Trainer, data: Dataset, weights: Floats | None = None) -> Any:
    """Return a new model of a trainer, fitted on all rows.

    Parameters
    ----------
    trainer
        Returns the new model.
    data
        The rows.
    weights
        The weight of each row, (rows,); None: all count alike.

    Raises
    ------
    NotEnoughData
        There are no rows.
    TrainerError
        The trainer raised, or what it returns has no ``fit``.
    """
    if len(data) == 0:
        msg = "no labelled rows to train on"
        raise errors.NotEnoughData(msg, hint="wait for labels to mature, or lengthen retrain.window")
    model = trainer.new()
    if not hasattr(model, "fit"):
        msg = f"trainer {trainer.path} returned a {type(model).__name__}, which has no fit"
        raise errors.TrainerError(
            msg, hint="return an unfitted scikit-learn estimator; River models go to retrain.online"
        )
    name = None if weights is None else sample_weights.parameter(model)
    with trainer_errors(trainer.path):
        model.fit(data.frame, targets(data), **({} if name is None else {name: weights}))
    return model


def out_of_sample(
    trainer: Trainer, data: Dataset, folds: int = FOLDS, *, start: int = 0, weights: Floats | None = None
) -> tuple[Values, tuple[LossIncreases, ...]]:
    """Predict rows by models that were fitted without their fold, and measure permutation importance on each fold.

    The folds are contiguous stretches of time with equally many rows (blocked cross-validation). With shuffled folds,
    neighbours in time of a row would be among the rows that its model was fitted on.

    Parameters
    ----------
    trainer
        Returns a new model for each fold.
    data
        The rows, in order of time.
    folds
        Number of folds.
    start
        The first row that is predicted; those before are fitted on by every model.
    weights
        The weight of each row in fitting, (rows,); None: all count alike.

    Returns
    -------
    tuple
        The predictions, (rows - start,), and the loss increases of each fold's model on its fold.

    Raises
    ------
    NotEnoughData
        There are fewer than two rows in a fold.
    TrainerError
        The trainer raised.

    References
    ----------
    Bergmeir and Benítez (2012), "On the use of cross-validation for time series predictor evaluation", Information
    Sciences 191.
    """
    if len(data) - start < 2 * folds:
        msg = f"{len(data) - start} rows are too few for out-of-sample predictions in {folds} folds of time"
        raise errors.NotEnoughData(msg, hint="lengthen retrain.window")
    answers, parts, sd = scoring.unanswered(data.task, len(data)), [], permutation_importance.target_sd(data.target)
    for held_out in np.array_split(np.arange(start, len(data)), folds):
        others = np.ones(len(data), bool)
        others[held_out] = False
        model = fit_static(trainer, data.rows(others), None if weights is None else weights[others])
        fold_rows = data.rows(held_out)
        with trainer_errors(trainer.path):
            answers[held_out] = scoring.score(model, fold_rows.frame, data.task)
        parts.append(permutation_importance.measure(HeldOut.of(model, fold_rows, sd=sd), 1 / folds))
    return answers[start:], tuple(parts)


def targets(data: Dataset) -> Any:
    """Return the labels, (rows,), as models are fitted on them: binary ones as integers, not floats."""
    return data.target.astype(np.int64) if data.task is Task.BINARY else data.target
