"""Permutation importance: of the feature that a model uses, for any library, and of no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from river import linear_model, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from features import scoring
from features.schema import Task
from features.window import from_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import permutation_importance, static
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases

ONLY_X0 = {"x0": 1.0, "x1": 0.0, "c": 0.0}


def rows(n: int = 600, task: Task = Task.BINARY) -> Dataset:
    """Return *n* rows of two numbers and a category, whose truth is told by the first number alone."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x0": rng.normal(size=n), "x1": rng.normal(size=n), "c": rng.choice(["a", "b"], n)})
    frame["c"] = frame["c"].astype(object)
    truth = {
        Task.BINARY: (frame["x0"] > 0).to_numpy(float),
        Task.REGRESSION: 1000 * frame["x0"].to_numpy(),
        Task.MULTICLASS: np.where(frame["x0"] > 0, "up", "down").astype(object),
    }[task]
    return Dataset(task, from_ms(10**12), frame, truth, np.full(n, 0.5), np.full(n, "v1", object), np.arange(n),
                   np.arange(n).astype(str).astype(object))  # fmt: skip


def measured(model: Any, data: Dataset) -> dict[str, float]:
    """Return how much each feature matters to *model* on *data*."""
    return permutation_importance.combine(
        [permutation_importance.measure(HeldOut.of(model, data, sd=permutation_importance.target_sd(data.target)))]
    )


class Knows:
    """A model that answers from x0 alone, and counts what it is asked."""

    classes_ = (0, 1)
    asked = 0

    def __init__(self, task: Task) -> None:
        self.task = task

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Answer with the number, or with a class."""
        self.asked += len(frame)
        x = frame["x0"].to_numpy()
        return np.where(x > 0, "up", "down") if self.task is Task.MULTICLASS else 1000 * x

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Answer with the chance of each class."""
        self.asked += len(frame)
        p = 1 / (1 + np.exp(-4 * frame["x0"].to_numpy()))
        return np.column_stack([1 - p, p])


@pytest.mark.parametrize("task", Task)
def test_all_importance_is_that_of_the_only_feature_used(task: Task) -> None:
    """The others may be shuffled and nothing happens."""
    assert ONLY_X0 == measured(Knows(task), rows(task=task))


def fitted(data: Dataset) -> Any:
    """Return a scikit-learn pipeline that has learned from *data*."""
    encode = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    return make_pipeline(encode, LogisticRegression()).fit(data.frame, static.targets(data))


def grown(data: Dataset) -> Any:
    """Return a River model that has learned from *data*."""
    numbers = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    for x, y in zip(scoring.records(data.frame[["x0", "x1"]]), static.targets(data).tolist(), strict=True):
        numbers.learn_one(x, y)
    return numbers


def test_scikit_learn_and_river_are_asked_alike() -> None:
    """Both say that x0 is nearly everything; figures are shares of 1 and the same each time."""
    data = rows()
    numbers = replace(data, frame=data.frame[["x0", "x1"]])
    for model, asked in ((fitted(data), data), (grown(data), numbers)):
        made = measured(model, asked)
        assert made == measured(model, asked)
        assert made["x0"] > 0.98
        assert abs(sum(made.values()) - 1) < 1e-5


def test_features_matter_by_what_they_add() -> None:
    """A linear answer of x0 + x1 / 3 loses (twice) the variance of each: nine to one, to within the sample's luck."""
    data = rows(5000, Task.REGRESSION)
    data = replace(data, target=data.frame["x0"].to_numpy() + data.frame["x1"].to_numpy() / 3)

    class Sum(Knows):
        def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
            return np.asarray(frame["x0"] + frame["x1"] / 3)

    made = measured(Sum(Task.REGRESSION), data)
    assert abs(made["x0"] - 0.9) < 0.01


def test_no_more_is_asked_than_can_be_afforded() -> None:
    """At most 5,000 rows, each feature shuffled five times."""
    model = Knows(Task.BINARY)
    measured(model, rows(20_000))
    assert permutation_importance.MAX_ROWS * (1 + permutation_importance.REPEATS * 3) == model.asked


def test_a_model_with_many_features_is_asked_about_fewer_rows() -> None:
    """The number of answers is what takes time."""
    data = rows(20_000)
    wide = pd.concat([data.frame, pd.DataFrame(0.0, data.frame.index, [f"z{i}" for i in range(97)])], axis=1)
    model = Knows(Task.BINARY)
    measured(model, replace(data, frame=wide))
    assert 1000 * 501 == model.asked


def test_rows_without_an_answer_count_neither_way() -> None:
    """A model may have nothing to say about some rows."""

    class Shy(Knows):
        def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
            return np.where(frame["x1"] > 1, np.nan, super().predict(frame))

    assert ONLY_X0 == measured(Shy(Task.REGRESSION), rows(task=Task.REGRESSION))


class Refuses(Knows):
    """A model that will have x0 and x1 in its own way only."""

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Raise on a combination that it does not know."""
        if not (frame["x1"] == 2 * frame["x0"]).all():
            raise ValueError("inconsistent features")
        return super().predict(frame)


class Silent(Knows):
    """A model without answers."""

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Return NaN."""
        return np.full(len(frame), np.nan)


class Deaf(Knows):
    """A model that always says the same."""

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Return 1."""
        return np.ones(len(frame))


@pytest.mark.parametrize("model", [Refuses, Silent, Deaf])
def test_what_cannot_be_found_out_is_unknown(model: type[Knows]) -> None:
    """It is no error, and no feature is called unimportant for it."""
    data = rows(task=Task.REGRESSION)
    data = replace(data, frame=data.frame.assign(x1=2 * data.frame["x0"]))
    assert {} == measured(model(Task.REGRESSION), data)


def test_without_parts_nothing_is_known() -> None:
    """As of an online model whose labels all come too late to learn from before the end."""
    assert {} == permutation_importance.combine([])


def test_one_part_that_is_unknown_leaves_all_unknown() -> None:
    """A guess from the others would pass for a measurement."""
    assert {} == permutation_importance.combine([LossIncreases(9, {"x": 1.0}), LossIncreases(1, {"x": float("nan")})])


def test_what_a_model_writes_into_its_rows_stays_there() -> None:
    """Some add columns to what they are given."""

    class Scribbles(Knows):
        def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
            frame["double"] = 2 * frame["x0"]
            return super().predict(frame)

    data = rows(task=Task.REGRESSION)
    assert ONLY_X0 == measured(Scribbles(Task.REGRESSION), data)
    assert list(ONLY_X0) == list(data.frame)


def test_a_share_of_the_answers_is_asked_for() -> None:
    """So that several parts together take no longer than one."""
    model, data = Knows(Task.BINARY), rows(20_000)
    part = permutation_importance.measure(HeldOut.of(model, data, sd=1.0), 0.2)
    assert (20_000, 5000 * 4) == (part.rows, model.asked)  # the model as it is, and one shuffle of each feature
