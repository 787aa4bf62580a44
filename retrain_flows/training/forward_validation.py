"""Forward validation (rolling-origin evaluation): each block of the newest rows is predicted by a model of rows before.

It measures what a procedure is worth, training window included, as it would have been used: at the start of each block
the window is chosen that was clearly best on the blocks before it, and only labels that had matured by then are learned
from. The final model is then fitted by the same procedure on all rows, the newest included.

References
----------
Tashman (2000), "Out-of-sample tests of forecasting accuracy: an analysis and review", International Journal of
Forecasting 16(4) (rolling origin). Dawid (1984), "Present position and potential developments: some personal views:
statistical theory: the prequential approach", JRSS A 147(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from features import scoring
from features.scoring import Floats, Values
from features.window import Windows, from_ms, to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import slice_sums, slice_window
from retrain_flows.training import permutation_importance, static
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases
from retrain_flows.training.training_windows import TrainingWindow

BLOCKS = 4
"""Blocks that the validated rows are divided into, each predicted by models of its own."""
BLOCKS_AFTER_CHANGE = 6
"""Blocks where the validated rows begin at a change point: finer, so that models sooner have rows since then."""
MIN_TRAINING_ROWS = 30
"""Rows below which no model is fitted for a block: it then stays unanswered."""


@dataclass(frozen=True, eq=False)
class ForwardValidation:
    """Out-of-sample predictions of the newest rows by a procedure.

    Parameters
    ----------
    rows
        The validated rows.
    answers
        The prediction of each, (rows,), by a model of rows before its block; missing where there were too few.
    window
        The training window that was best on all blocks: the one for the final model.
    losses
        Mean loss of each window on the rows that all of them answered, by its name.
    fits
        Number of models that were fitted.
    loss_increases
        Permutation importance of each block's model on its block; none where the rows begin at a change point.
    """

    rows: Dataset
    answers: Values
    window: TrainingWindow
    losses: dict[str, float]
    fits: int
    loss_increases: tuple[LossIncreases, ...] = ()


@dataclass(frozen=True, eq=False)
class Procedure:
    """What is validated: a trainer, the training windows to choose from, and the label delay.

    *slices* says what a slice of time is; *sd* is the unit of a regression's losses.
    """

    trainer: static.Trainer
    windows: Sequence[TrainingWindow]
    label_delay: timedelta
    slices: Windows
    sd: float


def validate(procedure: Procedure, data: Dataset, start: datetime, *, changed: bool = False) -> ForwardValidation:
    """Predict the rows from *start* on, block after block.

    Parameters
    ----------
    procedure
        The trainer and the windows; the first window is used until another has shown to be clearly better.
    data
        All labelled rows, in order of time.
    start
        Where the validated rows start, in event time.
    changed
        Whether the rows begin at a change point. The first block is then left unanswered: no model could know the
        change yet, so it says nothing of the model that is to be promoted.

    Raises
    ------
    TrainerError
        The trainer raised.
    """
    rows = data.split(start)[1]
    answers, fits = [scoring.unanswered(rows.task, len(rows)) for _ in procedure.windows], 0
    chosen = scoring.unanswered(rows.task, len(rows))
    increases: list[LossIncreases] = []
    best = 0
    for block in _blocks(len(rows), BLOCKS_AFTER_CHANGE if changed else BLOCKS):
        begun = int(rows.times[block[0]]) - to_ms(procedure.label_delay)
        before = _compared(procedure, rows.split(from_ms(begun))[0], answers)
        best = _best(before, best) if changed else _clearly_best(before, best, procedure.slices)
        fitted = [_fitted(procedure, window, data, begun) for window in procedure.windows]
        part = rows.rows(block)
        for own, model in zip(answers, fitted, strict=True):
            if model is not None:
                fits += 1
                own[block] = _predicted(procedure, model, part)
        if block[0] > 0 or not changed:
            chosen[block] = answers[best][block]
        if fitted[best] is not None and not changed:
            increases.append(
                permutation_importance.measure(HeldOut.of(fitted[best], part, sd=procedure.sd), 1 / BLOCKS)
            )
    of_all = _compared(procedure, rows, answers)
    best = _best(of_all, best) if changed else _clearly_best(of_all, best, procedure.slices)
    losses = {w.name: float(np.mean(own)) for w, own in zip(procedure.windows, of_all.losses, strict=True) if len(own)}
    return ForwardValidation(rows, chosen, procedure.windows[best], losses, fits, tuple(increases))


def _blocks(rows: int, number: int) -> list[npt.NDArray[np.int64]]:
    """Return the indices of rows in blocks of equal size; no block is empty."""
    return [block for block in np.array_split(np.arange(rows), number) if len(block)]


def _fitted(procedure: Procedure, window: TrainingWindow, data: Dataset, matured_until: int) -> Any | None:
    """Return a model of the rows before a time (ms); None with too few rows or a single class."""
    known = window.rows(data, from_ms(matured_until))
    if len(known) < MIN_TRAINING_ROWS or len(set(known.target.tolist())) < 2:
        return None
    return static.fit_static(procedure.trainer, known)


def _predicted(procedure: Procedure, model: Any, part: Dataset) -> Values:
    with static.trainer_errors(procedure.trainer.path):
        return scoring.score(model, part.frame, part.task)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """The losses of each window, (common rows,) or empty; *common* are the rows that all with any answer answered."""

    rows: Dataset
    losses: Sequence[Floats]
    common: npt.NDArray[np.bool_]


def _compared(procedure: Procedure, rows: Dataset, answers: Sequence[Values]) -> _Comparison:
    """Return the losses of the windows on the first of the validated rows; *answers* may reach further."""
    until = [own[: len(rows)] for own in answers]
    answered = [scoring.is_answered(own) for own in until]
    there = [mask for mask in answered if mask.any()]
    common = np.logical_and.reduce(there) if there else np.zeros(len(rows), bool)
    losses = [
        scoring.losses(rows.task, own[common], rows.target[common], sd=procedure.sd) if mask.any() else np.zeros(0)
        for own, mask in zip(until, answered, strict=True)
    ]
    return _Comparison(rows, losses, common)


def _best(compared: _Comparison, default: int) -> int:
    """Return the index of the window with the lowest mean loss so far; the default where none can be compared."""
    means = [own.mean() if len(own) else np.inf for own in compared.losses]
    return int(np.argmin(means)) if np.isfinite(means).any() else default


def _clearly_best(compared: _Comparison, default: int, slices: Windows) -> int:
    """Return the index of the window with the lowest mean loss so far, or the default if that is no more than chance.

    It must be better than the default, the one before, by a standard error of the difference over slices (the
    one-standard-error rule: Hastie, Tibshirani and Friedman 2009, "The elements of statistical learning", section
    7.10). Else the choice goes to and fro between windows that are alike, each time to the one that does worse next.
    Of fewer slices than the gate needs nothing is concluded.
    """
    best, losses = _best(compared, default), compared.losses
    if best == default or not len(losses[best]) or len(losses[best]) != len(losses[default]):
        return best
    times = compared.rows.times[compared.common]
    _, sums, n = slice_sums.by_slice(losses[best] - losses[default], times, slices)
    if len(sums) < slice_window.MIN_SLICES:
        return default
    error = float(np.sqrt(np.var(sums, ddof=1) / len(sums))) / n.mean()
    return best if sums.sum() / n.sum() < -error else default
