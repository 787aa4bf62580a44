"""The earlier pair of models: how long slices of their difference remember one another, from rows before the gate's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import errors
from features.schema import Task
from features.window import Windows, from_ms, to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import earlier_pair
from retrain_flows.training.static import Trainer

WINDOWS = Windows(size=timedelta(days=7), slide=timedelta(days=1))
PER_DAY = 10


class Mean:
    """A regression model that predicts the mean of the labels that it has seen."""

    def fit(self, _: pd.DataFrame, target: Any) -> Mean:
        """Learn the mean."""
        self.mean = float(np.mean(target))
        return self

    def predict(self, frame: pd.DataFrame) -> Any:
        """Answer the mean."""
        return np.full(len(frame), self.mean)


class Silent(Mean):
    """A model that answers nothing."""

    def predict(self, frame: pd.DataFrame) -> Any:
        """Answer NaN."""
        return np.full(len(frame), np.nan)


def rows(days: int, *, constant: bool = False) -> Dataset:
    """Return ten rows a day whose label is their day, or 1."""
    n = days * PER_DAY
    times = np.arange(n, dtype=np.int64) * (to_ms(WINDOWS.slide) // PER_DAY)
    target = np.ones(n) if constant else np.repeat(np.arange(days, dtype=float), PER_DAY)
    ids = np.arange(n).astype(str).astype(object)
    return Dataset(Task.REGRESSION, from_ms(10**12), pd.DataFrame({"x": target}), target, target.copy(),
                   np.full(n, "v1", object), times, ids)  # fmt: skip


def test_the_later_of_two_models_is_compared_on_the_last_third() -> None:
    """Of 90 days the pair has seen 30 and 60: means 14.5 and 29.5. Losses are squared errors, a value a day."""
    differences = earlier_pair.differences(Trainer("t:Mean", Mean), rows(90), WINDOWS, 100.0)
    assert differences is not None
    days = np.arange(60, 90)
    assert ((days - 29.5) ** 2 - (days - 14.5) ** 2) / 100**2 == pytest.approx(differences)


@pytest.mark.parametrize(("days", "constant"), [(17, False), (27, False), (90, True)])
def test_too_little_shows_no_memory(days: int, *, constant: bool) -> None:
    """Fewer than 60 rows in a third, fewer than 10 slices to compare on, or labels that are all alike."""
    assert earlier_pair.differences(Trainer("t:Mean", Mean), rows(days, constant=constant), WINDOWS, 1.0) is None


def test_a_model_that_does_not_answer_is_the_trainers_failure() -> None:
    """It says which trainer, and what to do."""
    with pytest.raises(errors.TrainerError, match="trainer t:Silent made a model that does not answer every row"):
        earlier_pair.differences(Trainer("t:Silent", Silent), rows(90), WINDOWS, 1.0)
