"""A stream with concept drift on the real stack, which leads to an incident and a retrain.

    day 0 ........ 20 ........ 28 .................. 44 ......... 50 or later
    history: v1    |  steady   |  the rule has turned, and nobody   |
                               |  may react before day 44 is there  |

The same events are in files too, so that what an undisturbed run reports is known beforehand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from features.window import UTC, to_ms
from leeway.project.stack_section import Ports
from leeway.stack import ports
from monitors.flink import files_source_job

START = datetime(2013, 1, 1, tzinfo=UTC)
ROUNDS = int(os.environ.get("LEEWAY_FAULT_ROUNDS", "1"))
HISTORY, TURN, REACT, A_DAY = 20, 28, 44, 120
DAYS = REACT + 6 * max(1, ROUNDS)
PARTITIONS = 2
Event = dict[str, Any]

PROJECT = """\
project: turning
database: env:LEEWAY_DATABASE
flink: {{address: "env:LEEWAY_FLINK", checkpoint_interval: 2s, idle_timeout: 2h}}
models:
  m:
    task: binary
    events:
      history: {{path: history}}
      predictions: {{topic: turning.predictions}}
      labels: {{topic: turning.labels}}
    label_delay: 1d
    features: {{x: numeric, c: categorical}}
    segments: [c]
    windows: {{size: 4d, slide: 12h, watermark_delay: 1h}}
    baseline: {{start: 2013-01-01, end: 2013-01-21}}
    retrain: {{trainer: "my_trainer:make", window: 10d, evaluation: 4d, min_rows: 200, gate: {{min_rows: 100}}}}
stack: {{ports: {{{ports}}}}}
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


@dataclass(frozen=True, slots=True)
class Record:
    """What is sent: to the topic of *role*, as of *time* (ms)."""

    time: int
    role: str
    event: Event

    @property
    def partition(self) -> int:
        """Any will do: predictions go to two, so that event time is not the same in both."""
        return int(str(self.event["id"]).rpartition("-")[2]) % PARTITIONS if self.role == "predictions" else 0


def write_project(folder: Path) -> None:
    """Write the project, on free ports, with its history of labelled events and the questions of the days after."""
    chosen = ", ".join(f"{name}: {ports.free()}" for name in Ports.model_fields)
    (folder / "leeway.yaml").write_text(PROJECT.format(ports=chosen))
    (folder / "my_trainer.py").write_text(TRAINER)
    files: dict[str, list[Event]] = {"history": [], "asked": [], "labels": []}
    for day, event, label in _events():
        files["history" if day < HISTORY else "asked"].append(event)
        files["labels"].append(label)
    for name, rows in files.items():
        write(folder / name / "0.jsonl", rows)


def _events() -> Iterator[tuple[int, Event, Event]]:
    rng = np.random.default_rng(11)
    for day in range(DAYS):
        for i in range(A_DAY):
            at, x = START + timedelta(days=day + i / A_DAY), float(rng.normal())
            y = int(rng.random() < 1 / (1 + np.exp((-3 if day < TURN else 3) * x)))
            event = {"id": f"{day}-{i}", "time": at.isoformat(), "x": round(x, 6), "c": "ab"[i // 2 % 2]}
            # The history's are known before the replay begins: no label in its topic is out of order.
            known = at + timedelta(minutes=int(rng.uniform(1, 600)) if day >= HISTORY else 1)
            yield day, event, {"id": event["id"], "time": known.isoformat(), "label": y}


def write(path: Path, rows: list[Event]) -> None:
    """Write *rows* as lines of JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def history(folder: Path) -> list[Record]:
    """Return the labels that are known before the replay, in the order of time."""
    return [r for r in _labels(folder) if int(r.event["id"].partition("-")[0]) < HISTORY]


def replay(folder: Path) -> list[Record]:
    """Return what is replayed, in the order of time, once the answers are in files; the last events close all windows.

    These are added to the files.
    """
    end, path = (START + timedelta(days=DAYS + 2)).isoformat(), folder / "predictions" / "0.jsonl"
    last = [{"id": f"last-{p}", "time": end, "x": 0.0, "c": "a", "model_version": "v1", "prediction": 0.5}
            for p in range(PARTITIONS)]  # fmt: skip
    write(path, made := [*_read(path), *last])
    known = _labels(folder)[len(history(folder)) :]
    ending = {"id": "nothing-0", "time": end, "label": 0}
    found = [*known, *(Record(_ms(e), "predictions", e) for e in made), Record(_ms(ending), "labels", ending)]
    return sorted(found, key=lambda r: r.time)


def _labels(folder: Path) -> list[Record]:
    found = [Record(_ms(e), "labels", e) for e in _read(folder / "labels" / "0.jsonl")]
    return sorted(found, key=lambda r: r.time)


def _read(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _ms(event: Event) -> int:
    return to_ms(datetime.fromisoformat(event["time"]))


def directories(folder: Path) -> files_source_job.Directories:
    """Return the events as files."""
    return files_source_job.Directories(folder / "predictions", folder / "labels")
