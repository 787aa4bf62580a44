"""Forward validation (rolling-origin evaluation): each block of the newest rows is predicted by a model of rows before.

It measures what a procedure is worth, training window included, as it would have been used: at the start of each block
the window is chosen that was clearly best on the blocks before it, and only labels that had matured by then are learned
from. The final model is then fitted by the same procedure on all rows, the newest included.

References
----------
Tashman (2000), "Out-of-sample tests of forecasting accuracy: an analysis and review", International Journal of
Forecasting 16(4) (rolling origin). Dawid (1984), "Present position and potential developments: some personal views:
statistical theory: the prequential approach", JRSS A 147(2). Maron and Moore (1994), "Hoeffding races: accelerating
model selection search for classification and function approximation", NIPS 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
GIVE_UP = 2.0
"""Standard errors of the difference over slices by which a window must be worse than the best so far to be given up."""
GIVE_UP_SLICES = 14
"""Slices below which no window is given up: a standard error of fewer is too uncertain for what cannot be taken back.
With five, a window of the bike rentals of docs/backtest.md was given up that turned out best."""
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
        Mean loss of each window that was not given up on the rows that all of them answered, by its name.
    given_up
        Names of the windows that were clearly worse after some blocks, and fitted for no further one.
    loss_increases
        Permutation importance of each block's model on its block; none where the rows begin at a change point.
    """

    rows: Dataset
    answers: Values
    window: TrainingWindow
    losses: dict[str, float]
    given_up: tuple[str, ...]
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
    answers = [scoring.unanswered(rows.task, len(rows)) for _ in procedure.windows]
    chosen = scoring.unanswered(rows.task, len(rows))
    increases: list[LossIncreases] = []
    best, running = 0, list(range(len(procedure.windows)))
    for block in _blocks(len(rows), BLOCKS_AFTER_CHANGE if changed else BLOCKS):
        begun = int(rows.times[block[0]]) - to_ms(procedure.label_delay)
        before = _compared(procedure, rows.split(from_ms(begun))[0], answers, running)
        best = _best(before, best) if changed else _clearly_best(before, best, procedure.slices)
        running = _running(before, best, procedure.slices)
        fitted = {k: _fitted(procedure, procedure.windows[k], data, begun) for k in running}
        part = rows.rows(block)
        for k, model in fitted.items():
            if model is not None:
                answers[k][block] = _predicted(procedure, model, part)
        if block[0] > 0 or not changed:
            chosen[block] = answers[best][block]
        if fitted[best] is not None and not changed:
            increases.append(
                permutation_importance.measure(HeldOut.of(fitted[best], part, sd=procedure.sd), 1 / BLOCKS)
            )
    of_all = _compared(procedure, rows, answers, running)
    best = _best(of_all, best) if changed else _clearly_best(of_all, best, procedure.slices)
    names = [window.name for window in procedure.windows]
    losses = {names[k]: float(np.mean(own)) for k, own in of_all.losses.items() if len(own)}
    given_up = tuple(name for k, name in enumerate(names) if k not in running)
    return ForwardValidation(rows, chosen, procedure.windows[best], losses, given_up, tuple(increases))


def _blocks(rows: int, number: int) -> list[npt.NDArray[np.int64]]:
    """Return the indices of rows in blocks of equal size; no block is empty."""
    return [block for block in np.array_split(np.arange(rows), number) if len(block)]


def _fitted(procedure: Procedure, window: TrainingWindow, data: Dataset, matured_until: int) -> Any | None:
    """Return a model of the rows before a time (ms); None with too few rows or a single class."""
    known = window.rows(data, from_ms(matured_until))
    if len(known) < MIN_TRAINING_ROWS or len(set(known.target.tolist())) < 2:
        return None
    return static.fit_static(procedure.trainer, known, window.weights(known))


def _predicted(procedure: Procedure, model: Any, part: Dataset) -> Values:
    with static.trainer_errors(procedure.trainer.path):
        return scoring.score(model, part.frame, part.task)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """The losses of windows by index, (common rows,) or empty; *common* are the rows that all of them answered.

    A window that has not answered any row yet is left out of what they have in common.
    """

    rows: Dataset
    losses: Mapping[int, Floats]
    common: npt.NDArray[np.bool_]

    def excess(self, index: int, other: int, slices: Windows, least: int) -> tuple[float, float] | None:
        """Return by how much a window's mean loss exceeds another's, and its standard error over slices.

        None with fewer than *least* slices: nothing is concluded of so few.
        """
        own, others = self.losses[index], self.losses[other]
        if not len(own) or len(own) != len(others):
            return None
        return mean_and_error(own - others, self.rows.times[self.common], slices, least)


def mean_and_error(
    values: Floats, times: npt.NDArray[np.int64], slices: Windows, least: int
) -> tuple[float, float] | None:
    """Return the mean of values, (rows,), at times (ms), and its standard error over slices; None with too few."""
    _, sums, n = slice_sums.by_slice(values, times, slices)
    if len(sums) < least:
        return None
    return float(sums.sum() / n.sum()), float(np.sqrt(np.var(sums, ddof=1) / len(sums))) / float(n.mean())


def _compared(procedure: Procedure, rows: Dataset, answers: Sequence[Values], running: Sequence[int]) -> _Comparison:
    """Return the losses of windows on the first of the validated rows; *answers* may reach further."""
    until = {k: answers[k][: len(rows)] for k in running}
    answered = {k: scoring.is_answered(own) for k, own in until.items()}
    there = [mask for mask in answered.values() if mask.any()]
    common = np.logical_and.reduce(there) if there else np.zeros(len(rows), bool)
    losses = {
        k: scoring.losses(rows.task, own[common], rows.target[common], sd=procedure.sd)
        if answered[k].any()
        else np.zeros(0)
        for k, own in until.items()
    }
    return _Comparison(rows, losses, common)


def _best(compared: _Comparison, default: int) -> int:
    """Return the index of the window with the lowest mean loss so far; the default where none can be compared."""
    means = {k: own.mean() for k, own in compared.losses.items() if len(own)}
    return min(means, key=means.__getitem__) if means else default


def _clearly_best(compared: _Comparison, default: int, slices: Windows) -> int:
    """Return the index of the window with the lowest mean loss so far, or the default if that is no more than chance.

    It must be better than the default, the one before, by a standard error of the difference over slices (the
    one-standard-error rule: Hastie, Tibshirani and Friedman 2009, "The elements of statistical learning", section
    7.10). Else the choice goes to and fro between windows that are alike, each time to the one that does worse next.
    Of fewer slices than the gate needs nothing is concluded.
    """
    best = _best(compared, default)
    if not len(compared.losses[default]):
        return best
    difference = compared.excess(best, default, slices, slice_window.MIN_SLICES)
    return default if difference is None or difference[0] >= -difference[1] else best


def _running(compared: _Comparison, best: int, slices: Windows) -> list[int]:
    """Return the windows that go on: all but those that are clearly worse than the best so far.

    A window that is given up costs no more fits (a race, Maron and Moore 1994).
    """
    excess = {k: compared.excess(k, best, slices, GIVE_UP_SLICES) for k in compared.losses if k != best}
    worse = {k for k, value in excess.items() if value is not None and value[0] > GIVE_UP * value[1]}
    return [k for k in compared.losses if k not in worse]
