"""Missing data on the real engine: a stopped feed, only unusable records, and missing labels open incidents."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.window import UTC
from leeway import context
from leeway.context import Context
from leeway.streaming.consume_output import OutputConsumer
from monitors.report import Report
from registry import model_status, queries
from registry.model_status import ModelState
from tests.support.command_line import leeway

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 90
PROJECT = """
project: silence
models:
  m:
    task: binary
    events: {predictions: {path: events/predictions}, labels: {path: events/labels}, version: v1}
    label_delay: 1h
    features: {x: numeric, c: categorical}
    windows: {size: 2d, slide: 1d}
    baseline: {start: 2024-01-01, end: 2024-01-11}
"""


def write_day(folder: Path, day: int, *, unit: str = "", labelled: bool = True) -> None:
    """Write a day of sixty predictions, with *unit* behind each x, and their labels."""
    rng = np.random.default_rng(day)
    at = [START + timedelta(days=day, minutes=23 * i) for i in range(60)]
    rows = [f"{day}-{i},{t:%Y-%m-%dT%H:%M:%SZ},{rng.normal():.3f}{unit},{rng.choice(['a', 'b'])},{rng.random():.3f}"
            for i, t in enumerate(at)]  # fmt: skip
    labels = [f"{day}-{i},{t + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ},{rng.integers(2)}" for i, t in enumerate(at)]
    files = {
        "predictions": ["id,time,x,c,prediction", *rows],
        "labels": ["id,time,label", *(labels if labelled else ())],
    }
    for role, lines in files.items():
        target = folder / "events" / role / f"{day:03}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(f".{target.name}").write_text("\n".join(lines) + "\n")
        target.with_name(f".{target.name}").rename(target)


@dataclass
class Clock:
    """A clock that a test moves on."""

    now: datetime = datetime(2024, 6, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def faults(opened: Context) -> dict[int, set[tuple[str, str]]]:
    """Return the variable and metric of each fault of all traffic, by the last day of its window."""
    found: dict[int, set[tuple[str, str]]] = {}
    for row in queries.windows(opened.registry, "m", segment=""):
        own = {(f.variable, f.metric) for f in Report.model_validate(row.report).drifted() if f.signal == "quality"}
        found.setdefault((row.window_end - START).days - 1, set()).update(own)
    return {day: own for day, own in found.items() if own}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with a baseline of ten days, and two more days like them."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    for day in range(12):
        write_day(tmp_path, day)
    leeway(tmp_path, "baseline")
    return tmp_path


def test_what_is_silently_missing_is_told_in_files(folder: Path) -> None:
    """Each within its own slice: no predictions, no labels, and no record that could be used, to the end of the log."""
    for day in (*range(15, 18), 18):
        write_day(folder, day, labelled=day < 18)
    write_day(folder, 19, unit=" kg")
    write_day(folder, 20, unit=" kg")
    leeway(folder, "monitor", "--once")
    with context.open(folder) as opened:
        told = faults(opened)
        (first, *_) = queries.incidents(opened.registry, "m")
    (model,) = json.loads(leeway(folder, "status", "--json"))["models"]

    assert {12, 13, 14} <= {day for day, own in told.items() if ("*", "silent_slices") in own}
    assert ("label", "unlabelled_share") in told[18]
    assert ("x", "refused_share") in told[19]
    assert 11 not in told
    assert ("quality", "critical") == (first.signal, first.severity.value)
    assert ("critical", {"x": 60}) == (model["state"], model["refused"])
    assert 120 == sum(kind["records"] for kind in model["set_aside"])
    assert "steady" not in model["said"][0]


def test_a_live_feed_that_stops_is_told_by_the_clock_on_the_wall(folder: Path) -> None:
    """No window closes any more; when a day has passed without a record the incident is open, and not before."""
    clock = Clock()
    with context.open(folder) as opened, OutputConsumer(opened, opened.model("m"), clock=clock).live() as take:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while (queries.newest_window(opened.registry, "m", "inputs") or START) < START + timedelta(days=11):
            assert time.monotonic() < give_up, "the job reports no window"
            take()
            time.sleep(0.2)
        for hours, expected in ((20, False), (4, False), (24, True)):  # the newest record is 86 minutes before midnight
            clock.now += timedelta(hours=hours)
            for _ in range(20):
                clock.now += timedelta(seconds=20)
                take()
            assert expected is bool(faults(opened))
        assert ModelState.CRITICAL is model_status.read(opened.registry, "m").state
        assert ("*", "silent_slices") in set().union(*faults(opened).values())
