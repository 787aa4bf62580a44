"""Checkpoint size of the job against features, segments, events and predictions that wait for labels.

    python -m benchmarks.state [--quick]

A real broker and the job in Flink, which reads a topic of 30 days of seeded events and then waits for more. What is
measured is the newest complete checkpoint after all has been read. Windows are 7 days by 1 day: open ones hold counts
of bins, by segment and slice. With labels, predictions and labels also wait as rows until the label delay is over.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.speed import DAYS, POLICY, START, deployment, outputs, published
from features.errors import EngineError
from features.events import decode, publishing
from features.kafka import connections
from features.schema import EventSchema, FeatureKind, Role, Source, Task
from features.window import Windows, to_ms
from leeway.stack import broker as kafka
from monitors.flink import deploy_job, environment_job, run_job
from monitors.flink.config import Engine
from monitors.flink.kafka_source_job import Topics
from monitors.job_spec import JobSpec

WINDOWS = Windows(size=timedelta(days=7), slide=timedelta(days=1))
LEARNED = 10_000
"""Events of a baseline."""
PATIENCE_SECONDS = 300
"""The longest that a job may take to read its topic."""
MORE = 3
"""Checkpoints to wait for after all has been read: what has been closed by then is not in the state any more."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a checkpoint's size is measured for; *delay* is the label delay in days, 0 where there are no labels."""

    features: int = 25
    segments: int = 0
    events: int = 100_000
    delay: int = 0

    @property
    def schema(self) -> EventSchema:
        """The model's events: numbers, and a category to segment by where there are *segments*."""
        by = {"c": FeatureKind.CATEGORICAL} if self.segments else {}
        return EventSchema(
            model=f"f{self.features}-s{self.segments}", task=Task.BINARY, windows=WINDOWS,
            features={**{f"x{i}": FeatureKind.NUMERIC for i in range(self.features)}, **by}, segments=tuple(by),
            label_delay=timedelta(days=max(self.delay, 1)),
        )  # fmt: skip

    @property
    def waiting(self) -> int:
        """How many predictions the job keeps after the last event: those whose slice's labels may still come."""
        times = event_times(self.events)
        slide = to_ms(WINDOWS.slide)
        due = times - times % slide + slide - 1 + self.delay * 86_400_000
        return int((due > times[-1]).sum()) if self.delay else 0


QUICK = (Case(events=20_000), Case(events=20_000, delay=7), Case(5, events=20_000))
ALL = (
    Case(25), Case(5), Case(100), Case(delay=7), Case(events=400_000), Case(segments=10), Case(events=20_000),
    Case(delay=1), Case(events=400_000, delay=7), Case(segments=100),
)  # fmt: skip


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three small cases")
    cases = QUICK if parser.parse_args().quick else ALL
    with tempfile.TemporaryDirectory() as work, kafka.running(Path(work, "broker")) as address:
        found: dict[Case, int] = {}
        for i, case in enumerate(cases):
            found[case] = _measure(case, Path(work, f"case{i}"), address)
            print(f"{i + 1} of {len(cases)}: {case}, {found[case]:,} bytes", file=sys.stderr)
        _print(found)


def event_times(events: int) -> npt.NDArray[np.int64]:
    """Return the times of so many events (ms), evenly over the days."""
    return to_ms(START) + (np.arange(events) * (DAYS * 86_400_000) // events).astype(np.int64)


def rows(case: Case, events: int) -> pd.DataFrame:
    """Return so many predictions of *case*, seeded."""
    rng = np.random.default_rng(0)
    made = {"id": np.arange(events).astype(str), "time": event_times(events), "model_version": "v1"}
    numbers = {f"x{i}": rng.normal(size=events) for i in range(case.features)}
    words = {"c": rng.integers(case.segments, size=events).astype(str)} if case.segments else {}
    return pd.DataFrame({**made, **numbers, **words, "prediction": rng.uniform(0.01, 0.99, events)})


def labels(made: pd.DataFrame) -> pd.DataFrame:
    """Return a label of every prediction, of the same time."""
    return pd.DataFrame({"id": made["id"], "time": made["time"], "label": np.arange(len(made)) % 2})


def _measure(case: Case, work: Path, address: str) -> int:
    """Return the bytes of the newest checkpoint once the job has read everything."""
    work.mkdir()
    made = rows(case, case.events)
    name = f"{case.schema.model}-{case.events}-{case.delay}"
    sources = {"predictions": _sent(case, "predictions", made, address, name, work)}
    if case.delay:
        sources["labels"] = _sent(case, "labels", labels(made), address, name, work)
    topics = Topics(sources["predictions"], sources.get("labels"), name)
    how = deployment(name, work, Engine(checkpoint_interval=timedelta(seconds=1)))
    job = run_job.Running(deploy_job.start(_learned(case, work), topics, outputs(address, name), how), how.logs)
    try:
        return _settled(job, how.checkpoints, sources.values(), name)
    finally:
        job.stop()


def _learned(case: Case, work: Path) -> JobSpec:
    """Return what a worker is told: a baseline is made once for all cases with the same features and segments."""
    known = work.parent / case.schema.model
    if known.is_dir():
        return JobSpec(case.schema, POLICY, str(known / "baselines" / case.schema.model))
    known.mkdir()
    return published(known, rows(case, LEARNED), case.schema)


def _sent(case: Case, role: Role, events: pd.DataFrame, address: str, name: str, work: Path) -> Source:
    """Send *events* as columnar records to a topic of their own; return the topic."""
    to = Source(topic=f"{name}.{role}", format="arrow", bootstrap=address)
    path = work / role
    path.mkdir()
    events.to_parquet(path / "0.parquet")
    outlet = publishing.TopicFormat(publishing.ensure(address, to.topic or "", 1), "arrow")
    table = decode.read_events(case.schema, role, path).table
    list(publishing.send(address, ((outlet, m) for m in publishing.messages(case.schema, role, table, to))))
    return to


def _settled(job: run_job.Running, checkpoints: Path, sources: Iterable[Source], group: str) -> int:
    """Return the size of the newest checkpoint, some after the one that has read all of *sources*."""
    give_up, seen, sources = time.monotonic() + PATIENCE_SECONDS, set[str](), tuple(sources)
    while time.monotonic() < give_up:
        job.check()
        newest = environment_job.newest_checkpoint(checkpoints)
        if newest and newest.name not in seen:
            found = size(newest)  # now: the next one to be complete takes its place
            if all(_is_read(s, group) for s in sources):
                seen.add(newest.name)
            if len(seen) > MORE:
                return found
        time.sleep(0.2)
    msg = f"{group} was not read within {PATIENCE_SECONDS} s"
    raise EngineError(msg)


def _is_read(source: Source, group: str) -> bool:
    with connections.consumer(source.bootstrap, group_id=group) as client:
        part = connections.partition(source.topic or "", 0)
        return bool((client.committed(part) or 0) >= client.end_offsets([part])[part])


def size(checkpoint: Path) -> int:
    """Return the bytes of the files of a checkpoint, those that it shares with others included."""
    places = (checkpoint, checkpoint.parent / "shared")
    return sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())


def _print(found: Mapping[Case, int]) -> None:
    table = Table(
        "features", "segments", "events", "label delay", "checkpoint, KB", "times", "rows waiting", "bytes a row",
        title="Size of the newest checkpoint, all read", box=None,
    )  # fmt: skip
    first = next((n for case, n in found.items() if case.features == 25), 1)
    for case, n in found.items():
        bare = found.get(replace(case, delay=0), 0)
        waiting = [f"{case.waiting:,}", f"{(n - bare) / case.waiting:.0f}"] if case.delay and bare else ["", ""]
        table.add_row(
            f"{case.features}", f"{case.segments or ''}", f"{case.events:,}", f"{case.delay} d" if case.delay else "",
            f"{n / 1000:,.0f}", f"{n / first:.2f}", *waiting,
        )  # fmt: skip
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
