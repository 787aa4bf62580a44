"""Online training: prequential predictions, learning after the label delay, and continued champions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from river import linear_model, preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features import scoring
from features.errors import NotEnoughData, TrainerError
from features.schema import Task
from features.window import from_ms
from registry.files import artifacts
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import online, static

HOUR = 3_600_000
NO_DELAY = timedelta(0)


def rows(n: int, *, seed: int = 1) -> Dataset:
    """Return *n* rows, an hour apart, whose label is mostly the sign of their number."""
    rng = np.random.default_rng(seed)
    x, c = rng.normal(size=n), rng.choice(["a", "b"], n).astype(object)
    y = (x + 0.3 * rng.normal(size=n) > 0).astype(float)
    return Dataset(Task.BINARY, from_ms(10**12), pd.DataFrame({"x": x, "c": c}), y, np.full(n, 0.5),
                   np.full(n, "v1", object), np.arange(n) * HOUR, np.arange(n).astype(str).astype(object))  # fmt: skip


def pipeline() -> Any:
    """Return a pipeline of a frozen step, a step that learns, and a model that learns."""
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"]), ("x", "passthrough", ["x"])])
    return make_pipeline(encode, StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))


def river() -> Any:
    """Return a River model of numbers."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression()


PIPELINE = static.Trainer("mine:pipeline", pipeline)


class Counter:
    """A River model that answers how many rows it has learned from."""

    learned = 0

    def learn_one(self, x: dict[str, Any], y: int) -> None:
        """Count."""
        self.learned += 1

    def predict_proba_one(self, x: dict[str, Any]) -> dict[int, float]:
        """Tell the count."""
        return {1: float(self.learned)}

    predict_one = predict_proba_one


@pytest.mark.parametrize("delay_hours", [0, 1, 300, 10_000])
def test_a_row_is_never_predicted_after_its_label(delay_hours: int) -> None:
    """At each row the model has learned at most from rows whose labels had come, and in the end from all.

    batch      |---- 256 rows ----|---- 256 rows ----|
    learned    0 ...... up to (first of batch) - delay
    """
    data, model = rows(1000), Counter()
    learned = online.learn(static.Trainer("mine:count", Counter), model, data,
                           label_delay=timedelta(hours=delay_hours))  # fmt: skip
    known = np.arange(1000) - delay_hours + (delay_hours > 0)
    assert (learned.predictions <= np.maximum(known, 0)).all()
    assert 1000 == model.learned
    if delay_hours <= 300:
        assert learned.predictions.max() > 0


@pytest.mark.parametrize("make", [pipeline, river])
def test_a_new_model_learns_and_its_first_rows_have_no_prediction(make: Any) -> None:
    """What it says of later rows is good, though it had not seen them."""
    data = rows(2000)
    if make is river:
        data.frame.drop(columns="c", inplace=True)
    learned = online.learn(static.Trainer("mine:make", make), None, data, label_delay=NO_DELAY)
    known = scoring.is_answered(learned.predictions)
    right = (learned.predictions[known] > 0.5) == data.target[known]
    assert (False, True) == (bool(known[:256].any()), bool(known[1000:].all()))
    assert right.mean() > 0.85


@pytest.mark.parametrize("n", [50, 1000, 2000])
def test_what_matters_is_measured_on_rows_still_to_come(n: int) -> None:
    """On the newest fifth, from a batch's edge on, before any of it was learned from."""
    (rise,) = online.learn(PIPELINE, pipeline().fit(*_some(rows(500))), rows(n), label_delay=NO_DELAY).loss_increases
    assert (n * 4 // 5 // online.BATCH_ROWS * online.BATCH_ROWS) == n - rise.rows
    assert rise.by_feature["x"] > 10 * abs(rise.by_feature["c"])


def _some(data: Dataset) -> Any:
    return data.frame, static.targets(data)


def test_where_no_label_comes_in_time_nothing_is_known_to_matter() -> None:
    """A new model that learns everything at the end has been asked nothing before."""
    learned = online.learn(PIPELINE, None, rows(1000), label_delay=timedelta(hours=10_000))
    assert () == learned.loss_increases


def test_a_champion_goes_on_from_its_stored_state() -> None:
    """Learning in two parts, with the model stored and loaded in between, is learning in one.

    The parts meet where a batch ends, since scikit-learn's steps see whole batches.
    """
    data, cut = rows(4 * online.BATCH_ROWS), 2 * online.BATCH_ROWS
    first, second = data.rows(slice(cut)), data.rows(slice(cut, None))

    def prequential(champion: Any, part: Dataset) -> online.OnlineModel:
        return online.learn(PIPELINE, champion, part, label_delay=NO_DELAY)

    started = prequential(None, first).model
    stored = artifacts.load_model(artifacts.dump_model(started), ())
    in_memory = prequential(started, second)
    reloaded = prequential(stored, second)
    assert in_memory.predictions.tolist() == reloaded.predictions.tolist()
    assert scoring.is_answered(in_memory.predictions).all()
    assert in_memory.model[-1].t_ == len(data) + 1


def test_classes_that_come_late_are_known_from_the_start() -> None:
    """scikit-learn wants all classes at the first step; the first rows may hold one only."""
    data = rows(600)
    data.target[:300] = 0.0
    model = online.learn(PIPELINE, None, data, label_delay=NO_DELAY).model
    assert [0, 1] == model[-1].classes_.tolist()


def test_a_regression_learns_without_classes() -> None:
    """Its target is a number."""
    data = rows(3000)
    frame, target = data.frame[["x"]], data.frame["x"].to_numpy() * 2.0
    data = replace(data, task=Task.REGRESSION, frame=frame, target=target)
    trainer = static.Trainer("mine:make", lambda: SGDRegressor(random_state=0))
    answers = online.learn(trainer, None, data, label_delay=NO_DELAY).predictions
    assert np.abs(answers[-500:] - target[-500:]).mean() < 0.1 * np.abs(target).mean()


def test_what_cannot_learn_bit_by_bit_is_refused() -> None:
    """The error names the trainer and both ways in."""
    with pytest.raises(TrainerError, match="mine:make returned a object, which has neither learn_one nor partial_fit"):
        online.learn(static.Trainer("mine:make", object), None, rows(10), label_delay=NO_DELAY)


def test_nothing_new_is_nothing_to_learn() -> None:
    """Not an empty snapshot that looks like a new version."""
    with pytest.raises(NotEnoughData, match="since the champion's last ones"):
        online.learn(PIPELINE, pipeline(), rows(0), label_delay=NO_DELAY)
