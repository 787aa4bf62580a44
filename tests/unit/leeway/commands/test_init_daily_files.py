"""`leeway init` on folders of daily files: rates, delays and the positive label come from all of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.window import UTC
from leeway.infer.roles import ColumnWishes
from leeway.init import starter_file
from leeway.project.load import Model
from tests.support.command_line import invoke

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 100


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """Write lines of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def log(folder: Path, rows_of_day: dict[int, int], *, labels_until: int = DAYS + 9) -> None:
    """Write a file of predictions a day, and labels by the day on which they come, one to six days after."""
    rng = np.random.default_rng(3)
    known: dict[int, list[dict[str, object]]] = {day: [] for day in range(DAYS + 10)}
    for day in range(DAYS):
        rows = []
        for n in range(rows_of_day[day]):
            at, score = START + timedelta(days=day, seconds=n * 80_000 / rows_of_day[day]), float(rng.random())
            own = {
                "request_id": f"{day}-{n}",
                "created_at": at.isoformat(),
                "model_version": "a",
                "x": float(rng.normal()),
            }
            rows.append({**own, "score": round(score, 4)})
            settled = at + timedelta(days=float(rng.uniform(1, 6)))
            outcome = "paid" if rng.random() < score else "default"
            label = {"request_id": own["request_id"], "outcome": outcome, "known_at": settled.isoformat()}
            known[(settled - START).days].append(label)
        write(folder / "log" / f"{day:03}.jsonl", rows)
    for day, labels in known.items():
        if labels and day < labels_until:
            write(folder / "labels" / f"{day:03}.jsonl", labels)


def model_of(folder: Path, **wishes: str) -> Model:
    """Return the model that is inferred."""
    written = starter_file.write(folder / "leeway.yaml", folder / "log", wishes=ColumnWishes.of(wishes, None, None))
    return written.model()


@pytest.mark.parametrize("end", [200, 20])
def test_the_rate_is_that_of_all_files(tmp_path: Path, end: int) -> None:
    """Whether the last file is larger or smaller than the first: windows, and the rows that a retrain needs."""
    log(tmp_path, {day: 100 + (end - 100) * day // DAYS for day in range(DAYS)})
    model = model_of(tmp_path)
    assert timedelta(days=7) == model.schema.windows.size
    assert model.retrain is not None
    assert (True, 100) == (model.retrain.min_rows >= 700, model.retrain.gate.min_rows)


@pytest.mark.parametrize("labels_until", [DAYS, DAYS + 9])
def test_the_label_delay_is_that_of_the_slow_labels(tmp_path: Path, labels_until: int) -> None:
    """Also where labels end with the log, so that of the last predictions only the quick ones are there."""
    log(tmp_path, dict.fromkeys(range(DAYS), 50), labels_until=labels_until)
    assert timedelta(days=6) == model_of(tmp_path).schema.label_delay


def test_files_of_labels_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """`leeway check` names them; the delay is that of the others."""
    log(tmp_path, dict.fromkeys(range(DAYS), 50))
    (tmp_path / "labels" / "003.jsonl").write_text("[1]\n")
    assert timedelta(days=6) == model_of(tmp_path).schema.label_delay


def test_the_positive_label_is_the_one_with_higher_scores(tmp_path: Path) -> None:
    """Where labels are elsewhere, too: `default` would be taken by its word."""
    log(tmp_path, dict.fromkeys(range(DAYS), 50))
    assert "paid" == model_of(tmp_path).events.positive


def frame(n: int = 300) -> pd.DataFrame:
    """Return a log with a probability and a class."""
    rng = np.random.default_rng(1)
    score = rng.random(n)
    times = pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC")
    return pd.DataFrame({"id": range(n), "time": times, "x": rng.normal(size=n), "y_pred_proba": score,
                         "y_pred": (score > 0.5).astype(int), "repaid": rng.random(n) < score})  # fmt: skip


def test_the_probability_is_the_prediction_and_the_class_no_feature(tmp_path: Path) -> None:
    """As NannyML's logs have them; a column that may be the label is named."""
    frame().to_parquet(tmp_path / "log.parquet")
    told = " ".join(invoke(tmp_path, "init", "--from", str(tmp_path / "log.parquet")).output.split())
    text = (tmp_path / "leeway.yaml").read_text()
    assert "prediction: y_pred_proba" in text
    assert "# left out: y_pred: by its name another output of the model" in text
    assert "`repaid` has two values and goes with the prediction" in told
    assert "if it is the label and no input, name it with --label repaid" in told
    assert "features: x, repaid" in told


def test_a_class_for_each_probability_is_the_prediction(tmp_path: Path) -> None:
    """Of several classes the class answers, and no class's probability is an input."""
    rng, n = np.random.default_rng(1), 300
    made = (
        frame(n)
        .drop(columns=["y_pred_proba", "repaid"])
        .assign(
            y_pred=rng.choice(list("abc"), n),
            y_true=rng.choice(list("abc"), n),
            **{f"y_pred_proba_{c}": rng.random(n) for c in "abc"},
        )
    )
    made.to_parquet(tmp_path / "log.parquet")
    model = starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet").model()
    assert ("y_pred", ["x"]) == (model.schema.columns.prediction, list(model.schema.features))


def test_the_trainer_takes_whatever_features_there_are(tmp_path: Path) -> None:
    """It names none of them; one that was written for another task is replaced, an edited one not."""
    made = frame().assign(c="a", label=frame()["repaid"].astype(int)).drop(columns=["repaid", "y_pred"])
    made.to_parquet(tmp_path / "log.parquet")
    starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet")
    trainers = tmp_path / "trainers.py"
    assert "HistGradientBoostingClassifier" in trainers.read_text()
    assert "make_column_selector" in (tmp_path / "leeway.yaml").read_text()
    made.assign(label=made["x"], y_pred_proba=made["x"]).to_parquet(tmp_path / "log.parquet")
    starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet", force=True)
    assert "HistGradientBoostingRegressor" in trainers.read_text()
    trainers.write_text(trainers.read_text() + "# mine\n")
    made.to_parquet(tmp_path / "log.parquet")
    starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet", force=True)
    assert trainers.read_text().endswith("# mine\n")


def test_one_column_may_be_the_time_of_both(tmp_path: Path) -> None:
    """As it is without the option."""
    frame().rename(columns={"time": "at", "repaid": "clicked"}).to_csv(tmp_path / "log.csv", index=False)
    model = starter_file.write(
        tmp_path / "leeway.yaml", tmp_path / "log.csv",
        wishes=ColumnWishes.of({"label": "clicked", "label_time": "at"}, None, None),
    ).model()  # fmt: skip
    assert ("at", "at") == (model.schema.columns.time, model.schema.columns.label_time)


def test_the_time_may_be_the_id(tmp_path: Path) -> None:
    """Of a log that has one row for each time: labels are matched by it as by any other id."""
    frame().drop(columns=["id", "y_pred", "y_pred_proba"]).to_parquet(tmp_path / "log.parquet")
    wishes = ColumnWishes.of({"label": "repaid"}, None, None)
    model = starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet", wishes=wishes).model()
    assert ("time", "time") == (model.schema.columns.id, model.schema.columns.label_time)


def test_the_time_of_a_label_is_no_time_of_predictions_where_another_column_can_be(tmp_path: Path) -> None:
    """Or predictions would be dated by when their labels came."""
    made = frame().rename(columns={"time": "closed_at"})
    made.assign(opened_at=made["closed_at"] - pd.Timedelta(hours=3)).to_parquet(tmp_path / "log.parquet")
    wishes = ColumnWishes.of({"label": "repaid", "label_time": "closed_at"}, None, None)
    model = starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.parquet", wishes=wishes).model()
    assert ("opened_at", "closed_at") == (model.schema.columns.time, model.schema.columns.label_time)


def test_a_few_letters_tell_the_encoding(tmp_path: Path) -> None:
    """Where nothing else beyond ASCII is there; stray bytes do not."""
    rows = "".join(f"{n},2025-01-01T00:00:{n % 60:02},0.5,Ulm\n" for n in range(900))
    (tmp_path / "log.csv").write_bytes(f"id,time,score,Größe\n{rows}900,2025-01-02,0.5,Köln\n".encode("cp1252"))
    model = starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.csv").model()
    assert ("cp1252", ["Größe"]) == (model.events.predictions.csv.encoding, list(model.schema.features))
