"""Reference schedules of a backtest: no refit, evenly spaced and random refits, a refit at every step, and a constant.

They have no gate and no monitor: each refit takes all labels that have matured by then and serves until the next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features import scoring
from features.schema import Task
from features.scoring import Values
from features.window import from_ms, to_ms
from leeway.backtest.history import History
from retrain_flows.config import Retrain
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import static

SEED = 1
"""Seed of the random refits' times."""


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """A reference schedule's predictions for all labelled rows, (rows,), the number of refits and seconds."""

    name: str
    answers: Values
    refits: int
    seconds: float


def evenly_spaced(history: History, number: int) -> list[datetime]:
    """Return the times of *number* refits that divide the replayed period into equal parts."""
    span = (history.end - history.cut) / (number + 1)
    return [history.cut + span * (i + 1) for i in range(number)]


def every_step(history: History, step: timedelta) -> list[datetime]:
    """Return the times of refits at every *step*."""
    count = int((history.end - history.cut - timedelta(microseconds=1)) / step)
    return [history.cut + step * (i + 1) for i in range(count)]


def at_random(history: History, number: int, seed: int = SEED) -> list[datetime]:
    """Return the times of *number* refits drawn at random from the replayed period."""
    low, high = to_ms(history.cut), to_ms(history.end)
    return [from_ms(int(ms)) for ms in sorted(np.random.default_rng(seed).integers(low, high, number))]


@dataclass(frozen=True, eq=False)
class Refitter:
    """Fits the model of a project's trainer on what has matured at a moment.

    Parameters
    ----------
    history
        The events.
    labelled
        All labelled rows from the start of the history, in order of time.
    retrain
        The section `retrain` of the project file.
    folder
        The folder that trainers are imported from.
    """

    history: History
    labelled: Dataset
    retrain: Retrain
    folder: Path

    def run(self, name: str, moments: Sequence[datetime]) -> ReferenceRun:
        """Return the answers of models that are refitted at *moments*, the first one at the cut included."""
        begun, rows = time.perf_counter(), self._replayed
        answers = scoring.unanswered(rows.task, len(rows))
        starts = [self.history.cut, *moments]
        for at, until in zip(starts, [*moments, None], strict=True):
            low = np.searchsorted(rows.times, to_ms(at))
            high = len(rows) if until is None else np.searchsorted(rows.times, to_ms(until))
            if high > low:
                part = rows.rows(slice(int(low), int(high)))
                matured = at - self.history.schema.label_delay
                model = self._first if at == self.history.cut else self._fitted(at, matured)
                answers[low:high] = scoring.score(model, part.frame, rows.task)
        return ReferenceRun(name, answers, len(moments), time.perf_counter() - begun)

    def constant(self, name: str) -> ReferenceRun:
        """Return the answers of no model at all: the mean label so far, or the most frequent class so far."""
        rows, known = self._replayed, self.labelled
        delay = to_ms(self.history.schema.label_delay)
        upto = np.searchsorted(known.times, rows.times - delay)
        return ReferenceRun(name, _running_constant(known.target, upto, rows.task), 0, 0.0)

    @property
    def _replayed(self) -> Dataset:
        return self.labelled.split(self.history.cut)[1]

    @cached_property
    def _first(self) -> object:
        """The first model, which all schedules begin with: it knows all labels of the first training period."""
        return self._fitted(self.history.cut, self.history.cut)

    def _fitted(self, at: datetime, until: datetime) -> object:
        """Return a model fitted on the labelled rows of the training window before a moment, up to another."""
        rows = self.labelled.split(until)[0].split(at - self.retrain.window)[1]
        path = next(iter(self.retrain.trainers.values()))
        return static.fit_static(static.load_trainer(path, self.folder), rows)


def _running_constant(target: Values, upto: npt.NDArray[np.int64], task: Task) -> Values:
    """Return for each row the mean, or the most frequent class, of the first *upto* labels."""
    if task is not Task.MULTICLASS:
        sums = np.concatenate([[np.nan], np.cumsum(target.astype(np.float64)) / np.arange(1, len(target) + 1)])
        return np.asarray(sums[upto], dtype=np.float64)
    classes, codes = np.unique(target.astype(str), return_inverse=True)
    counts = np.zeros(len(classes), np.int64)
    modes = np.empty(len(target) + 1, object)
    for i, code in enumerate(codes):
        counts[code] += 1
        modes[i + 1] = classes[int(counts.argmax())]
    return np.asarray(modes[upto], dtype=object)
