"""The check of calibration: sees a model that is clearly off, and refuses no equal one, whatever slices remember."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.schema import EventSchema, FeatureKind, Task
from features.scoring import Floats, Values
from features.window import Windows, from_ms
from registry.records import Check, CheckResult
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import calibration
from retrain_flows.gate.calibration import BINS, Pair

DAY = timedelta(days=1)
PER_DAY = 40


def schema(task: Task) -> EventSchema:
    """Return the schema of a model with one feature, and slices of a day."""
    return EventSchema(model="m", task=task, features={"x": FeatureKind.NUMERIC}, windows=Windows(size=DAY, slide=DAY))


def dataset(task: Task, target: Values) -> Dataset:
    """Return rows with these labels, forty a day."""
    n = len(target)
    frame = pd.DataFrame({"x": np.zeros(n)})
    ids = np.arange(n).astype(str).astype(object)
    times = np.arange(n) * (86_400_000 // PER_DAY)
    return Dataset(task, from_ms(10**12), frame, target, np.full(n, 0.5), np.full(n, "v1", object), times, ids)


def check(task: Task, target: Values, challenger: Values, champion: Values, *, margin: float = 0.05) -> Check:
    """Return the check of two models' predictions."""
    pair = Pair(dataset(task, target), challenger, champion)
    return calibration.check(pair, schema(task), Gate(calibration_margin=margin))


class World(NamedTuple):
    """How many days there are, how long effects of a day last, and how large those of labels and of a model are."""

    task: Task
    days: int
    memory: float = 0.0
    of_labels: float = 0.0
    of_model: float = 0.0


def by_day(rng: np.random.Generator, world: World) -> Floats:
    """Return an effect a row that is one a day, (rows,), AR(1) from day to day."""
    effects, shocks = np.zeros(world.days), rng.normal(size=world.days)
    for day in range(world.days):
        kept = world.memory * effects[day - 1] if day else 0.0
        effects[day] = kept + shocks[day] * (np.sqrt(1 - world.memory**2) if day else 1.0)
    return np.repeat(effects, PER_DAY)


def logistic(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float64)


def drawn(rng: np.random.Generator, world: World) -> tuple[Floats, Floats, Floats]:
    """Return labels, and the predictions of two models that are equally good; each errs by row and by day."""
    n = world.days * PER_DAY
    signal = rng.normal(size=n)
    actual = signal + world.of_labels * by_day(rng, world)
    models = [signal + 0.3 * rng.normal(size=n) + world.of_model * by_day(rng, world) for _ in range(2)]
    if world.task is Task.REGRESSION:
        return actual + rng.normal(size=n), models[0], models[1]
    return (rng.random(n) < logistic(actual)).astype(float), logistic(models[0]), logistic(models[1])


@pytest.mark.parametrize(
    "world",
    [World(Task.BINARY, 7), World(Task.BINARY, 14, 0.8, 0.5, 0.2), World(Task.BINARY, 28, 0.0, 0.5, 0.2),
     World(Task.REGRESSION, 14), World(Task.REGRESSION, 28, 0.8, 0.5, 0.2)],
)  # fmt: skip
def test_an_equal_model_is_refused_in_fewer_than_one_of_a_hundred(world: World) -> None:
    """Even with no margin at all, and where the errors of a day last."""
    rng, runs = np.random.default_rng(4), 300
    refused = sum(check(world.task, *drawn(rng, world), margin=0.0).result is CheckResult.FAIL for _ in range(runs))
    assert refused / runs < 0.01


def test_a_model_that_is_sure_of_too_much_is_refused() -> None:
    """It says .99 where .8 happens; the champion says .8."""
    rng = np.random.default_rng(1)
    signal = 2 * rng.normal(size=28 * PER_DAY)
    target, honest = (rng.random(len(signal)) < logistic(signal)).astype(float), logistic(signal)
    sure = check(Task.BINARY, target, logistic(4 * signal), honest)
    assert (CheckResult.FAIL, CheckResult.PASS) == (sure.result, check(Task.BINARY, target, honest, honest).result)
    assert CheckResult.PASS is check(Task.BINARY, target, honest, logistic(4 * signal)).result
    assert sure.got.startswith("expected calibration error 0.1")
    assert sure.numbers["error"] > sure.numbers["champion_error"] + 0.05


def test_a_biased_regression_is_refused_beyond_the_margin() -> None:
    """In standard deviations of the label, in either direction; within the margin it passes, however many rows."""
    rng = np.random.default_rng(2)
    value = rng.normal(size=28 * PER_DAY)
    target = value + 0.1 * rng.normal(size=len(value))
    for bias, result in ((0.3, CheckResult.FAIL), (-0.3, CheckResult.FAIL), (0.04, CheckResult.PASS)):
        biased = check(Task.REGRESSION, target, value + bias, value)
        assert result is biased.result
        assert abs(bias) == pytest.approx(biased.numbers["error"], abs=0.01)
        assert biased.got.startswith("mean bias ")
        assert " sd against " in biased.got


def test_few_slices_and_classes_are_not_compared() -> None:
    """Both pass, and say why."""
    rng = np.random.default_rng(3)
    target = (rng.random(4 * PER_DAY) < 0.5).astype(float)
    few = check(Task.BINARY, target, np.full(len(target), 0.99), np.full(len(target), 0.5))
    assert (CheckResult.PASS, True) == (few.result, few.got.endswith("4 slices, a comparison needs 5"))
    labels = np.array(["a", "b"] * 400, dtype=object)
    classes = check(Task.MULTICLASS, labels, labels, labels)
    assert (CheckResult.PASS, "not measured: predictions are classes, without probabilities") == (
        classes.result, classes.got
    )  # fmt: skip


@given(
    answers=st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=300),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_mean_of_deviations_is_the_expected_calibration_error(answers: list[float], seed: int) -> None:
    """By the definition: over bins, the share of rows times the distance of mean prediction and share of label 1."""
    predicted = np.array(answers)
    target = (np.random.default_rng(seed).random(len(predicted)) < 0.5).astype(float)
    bins = np.array([np.sum(np.unique(np.quantile(predicted, np.arange(1, BINS) / BINS)) < p) for p in predicted])
    expected = sum(
        (bins == b).mean() * abs(predicted[bins == b].mean() - target[bins == b].mean()) for b in np.unique(bins)
    )
    measured = calibration.deviations(Task.BINARY, predicted, target).mean()
    assert expected == pytest.approx(measured, abs=1e-9)
    assert -1e-12 <= measured <= 1


def test_bins_hold_equally_many_rows_and_equal_predictions_share_one() -> None:
    """A tenth of the rows each; a model that always says the same has a single bin."""
    rng = np.random.default_rng(5)
    assert {100} == set(np.bincount(calibration._bins(rng.random(1000))))
    assert 1 == len(set(calibration._bins(np.full(1000, 0.3))))
