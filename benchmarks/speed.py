"""Shared parts of job benchmarks: events, a baseline, outputs, a competitor, and a table of ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from leeway.stack import coordinates
from leeway.streaming import job_settings
from monitors.config import MonitorPolicy
from monitors.flink import baseline_job, deploy_job
from monitors.flink.config import Engine
from monitors.flink.sinks_job import KINDS, OutputTopics
from monitors.job_spec import JobSpec
from monitors.profiles.derived import FrozenProfile
from registry.files import published_baselines

START, DAYS = datetime(2024, 1, 1, tzinfo=UTC), 30
NUMBERS, WORDS = 20, 5
FEATURES = {
    **{f"x{i}": FeatureKind.NUMERIC for i in range(NUMBERS)},
    **{f"c{i}": FeatureKind.CATEGORICAL for i in range(WORDS)},
}
SCHEMA = EventSchema(
    model="bench",
    task=Task.BINARY,
    features=FEATURES,
    label_delay=timedelta(days=1),
    windows=Windows(size=timedelta(days=7), slide=timedelta(days=1)),
)
POLICY = MonitorPolicy()
LEARNED = 20_000
"""Rows of the baseline."""
COMPARED = 100_000
"""Rows for Evidently: its time grows with them alike."""
FEW = 10
"""Rows of a job that does nothing but start and end."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to go through *events*, which took *seconds*; *start* of them do not depend on how many there are."""

    name: str
    events: int
    seconds: float
    start: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second, start included."""
        return self.events / self.seconds

    @property
    def steady(self) -> float:
        """Events a second after the start."""
        return self.events / max(self.seconds - self.start, 1e-9)


def events(rows: int) -> pd.DataFrame:
    """Return *rows* events over the days, seeded."""
    rng = np.random.default_rng(0)
    times = START + np.sort(rng.uniform(0, DAYS, rows)) * timedelta(days=1)
    made = {"id": np.arange(rows).astype(str), "time": [to_ms(t) for t in times], "model_version": "v1"}
    numbers = {f"x{i}": rng.normal(size=rows) for i in range(NUMBERS)}
    words = {f"c{i}": rng.choice(list("abcdefgh"), rows) for i in range(WORDS)}
    return pd.DataFrame({**made, **numbers, **words, "prediction": rng.uniform(0.01, 0.99, rows)})


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that *action* took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def published(work: Path, made: pd.DataFrame | None = None, schema: EventSchema = SCHEMA) -> JobSpec:
    """Return what a worker is told of a baseline of v1: of the events *made*, published under *work*."""
    source, root = work / "learned", work / "baselines"
    source.mkdir()
    (events(LEARNED) if made is None else made).to_parquet(source / "0.parquet")
    baseline = baseline_job.run(
        schema, POLICY, version="v1", predictions=source, labels=None, start=START, end=START + timedelta(days=DAYS),
        logs=work / "logs",
    )  # fmt: skip
    published_baselines.publish_baseline(baseline, root)
    return JobSpec(schema, POLICY, str(root / schema.model))


def frozen(spec: JobSpec) -> Mapping[str, FrozenProfile]:
    """Return what the baseline that *spec* tells of froze, by version."""
    baseline = spec.baseline("v1")
    assert baseline is not None  # it was published
    return {"v1": baseline.frozen}


def outputs(address: str, name: str) -> OutputTopics:
    """Return the topics that a job called *name* writes to, made where they are absent."""
    names = {kind: f"{name}.{kind}" for kind in KINDS}
    job_settings.make_topics(address, names)
    return OutputTopics(address, **names, prefix=name)


def deployment(name: str, work: Path, engine: Engine) -> deploy_job.Deployment:
    """Return how a job called *name* is run over topics."""
    return deploy_job.Deployment(name, name, engine, work, tuple(coordinates.jars("flink-kafka")))


def evidently(rows: pd.DataFrame) -> Way:
    """Return how long Evidently's drift preset takes, with its defaults, on *rows* in memory."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[f for f, kind in FEATURES.items() if kind is FeatureKind.NUMERIC],
        categorical_columns=[f for f, kind in FEATURES.items() if kind is FeatureKind.CATEGORICAL],
    )
    half = len(rows) // 2

    def run() -> None:
        sides = [Dataset.from_pandas(part[list(FEATURES)], definition) for part in (rows[:half], rows[half:])]
        Report([DataDriftPreset()]).run(sides[1], sides[0]).dict()

    return Way("Evidently DataDriftPreset, its defaults", len(rows), timed(run))


def show(title: str, ways: Iterable[Way], peer: Way) -> None:
    """Print the *ways*' rates as multiples of the *peer*'s, with their start and without."""
    table = Table("what", "events", "seconds", "events/s", "times", "after start", "times", title=title, box=None)
    for way in ways:
        table.add_row(
            way.name, f"{way.events:,}", f"{way.seconds:.1f}", f"{way.rate:,.0f}", f"{way.rate / peer.rate:.1f}",
            f"{way.steady:,.0f}", f"{way.steady / peer.rate:.1f}",
        )  # fmt: skip
    Console(width=130).print(table)
