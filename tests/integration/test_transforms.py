"""A transform of the project runs the same way in a server, on Flink, in a stream's worker, and in training sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.events import location
from features.window import UTC
from leeway.project.load import Project
from registry import queries
from serving.batch import run_plan
from serving.nearline.champion_file import Champion
from serving.nearline.stream_scoring import StreamScoring
from serving.nearline.worker_model import WorkerModel
from tests.support import serving_world as world
from tests.support.command_line import document, invoke

pytestmark = pytest.mark.slow

Z = "z: {type: numeric, transform: 'own_transforms:z', inputs: {amount: x, channel: c}}"
MODULE = """\
import numpy as np

def z(amount, channel):
    return np.exp(amount) * channel.map({"a": 0.1, "b": 3.3}).fillna(0.7).astype(float)
"""
NOW = datetime.now(UTC).replace(microsecond=0)
PERIOD = ("--from", f"{NOW - timedelta(hours=2):%Y-%m-%d}", "--to", f"{NOW + timedelta(days=1):%Y-%m-%d}")
Values = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a transform, and 60 events that lack its feature but for one."""
    root = world.project(tmp_path_factory.mktemp("transforms"))
    (root / "leeway.yaml").write_text(world.PROJECT.replace("z: numeric", Z))
    (root / "own_transforms.py").write_text(MODULE)
    (root / "in").mkdir()
    events = world.rows(60, 3)[0].drop(columns="z").assign(id=[f"e{n}" for n in range(60)], time=NOW.isoformat())
    own = events.to_dict("records")
    own[7]["c"], own[8]["z"] = None, 2.5
    (root / "in" / "0.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in own))
    return root


def values(rows: pd.DataFrame) -> Values:
    """Return feature and prediction of each event, bit for bit."""
    return {row["id"]: (float(row["z"]).hex(), float(row["prediction"]).hex()) for row in rows.to_dict("records")}


@pytest.fixture(scope="module")
def scored(folder: Path) -> Values:
    """Return what `leeway score` makes of the events."""
    invoke(folder, "score", str(folder / "in"), str(folder / "scored.parquet"))
    return values(pd.read_parquet(folder / "scored.parquet"))


def parquet(directory: Path) -> pd.DataFrame:
    """Return all rows of a directory."""
    return pd.concat(map(pd.read_parquet, directory.glob("*.parquet")))


def test_values_are_those_of_the_function(scored: Values) -> None:
    """One that was sent stays."""
    assert 60 == len(scored)
    assert (2.5).hex() == scored["e8"][0]
    assert 50 < len({z for z, _ in scored.values()})


def test_flink_in_batch_gives_the_same(folder: Path, scored: Values) -> None:
    """`leeway predict`, whose workers import the function."""
    document(folder, "predict", str(folder / "batch"), *PERIOD, "--source", str(folder / "in"))

    assert scored == values(parquet(folder / "batch"))


def test_a_streams_worker_gives_the_same(folder: Path, scored: Values) -> None:
    """The function that `leeway nearline` runs in its job."""
    with world.open_registry(folder) as registry:
        digest = queries.version(registry, "m", "v1").artifact or ""
    (folder / "champion.json").write_text(json.dumps(asdict(Champion("v1", digest, ("c",)))))
    with run_plan.locked(folder / "stream"):
        pass
    facts = Project.load(folder).model("m").facts
    model = WorkerModel(world.SCHEMA, facts, folder / "champion.json", folder / "artifacts", world.TRUST,
                        lambda *_: None, lambda: NOW)  # fmt: skip
    scoring = StreamScoring(model, folder / "stream").open()
    for reference in location.references(folder / "in"):
        scoring(reference.encode())

    assert scored == values(parquet(folder / "stream"))


def features(rows: Values) -> dict[str, str]:
    """Return the feature of each event, bit for bit."""
    return {row_id: feature for row_id, (feature, _) in rows.items()}


def predictions(rows: Values) -> dict[str, float]:
    """Return the prediction of each event."""
    return {row_id: float.fromhex(prediction) for row_id, (_, prediction) in rows.items()}


def answers(server: world.Server, events: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """Yield id and prediction of each event, of requests of one row and of many."""
    for rows in ([events[0]], [events[1]], events[2:]):
        status, body = server.predict(*rows)
        assert 200 == status, body
        yield from ((one["id"], float(one["prediction"])) for one in body["predictions"])


def test_a_server_gives_the_same(folder: Path, scored: Values) -> None:
    """A row alone and among others; the log has the feature as the model saw it; the page says it may be absent."""
    events = [json.loads(line) for line in (folder / "in" / "0.jsonl").read_text().splitlines()]
    with world.serving(folder, "--log", str(folder / "served")) as server:
        answered = dict(answers(server, events))
        page = server.ask("/openapi.json")[1]
        status, body = server.predict({"c": "a"})
        assert 0 == server.stop()

    served = values(parquet(folder / "served"))
    assert features(scored) == features(served)
    # The last digits of a sum may depend on how many rows are answered together.
    assert predictions(scored) == pytest.approx(predictions(served), rel=1e-9)
    assert predictions(scored) == pytest.approx(answered, rel=1e-9)
    assert (400, "x") == (status, body["problems"][0]["field"])
    assert '"required":["x","c"]' in json.dumps(page, separators=(",", ":"))


def test_a_training_set_has_the_same(folder: Path, scored: Values) -> None:
    """Events that were logged without the feature are trained on with it."""
    logged = (folder / "predictions" / "0.jsonl", folder / "labels" / "0.jsonl")
    events = [json.loads(line) for line in (folder / "in" / "0.jsonl").read_text().splitlines()]
    lines = [{**one, "model_version": "v1", "prediction": float.fromhex(scored[one["id"]][1])} for one in events]
    labels = [{"id": one["id"], "time": one["time"], "label": 1} for one in events]
    for path, rows in zip(logged, (lines, labels), strict=True):
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    document(folder, "features", "build", *PERIOD, "--out", str(folder / "set"), "--engine", "process")

    assert scored == values(parquet(folder / "set"))
