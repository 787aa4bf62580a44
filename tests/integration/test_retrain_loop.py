"""The whole loop by the command line: train, serve, monitor, retrain, serve, audit, roll back.

day 0 ... 20        21 ... 29        30 ................ 59
history: v1    |    steady      |    the rule turns round
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import trained_model as world
from tests.support.command_line import leeway

pytestmark = pytest.mark.slow

PROJECT = """\
project: loop
models:
  m:
    task: binary
    events:
      history: {path: history}
      predictions: {path: predictions}
      labels: {path: labels}
    label_delay: 1d
    features: {x: numeric, c: categorical}
    segments: [c]
    windows: {size: 7d, slide: 1d}
    baseline: {start: 2013-01-01, end: 2013-01-21}
    retrain:
      trainer: my_trainer:make
      window: 30d
      min_rows: 200
      gate: {min_rows: 100}
audit: {period: 40d}
"""
TRAINER = """\
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def make():
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"]), ("x", "passthrough", ["x"])])
    return make_pipeline(encode, LogisticRegression())
"""


def told(folder: Path, *arguments: str) -> Any:
    """Return what `leeway` prints as JSON."""
    return json.loads(leeway(folder, *arguments, "--json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose first version has answered days 20 to 59, and whose drift has been retrained for."""
    root = tmp_path_factory.mktemp("loop")
    (root / "leeway.yaml").write_text(PROJECT)
    (root / "my_trainer.py").write_text(TRAINER)
    asked = _write_events(root)
    (root / "predictions").mkdir()
    leeway(root, "retrain", "--first", "--actor", "ann")
    leeway(root, "score", str(asked), "predictions/0.jsonl")
    leeway(root, "monitor", "--once")
    leeway(root, "react")
    return root


def _write_events(root: Path) -> Path:
    """Write the history of 20 days, the questions of the days after, and all labels."""
    rng = np.random.default_rng(11)
    for name in ("history", "asked", "labels"):
        (root / name).mkdir()
    files = {"history": [], "asked": [], "labels": []}  # type: dict[str, list[dict[str, Any]]]
    for day in range(60):
        for i in range(200):
            at, x = world.START + timedelta(days=day, minutes=7 * i), float(rng.normal())
            y = int(rng.random() < 1 / (1 + np.exp((-3 if day < 30 else 3) * x)))
            event = {"id": f"{day}-{i}", "time": at.isoformat(), "x": x, "c": "ab"[i % 2]}
            files["history" if day < 20 else "asked"].append(event)
            files["labels"].append({"id": event["id"], "time": (at + timedelta(hours=5)).isoformat(), "label": y})
    for name, rows in files.items():
        (root / name / "0.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return root / "asked"


def test_the_drift_was_found_and_retrained_for(folder: Path) -> None:
    """The performance incident ended in a promotion, with its decision and the gate on record."""
    (standing,) = told(folder, "status")["models"]
    incidents = {i["signal"]: i for i in told(folder, "incidents", "--all")}
    assert ("v2", 2) == (standing["champion"], standing["generation"])
    ended = tuple(incidents["performance"][key] for key in ("state", "resolution"))
    assert ("resolved", "baseline replaced by v2") == ended
    # Within a window of the day on which the rule turned: ranks among twenty days pay no more in fewer.
    assert "2013-01-31" <= incidents["performance"]["opened_at"][:10] <= "2013-02-07"


def test_the_retrain_left_a_page_and_a_baseline(folder: Path) -> None:
    """For people and for the monitors."""
    state = folder / ".leeway"
    assert ["m-run-1.html"] == [p.name for p in (state / "html").iterdir()]
    assert {"v1.json", "v2.json"} == {p.name for p in (state / "baselines" / "m").iterdir()}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_baseline_says_what_matters(folder: Path, version: str) -> None:
    """The rule is all in x."""
    made = json.loads((folder / ".leeway" / "baselines" / "m" / f"{version}.json").read_text())
    assert made["importance"]["x"] > 0.95


def test_the_new_champion_answers(folder: Path) -> None:
    """With its own version in each event, and as the turned rule wants it."""
    (folder / "in.jsonl").write_text('{"id": "a", "time": "2013-03-02", "x": 2, "c": "a"}\n')
    assert "scored by m v2" in leeway(folder, "score", "in.jsonl", "out.jsonl")
    answer = json.loads((folder / "out.jsonl").read_text())
    assert ("v2", True) == (answer["model_version"], answer["prediction"] < 0.2)


def test_history_counted_again_is_the_same(folder: Path) -> None:
    """The audit replays the windows in batch, and passes."""
    said = leeway(folder, "audit", "--end", "2013-02-28")
    assert "finding" not in said
    assert len(list((folder / ".leeway" / "audits").glob("m-*.md"))) == 1


def test_a_rollback_is_on_record_and_ends_at_the_first_version(folder: Path) -> None:
    """Who and why are in the history, and the version before is champion again. (Last: it changes the champion.)"""
    leeway(folder, "rollback", "--because", "drill", "--actor", "ann")
    (standing,) = told(folder, "status")["models"]
    assert ("v1", 3) == (standing["champion"], standing["generation"])
    assert "drill" in leeway(folder, "history")
    leeway(folder, "rollback", "--because", "drill", code=3)
