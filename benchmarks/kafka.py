"""How fast events in Kafka become reports, beside Evidently and numpy alone on the same rows, in one run.

    python -m benchmarks.kafka [--rows 200000] [--columnar 1000000]

The broker runs on the same cores; times include the start of the job. Evidently gets the rows in memory.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import SCHEMA, _evidently, events, published, timed
from features import broker, codec, encode, sending
from features.schema import Source
from features.sending import Message, Outlet
from leeway import jobs
from leeway.stack import broker as kafka
from leeway.stack import coordinates
from monitors import deploy_job, profiles, run_job, worker
from monitors.engine import Engine
from monitors.sinks_job import OutputTopics
from monitors.topics_job import Topics

A_RECORD = 1000


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="as JSON, and for the others")
    parser.add_argument("--columnar", type=int, default=1_000_000, help="as Arrow")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, kafka.running(Path(work, "broker")) as address:
        _print(_measure(Path(work), address, events(args.rows), args.columnar))


def _measure(work: Path, address: str, rows: pd.DataFrame, columnar: int) -> dict[str, tuple[int, float]]:
    """Return how many events each way took, and how many seconds for them."""
    spec, table = _prepared(work, rows)
    frozen = {"v1": baseline.frozen} if (baseline := spec.baseline("v1")) else {}
    repeats = max(1, columnar // len(rows))
    json, arrow, few = (Source(topic=t, format=f, bootstrap=address)
                        for t, f in (("json", "json"), ("arrow", "arrow"), ("few", "json")))  # fmt: skip
    for source, times, part in ((json, 1, table), (arrow, repeats, table), (few, 1, table.slice(0, 10))):
        topic = sending.ensure(address, source.topic or "", 1)
        list(sending.send(address, ((Outlet(topic, source.format), m) for m in _messages(part, source, times))))
    return {
        "numpy alone, decoded in memory": (
            len(rows),
            timed(lambda: list(profiles.count_inputs(SCHEMA, frozen, table))),
        ),
        "Evidently DataDriftPreset": (len(rows), timed(lambda: _evidently(rows))),
        "start of a job (10 events)": (10, timed(lambda: _job(work, spec, few))),
        "Kafka JSON to report": (len(rows), timed(lambda: _job(work, spec, json))),
        f"Kafka Arrow, {A_RECORD:,} events a record": (repeats * len(rows), timed(lambda: _job(work, spec, arrow))),
    }


def _prepared(work: Path, rows: pd.DataFrame) -> tuple[worker.Spec, pa.Table]:
    source = work / "rows"
    source.mkdir()
    rows.to_parquet(source / "0.parquet")
    _, spec = published(source, work)
    return spec, codec.read_events(SCHEMA, "predictions", source).table


def _messages(table: pa.Table, source: Source, times: int) -> Iterator[Message]:
    """Yield *table*'s events, each *times* times in a row: how they are spread over slices stays as it is."""
    size = A_RECORD if source.format == "arrow" else 5000
    for at in range(0, table.num_rows * times, size):
        part = table.take(np.arange(at, min(at + size, table.num_rows * times)) // times)
        newest = part["time"].to_numpy()
        values = encode.records(SCHEMA, "predictions", part, source)
        stamps = [newest[-1]] if source.format == "arrow" else newest
        yield from (Message(int(t), None, v) for t, v in zip(stamps, values, strict=True))


def _job(work: Path, spec: worker.Spec, source: Source) -> None:
    name = f"bench-{source.topic}"
    names = {kind: f"{name}.{kind}" for kind in ("reports", "rejects", "progress")}
    jobs.make_topics(source.bootstrap, names)
    how = deploy_job.Deployment(name, name, Engine(), work, tuple(coordinates.jars("flink-kafka")))
    topics = Topics(source, None, name, bounded=True)
    run_job.finish(deploy_job.start(spec, topics, OutputTopics(source.bootstrap, **names, prefix=name), how), how.logs)
    with broker.consumer(source.bootstrap, auto_offset_reset="earliest") as client:
        client.assign([part := broker.partition(names["reports"], 0)])
        assert client.end_offsets([part])[part] > 0


def _print(found: dict[str, tuple[int, float]]) -> None:
    rows, seconds = found["Evidently DataDriftPreset"]
    table = Table(
        "what",
        "events",
        "seconds",
        "events/s",
        "times Evidently",
        title="20 numeric and 5 categorical features, 2 cores",
        box=None,
    )
    for name, (n, took) in found.items():
        ratio = "" if name.startswith("start") else f"{n / took / (rows / seconds):.1f}"
        table.add_row(name, f"{n:,}", f"{took:.1f}", "" if not ratio else f"{n / took:,.0f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
