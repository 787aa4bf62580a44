"""The `sea` example: its events are as its README says, and fit its project file."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from leeway import cli

SEA = Path(__file__).parents[3] / "examples" / "sea"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example with its events."""
    folder = tmp_path_factory.mktemp("sea")
    for name in ("leeway.yaml", "trainers.py", "make_events.py"):
        shutil.copy(SEA / name, folder)
    subprocess.run([sys.executable, "make_events.py", "events"], cwd=folder, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def events(folder: Path) -> pd.DataFrame:
    """Return its predictions joined with their labels, and the day of each."""
    predictions = pd.concat(map(pd.read_csv, sorted((folder / "events" / "predictions").iterdir())))
    labels = pd.concat(map(pd.read_parquet, sorted((folder / "events" / "labels").iterdir())))
    joined = predictions.merge(labels, on="id", how="left")
    return joined.assign(day=joined["id"].str[:3].astype(int))


def loss(events: pd.DataFrame) -> float:
    """Return the log loss of the labelled events."""
    known = events.dropna(subset="label")
    right = np.where(known["label"] == 1, known["prediction"], 1 - known["prediction"])
    return float(-np.log(right).mean())


@pytest.mark.slow
def test_the_project_passes_its_check(folder: Path) -> None:
    """`leeway check` has nothing to say against the example, its trainers included."""
    done = CliRunner().invoke(cli.app, ["-p", str(folder), "check", "--json"])

    assert [] == [c for c in json.loads(done.stdout)["checks"] if c["result"] != "ok"]


def test_the_stream_is_as_long_as_promised(events: pd.DataFrame) -> None:
    """Sixty days of 400 predictions, two labels in a hundred lost, the others within 23 hours."""
    delay = pd.to_datetime(events["known_at"]) - pd.to_datetime(events["time"])

    assert (24_000, 60) == (len(events), events["day"].nunique())
    assert 0.015 < events["label"].isna().mean() < 0.025
    assert pd.Timedelta(0) < delay.min() <= delay.max() <= pd.Timedelta(hours=23)


def test_the_changes_are_where_the_readme_says(events: pd.DataFrame) -> None:
    """The virtual drift leaves the loss alone, the real one does not, and the fault is ten times too large."""
    virtual, faulty = events["day"].between(20, 25), events["day"].between(46, 47)
    steady, real = events["day"] < 20, (events["day"] >= 32) & ~faulty
    means = events.groupby(virtual)["sensor_c"].mean()

    assert means[True] - means[False] > 1
    assert abs(loss(events[virtual]) - loss(events[steady])) < 0.03
    assert loss(events[real]) - loss(events[steady]) > 0.08
    assert (faulty == (events.groupby("day")["sensor_a"].transform("max") > 10)).all()


def test_the_same_seed_gives_the_same_events(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are made from a seed alone."""
    monkeypatch.syspath_prepend(folder)
    truth = runpy.run_path(str(folder / "make_events.py"))["truth"]

    pd.testing.assert_frame_equal(truth(range(31, 33), 7), truth(range(31, 33), 7))
    assert not truth(range(1), 7).equals(truth(range(1), 8))
