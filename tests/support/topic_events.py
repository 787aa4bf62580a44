"""A model with the same events in topics and in files, for tests of jobs over topics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from features.events import publishing
from features.kafka import connections
from features.window import UTC, to_ms
from leeway import adopt_model, assembly, context
from leeway.context import Context
from leeway.project.load import Model
from monitors.flink import files_source_job, run_job
from monitors.report import Report

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, A_DAY = 5, 400
PARTITIONS = 2
Event = dict[str, Any]

PROJECT = """
project: {name}
kafka: {{bootstrap: "{bootstrap}"}}
{flink}
models:
  m:
    task: binary
    events: {{predictions: {{{predictions}}}, labels: {{{labels}}}}}
    label_delay: 6h
    features: {{x: numeric, c: categorical}}
    segments: [c]
    windows: {{size: 6h, slide: 2h, watermark_delay: 1h}}
    baseline: {{start: 2024-01-01, end: 2024-01-03}}
"""


def events() -> tuple[list[Event], list[Event]]:
    """Return predictions and labels, in the order in which they come: some late, some twice, some never labelled."""
    rng = np.random.default_rng(11)
    predictions, labels = [], []
    for i in range(DAYS * A_DAY):
        at = to_ms(START + timedelta(days=i / A_DAY))
        row = {"id": f"e{i}", "time": at, "model_version": "v1", "x": round(float(rng.normal(i > 3 * A_DAY)), 3),
               "c": str(rng.choice(list("abcd"))), "prediction": round(float(rng.uniform(0.01, 0.99)), 4)}  # fmt: skip
        known = at + int(rng.uniform(1, 500) * 60_000)  # some after the label delay
        arrives = at + int(rng.uniform(0, 55 * 60_000)) if i % 30 == 0 else at  # within the watermark delay
        predictions += [(arrives, row)] * (2 if i % 20 == 0 else 1)
        if i % 9:
            label = {"id": row["id"], "time": known, "label": int(rng.random() < row["prediction"])}
            labels += [(known, label)] * (2 if i % 13 == 0 else 1)
    return [[row for _, row in sorted(rows, key=lambda r: (r[0], r[1]["id"]))] for rows in (predictions, labels)]  # type: ignore[return-value]


def last(partition: int) -> Event:
    """Return an event so late that all windows before it are closed."""
    at = START + timedelta(days=DAYS, hours=40)
    return {"id": f"last{partition}", "time": to_ms(at), "model_version": "v1", "x": 0.0, "c": "a", "prediction": 0.5}


def last_label() -> Event:
    """Return a label of nothing, as late as :func:`last`: it says that no label from before it is to come."""
    return {"id": "last", "time": last(0)["time"], "label": 0}


def partition(event: Event) -> int:
    """Return the partition of *event*: any will do, so that event time is not the same in all."""
    return int(str(event["id"]).strip("elast")) % PARTITIONS


BAD = (b'{"id": "bad", "time": "soon"}', b"not json\xff\x00")


@dataclass(frozen=True)
class World:
    """Names and places of the model; *model* is the one in topics."""

    folder: Path
    bootstrap: str
    name: str

    @property
    def topics(self) -> Mapping[str, str]:
        """The topic of each role."""
        return {role: f"{self.name}.{role}" for role in ("predictions", "labels")}

    def write_project(self, flink: str = "") -> Path:
        """Write the project file, with a `flink` line."""
        (self.folder / "leeway.yaml").write_text(
            PROJECT.format(
                name=self.name, bootstrap=self.bootstrap, flink=flink,
                **{role: f"topic: {topic}" for role, topic in self.topics.items()},
            ).replace("  m:\n", f"  {self.name}:\n")
        )  # fmt: skip
        return self.folder

    def directories(self) -> files_source_job.Directories:
        """Return the same events as files."""
        return files_source_job.Directories(self.folder / "files" / "predictions", self.folder / "files" / "labels")

    def send(self, role: str, rows: Iterable[Event]) -> None:
        """Send events to their topic, with their own times, and in one partition each."""
        with connections.producer(self.bootstrap) as client:
            for row in rows:
                client.send(
                    self.topics[role], json.dumps(row).encode(), key=row["id"].encode(),
                    partition=partition(row) if role == "predictions" else 0, timestamp_ms=row["time"],
                )  # fmt: skip

    def send_bad(self) -> None:
        """Send records that nobody can use, one of them with a timestamp that would close every window for good."""
        with connections.producer(self.bootstrap) as client:
            for value, at in zip(BAD, (START, START.replace(year=2099)), strict=True):
                client.send(self.topics["predictions"], value, partition=1, timestamp_ms=to_ms(at))


def make(folder: Path, bootstrap: str, name: str) -> World:
    """Make the topics, empty, and the files, full."""
    world = World(folder, bootstrap, name)
    publishing.ensure(bootstrap, world.topics["predictions"], PARTITIONS)
    publishing.ensure(bootstrap, world.topics["labels"], 1)
    for role, rows in zip(("predictions", "labels"), events(), strict=True):
        path = folder / "files" / role / "all.jsonl"
        path.parent.mkdir(parents=True)
        ending = [last(p) for p in range(PARTITIONS)] if role == "predictions" else []
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *ending]))
    world.write_project()
    return world


def register(opened: Context, model: Model) -> None:
    """Freeze the baseline of the model."""
    assert model.baseline is not None
    adopt_model.register_baseline(opened, model, "v1", (model.baseline.start, model.baseline.end), now=START)


def expected(opened: Context, model: Model, world: World) -> list[Report]:
    """Return what a batch run over the files reports."""
    outcome = run_job.run_once(assembly.spec(opened, model), world.directories(), world.folder / "logs")
    return list(outcome.reports)


def digests(reports: Iterable[Report]) -> list[str]:
    """Return the sha256 of every report, in the order of their windows."""
    return [r.digest for r in sorted(reports, key=lambda r: r.key)]


def open_world(world: World) -> Any:
    """Open the project."""
    return context.open(world.folder)
