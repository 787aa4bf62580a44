"""`leeway init` infers the task from nearly all predictions and labels, and says what it sets aside or doubts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.events import decode
from features.schema import Task
from leeway import cli
from leeway.project.load import Model, Project

ROWS = 1000
RNG = np.random.default_rng(1)
SURE = RNG.random(ROWS).round(6)
LABEL = (RNG.random(ROWS) < SURE).astype(int)


def begun(folder: Path, predictions: Any, labels: Any, *words: str) -> tuple[Model, str]:
    """Return the model that `init` writes for a log with these *predictions* and *labels*, and what it prints."""
    at = pd.date_range("2024-01-01", periods=ROWS, freq="2h", tz="UTC")
    log = pd.DataFrame({"id": [f"e{i}" for i in range(ROWS)], "time": at, "x": RNG.normal(size=ROWS)})
    for name, values in (("prediction", predictions), ("label", labels)):
        log = log if values is None else log.assign(**{name: values})
    log.to_csv(folder / "a.csv", index=False)
    done = CliRunner().invoke(cli.app, ["-p", str(folder), "init", "--from", str(folder / "a.csv"), *words],
                              catch_exceptions=False)  # fmt: skip
    return Project.load(folder).model(), " ".join((done.stdout + done.stderr).split())


def with_odd(values: npt.NDArray[Any], odd: Any, share: float = 1 / ROWS) -> list[Any]:
    """Return *values* with *odd* in place of a *share* of them."""
    every = round(1 / share)
    return [odd if i % every == every // 2 else value for i, value in enumerate(values.tolist())]


@pytest.mark.parametrize("odd", [1.0000000000000002, -1e-9, -1, -999, 7])
@pytest.mark.parametrize("labelled", [True, False])
def test_one_odd_prediction_makes_no_regression(tmp_path: Path, labelled: bool, odd: float) -> None:
    """It is set aside as a dead letter, which is said."""
    model, said = begun(tmp_path, with_odd(SURE, odd), LABEL if labelled else None)
    made = decode.read_events(model.schema, "predictions", model.events.predictions)

    assert Task.BINARY is model.schema.task
    assert (ROWS - 1, 1) == (made.table.num_rows, len(made.rejects))
    assert f"1 of 1,000 predictions are not from 0 to 1 ({float(odd)!r}): such rows are set aside" in said


@pytest.mark.parametrize(
    ("odd", "share"), [(9, 1 / ROWS), (-1, 1 / 11), (99, 1 / 50), ("unknown", 1 / 20), (0.5, None)]
)
@pytest.mark.parametrize("predicted", [True, False])
def test_labels_beside_0_and_1_are_set_aside(tmp_path: Path, predicted: bool, odd: Any, share: float | None) -> None:
    """Such as -1 for unknown; a fraction is none of them, but then labels are numbers."""
    model, said = begun(tmp_path, SURE if predicted else None, with_odd(LABEL, odd, share or 1 / 20))
    if share is None:
        assert Task.REGRESSION is model.schema.task
        return
    labels = decode.read_events(model.schema, "labels", model.events.labels)

    assert Task.BINARY is model.schema.task
    assert model.events.positive is None
    assert round(ROWS * share) == pytest.approx(len(labels.rejects), abs=1)
    assert f"labels are neither 0 nor 1 ({odd})" in said


@pytest.mark.parametrize(("zero", "one"), [(-1, 1), (1, 2), (0, 7)])
@pytest.mark.parametrize("predicted", [True, False])
def test_two_whole_labels_are_binary(tmp_path: Path, predicted: bool, zero: int, one: int) -> None:
    """The greater one counts as 1, and all labels are read."""
    model, said = begun(tmp_path, SURE if predicted else None, np.where(LABEL == 1, one, zero))
    labels = decode.read_events(model.schema, "labels", model.events.labels)

    assert (Task.BINARY, str(one)) == (model.schema.task, model.events.positive)
    assert LABEL.tolist() == labels.table["label"].to_pylist()
    assert "set aside" not in said


def test_of_two_whole_labels_the_one_with_higher_predictions_counts_as_1(tmp_path: Path) -> None:
    """As in questionnaires, where 1 is yes and 2 is no."""
    model, _ = begun(tmp_path, SURE, 2 - LABEL)

    assert "1" == model.events.positive


@pytest.mark.parametrize(
    ("predictions", "labels", "said"),
    [
        (SURE * 100, LABEL, "look like percentages"),
        (np.log(SURE / (1 - SURE)), LABEL, "look like log-odds"),
        (np.log(SURE / (1 - SURE)), 2 * LABEL - 1, "look like log-odds"),
        (SURE + 300, LABEL, "log the probability"),
        (SURE, np.where(SURE < 0.1, 2, LABEL), "name the task: --task binary or multiclass"),
    ],
)
def test_a_regression_of_a_few_labels_is_remarked_on(tmp_path: Path, predictions: Any, labels: Any, said: str) -> None:
    """It says what the predictions look like and names --task; named, nothing is said."""
    model, text = begun(tmp_path, predictions, labels)
    _, named = begun(tmp_path, predictions, labels, "--task", "regression", "--force")

    assert Task.REGRESSION is model.schema.task
    assert said in text
    assert "--task binary" in text
    assert said not in named


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        (SURE / 3, RNG.poisson(0.1, ROWS)),  # counts of claims
        (RNG.exponential(0.2, ROWS), None), (RNG.poisson(0.3, ROWS), None), (RNG.normal(0.5, 0.2, ROWS), None),
        (SURE, RNG.random(ROWS)), (RNG.normal(0.5, 0.4, ROWS), RNG.normal(0.5, 0.4, ROWS)),
    ],
    ids=["claims", "right tail", "counts", "normal", "shares", "both normal"],
)  # fmt: skip
def test_numbers_that_mostly_lie_from_0_to_1_stay_numbers(tmp_path: Path, predictions: Any, labels: Any) -> None:
    """Counts go on with 2, and quantities have many values beyond 1."""
    model, said = begun(tmp_path, predictions, labels)

    assert Task.REGRESSION is model.schema.task
    assert "set aside" not in said


def test_classes_in_numbers_stay_classes(tmp_path: Path) -> None:
    """Predictions of -1 and 1 beside labels of -1 and 1 are classes, not probabilities."""
    model, _ = begun(tmp_path, np.where(SURE > 0.5, 1, -1), 2 * LABEL - 1)

    assert Task.MULTICLASS is model.schema.task
