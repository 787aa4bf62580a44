"""Conformance checks of a trainer for `leeway retrain`: one function, also for your own trainers.

It asks what the loop asks, on rows that are made from the model's own features: fitting, answers, the model file under
`retrain.trust`, and for an online trainer learning on from a champion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features import scoring
from features.errors import TrainerError
from features.schema import EventSchema, FeatureKind, Task
from features.scoring import Values
from features.window import UTC, to_ms
from registry.files import artifacts
from retrain_flows.data.dataset import Dataset, Objects
from retrain_flows.training import online, static

ROWS = 600
CATEGORIES = ("a", "b", "c")
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TrainerCase:
    """A trainer of a project: *path* is ``module:function`` from *folder*, *trust* what its model file may hold."""

    path: str
    mode: str
    schema: EventSchema
    folder: Path
    trust: tuple[str, ...] = ()

    @property
    def trainer(self) -> static.Trainer:
        """The trainer, loaded as a retrain loads it."""
        return static.load_trainer(self.path, self.folder)

    def learned(self, rows: Dataset, champion: Any | None = None) -> Any:
        """Return a model that has learned from *rows*, after what an online *champion* had learned."""
        if self.mode == "static":
            return static.fit_static(self.trainer, rows)
        return online.learn(self.trainer, champion, rows, label_delay=timedelta(0)).model


def labelled_rows(schema: EventSchema, rows: int = ROWS, seed: int = 3) -> Dataset:
    """Return *rows* labelled rows, one a minute: features with missing values, and a label that follows."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: _column(kind, rng, rows) for name, kind in schema.features.items()})
    signal = sum(_codes(frame[name]) for name in frame) + rng.normal(0, 0.5, rows)
    return Dataset(
        task=schema.task,
        as_of=START + timedelta(days=30),
        frame=frame,
        target=_target(schema.task, np.asarray(signal)),
        logged=scoring.unanswered(schema.task, rows),
        versions=np.array(["v1"] * rows, object),
        times=to_ms(START) + 60_000 * np.arange(rows),
        ids=np.array([f"r{i}" for i in range(rows)], object),
    )


def _column(kind: FeatureKind, rng: np.random.Generator, rows: int) -> Any:
    if kind is FeatureKind.NUMERIC:
        return np.where(rng.random(rows) < 0.05, np.nan, rng.normal(size=rows))
    return np.where(rng.random(rows) < 0.05, None, rng.choice(np.array(CATEGORIES, object), rows))


def _codes(column: pd.Series) -> Any:
    numbers = column if column.dtype == np.float64 else column.map({c: i for i, c in enumerate(CATEGORIES)})
    return pd.to_numeric(numbers).fillna(0).to_numpy(np.float64)


def _target(task: Task, signal: Any) -> Values:
    if task is Task.REGRESSION:
        return np.asarray(signal, np.float64)
    if task is Task.BINARY:
        return np.asarray(signal > np.median(signal), np.float64)
    classes: Objects = np.array(CATEGORIES, object)
    return classes[np.digitize(signal, np.quantile(signal, (0.33, 0.66)))]


def usable_rows(case: TrainerCase, rows: Dataset) -> Dataset:
    """Return *rows*, without those that lack a value where the trainer's model cannot learn from such rows.

    That is the model's own affair: its features may have no missing values, or its pipeline may fill them.
    """
    try:
        case.learned(rows)
    except TrainerError:
        return rows.rows(~rows.frame.isna().any(axis=1).to_numpy())
    return rows


def check_trainer(case: TrainerCase) -> None:
    """Ask *case* all that a retrain relies on; AssertionError names the first promise that is broken."""
    rows = usable_rows(case, labelled_rows(case.schema))
    model = case.learned(rows)
    check_makes_new_models(case)
    check_answers(case, model, rows)
    check_learns_alike(case, model, rows)
    check_leaves_rows_alone(case, rows)
    check_model_file(case, model, rows)
    if case.mode == "online":
        check_learns_on(case, rows)


def check_makes_new_models(case: TrainerCase) -> None:
    """Each call of the function gives a model of its own, which has learned nothing."""
    assert case.trainer.new() is not case.trainer.new(), "the trainer must return a new model each time"


def check_answers(case: TrainerCase, model: Any, rows: Dataset) -> None:
    """There is an answer for each row, a probability where the task is binary, also where a category is new."""
    answers = scoring.score(model, rows.frame, case.schema.task)
    assert len(rows) == len(answers), "one answer a row"
    assert scoring.is_answered(answers).all(), "no answer is missing"
    if case.schema.task is Task.BINARY:
        assert ((answers >= 0) & (answers <= 1)).all(), "a binary answer is a probability"
    categorical = [name for name, kind in case.schema.features.items() if kind is FeatureKind.CATEGORICAL]
    unseen = rows.frame.assign(**dict.fromkeys(categorical, "never seen in training"))
    assert scoring.is_answered(scoring.score(model, unseen, case.schema.task)).all(), (
        "a category that is new has an answer"
    )


def check_learns_alike(case: TrainerCase, model: Any, rows: Dataset) -> None:
    """The same rows give the same model file: its sha256 tells a model that was rolled back. Set `random_state`."""
    again = case.learned(rows)
    assert artifacts.dump_model(model) == artifacts.dump_model(again), "two models of the same rows differ"


def check_leaves_rows_alone(case: TrainerCase, rows: Dataset) -> None:
    """Training changes none of its rows: the gate reads them afterwards."""
    before = rows.digest
    case.learned(rows)
    assert before == replace(rows).digest, "the trainer's model has changed its rows"


def check_model_file(case: TrainerCase, model: Any, rows: Dataset) -> None:
    """The model can be stored without pickle, is built again under `retrain.trust`, and answers as before."""
    again = artifacts.load_model(artifacts.dump_model(model), case.trust)
    expected = scoring.score(model, rows.frame, case.schema.task)
    np.testing.assert_array_equal(expected, scoring.score(again, rows.frame, case.schema.task))


def check_learns_on(case: TrainerCase, rows: Dataset) -> None:
    """A champion from its file goes on learning: what it answers after new rows is not what it answered before."""
    first, later = rows.rows(slice(len(rows) // 2)), rows.rows(slice(len(rows) // 2, None))
    stored = artifacts.dump_model(case.learned(first))
    before = scoring.score(artifacts.load_model(stored, case.trust), later.frame, case.schema.task)
    grown = case.learned(later, champion=artifacts.load_model(stored, case.trust))
    after = scoring.score(grown, later.frame, case.schema.task)
    assert not np.array_equal(before, after), "the champion has not learned from the new rows"
