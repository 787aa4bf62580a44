"""Runs the user's trainer, and says by name and with its own words when it does not do what it should."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from features import errors, scoring
from features.schema import Task
from features.scoring import Values
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import permutation_importance
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases

FOLDS = 5
"""Into how many stretches of time the training rows are cut for their out-of-sample predictions."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """A function of the user's that returns a new, unfitted model. *path* is how the project file names it."""

    path: str
    function: Callable[[], Any]

    def new(self) -> Any:
        """Return what the function returns.

        Raises:
            TrainerError: it raised.
        """
        with trainer_errors(self.path):
            return self.function()


@contextmanager
def trainer_errors(path: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a TrainerError that names *path*, with the original as its cause."""
    try:
        yield
    except errors.LeewayError:
        raise
    except Exception as error:
        msg = f"trainer {path} raised {type(error).__name__}: {error}"
        raise errors.TrainerError(
            msg, hint="run the trainer by itself on a few rows; its traceback is below"
        ) from error


def load_trainer(path: str, project_dir: Path) -> Trainer:
    """Return the trainer at ``module:function``; the module may lie in *project_dir* or be an installed one.

    Raises:
        TrainerError: there is no such module or function, or another module of that name comes first.
    """
    name, _, attribute = path.partition(":")
    make_importable(project_dir)
    with trainer_errors(path):
        module = importlib.import_module(name)
    _require_project_module(module, name, project_dir)
    function = getattr(module, attribute, None)
    if not callable(function):
        msg = f"trainer {path}: {module.__file__} has no function {attribute}"
        raise errors.TrainerError(msg, hint="write it as module:function, as in train:make_model")
    return Trainer(path, function)


def make_importable(project_dir: Path) -> None:
    """Put the user's folder at the end of the import path, where it shadows nothing.

    It stays there: a model needs its own modules again whenever it is loaded or used.
    """
    if str(project_dir) not in sys.path:
        sys.path.append(str(project_dir))
    importlib.invalidate_caches()


def _require_project_module(module: ModuleType, name: str, project_dir: Path) -> None:
    here = project_dir.resolve()
    mine = (here / name.replace(".", "/")).with_suffix(".py")
    if mine.exists() and Path(module.__file__ or "").resolve() != mine:
        msg = f"trainer module {name} was taken from {module.__file__}, not from {mine}"
        raise errors.TrainerError(msg, hint=f"rename {mine.name}: another module of that name comes first")


def fit_static(trainer: Trainer, data: Dataset) -> Any:
    """Return a new model of *trainer*, fitted on all of *data* at once.

    Raises:
        NotEnoughData: there are no rows.
        TrainerError: the trainer raised, or what it returns has no ``fit``.
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
    with trainer_errors(trainer.path):
        model.fit(data.frame, targets(data))
    return model


def out_of_sample(trainer: Trainer, data: Dataset, folds: int = FOLDS) -> tuple[Values, tuple[LossIncreases, ...]]:
    """Return a prediction for each row by a model that was fitted on the other stretches of time only.

    With them comes what mattered to each of those models on the rows that it was asked about.

    The rows are cut into *folds* contiguous stretches of equal length. So no row is predicted by a model that has seen
    it or its neighbours in time, which shuffled folds would allow.

    Raises:
        NotEnoughData: fewer than two rows a fold.
        TrainerError: the trainer raised.
    """
    if len(data) < 2 * folds:
        msg = f"{len(data)} rows are too few for {folds} stretches of time"
        raise errors.NotEnoughData(msg, hint="lengthen retrain.window")
    answers, parts, sd = scoring.unanswered(data.task, len(data)), [], permutation_importance.target_sd(data.target)
    for held_out in np.array_split(np.arange(len(data)), folds):
        others = np.ones(len(data), bool)
        others[held_out] = False
        model, fold_rows = fit_static(trainer, data.rows(others)), data.rows(held_out)
        with trainer_errors(trainer.path):
            answers[held_out] = scoring.score(model, fold_rows.frame, data.task)
        parts.append(permutation_importance.measure(HeldOut.of(model, fold_rows, sd=sd), 1 / folds))
    return answers, tuple(parts)


def targets(data: Dataset) -> Any:
    """Return the labels as models want them: 0 and 1 as integers, so that classes are not floats."""
    return data.target.astype(np.int64) if data.task is Task.BINARY else data.target
