"""The flights example's two sinks: topics and directories hold the same events."""

from __future__ import annotations

import importlib.util
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.events import decode
from features.kafka import offset_ranges
from features.window import UTC, to_ms
from leeway.project.load import Model, Project

pytestmark = pytest.mark.slow

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
WEEK = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def sinks() -> Any:
    """Return the example's module, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("flights_sinks", FLIGHTS / "sinks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def models(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, Model]:
    """Return the model of each of the example's project files, in a folder of its own."""
    monkeypatch.setenv("LEEWAY_KAFKA", broker)
    found = []
    for name in ("leeway.yaml", "stack.yaml"):
        shutil.copy(FLIGHTS / name, tmp_path)
        found.append(Project.load(tmp_path / name).model())
    return found[0], found[1]


def week(model: Model) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a week's labels and predictions, some values missing, in the order of their times."""
    times = [WEEK + timedelta(minutes=30 * i) for i in range(300)]
    made: dict[str, Any] = {"id": [f"UA-{i}" for i in range(300)], "time": pd.to_datetime(times)}
    for n, (name, kind) in enumerate(model.schema.features.items()):
        values = [None if i % 17 == n else i / 7 if kind.value == "numeric" else f"é{i % 3}" for i in range(300)]
        made[name] = pd.Series(values, dtype=None if kind.value == "numeric" else object)
    predictions = pd.DataFrame({**made, "model_version": "v1", "prediction": [i / 300 for i in range(300)]})
    labels = pd.DataFrame({"id": made["id"], "time": made["time"] + timedelta(hours=2), "label": 1.0})
    return labels, predictions


def test_what_is_sent_to_topics_is_what_is_written_to_files(sinks: Any, models: tuple[Model, Model]) -> None:
    """The same events, typed alike; in topics each under its own time, and all partitions have some."""
    labels, predictions = week(models[0])
    for model, sink in zip(models, (sinks.files, sinks.topics), strict=True):
        send = sink(model)
        send("labels", WEEK, labels)
        send("predictions", WEEK, predictions)

    for role in ("labels", "predictions"):
        files, kafka = (decode.read_events(m.schema, role, getattr(m.events, role)) for m in models)
        assert ((), ()) == (files.rejects, kafka.rejects)
        assert 300 == files.table.num_rows
        assert files.table.sort_by("id").to_pydict() == kafka.table.sort_by("id").to_pydict()
    source = models[1].events.predictions
    (newest,) = offset_ranges.newest_records(source.bootstrap, "flights.predictions", 1)
    assert to_ms(predictions["time"].max().to_pydatetime()) == newest.timestamp
    assert all(
        stop > start
        for start, stop in offset_ranges.offsets_by_partition(source.bootstrap, "flights.predictions").values()
    )
