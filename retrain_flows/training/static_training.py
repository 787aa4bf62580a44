"""Static training as one call: windows are tried, the best is chosen, and its model is fitted on all of its rows.

All that it needs is in its argument, so that it can run in a process of its own, with limits of time and memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from features import scoring
from features.scoring import Floats, Values
from features.window import Windows
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import (
    earlier_pair,
    forward_validation,
    sample_weights,
    static,
    training_windows,
)
from retrain_flows.training.forward_validation import ForwardValidation, Procedure
from retrain_flows.training.permutation_importance import LossIncreases

DAY = timedelta(days=1)
NOT_WEIGHTED = "rows are not weighted, as `fit` takes no sample_weight"
MIN_BASELINE_ROWS = 30
"""Rows since the validated ones start below which the baseline is of all training rows."""


@dataclass(frozen=True, eq=False)
class TrainingOrder:
    """What to train.

    Parameters
    ----------
    trainer, project_dir
        The import path of the trainer, and the folder that it is imported from.
    rows
        The labelled rows.
    window
        Length of the longest training window.
    until
        The moment of training, in event time.
    change
        The change point of the champion's loss, if one stands out.
    weigh
        Whether the longest window weighs rows before the change down.
    validated_from, evaluated_from
        Where the rows start that are predicted out of sample, and those of them that the gate uses.
    label_delay, windows
        Of the model's events.
    sd
        The unit of a regression's losses.
    last_window_days
        The training window of the champion in days, which is used until a block has shown which is best; None: the
        longest.
    """

    trainer: str
    project_dir: Path
    rows: Dataset
    window: timedelta
    until: datetime
    change: datetime | None
    validated_from: datetime
    evaluated_from: datetime
    label_delay: timedelta
    windows: Windows
    sd: float
    last_window_days: float | None = None
    weigh: bool = False


@dataclass(frozen=True, eq=False)
class StaticTraining:
    """A fitted model and what was learned about it.

    Parameters
    ----------
    model, rows
        The model, and the rows that it was fitted on.
    validation
        The predictions of the newest rows by models of rows before them, which the gate compares.
    baseline_rows, baseline_answers
        The newest rows, and their out-of-sample predictions, (rows,), which the model's performance is measured
        against in production.
    loss_increases
        Permutation importance on rows that a model was not fitted on.
    fits
        Number of models that were fitted for all of it.
    not_weighted
        Whether rows were to be weighed, and the model cannot do that.
    history
        The differences of an earlier pair of models by slice; None where there were too few.
    """

    model: Any
    rows: Dataset
    validation: ForwardValidation
    baseline_rows: Dataset
    baseline_answers: Values
    loss_increases: tuple[LossIncreases, ...]
    fits: int
    not_weighted: bool
    history: Floats | None

    @property
    def note(self) -> str:
        """What was chosen among which windows, in words."""
        tried = self.validation
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in tried.losses.items())
        text = f"trained on {tried.window.name}; mean loss out of sample by training window: {losses}"
        text += f"; given up as clearly worse: {', '.join(tried.given_up)}" if tried.given_up else ""
        return text + (f"; {NOT_WEIGHTED}" if self.not_weighted else "")

    @property
    def metrics(self) -> dict[str, float]:
        """Figures to record with the version."""
        return {"window_days": self.validation.window.length / DAY, "fits": float(self.fits)}


class _Counted:
    """A trainer's function that counts its calls: each returns a model to fit."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return self._function()


def train(order: TrainingOrder) -> StaticTraining:
    """Carry out an order.

    Raises
    ------
    NotEnoughData
        There are no rows.
    TrainerError
        The user's trainer raised or returned something unusable.
    """
    loaded = static.load_trainer(order.trainer, order.project_dir)
    to_weigh = order.weigh and order.change is not None
    weighed = to_weigh and sample_weights.parameter(loaded.new()) is not None
    fits = _Counted(loaded.function)
    trainer = static.Trainer(loaded.path, fits)
    windows = training_windows.candidates(order.rows, order.window, order.until, order.change, weighted=weighed)
    last = order.last_window_days
    if last is not None:
        windows.sort(key=lambda window: abs(window.length / DAY - last))
    procedure = Procedure(trainer, windows, order.label_delay, order.windows, order.sd)
    changed = order.change is not None and order.change >= order.validated_from
    validation = forward_validation.validate(procedure, order.rows, order.validated_from, changed=changed)
    rows = validation.window.rows(order.rows, order.until)
    before = order.rows.split(order.evaluated_from)[0]
    history = earlier_pair.differences(trainer, before, order.windows, order.sd)
    baseline_rows, answers, increases = _baseline(order, trainer, validation, rows, changed=changed)
    model = static.fit_static(trainer, rows, validation.window.weights(rows))
    return StaticTraining(
        model, rows, validation, baseline_rows, answers, increases, fits.calls, to_weigh and not weighed, history,
    )  # fmt: skip


def _baseline(
    order: TrainingOrder, trainer: static.Trainer, validation: ForwardValidation, rows: Dataset, *, changed: bool
) -> tuple[Dataset, Values, tuple[LossIncreases, ...]]:
    """Return the rows of the baseline, their out-of-sample predictions, and permutation importance.

    They are those of forward validation, whose models were as old as the served one will be. Since a change point there
    are few rows, and the first blocks' models had next to none of them: then each fold is predicted by a model of all
    other rows.
    """
    usable = scoring.is_answered(validation.answers)
    if not changed and usable.sum() >= MIN_BASELINE_ROWS:
        return validation.rows.rows(usable), validation.answers[usable], validation.loss_increases
    start = len(rows.split(order.validated_from)[0])
    start = start if len(rows) - start >= MIN_BASELINE_ROWS else 0
    weights = validation.window.weights(rows)
    answers, increases = static.out_of_sample(trainer, rows, start=start, weights=weights)
    return rows.rows(slice(start, None)), answers, increases
