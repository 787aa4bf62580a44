"""Surrogate importance of a model from its log; and when it is unknown."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from features.events.decode import ID, TIME
from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.scoring import Floats, Values
from retrain_flows.training import surrogate_importance

FEATURES = {"x0": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL, "x1": FeatureKind.NUMERIC}


def schema(task: Task = Task.BINARY) -> EventSchema:
    """Return a schema of two numbers and a category."""
    return EventSchema(model="m", task=task, features=FEATURES)


def log(predictions: Values | None = None, n: int = 900, seed: int = 5) -> pa.Table:
    """Return *n* logged rows; predictions follow x0 if none are given. Some values are missing."""
    rng = np.random.default_rng(seed)
    x0, x1, c = rng.normal(size=n), rng.normal(size=n), rng.choice(["a", "b", "rare"], n, p=[0.5, 0.49, 0.01])
    made = 1 / (1 + np.exp(-2 * x0)) if predictions is None else predictions
    hidden = rng.random(n) < 0.02
    columns = {ID: [f"{i:05}" for i in range(n)], TIME: np.arange(n), PREDICTION: made, "x0": x0,
               "x1": pa.array(x1, mask=hidden), "c": pa.array(c, mask=hidden)}  # fmt: skip
    return pa.table(columns)


def x0(n: int = 900) -> Floats:
    """Return the first feature of the log."""
    return log(n=n)["x0"].to_numpy()


def test_all_importance_is_that_of_the_only_feature_used() -> None:
    """The surrogate's own noise is all that is left for the others."""
    made = surrogate_importance.measure(schema(), log())
    assert FEATURES.keys() == made.keys()
    assert made["x0"] > 0.99
    assert abs(sum(made.values()) - 1) < 1e-5


def test_a_category_can_be_what_matters() -> None:
    """Categories are told apart, not put in an order."""
    category = log()["c"].to_pylist()
    told = np.array([{"a": 1.0, "b": 5.0, "rare": 3.0, None: 3.0}[c] for c in category])
    assert surrogate_importance.measure(schema(Task.REGRESSION), log(told))["c"] > 0.99


@pytest.mark.parametrize("classes", [3, 40])
def test_classes_are_told_from_what_they_follow(classes: int) -> None:
    """Also where there are more of them than are told apart."""
    named = np.array([f"k{int(k)}" for k in np.clip(np.abs(x0()) * classes / 2, 0, classes - 1)], dtype=object)
    assert surrogate_importance.measure(schema(Task.MULTICLASS), log(named))["x0"] > 0.95


def test_the_order_of_the_rows_does_not_matter() -> None:
    """Time orders them; the same log gives the same figures."""
    made = log()
    shuffled = made.take(np.random.default_rng(0).permutation(len(made)))
    assert surrogate_importance.measure(schema(), made) == surrogate_importance.measure(schema(), shuffled)


def test_predictions_that_are_no_numbers_are_left_out() -> None:
    """One infinite answer would be all that a squared error sees."""
    told = x0().copy()
    told[[3, 850]] = np.nan, np.inf
    assert surrogate_importance.measure(schema(Task.REGRESSION), log(told))["x0"] > 0.99


NOISE = np.random.default_rng(9).random(900)
UNKNOWN = {
    "nothing explains it": (Task.BINARY, NOISE),
    "nothing explains the class": (Task.MULTICLASS, np.where(NOISE > 0.5, "a", "b").astype(object)),
    "always the same": (Task.REGRESSION, np.ones(900)),
    "always the same class": (Task.MULTICLASS, np.full(900, "a", object)),
    "the same in the end": (Task.REGRESSION, np.where(np.arange(900) < 600, NOISE, 0.5)),
    "another rule in the end": (Task.REGRESSION, np.where(np.arange(900) < 600, x0(), -x0())),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_explained_is_unknown(case: str) -> None:
    """No feature is called unimportant because a surrogate failed."""
    task, predictions = UNKNOWN[case]
    assert {} == surrogate_importance.measure(schema(task), log(predictions))


@pytest.mark.parametrize(("n", "known"), [(0, False), (199, False), (200, True)])
def test_too_few_rows_say_nothing(n: int, known: bool) -> None:
    """A surrogate of a handful of rows would be noise."""
    assert known == bool(surrogate_importance.measure(schema(), log(n=n)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x1", pa.nulls(900, pa.float64())),
        ("c", pa.nulls(900, pa.string())),
        ("x1", pa.array([np.inf, -np.inf, np.nan] * 300)),
        ("c", pa.array([None] * 600 + ["new"] * 300)),
    ],
)
def test_a_feature_may_hold_nothing_of_use(name: str, values: pa.Array) -> None:
    """Logs do; what the others mean is told all the same."""
    table = log()
    table = table.set_column(table.column_names.index(name), name, values)
    made = surrogate_importance.measure(schema(), table)
    assert made["x0"] > 0.99
    assert made[name] < 0.01


@pytest.mark.parametrize("kind", FeatureKind)
def test_features_may_all_be_of_one_kind(kind: FeatureKind) -> None:
    """Only numbers, or only categories."""
    table = log()
    if kind is FeatureKind.CATEGORICAL:
        table = table.set_column(3, "x0", pa.array([str(round(x)) for x in x0()]))
    name = "x0" if kind is FeatureKind.NUMERIC else "c"
    chosen = {"x0": kind, ("x1" if name == "x0" else "c"): kind}
    only = EventSchema(model="m", task=Task.BINARY, features=chosen)
    assert surrogate_importance.measure(only, table)["x0"] > 0.9


def test_more_categories_than_the_trees_can_hold() -> None:
    """The rarest are one category; what never comes before the last third is unknown, and nothing raises."""
    table = log(n=3000)
    names = pa.array([f"shop{i}" for i in np.random.default_rng(1).integers(0, 600, 3000)])
    table = table.set_column(table.column_names.index("c"), "c", names)
    assert surrogate_importance.measure(schema(), table)["x0"] > 0.9
