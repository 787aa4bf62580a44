"""A project whose folder has characters that a URL encodes: a stream and its checkpoints stay in it."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from features.window import UTC
from leeway import context
from leeway.streaming.consume_output import OutputConsumer
from registry import queries
from tests.support.command_line import leeway

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 90
PROJECT = """
project: paths
models:
  m:
    task: binary
    events: {predictions: {path: events/predictions}, labels: {path: events/labels}, version: v1}
    label_delay: 1h
    features: {x: numeric}
    windows: {size: 1d}
    baseline: {start: 2024-01-01, end: 2024-01-05}
"""


def write_day(folder: Path, day: int) -> None:
    """Write a day of thirty predictions and their labels, as files that appear at once."""
    rng = np.random.default_rng(day)
    at = [START + timedelta(days=day, minutes=45 * i) for i in range(30)]
    rows = [{"id": f"{day}-{i}", "time": f"{t:%FT%TZ}", "x": rng.normal(), "prediction": rng.random()}
            for i, t in enumerate(at)]  # fmt: skip
    labels = [{"id": row["id"], "time": row["time"], "label": i % 2} for i, row in enumerate(rows)]
    for role, lines in (("predictions", rows), ("labels", labels)):
        target = folder / "events" / role / f"{day:03}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".part").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        target.with_suffix(".part").rename(target)


def monitor(folder: Path, day: int) -> None:
    """Monitor the project as a stream until the window that ends with *day* is in the registry."""
    clock = partial(datetime.now, UTC)
    with context.open(folder) as opened, OutputConsumer(opened, opened.model("m"), clock=clock).live() as take:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (queries.newest_window(opened.registry, "m", "inputs") or START) < START + timedelta(days=day):
            assert time.monotonic() < give_up, "the job reports no window"
            take()
            time.sleep(0.2)


@pytest.mark.parametrize("name", ["p 1", "ü's 50%20 #7 a?b"])
def test_a_stream_and_its_checkpoints_are_in_the_projects_folder(tmp_path: Path, name: str) -> None:
    """It is restored from its checkpoint, too; beside the folder nothing appears."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "leeway.yaml").write_text(PROJECT)
    for day in range(7):
        write_day(folder, day)
    leeway(folder, "baseline")
    monitor(folder, 6)
    write_day(folder, 7)
    write_day(folder, 8)
    monitor(folder, 8)

    assert [folder] == list(tmp_path.iterdir())
    assert list(folder.rglob("chk-*/_metadata"))
