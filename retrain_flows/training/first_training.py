"""First training: where the rule has changed within the period, the first model is of the rows since the change.

A model of two rules fits neither, and against a baseline of both no later change stands out. So the period is
predicted forward, block after block, and the slice is estimated from which the loss has risen. Both training windows
then compete on the rows since: all rows, and those since the change. Where these are clearly better, the first version
and its baseline are of them, and the rows before become a version of their own, which is found where its rule comes
back.

There is no champion yet that a gate could compare with, so a change must be significant and its window better by two
standard errors; else all rows are used, as if nothing had been estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from features import scoring
from features.scoring import Floats, Values
from features.window import from_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import slice_sums, slice_window
from retrain_flows.training import challengers, forward_validation, permutation_importance, static, training_windows
from retrain_flows.training.challenger import Challenger
from retrain_flows.training.change_point import rise
from retrain_flows.training.forward_validation import MIN_TRAINING_ROWS, Procedure
from retrain_flows.training.static import Trainer

CLEARLY = 2.0
"""Standard errors of the difference over slices by which a model of the rows since a change must be better. In a
retrain one is enough, since a gate follows."""
LEAST_ROWS = max(MIN_TRAINING_ROWS, 2 * static.FOLDS)
"""Rows below which no model is fitted."""


@dataclass(frozen=True, eq=False)
class FirstTraining:
    """The first model, and one of the rows before a change: None where all rows follow one rule, or they are too few.

    *note* says what was chosen, in words; "" where there was nothing to choose.
    """

    first: Challenger
    before: Challenger | None = None
    note: str = ""


def train(ws: Workspace, mode: str, rows: Dataset) -> FirstTraining:
    """Train the first model of a mode on the labelled rows of a period.

    An online model forgets by itself, so only a static one is tried on fewer rows.

    Raises
    ------
    TrainerError
        The user's trainer raised or returned something unusable.
    NotEnoughData
        There are too few rows.
    """
    if mode != "static":
        return FirstTraining(challengers.fit(ws, mode, rows))
    trainer = static.load_trainer(ws.trainers.trainers[mode], ws.project_dir)
    change = _estimated(ws, trainer, rows)
    better = None if change is None else _since(ws, trainer, rows, change)
    if change is None or better is None:
        return FirstTraining(challengers.fit(ws, mode, rows))
    first, note = better
    early = rows.split(change)[0]
    enough = len(early) >= max(ws.trainers.min_rows, LEAST_ROWS) and len(set(early.target.tolist())) > 1
    return FirstTraining(first, challengers.fit(ws, mode, early) if enough else None, note)


def _estimated(ws: Workspace, trainer: Trainer, rows: Dataset) -> datetime | None:
    """Return the slice from which on the loss has risen for good, by models of the rows before each block; or None.

    While models of few rows learn, losses fall: a rise after that is looked for.
    """
    cut, delay = ws.schema.windows, ws.schema.label_delay
    sd = permutation_importance.target_sd(rows.target)
    windows = training_windows.candidates(rows, ws.trainers.window, from_ms(int(rows.times[-1]) + 1), None)[:1]
    procedure = Procedure(trainer, windows, delay, cut, sd)
    tried = forward_validation.validate(procedure, rows, from_ms(int(rows.times[0])), changed=True)
    usable = scoring.is_answered(tried.answers)
    losses = scoring.losses(rows.task, tried.answers[usable], rows.target[usable], sd=sd)
    starts, sums, counts = slice_sums.by_slice(losses, rows.times[usable], cut)
    found = rise(sums / counts, counts.astype(np.float64))
    return None if found is None else from_ms(int(starts[found]))


def _since(ws: Workspace, trainer: Trainer, rows: Dataset, change: datetime) -> tuple[Challenger, str] | None:
    """Return the model of the rows since a change, and how much better it is; None if it is not clearly better.

    Each fold of the rows since is predicted by models of all other rows, and of all other rows since.
    """
    early, late = rows.split(change)
    sd = permutation_importance.target_sd(rows.target)
    if len(late) < LEAST_ROWS or len(set(late.target.tolist())) == 1:
        return None
    of_all, _ = static.out_of_sample(trainer, rows, start=len(early))
    answers, increases = static.out_of_sample(trainer, late)
    losses = [_losses(late, own, sd) for own in (of_all, answers)]
    compared = forward_validation.mean_and_error(
        losses[1] - losses[0], late.times, ws.schema.windows, slice_window.MIN_SLICES
    )
    if compared is None or compared[0] >= -CLEARLY * compared[1]:
        return None
    first = Challenger("static", static.fit_static(trainer, late), late, late, answers, late, answers, increases)
    note = (
        f"trained on the {len(late)} rows since the change of {change:%Y-%m-%d %H:%M} UTC: mean loss out of sample "
        f"{losses[1].mean():.4f}, with the {len(early)} rows before it {losses[0].mean():.4f}"
    )
    return first, note


def _losses(rows: Dataset, answers: Values, sd: float) -> Floats:
    return scoring.losses(rows.task, answers, rows.target, sd=sd)
