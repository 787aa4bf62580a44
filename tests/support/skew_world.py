"""A project with a feature of facts, whose log of some hours has the values that the facts give, or others."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.events import decode
from features.facts import lookup
from features.window import UTC, from_ms, to_ms
from leeway import assembly, context
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming.consume_output import OutputConsumer
from monitors.finding import Stage
from monitors.in_process import baselines, slices, windows
from monitors.report import Report
from registry import operations
from registry.files import published_baselines
from registry.records import Version
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE

HOUR = 60 * MINUTE
START, NOW = from_ms(BEGIN), datetime(2024, 2, 1, tzinfo=UTC)
BASELINE_HOURS, HOURS, PER_HOUR = 8, 12, 100
PROJECT = """\
project: flights
facts: {landings: {path: landings, id: flight, known_time: reported, delay: 2m, tile: 5m}}
models:
  late:
    task: binary
    events: {predictions: {path: log}, labels: {path: labels}}
    label_delay: 1h
    windows: {size: 2h, slide: 1h}
    monitor: {min_rows: 30}
    features:
      carrier: categorical
      x: numeric
      delay: {type: numeric, from: landings, key: carrier, mean: delay, window: 20m, empty: 0}
"""


def moment(hour: int) -> datetime:
    """Return the start of an hour of the world."""
    return START + timedelta(hours=hour)


def write(root: Path, skewed: Mapping[int, float]) -> None:
    """Write project, facts, labels and a log, in which a share of the rows of some hours has another value."""
    rng = random.Random(1)
    (root / "leeway.yaml").write_text(PROJECT)
    facts = [{"flight": f"f{n}", "carrier": rng.choice("AB"), "time": (at := BEGIN - HOUR + n * MINUTE),
              "reported": at + MINUTE, "delay": round(rng.gauss(0, 30), 2)}
             for n in range((HOURS + 1) * 60)]  # fmt: skip
    fact_worlds.write(root / "landings", facts, 3)
    with context.open(root) as opened:
        declared = opened.model("late").facts
    values = lookup.load(declared, start=START, end=moment(HOURS), now=NOW).values
    for hour in range(HOURS):
        rows = [{"id": f"{hour}-{n}", "time": BEGIN + hour * HOUR + n * (HOUR // PER_HOUR), "model_version": "v1",
                 "carrier": rng.choice("AB"), "x": rng.gauss(0, 1), "prediction": rng.random()}
                for n in range(PER_HOUR)]  # fmt: skip
        logged = lookup.add_columns(pa.Table.from_pylist(rows), values).to_pylist()
        for row in logged[: round(PER_HOUR * skewed.get(hour, 0.0))]:
            row["delay"] += 0.25
        write_hour(root / "log", hour, logged)
        write_hour(root / "labels", hour, [{"id": row["id"], "time": row["time"], "label": 1} for row in rows])


def write_hour(folder: Path, hour: int, rows: list[dict[str, Any]]) -> None:
    """Write the events of an hour as a file."""
    fact_worlds.write(folder / f"{hour:02}", rows, 1)


@dataclass
class SkewWorld:
    """The opened project, with the champion `v1` and its baseline of the first hours."""

    opened: Context

    def __post_init__(self) -> None:
        """Register the version and its baseline."""
        baseline = baselines.run(
            self.model.schema, self.model.monitor, version="v1", predictions=self.model.events.predictions,
            labels=None, start=START, end=moment(BASELINE_HOURS),
        )  # fmt: skip
        reg = self.opened.registry
        operations.add_model(reg, model="late", task="binary", now=NOW)
        operations.add_version(reg, Version(model="late", version="v1", mode="external", created_at=NOW))
        operations.store_baseline(reg, baseline, now=NOW)
        published_baselines.publish_baseline(baseline, self.opened.dir / "baselines")
        operations.promote(reg, model="late", version="v1", expected_generation=0, actor="ann", reason="first",
                           effective_at=moment(BASELINE_HOURS), now=NOW)  # fmt: skip
        self.baseline = baseline

    @cached_property
    def model(self) -> Model:
        """The model."""
        return self.opened.model("late")

    @cached_property
    def consumer(self) -> OutputConsumer:
        """What stores reports."""
        return OutputConsumer(self.opened, self.model, clock=lambda: NOW)

    def reports(self) -> list[Report]:
        """Return the reports on the inputs after the baseline, as a job makes them."""
        schema = self.model.schema
        table = decode.read_events(schema, "predictions", self.model.events.predictions).table
        rows = slices.count_inputs(schema, self.baseline.frozen, table)
        spec, since = assembly.spec(self.opened, self.model), to_ms(moment(BASELINE_HOURS))
        return list(windows.reports(spec, "v1", Stage.INPUTS, [one for one in rows if one.start >= since]))


@contextmanager
def opened(root: Path, skewed: Mapping[int, float]) -> Iterator[SkewWorld]:
    """Write a world in a folder and open it."""
    write(root, skewed)
    with context.open(root) as made:
        yield SkewWorld(made)
