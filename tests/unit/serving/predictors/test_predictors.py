"""Predictors: a fast one is used where it equals the model on rows of the baseline, and not otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from river import compose, linear_model, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from features import errors, scoring
from features.schema import EventSchema, Task
from features.scoring import Values
from serving.model import Served
from serving.predictors import columns, parity, proved
from serving.predictors.columns import Columns
from tests.support import serving_world as world

ONE_HOT = OneHotEncoder(handle_unknown="ignore")
NUMBERED = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
SCALED = make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), ["x", "z"]), (ONE_HOT, ["c"]))
CODED = make_column_transformer((NUMBERED, ["c"]), (StandardScaler(), [0]), remainder="passthrough")
BINARY = {
    "logistic": (make_pipeline(SCALED, LogisticRegression()), "numpy"),
    "sgd": (make_pipeline(CODED, SGDClassifier(loss="log_loss", random_state=0)), "numpy"),
    "forest": (make_pipeline(CODED, RandomForestClassifier(10, max_depth=4, random_state=0)), "treelite"),
    "boosting": (make_pipeline(SCALED, GradientBoostingClassifier(n_estimators=10)), "treelite"),
    "other": (make_pipeline(SCALED, DummyClassifier()), "scikit-learn"),
    "scaler": (make_pipeline(CODED, MinMaxScaler(), LogisticRegression()), "scikit-learn"),
}


def served(model: Any, task: Task = Task.BINARY) -> Served:
    """Return a model as a loaded version."""
    return Served(EventSchema(model="m", task=task, features=world.FEATURES), "v1", "0" * 64, model)


@cache
def made(name: str) -> proved.Proved:
    """Return a fitted model of the world by name, proved."""
    return proved.prove(served(getattr(world, name)()), world.bins())


@pytest.mark.parametrize("name", BINARY)
def test_a_translation_answers_as_the_model(name: str) -> None:
    """By numpy or treelite where there is one, else by the library itself; the answers are the model's."""
    pipeline, expected = BINARY[name]
    frame, labels = world.rows(300, 3)
    version = proved.prove(served(pipeline.fit(frame, labels)), world.bins())
    few = {n: frame[n].tolist()[:20] for n in frame}

    assert expected == version.name
    assert pytest.approx(version.reference.predict(few), abs=1e-12) == version.predictor(20).predict(few)
    assert version.reference is version.predictor(proved.FEW_ROWS + 1)
    assert (expected == "scikit-learn") == bool(version.why_not_fast)


@pytest.mark.parametrize("last", [LinearRegression(), ExtraTreesRegressor(5, random_state=0)], ids=["linear", "trees"])
def test_a_value_is_predicted_fast_too(last: Any) -> None:
    """Regression."""
    frame, _ = world.rows(300, 3)
    version = proved.prove(
        served(make_pipeline(SCALED, last).fit(frame, frame["x"] * 2), Task.REGRESSION), world.bins()
    )
    assert version.fast is not None, version.why_not_fast


@pytest.mark.parametrize(
    "last", [LogisticRegression(), RandomForestClassifier(5, random_state=0)], ids=["linear", "trees"]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_class_is_predicted_fast_too(last: Any, classes: int) -> None:
    """Two classes and three, as text."""
    frame, _ = world.rows(300, 3)
    label = np.array(["low", "mid", "high"])[np.clip(np.digitize(frame["x"], [-0.5, 0.5]), 0, classes - 1)]
    version = proved.prove(served(make_pipeline(SCALED, last).fit(frame, label), Task.MULTICLASS), world.bins())
    assert version.fast is not None, version.why_not_fast


ROW = st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from(["a", "b", "d", "new", None]))


@given(st.lists(ROW, min_size=1, max_size=9))
def test_any_rows_have_the_models_answers(rows: list[tuple[Any, ...]]) -> None:
    """Far from the baseline too, missing or never seen."""
    version = made("trees")
    x, z, c = zip(*rows, strict=True)
    given_rows = {"x": [np.nan if v is None else v for v in x], "z": list(z), "c": list(c)}
    assert version.fast is not None
    assert pytest.approx(version.reference.predict(given_rows), abs=1e-12) == version.fast.predict(given_rows)


@dataclass
class Off:
    """A predictor that is wrong where *wrong* says so."""

    inner: Any
    wrong: Any
    name: str = "off"

    def predict(self, rows: Columns) -> Values:
        """Return the model's answers, shifted where they are wrong."""
        return self.inner.predict(rows) + 1e-6 * np.array(
            [self.wrong(x, c) for x, c in zip(rows["x"], rows["c"], strict=True)]
        )


@pytest.mark.parametrize("wrong", [lambda x, c: x > 2.5, lambda x, c: np.isnan(x), lambda x, c: c is None,
                                   lambda x, c: c == parity.UNSEEN, lambda x, c: x < -4])  # fmt: skip
def test_a_small_error_anywhere_is_found(wrong: Any) -> None:
    """At the range's end, beyond it, without a value, and in a category that was never seen."""
    version = made("trees")
    rows = parity.plain_rows(world.SCHEMA, world.bins())
    off = Off(version.reference, wrong)

    assert parity.difference(version.reference, version.reference, rows, version.nullable) is None
    assert "differs by 1e-06" == str(parity.difference(off, version.reference, rows, version.nullable))[-16:]


def test_a_river_model_is_served_as_it_is() -> None:
    """It learns and answers one row at a time; its Select needs the features that it names."""
    model = compose.Select("x", "z") | preprocessing.StandardScaler() | linear_model.LogisticRegression()
    frame, labels = world.rows(200, 0)
    for row, label in zip(scoring.records(frame), labels, strict=True):
        model.learn_one(row, int(label))
    version = proved.prove(served(model), world.bins())

    assert ("river", frozenset("c"), None) == (version.name, version.nullable, version.fast)
    assert "not translated" in version.why_not_fast


def test_features_that_the_model_needs_are_known_at_load() -> None:
    """A logistic regression needs its numbers, trees need none."""
    assert (frozenset("c"), frozenset("xzc")) == (made("linear").nullable, made("trees").nullable)


def test_a_model_without_answers_is_no_model() -> None:
    """It is refused before it could replace one that answers."""
    frame, labels = world.rows(50, 0)
    narrow = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[["x"]], labels)
    with pytest.raises(errors.ArtifactError, match="does not answer rows of its own baseline"):
        proved.prove(served(narrow), world.bins())


@given(st.lists(ROW, min_size=1, max_size=5))
def test_a_model_sees_what_training_saw(rows: list[tuple[Any, ...]]) -> None:
    """The DataFrame of a request is that of the same events decoded."""
    x, z, c = zip(*rows, strict=True)
    table = pa.table({"x": pa.array(x, pa.float64()), "z": pa.array(z, pa.float64()), "c": pa.array(c, pa.string())})
    online = columns.frame(world.SCHEMA, {"x": [np.nan if v is None else v for v in x], "z": list(z), "c": list(c)})
    assert_frame_equal(scoring.inputs(world.SCHEMA, table), online)
