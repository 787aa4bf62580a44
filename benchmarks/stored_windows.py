"""Storing judged windows, beside another writer: `python -m benchmarks.stored_windows [--segments 100]`.

The path of `leeway monitor` from decoded reports on: verdicts over time, and the write transaction. Batches have one
window of each segment. Another process writes a row of its own again and again meanwhile; how long it waits is
compared with how long it takes while nothing else is written. SQLite.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks import judging
from monitors.report import Report, canonical
from monitors.sequential import monitor
from registry import operations
from registry.connection import Registry
from registry.incidents import ingest
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import Version

PAUSE = 0.005
"""Seconds between two rows of the other writer."""


class TimedRegistry(Registry):
    """A registry that notes how long its write transactions are open, in processor seconds."""

    open_for: float = 0.0

    @contextmanager
    def write(self, *args: object) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction, and note how long it was open."""
        with super().write(*args) as c:  # type: ignore[arg-type]
            began = time.process_time()
            yield c
        self.open_for += time.process_time() - began


def other_writer(url: str, artifacts: Path, ready: Event, stop: Event, waits: Connection) -> None:
    """Write rows until *stop* is set, say when it is *ready*, and send how long each took, in seconds."""
    took, now = [], judging.from_ms(0)
    with Registry.open(url, artifacts) as registry:
        while not stop.is_set():
            began = time.perf_counter()
            operations.add_model(registry, model=f"other{time.time_ns()}", task="binary", now=now)
            took.append(time.perf_counter() - began)
            ready.set()
            time.sleep(PAUSE)
    waits.send(took)


@contextmanager
def writing(url: str, artifacts: Path, took: list[float]) -> Iterator[None]:
    """Have another process write meanwhile; how long each of its writes took is added to *took*."""
    context = multiprocessing.get_context("spawn")
    ready, stop, (here, there) = context.Event(), context.Event(), context.Pipe(duplex=False)
    process = context.Process(target=other_writer, args=(url, artifacts, ready, stop, there))
    process.start()
    ready.wait()
    yield
    stop.set()
    took += here.recv()
    process.join()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("features", 25), ("segments", 100), ("windows", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    model = judging.model(args.features, args.segments, judging.REFERENCE + args.windows + 2, 0)
    judge, name = judging.Judge(model, {}, {}), model.baseline.events.model
    ends = range(judging.REFERENCE + 1, judging.REFERENCE + 2 + args.windows)
    batches = [[canonical(monitor.without_sequential(report)) for report in judge.judge(end)] for end in ends]
    now, alone, beside = model.baseline.end, list[float](), list[float]()
    with TemporaryDirectory() as folder:
        url, artifacts = f"sqlite:///{folder}/registry.db", Path(folder) / "artifacts"
        with TimedRegistry.open(url, artifacts) as registry:
            operations.add_model(registry, model=name, task="binary", now=now)
            operations.add_version(registry, Version(model=name, version="v1", mode="external", created_at=now))
            operations.store_baseline(registry, model.baseline, now=now)
            verdicts = SequentialVerdicts({name: judging.POLICY})

            def store(batch: list[str]) -> None:
                reports = [Report.model_validate_json(line) for line in batch]
                ingest.ingest(registry, reports, now=now, judge=verdicts.judge)

            store(batches[0])  # makes the plans
            with writing(url, artifacts, alone):
                time.sleep(3)
            registry.open_for = 0.0
            with writing(url, artifacts, beside):
                began = time.process_time()
                for batch in batches[1:]:
                    store(batch)
                cpu, windows = time.process_time() - began, args.windows * args.segments
            locked = registry.open_for
    table = Table("what", "figure", box=None)
    table.add_row("decoded, judged over time and stored", f"{1000 * cpu / windows:,.2f} ms a window")
    table.add_row("of that in the write transaction", f"{1000 * locked / windows:,.2f} ms a window")
    table.add_row("a batch's write transaction", f"{1000 * locked / args.windows:,.0f} ms")
    for what, of in (("alone", alone), ("beside batches", beside)):
        table.add_row(
            f"another writer {what}: median, longest", f"{1e3 * sorted(of)[len(of) // 2]:,.0f}, {1e3 * max(of):,.0f} ms"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
