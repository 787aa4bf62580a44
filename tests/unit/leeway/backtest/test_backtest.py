"""`leeway backtest`: the whole loop on a labelled log, beside its references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import errors
from features.schema import Task
from leeway.backtest import history, settings
from leeway.infer.roles import ColumnWishes
from tests.support import changing_log
from tests.support.command_line import SMALL_PROJECT, document, invoke

pytestmark = pytest.mark.slow  # trains some fifty models


def test_after_a_sudden_change_the_loop_does_better_than_no_refit(tmp_path: Path) -> None:
    """It finds the change, retrains and promotes; as few refits at fixed times do worse, and nothing is left behind.

    The new champion's baseline, of the rows since the change, is renewed once it can have the guarantee.
    """
    log = changing_log.write(tmp_path / "log.parquet", days=80, change=40)
    page = tmp_path / "page.html"
    done = document(tmp_path / "leeway.yaml", "backtest", str(log), "--plot", str(page))
    losses = {schedule["name"]: schedule["loss"] for schedule in done["schedules"]}
    loop = done["schedules"][0]

    assert 1 <= loop["promotions"] <= loop["trainings"]
    assert losses["leeway (project)"] < losses["static"]
    assert losses["leeway (project)"] < min(loss for name, loss in losses.items() if "evenly" in name)
    assert {"promoted"} <= {r["state"] for r in done["policies"][0]["runs"]}
    assert "renew_baseline" in {d["action"] for d in done["policies"][0]["decisions"]}
    assert page.stat().st_size > 1000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.parquet", "page.html"]


def test_on_a_stable_log_nothing_is_promoted_and_a_policy_is_shown_beside(tmp_path: Path) -> None:
    """The gate keeps the champion where a refit is no better; a policy that never retrains trains never."""
    log = changing_log.write(tmp_path / "log.parquet", days=70, change=None)
    policy = tmp_path / "never.yaml"
    policy.write_text("signals: {performance: alert, label: alert}\nretrain: {schedule: {interval: null}}\n")
    done = document(tmp_path / "leeway.yaml", "backtest", str(log), "--policy", str(policy))
    schedules = {schedule["name"]: schedule for schedule in done["schedules"]}

    assert schedules["leeway (project)"]["promotions"] == 0
    assert schedules["leeway (never)"]["trainings"] == 0
    assert schedules["leeway (never)"]["loss"] == schedules["static"]["loss"]


def test_a_file_that_is_named_is_the_whole_log(tmp_path: Path) -> None:
    """Another one beside it with the same columns is another log; a folder that is named is all of its files."""
    (tmp_path / "logs").mkdir()
    log = changing_log.write(tmp_path / "logs" / "log.parquet", days=30, change=None)
    frame = pd.read_parquet(log)
    later = frame.assign(id="b" + frame["id"].astype(str))
    later.to_parquet(tmp_path / "logs" / "other.parquet")
    events = list[int]()
    for named in (log, log.parent):
        with settings.drafted(named, ColumnWishes()) as project:
            events.append(history.read(project.model()).requests.num_rows)

    assert [len(frame), 2 * len(frame)] == events


def test_a_log_without_labels_is_refused_in_words(tmp_path: Path) -> None:
    """There is nothing to compare, and the message says which column is missing."""
    log = changing_log.write(tmp_path / "log.parquet", days=30, change=None)
    pd.read_parquet(log).drop(columns=["label", "label_time"]).to_parquet(log)
    with pytest.raises(errors.DataError, match="no column looks like"):
        invoke(tmp_path / "leeway.yaml", "backtest", str(log))


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        (lambda x, label: 1 / (1 + np.exp(-3 * x)), Task.BINARY),
        (lambda x, label: 3 * x, Task.BINARY),  # log-odds: the labels tell the task
        (lambda x, label: np.where(x > 0, "yes", "no"), Task.BINARY),
        (lambda x, label: np.where(x > 1, "high", np.where(x > 0, "middle", "low")), Task.MULTICLASS),
        (lambda x, label: x * 10, Task.REGRESSION),
    ],
    ids=["probabilities", "log-odds", "two names", "three names", "numbers"],
)
@pytest.mark.parametrize("version", [None, "v7"])
def test_predictions_of_the_log_are_ignored_with_or_without_versions(
    tmp_path: Path, answer: Any, task: Task, version: str | None
) -> None:
    """They are no features either; the task is that of the labels."""
    log = changing_log.write(tmp_path / "log.parquet", days=30, change=None)
    frame = pd.read_parquet(log)
    made = answer(frame["x"].to_numpy(), frame["label"].to_numpy())
    frame = frame.assign(score=made) if version is None else frame.assign(score=made, model_version=version)
    if task is not Task.BINARY or made.dtype.kind == "U":
        frame["label"] = made
    frame.to_parquet(log)
    with settings.drafted(log, ColumnWishes()) as project:
        model = project.model()
        read = history.read(model)

    assert task is model.schema.task
    assert {"x", "z"} == set(model.schema.features)
    assert len(frame) == read.requests.num_rows == read.labels.num_rows
    assert 0 == read.rejected


def test_predictions_under_any_name_are_no_features_once_they_are_named(tmp_path: Path) -> None:
    """A column of which no name says that it is the answer would be an input that nearly gives the label away."""
    log = changing_log.write(tmp_path / "log.parquet", days=30, change=None)
    frame = pd.read_parquet(log)
    frame.assign(uplift_b=1 / (1 + np.exp(-3 * frame["x"])), build="b7").to_parquet(log)
    named = ColumnWishes.of({"prediction": "uplift_b", "version": "build"}, None, None)
    with settings.drafted(log, named) as project:
        assert {"x", "z"} == set(project.model().schema.features)
    with pytest.raises(errors.ProjectError, match="nowhere"):
        invoke(tmp_path / "leeway.yaml", "backtest", str(log), "--prediction", "nowhere")


def test_predictions_without_labels_are_refused_with_the_option_that_names_them(tmp_path: Path) -> None:
    """There is no project file whose keys a hint could name."""
    log = changing_log.write(tmp_path / "log.parquet", days=30, change=None)
    pd.read_parquet(log).rename(columns={"label": "score"}).drop(columns="label_time").to_parquet(log)
    with pytest.raises(errors.DataError, match="no column looks like the label") as refused:
        invoke(tmp_path / "leeway.yaml", "backtest", str(log))

    assert "--label COLUMN" in str(refused.value.hint)


def test_a_project_that_cannot_be_replayed_is_told_of_the_log_of_ones_own(tmp_path: Path) -> None:
    """A first `leeway backtest` in a folder with a project that has no trainer: LOG needs none."""
    project = tmp_path / "leeway.yaml"
    project.write_text(SMALL_PROJECT)
    with pytest.raises(errors.ProjectError) as refused:
        invoke(project, "backtest")

    assert "leeway backtest LOG" in str(refused.value.hint)
