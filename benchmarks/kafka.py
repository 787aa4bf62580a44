"""Throughput from Kafka to window reports, beside Evidently, plain Flink and numpy on the same rows.

    python -m benchmarks.kafka [--rows 400000] [--columnar 4000000]

The broker runs on the same cores. Evidently gets the rows in memory; numpy too, decoded. A job's time includes its
start, which is also measured by itself, on ten events.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks import plain_flink
from benchmarks.speed import (
    COMPARED,
    FEATURES,
    FEW,
    SCHEMA,
    Way,
    deployment,
    events,
    evidently,
    frozen,
    outputs,
    published,
    show,
    timed,
)
from features.events import publishing
from features.events.publishing import Message, TopicFormat
from features.kafka import connections
from features.schema import Role, Source
from features.window import to_ms
from leeway.stack import broker as kafka
from monitors.flink import deploy_job, environment_job, run_job
from monitors.flink.config import Engine
from monitors.flink.kafka_source_job import Topics
from monitors.job_spec import JobSpec
from monitors.profiles import counting

A_RECORD, AT_ONCE = 1000, 100_000
KNOWN = to_ms(timedelta(hours=1))
"""How long after its prediction a label is known."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are: a *work* folder, the broker's *address*, what a worker knows, and events as a *table*.

    Topics have as many partitions as jobs have *subtasks*.
    """

    work: Path
    address: str
    spec: JobSpec
    table: pa.Table
    subtasks: int

    @property
    def engine(self) -> Engine:
        """How jobs run."""
        return Engine(parallelism=self.subtasks)

    def fill(self, topic: str, kind: Any, rows: int, role: Role = "predictions") -> Source:
        """Send *rows* events to *topic*, each of the table's as often in a row as that takes; return it as a source."""
        source = Source(topic=topic, format=kind, bootstrap=self.address)
        outlet = TopicFormat(publishing.ensure(self.address, topic, self.subtasks), source.format)
        list(publishing.send(self.address, ((outlet, m) for m in _messages(self.table, source, rows, role))))
        return source

    def job(self, predictions: Source, labels: Source | None = None) -> None:
        """Run the profile job over topics from end to end; its reports must be there."""
        name = f"bench-{predictions.topic}-{labels.topic if labels else 'alone'}"
        how, written = deployment(name, self.work, self.engine), outputs(self.address, name)
        topics = Topics(predictions, labels, name, subtasks=(self.subtasks, self.subtasks), bounded=True)
        run_job.finish(deploy_job.start(self.spec, topics, written, how), how.logs)
        with connections.consumer(self.address, auto_offset_reset="earliest") as client:
            client.assign([part := connections.partition(written.reports, 0)])
            assert client.end_offsets([part])[part] > 0

    def plain(self, way: Callable[..., Any], source: Source) -> None:
        """Run a job of Flink's own over a topic."""
        how = deployment("plain", self.work, self.engine)
        options = deploy_job.options(how, Topics(source, None, "plain"))
        tables = environment_job.environment(how.logs, streaming=True, options=options)
        run_job.finish(way(tables, FEATURES, source.topic, self.address), how.logs)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000, help="as JSON")
    parser.add_argument("--columnar", type=int, default=4_000_000, help="as Arrow")
    parser.add_argument("--subtasks", type=int, default=1, help="of each job, and partitions of each topic")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, kafka.running(Path(work, "broker")) as address:
        peer, *ways = _measure(Path(work), address, args)
    show("20 numeric and 5 categorical features, times Evidently", [peer, *ways], peer)


def _measure(work: Path, address: str, args: argparse.Namespace) -> Iterator[Way]:
    spec, rows, columnar = published(work), args.rows, args.columnar
    made = events(COMPARED)
    bench = Bench(work, address, spec, _decoded(made), args.subtasks)
    few, few_labels = bench.fill("few", "json", FEW), bench.fill("few-labels", "json", FEW, "labels")
    json, arrow = bench.fill("json", "json", rows), bench.fill("arrow", "arrow", columnar)
    labels = bench.fill("labels", "json", rows, "labels")
    bench.job(few)  # the first start of all loads Java's classes
    yield evidently(made)
    yield Way(
        "numpy alone, decoded in memory",
        COMPARED,
        timed(lambda: list(counting.count_inputs(SCHEMA, frozen(spec), bench.table))),
    )
    for name, way in (("a scan", plain_flink.scan), ("UNNEST in SQL", plain_flink.unnest)):
        start, took = (timed(lambda way=way, of=of: bench.plain(way, of)) for of in (few, json))  # type: ignore[misc]
        yield Way(f"plain Flink, JSON, {name}", rows, took, start)
    start = timed(lambda: bench.job(few))
    yield Way("JSON to reports", rows, timed(lambda: bench.job(json)), start)
    yield Way(f"Arrow to reports, {A_RECORD:,} events a record", columnar, timed(lambda: bench.job(arrow)), start)
    start = timed(lambda: bench.job(few, few_labels))
    yield Way("JSON to reports, each event with a label", rows, timed(lambda: bench.job(json, labels)), start)


def _decoded(made: pd.DataFrame) -> pa.Table:
    """Return events as a decoded table, with their labels beside."""
    return pa.Table.from_pandas(made.assign(label=(np.arange(len(made)) % 2).astype(float)), preserve_index=False)


def _messages(table: pa.Table, source: Source, rows: int, role: Role) -> Iterator[Message]:
    """Yield *rows* events, each of the *table*'s as often as that takes: how they are spread over slices stays."""
    times = max(rows // table.num_rows, 1)
    for at in range(0, rows, AT_ONCE):
        part = table.take(np.arange(at, min(at + AT_ONCE, rows)) // times)
        if times > 1:  # an id must be one event's
            part = part.set_column(0, "id", pa.array(np.arange(at, at + part.num_rows).astype(str)))
        if role == "labels":
            known = pa.array(part["time"].to_numpy() + KNOWN)
            part = pa.table({"id": part["id"], "time": known, "label": part["label"]})
        yield from publishing.messages(SCHEMA, role, part, source, A_RECORD)


if __name__ == "__main__":
    main()
