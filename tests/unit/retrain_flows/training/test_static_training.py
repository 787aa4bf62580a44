"""Static training: which rows and predictions a new baseline has, and what it costs in fits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import scoring
from features.schema import Task
from features.window import Windows, from_ms, to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import forward_validation, static, static_training
from retrain_flows.training.static_training import StaticTraining, TrainingOrder

DAY = timedelta(days=1)
PER_DAY = 20
FITS: list[int] = []
"""Rows of each fit."""


class Mean:
    """A regression model that answers the mean of its labels, and weighs no rows."""

    def fit(self, frame: pd.DataFrame, target: Any) -> Mean:
        """Learn the mean."""
        FITS.append(len(frame))
        self.mean = float(np.mean(target))
        return self

    def predict(self, frame: pd.DataFrame) -> Any:
        """Answer the mean."""
        return np.full(len(frame), self.mean)


class WeightedMean(Mean):
    """One that weighs rows."""

    def fit(self, frame: pd.DataFrame, target: Any, sample_weight: Any = None) -> Mean:
        """Learn the weighted mean."""
        super().fit(frame, target)
        self.mean = float(np.average(target, weights=sample_weight))
        return self


def trained(
    monkeypatch: pytest.MonkeyPatch, *, change: int | None = None, model: type[Mean] = Mean, weigh: bool = False
) -> StaticTraining:
    """Train on 60 days of twenty rows; the newest 28 are validated."""
    FITS.clear()
    monkeypatch.setattr(static, "load_trainer", lambda path, _: static.Trainer(path, model))
    times = np.repeat(np.arange(60) * to_ms(DAY), PER_DAY)
    target = np.random.default_rng(0).normal(size=len(times))
    if change is not None:
        target[change * PER_DAY :] += 9
    ids = np.arange(len(times)).astype(str).astype(object)
    rows = Dataset(Task.REGRESSION, from_ms(10**12), pd.DataFrame({"x": target}), target, target.copy(),
                   np.full(len(times), "v1", object), times, ids)  # fmt: skip
    start = from_ms(32 * to_ms(DAY))
    changed = None if change is None else from_ms(change * to_ms(DAY))
    return static_training.train(TrainingOrder(
        trainer="t:mean", project_dir=Path(), rows=rows, window=60 * DAY, until=from_ms(60 * to_ms(DAY)),
        change=changed, validated_from=max(start, changed or start), evaluated_from=start, label_delay=timedelta(0),
        windows=Windows(size=DAY, slide=DAY), sd=1.0, weigh=weigh,
    ))  # fmt: skip


def test_the_baseline_has_the_predictions_of_forward_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its models were as old as the served one will be, and no further one is fitted."""
    made = trained(monkeypatch)
    assert made.baseline_rows.ids.tolist() == made.validation.rows.ids.tolist()
    assert np.array_equal(made.baseline_answers, made.validation.answers)
    assert made.loss_increases == made.validation.loss_increases != ()
    assert made.fits == len(FITS) == 3 * forward_validation.BLOCKS + 2 + 1  # windows, an earlier pair, the model itself


def test_since_a_change_each_stretch_is_predicted_by_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows after it have no model of their kind before them: theirs would be answers of the old concept."""
    made = trained(monkeypatch, change=50)
    assert len(made.baseline_rows) == 10 * PER_DAY
    assert scoring.is_answered(made.baseline_answers).all()
    assert np.abs(made.baseline_answers - 9).max() < 2
    assert made.validation.loss_increases == ()
    assert made.fits == len(FITS)  # those of the folds included


def test_a_model_that_cannot_weigh_rows_is_named_where_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's check says that no rows were weighted; without a change there is nothing to weigh."""
    assert static_training.NOT_WEIGHTED in trained(monkeypatch, change=50, weigh=True).note
    assert static_training.NOT_WEIGHTED not in trained(monkeypatch, weigh=True).note
    assert static_training.NOT_WEIGHTED not in trained(monkeypatch, change=50).note
    weighing = trained(monkeypatch, change=50, model=WeightedMean, weigh=True).note
    assert ("weighted down" in weighing, static_training.NOT_WEIGHTED in weighing) == (True, False)
    assert "weighted down" not in trained(monkeypatch, change=50, model=WeightedMean).note
