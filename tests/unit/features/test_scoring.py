"""Predictions and losses: the same for models of all libraries, and equal to the sums of monitoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import linear_model
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron

from features import scoring
from features.errors import TrainerError
from features.schema import LABEL, Task
from monitors.profiles import outcome_counts
from monitors.stats.bins import CategoricalBins, NumericBins

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
LABELS = np.array([0, 0, 1, 1])


def test_binary_answers_are_the_probability_of_label_one() -> None:
    """It is the column of class 1, wherever that stands."""
    model = LogisticRegression().fit(FRAME, LABELS)
    assert model.predict_proba(FRAME)[:, 1].tolist() == scoring.score(model, FRAME, Task.BINARY).tolist()


def test_a_model_that_never_saw_label_one_gives_it_no_probability() -> None:
    """A missing class is not an error: the gate will say what it is worth."""

    class OneClass:
        classes_ = np.array([0])

        def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
            return np.zeros(len(frame))

        def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
            return np.ones((len(frame), 1))

    assert scoring.score(OneClass(), FRAME, Task.BINARY).tolist() == [0.0] * 4


def test_river_models_answer_like_any_other() -> None:
    """Each row is asked by itself, as a dict."""
    model: Any = linear_model.LogisticRegression()
    for x, y in zip(scoring.records(FRAME), LABELS.tolist(), strict=True):
        model.learn_one(x, y)
    expected = [model.predict_proba_one({"x": float(v)})[True] for v in range(4)]
    assert expected == scoring.score(model, FRAME, Task.BINARY).tolist()


def test_regression_answers_are_floats_and_classes_are_text() -> None:
    """The type of an answer follows from the task, not from the model."""
    regression = scoring.score(LinearRegression().fit(FRAME, LABELS), FRAME, Task.REGRESSION)
    classes = scoring.score(LogisticRegression().fit(FRAME, LABELS), FRAME, Task.MULTICLASS)
    assert regression.dtype == np.float64
    assert classes.tolist() == ["0", "0", "1", "1"]


@pytest.mark.parametrize(
    ("model", "said"), [(Perceptron(), "gives no probabilities"), (object(), "can neither predict nor")]
)
def test_a_model_that_cannot_answer_is_refused_by_name(model: Any, said: str) -> None:
    """The error names the class and what to use instead."""
    if hasattr(model, "fit"):
        model.fit(FRAME, LABELS)
    with pytest.raises(TrainerError, match=said):
        scoring.score(model, FRAME, Task.BINARY)


def test_no_rows_get_no_answers() -> None:
    """The model is not even asked: most would raise."""
    assert scoring.score(object(), FRAME.iloc[:0], Task.BINARY).tolist() == []


_probability = st.floats(0, 1)
_value = st.floats(-1e6, 1e6)


def _summed(task: Task, p: Any, y: Any, bins: NumericBins | CategoricalBins) -> int:
    n = len(p)
    groups = np.zeros(n, np.int64)
    counts = outcome_counts.count(task, {LABEL: bins}, p, y, np.ones(n, bool), groups, 1)
    return int(counts["loss"][0, 0])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(_probability, st.sampled_from([0.0, 1.0])), min_size=1))
def test_log_losses_are_those_that_monitoring_sums(rows: list[tuple[float, float]]) -> None:
    """The gate and the performance signal speak of the same loss, to the millionth."""
    p, y = np.array(rows).T
    units = np.rint(scoring.losses(Task.BINARY, p, y) / outcome_counts.LOSS_UNIT).sum()
    assert int(units) == _summed(Task.BINARY, p, y, CategoricalBins(categories=("0", "1")))


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(_value, _value), min_size=1), st.floats(0.01, 1000))
def test_squared_errors_are_those_that_monitoring_sums(rows: list[tuple[float, float]], sd: float) -> None:
    """Also where the error is cut off."""
    p, y = np.array(rows).T
    units = np.rint(scoring.losses(Task.REGRESSION, p, y, sd=sd) / outcome_counts.LOSS_UNIT).sum()
    assert int(units) == _summed(Task.REGRESSION, p, y, NumericBins(edges=(0.0, 1.0), sd=sd))


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_misses_are_those_that_monitoring_sums(rows: list[tuple[str, str]]) -> None:
    """A wrong class costs 1, a right one nothing."""
    p, y = np.array(rows, dtype=object).T
    units = np.rint(scoring.losses(Task.MULTICLASS, p, y) / outcome_counts.LOSS_UNIT).sum()
    assert int(units) == _summed(Task.MULTICLASS, p, y, CategoricalBins(categories=("a", "b", "c")))
