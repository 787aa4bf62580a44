"""`leeway init`: a project file from a sample of events, which loads and passes `leeway check` unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from features.errors import DataError, NotEnoughData, ProjectError
from features.schema import FeatureKind, Task
from leeway import cli
from leeway.init import starter_file
from leeway.init.starter_text import yaml_text
from leeway.project import yaml_positions
from leeway.project.load import Project

ROWS = 240


def events() -> pd.DataFrame:
    """Return prediction events with a column of every sort."""
    return pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(ROWS)],
            "Timestamp": pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="UTC"),
            "score": [i / ROWS for i in range(ROWS)],
            "temp": [i * 7 % ROWS * 0.5 for i in range(ROWS)],
            "stops": [i % 3 for i in range(ROWS)],
            "carrier": ["UA", "AA", "DL"] * (ROWS // 3),
            "weekend": [True, False] * (ROWS // 2),
            "note": [f"text {i}" for i in range(ROWS)],
            "always": 7,
            "scheduled": pd.date_range("2024-02-01", periods=ROWS, freq="h"),
            "no": [i * 11 % ROWS * 1.5 for i in range(ROWS)],
        }
    )


def place(folder: Path, frame: pd.DataFrame, name: str) -> Path:
    """Write *frame* under *folder* in the format of *name* and return where."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    return path


def check(folder: Path) -> list[str]:
    """Return the errors of `leeway check`, and its warnings but those of a constant and of a log of ten days."""
    done = CliRunner().invoke(cli.app, ["-p", str(folder), "check", "--json"])
    found = json.loads(done.stdout)["checks"]
    told = [c["message"] for c in found if c["result"] != "ok"]
    return [
        message for message in told if "is always 7" not in message and "a false-alarm guarantee needs" not in message
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_columns_find_their_parts(tmp_path: Path, name: str) -> None:
    """From each format the parts, the task and the features with their kinds are found, and the result passes."""
    source = place(tmp_path, events(), f"events/predictions/{name}")

    written = starter_file.write(tmp_path / "leeway.yaml", source, model="late")

    schema = written.model("late").schema
    assert ("event_id", "Timestamp", "score") == (schema.columns.id, schema.columns.time, schema.columns.prediction)
    assert (Task.BINARY, "v1") == (schema.task, schema.version)
    numeric, categorical = FeatureKind.NUMERIC, FeatureKind.CATEGORICAL
    kinds = {"temp": numeric, "stops": numeric, "carrier": categorical, "weekend": categorical, "always": numeric,
             "no": numeric}  # fmt: skip
    assert kinds == schema.features
    assert [] == check(tmp_path)


def test_the_file_says_what_was_guessed(tmp_path: Path) -> None:
    """Comments tell why columns were left out, and which whole numbers may be codes."""
    source = place(tmp_path, events(), "events/predictions/a.csv")
    starter_file.write(tmp_path / "leeway.yaml", source)
    text = (tmp_path / "leeway.yaml").read_text()

    assert "stops: numeric  # only 3 values; categorical if they are codes" in text
    assert "# left out: note: nearly every row has its own value" in text
    assert "always: numeric  # always 7 in the sample: drift shows only once it changes" in text
    assert "# left out: scheduled: a time" in text
    assert "for instance [carrier]" in text


def test_labels_beside_the_predictions(tmp_path: Path) -> None:
    """A folder `labels` next to the predictions is taken, with its own columns."""
    source = place(tmp_path, events(), "events/predictions/a.csv")
    known = events()[["event_id"]].assign(
        known_at=events()["Timestamp"] + pd.Timedelta(hours=1), y=[0, 1] * (ROWS // 2)
    )
    place(tmp_path, known, "events/labels/a.parquet")

    model = starter_file.write(tmp_path / "leeway.yaml", source).model()

    assert str(tmp_path / "events/labels") == (model.events.labels and model.events.labels.path)
    assert ("y", "known_at") == (model.schema.columns.label, model.schema.columns.label_time)
    assert [] == check(tmp_path)


def test_labels_in_the_same_file(tmp_path: Path) -> None:
    """A label column among the predictions makes the same folder the source of labels."""
    source = place(tmp_path, events().assign(target=[1, 0] * (ROWS // 2)), "log/a.csv")

    model = starter_file.write(tmp_path / "leeway.yaml", source).model()

    assert model.events.predictions == model.events.labels
    assert ("target", "Timestamp") == (model.schema.columns.label, model.schema.columns.label_time)
    assert [] == check(tmp_path)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("score", ["yes", "no"] * (ROWS // 2), Task.MULTICLASS),
        ("score", [i * 10.0 for i in range(ROWS)], Task.REGRESSION),
        ("label", [i * 0.1 for i in range(ROWS)], Task.REGRESSION),
        ("label", [0, 1] * (ROWS // 2), Task.BINARY),
    ],
)
def test_the_task_is_guessed(tmp_path: Path, column: str, values: Any, expected: Task) -> None:
    """Text is a class, 0 to 1 a probability unless the labels say otherwise, all else a number."""
    source = place(tmp_path, events().assign(**{column: values}), "log/a.csv")

    assert expected == starter_file.write(tmp_path / "leeway.yaml", source).model().schema.task


def test_what_is_said_goes_before_what_is_guessed(tmp_path: Path) -> None:
    """--task and --model are taken as given; a name that no model can have is refused before anything is written."""
    source = place(tmp_path, events(), "log/a.csv")
    options = ["-p", str(tmp_path), "init", "--from", str(source), "--task", "regression", "--model"]

    with pytest.raises(ProjectError, match="is not a valid name of a model"):
        CliRunner().invoke(cli.app, [*options, "late flights"], catch_exceptions=False)
    assert not (tmp_path / "leeway.yaml").exists()

    assert 0 == CliRunner().invoke(cli.app, [*options, "late"]).exit_code
    assert Task.REGRESSION == Project.load(tmp_path).model("late").schema.task


@pytest.mark.parametrize(
    ("frame", "refusal", "said"),
    [
        (events().drop(columns="score"), DataError, "no column looks like the prediction"),
        (events().drop(columns=["Timestamp", "scheduled"]), DataError, "no column looks like the time"),
        (
            events().assign(event_id="same", Timestamp=events()["Timestamp"][0]),
            DataError,
            "no column looks like the id",
        ),
        (events()[["event_id", "Timestamp", "score"]], DataError, "no column can be a feature"),
        (events()[:0], NotEnoughData, "the sample has no rows"),
    ],
)
def test_a_sample_that_is_none(tmp_path: Path, frame: pd.DataFrame, refusal: type[DataError], said: str) -> None:
    """What cannot be guessed is named, and nothing is written."""
    source = place(tmp_path, frame, "log/a.csv")

    with pytest.raises(refusal, match=said):
        starter_file.write(tmp_path / "leeway.yaml", source)
    assert not (tmp_path / "leeway.yaml").exists()


@pytest.mark.parametrize("name", ["none", "a.txt", "empty.csv"])
def test_a_source_that_is_none(tmp_path: Path, name: str) -> None:
    """An absent path, another kind of file and an empty one are refused in words."""
    if name != "none":
        (tmp_path / name).write_text("" if name == "empty.csv" else "x")

    with pytest.raises(DataError) as caught:
        starter_file.write(tmp_path / "leeway.yaml", tmp_path / name)
    assert caught.value.hint


def test_nothing_is_written_over_unasked(tmp_path: Path) -> None:
    """A project file that is there stays, unless --force says otherwise."""
    source = place(tmp_path, events(), "log/a.csv")
    (tmp_path / "leeway.yaml").write_text("mine")
    with pytest.raises(ProjectError, match="exists already"):
        starter_file.write(tmp_path / "leeway.yaml", source)
    assert "mine" == (tmp_path / "leeway.yaml").read_text()

    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "init", "--from", str(source), "--force"])
    assert 0 == done.exit_code
    assert "a binary model with 4 numeric, 2 categorical features" in done.stdout
    assert Project.load(tmp_path).models


@given(st.text(min_size=1, max_size=20))
def test_any_column_name_is_read_back(name: str) -> None:
    """Whatever a column is called, the file that `init` writes holds exactly that name."""
    document = yaml_positions.parse(f"{yaml_text(name)}: numeric\n")

    assert {name: "numeric"} == document.data
