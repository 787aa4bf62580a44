"""`leeway monitor` under SIGKILL: afterwards the registry equals that of an undisturbed run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.window import UTC, to_ms

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 24
PROJECT = """
project: kill
models:
  m:
    task: binary
    events: {predictions: {path: events/predictions}, labels: {path: events/labels}}
    label_delay: 12h
    features: {x: numeric, c: categorical}
    segments: [c]
    windows: {size: 2d, slide: 1d}
    baseline: {start: 2024-01-01, end: 2024-01-11}
"""
PATIENCE_SECONDS = 120


def make_day(folder: Path, day: int) -> None:
    """Write a day's labels, then its predictions, each file appearing whole; a bad line in every fourth."""
    rng = np.random.default_rng(day)
    at = [START + timedelta(days=day, minutes=7 * i) for i in range(200)]
    rows = [{"id": f"{day}-{i}", "time": to_ms(t), "model_version": "v1", "x": float(rng.normal(day > 16)),
             "c": str(rng.choice(["a", "b"])), "prediction": float(rng.uniform(0.1, 0.9))}
            for i, t in enumerate(at)]  # fmt: skip
    labels = [{"id": r["id"], "time": r["time"] + 60_000, "label": int(rng.random() < r["prediction"])} for r in rows]
    for role, lines in (("labels", labels), ("predictions", rows)):
        target = folder / "events" / role / f"{day:03}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(r) + "\n" for r in lines) + (
            "oops\n" if day % 4 == 0 and role == "predictions" else ""
        )
        target.with_name(f".{target.name}").write_text(text)
        target.with_name(f".{target.name}").rename(target)


class Monitor:
    """A `leeway monitor` process in a group of its own, so that Java dies with it, as on a machine that loses power."""

    def __init__(self, folder: Path) -> None:
        """Start it on the project in *folder*."""
        self._log = (folder / "monitor.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leeway", "monitor"], cwd=folder, stdout=self._log, stderr=self._log,
            start_new_session=True, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL the process and everything that it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def alive(self) -> bool:
        """Say whether it still runs."""
        return self._process.poll() is None


def stored(folder: Path) -> list[tuple[str, ...]]:
    """Return every stored report as (window, ..., digest, revision), in order."""
    with sqlite3.connect(folder / ".leeway" / "leeway.db") as db:
        rows = db.execute(
            "SELECT window_end, stage, segment, version, digest, revision FROM window_reports ORDER BY 1, 2, 3, 4, 6"
        ).fetchall()
    db.close()
    return rows


def wait_for(folder: Path, monitor: Monitor, windows: int) -> None:
    """Wait until *windows* reports are stored."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(stored(folder)) < windows:
        assert monitor.alive(), (folder / "monitor.log").read_text()[-3000:]
        assert time.monotonic() < deadline, f"{len(stored(folder))} of {windows} reports after {PATIENCE_SECONDS} s"
        time.sleep(0.2)


def letters(folder: Path) -> list[str]:
    """Return the dead letters, by file name and line."""
    lines = [
        json.loads(t)
        for p in (folder / ".leeway" / "dead_letters").rglob("*.jsonl")
        for t in p.read_text().splitlines()
    ]
    return sorted(f"{Path(r['path']).name}:{r['line']}" for r in lines)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with 12 days of events and a baseline of ten of them."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "leeway.yaml").write_text(PROJECT)
    for day in range(12):
        make_day(folder, day)
    subprocess.run([sys.executable, "-m", "leeway", "baseline"], cwd=folder, check=True, capture_output=True)
    return folder


def test_killed_and_started_again_it_reports_what_an_undisturbed_run_reports(begun: Path, tmp_path: Path) -> None:
    """Killed twice with all its children, in the middle of the work: no report twice, none missing, equal digests."""
    calm, killed = (Path(shutil.copytree(begun, tmp_path / name)) for name in ("calm", "killed"))
    for folder in (calm, killed):  # paths are part of the reports' dead letters, not of the reports
        for day in range(12, DAYS):
            if folder is calm:
                make_day(folder, day)
    monitor = Monitor(calm)
    expected = 3 * 2 * (DAYS - 1) - 3  # all and two segments, two stages; the last day's outcomes have not matured
    wait_for(calm, monitor, expected)
    monitor.kill()

    monitor = Monitor(killed)
    wait_for(killed, monitor, 20)
    monitor.kill()
    for day in range(12, 18):
        make_day(killed, day)
    monitor = Monitor(killed)
    for day in range(18, DAYS):
        make_day(killed, day)
        time.sleep(0.3)
    wait_for(killed, monitor, 75)
    monitor.kill()
    monitor = Monitor(killed)
    wait_for(killed, monitor, expected)
    monitor.kill()

    assert stored(calm) == stored(killed)
    assert {1} == {row[-1] for row in stored(killed)}
    assert letters(calm) == letters(killed)
