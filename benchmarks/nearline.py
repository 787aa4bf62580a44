"""Nearline: events per second and event to prediction, beside plain kafka-python loops with the same model.

    python -m benchmarks.nearline [--rows 40000] [--rate 300] [--seconds 15]

Requests of 25 numbers in JSON are answered by 100 gradient-boosted trees out of one topic into another, by

- the job of `leeway nearline`, embedded, with one subtask; it commits predictions exactly once, a second apart;
- a loop of kafka-python over up to 500 records, made one DataFrame: no transactions, no dead letters, no checks;
- the same loop record by record, as it is often written, on a tenth of the records.

Events per second are of a full topic: from the moment the first predictions, or with `--warm` so many, are in the topic
(uncommitted ones, too) to the last, without what was there at that look; so starts are left out. They are counted by
the topic's end, as a reader in Python would take a core from what it measures; each commit is a mark of one offset,
some thirty in all. CPU seconds are those of the process and its children in that time, without the broker. Latency is
of a steady rate: from before the send of a request to when its prediction is read, by a reader of all records and, for
the job, by one of committed records.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import nearline_ways
from benchmarks.serving_world import FEATURES, fitted
from features.events import publishing
from features.kafka import connections
from leeway.stack import broker
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from serving.nearline.champion_file import Champion

PATIENCE_SECONDS = 600
NAMES = {"job": "leeway nearline, committed", "loop": "kafka-python, 500 records at once",
         "single": "kafka-python, record by record"}  # fmt: skip


@dataclass
class Measured:
    """What a way did: events and seconds of a full topic, and seconds from event to prediction by reader.

    Of the seconds of processor time those of Java are given apart.
    """

    events: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    java: float = 0.0
    latency: dict[str, list[float]] = field(default_factory=dict)


class Reader:
    """Reads a topic from its end, in a thread; notes when each id was seen first."""

    def __init__(self, address: str, topic: str, isolation: str) -> None:
        """Begin to read."""
        self.seen: dict[str, float] = {}
        self._ready, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, args=(address, topic, isolation))
        self._thread.start()
        self._ready.wait()

    def _read(self, address: str, topic: str, isolation: str) -> None:
        with connections.consumer(address, isolation_level=isolation) as client:
            client.assign([partition := connections.partition(topic, 0)])
            client.seek_to_end(partition)
            client.position(partition)
            self._ready.set()
            while not self._over.is_set():
                for records in client.poll(timeout_ms=20).values():
                    now = time.perf_counter()
                    for record in records:
                        self.seen.setdefault(record.key.decode(), now)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=NAMES, default=list(NAMES), help="by default all")
    parser.add_argument("--rows", type=int, default=40_000, help="of a full topic")
    parser.add_argument("--warm", type=int, default=1, help="of these, so many are answered before counting begins")
    parser.add_argument("--rate", type=int, default=300, help="requests a second, for latency")
    parser.add_argument("--seconds", type=int, default=15, help="of the steady rate")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, broker.running(Path(work, "broker")) as address:
        folder = Path(work)
        digest = ArtifactStore(folder / "artifacts").put(artifacts.dump_model(fitted("trees")))
        (folder / "champion.json").write_text(json.dumps(asdict(Champion("v1", digest, tuple(FEATURES)))))
        rows = {"job": args.rows, "loop": args.rows, "single": args.rows // 10}
        made = {way: _measure(way, folder, address, rows[way], args) for way in args.ways}
    _show(made)


def _measure(way: str, folder: Path, address: str, rows: int, args: argparse.Namespace) -> Measured:
    read, written = nearline_ways.topics(way)
    for topic in (read, written, f"{way}-letters", f"{way}-progress"):
        publishing.ensure(address, topic, 1)
    _send(address, read, "full", _requests(rows))
    made, readers = Measured(), dict[str, Reader]()
    try:
        with _running(way, folder, address) as process:
            _full(made, process, address, written, (min(args.warm, rows // 2), rows))
            readers = {
                name: Reader(address, written, f"read_{name}")
                for name in (("uncommitted", "committed") if way == "job" else ("uncommitted",))
            }
            sent = _steady(address, read, args.rate, args.seconds)
            for reader in readers.values():
                _wait(lambda seen=reader.seen: len(seen.keys() & sent.keys()), len(sent), process)
    finally:
        for reader in readers.values():
            reader.stop()
    for name, reader in readers.items():
        made.latency[name] = [reader.seen[each] - at for each, at in sent.items()]
    return made


def _full(made: Measured, process: psutil.Popen, address: str, written: str, rows: tuple[int, int]) -> None:
    """Measure how the full topic is answered, from so many predictions to so many."""
    with connections.consumer(address) as client:
        partition = connections.partition(written, 0)

        def there() -> int:
            return int(client.end_offsets([partition])[partition])

        _wait(there, rows[0], process)
        began, before, seen = time.perf_counter(), _cpu(process), there()
        _wait(there, rows[1], process)
        made.events, made.wall = rows[1] - seen, time.perf_counter() - began
        made.cpu, made.java = (now - then for now, then in zip(_cpu(process), before, strict=True))


def _wait(there: Callable[[], int], n: int, process: psutil.Popen) -> None:
    """Wait until so many predictions are *there*, while the process that answers runs."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := there()) < n:
        if time.monotonic() > end or process.poll() is not None:
            sys.exit(f"{found:,} of {n:,} predictions after {PATIENCE_SECONDS} s, or the process has ended")
        time.sleep(0.05)


def _cpu(process: psutil.Popen) -> tuple[float, float]:
    """Return the processor seconds of a process with its children, and those of Java among them."""
    spent = [(each.name(), sum(each.cpu_times()[:2])) for each in (process, *process.children(recursive=True))]
    return sum(seconds for _, seconds in spent), sum(seconds for name, seconds in spent if name == "java")


@contextmanager
def _running(way: str, folder: Path, address: str) -> Iterator[psutil.Popen]:
    command = [sys.executable, "-m", "benchmarks.nearline_ways", way, str(folder), address]
    path = folder / f"{way}.log"
    with path.open("wb") as log:
        process = psutil.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)
    try:
        yield process
    except BaseException:
        print(path.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        with suppress(psutil.NoSuchProcess):  # it may have ended
            for each in (*process.children(recursive=True), process):
                each.kill()
        process.wait()


def _requests(n: int) -> list[str]:
    """Return seeded requests without their id."""
    numbers, now = np.random.default_rng(1).normal(size=(n, len(FEATURES))).round(6), int(time.time() * 1000)
    return [json.dumps({"time": now, **dict(zip(FEATURES, row, strict=True))})[1:] for row in numbers.tolist()]


def _send(address: str, topic: str, name: str, requests: list[str]) -> None:
    with connections.producer(address) as client:
        for i, request in enumerate(requests):
            key = f"{name}{i}"
            client.send(topic, f'{{"id": "{key}", {request}'.encode(), key=key.encode())


def _steady(address: str, topic: str, rate: int, seconds: int) -> dict[str, float]:
    """Send requests at a steady rate; return when each was sent."""
    requests, sent = _requests(rate * seconds), dict[str, float]()
    with connections.producer(address, linger_ms=0, acks=1, enable_idempotence=False) as client:
        began = time.perf_counter()
        for i, request in enumerate(requests):
            time.sleep(max(0.0, began + i / rate - time.perf_counter()))
            sent[key := f"steady{i}"] = time.perf_counter()
            client.send(topic, f'{{"id": "{key}", {request}'.encode(), key=key.encode())
    return sent


def _show(made: dict[str, Measured]) -> None:
    table = Table("what", "events", "wall s", "events/s", "times", "CPU s", "of Java", "events/CPU s", "times",
                  "p50 ms", "p99 ms", "committed p50", "p99", box=None,
                  title="25 numbers in JSON, 100 trees, one partition")  # fmt: skip
    peer = made.get("loop") or next(iter(made.values()))
    for way, own in made.items():
        rate, work = own.events / own.wall, own.events / own.cpu
        spans = [f"{1000 * np.quantile(of, q):,.0f}" for of in own.latency.values() for q in (0.5, 0.99)]
        table.add_row(
            NAMES[way], f"{own.events:,}", f"{own.wall:.1f}", f"{rate:,.0f}", f"{rate * peer.wall / peer.events:.2f}",
            f"{own.cpu:.1f}", f"{own.java:.1f}", f"{work:,.0f}", f"{work * peer.cpu / peer.events:.2f}", *spans,
        )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
