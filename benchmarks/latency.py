"""Latency from the end of a window to its report in the registry, with a real broker and the job in Flink.

    python -m benchmarks.latency [--seconds 120] [--rate 200] [--quick]

A producer, in a process of its own, sends events whose time is now. A window is closed when the first event is sent
that is as late as its end and the watermark delay; its report is there when the transaction that stores it has ended.
In between are, one after the other:

- the source's watermark, which goes on once a second (`pipeline.auto-watermark-interval`);
- Python's bundles, twice, for decoding and for reports: at most a second each (`python.fn-execution.bundle.time`), less
  where a watermark or a checkpoint ends them;
- the checkpoint, which commits what was written: half of `flink.checkpoint_interval` on average, all of it at worst;
- the monitor's round: 0.25 s of sleep, and the reading, judging and storing of what was committed.

Only the checkpoint interval is a setting of the project file. Windows and watermark delay decide when a window is
closed; the time from then on does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from features.events import publishing
from features.window import UTC, from_ms, to_ms
from leeway import adopt_model, context
from leeway.stack import broker as kafka
from leeway.streaming import consume_output
from monitors.finding import Stage
from monitors.report import Report

PROJECT = """
project: latency
kafka: {{bootstrap: "{bootstrap}"}}
flink: {{checkpoint_interval: {interval}s}}
models:
  {name}:
    task: binary
    events: {{predictions: {{topic: {name}.predictions}}}}
    features: {{x: numeric, y: numeric, c: categorical}}
    windows: {{size: 10s, slide: 2s, watermark_delay: 1s}}
"""
LEARNED_SECONDS, PAUSE_SECONDS, LEARNED_RATE = 300, 60, 20
"""The baseline's events: so many seconds of them, until a while before the first live one, so many a second."""
SETTLING_SECONDS = 20
"""Windows that close this soon after the first live event are not counted: the job starts, and reads what is old."""
POLL_SECONDS = 0.25
"""What `leeway monitor` and `leeway ingest` sleep between two rounds."""


@dataclass(frozen=True)
class Timed(consume_output.OutputConsumer):
    """A watch that notes when (seconds) the first report on inputs of each window (its end, ms) was stored."""

    stored_at: dict[int, float] = field(default_factory=dict)

    def store_lines(self, lines: list[str]) -> None:
        """Store the reports, and note the time."""
        super().store_lines(lines)
        now = time.time()
        for report in map(Report.model_validate_json, lines):
            if report.stage is Stage.INPUTS:
                self.stored_at.setdefault(to_ms(report.window_end), now)


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds from the close of each window to its report, and seconds that each of the monitor's rounds took."""

    waits: Sequence[float]
    rounds: Sequence[float]
    missing: int


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="of live events in each run")
    parser.add_argument("--rate", type=int, default=200, help="live events a second")
    parser.add_argument("--intervals", type=int, nargs="+", default=[1, 10], help="between checkpoints, in seconds")
    parser.add_argument("--quick", action="store_true", help="one run of 60 seconds, a checkpoint a second")
    args = parser.parse_args()
    intervals, seconds = ([1], 60) if args.quick else (args.intervals, args.seconds)
    with tempfile.TemporaryDirectory() as work, kafka.running(Path(work, "broker")) as address:
        for interval in intervals:
            found = _measure(Path(work, f"every{interval}"), address, interval, seconds, args.rate)
            _print(interval, found, args.rate)


def closings(sent: Sequence[int], delay: int, ends: Sequence[int]) -> Mapping[int, int]:
    """Return when each window, given by its end, was closed: the time of the first event in *sent* that is as late
    as its end and the watermark *delay*. All in ms; *sent* ascends; windows that no event has closed are left out.
    """
    places = ((end, bisect_left(sent, end + delay)) for end in ends)
    return {end: sent[at] for end, at in places if at < len(sent)}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of *values* that is not exceeded by at least *share* of them; NaN if there are none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1] if ordered else math.nan


def _measure(folder: Path, address: str, interval: int, seconds: int, rate: int) -> Found:
    """Return how long the reports took, with a checkpoint every *interval* seconds."""
    folder.mkdir()
    name = f"every{interval}"
    (folder / "leeway.yaml").write_text(PROJECT.format(bootstrap=address, interval=interval, name=name))
    topic = publishing.ensure(address, f"{name}.predictions", 1)
    began = int(time.time()) * 1000
    _send(address, topic, _learned(began))
    with context.open(folder) as opened, _another_process() as pool:
        model = opened.model()
        period = (from_ms(began - 1000 * LEARNED_SECONDS), from_ms(began))
        adopt_model.register_baseline(opened, model, "v1", period, now=datetime.now(UTC))
        seen = Timed(opened, model, clock=lambda: datetime.now(UTC))
        rounds: list[float] = []
        with seen.live() as take:
            live = pool.submit(_produce, address, topic, seconds, rate)
            while not live.done():
                rounds.append(_round(take))
            give_up = time.monotonic() + 2 * interval + 10
            sent = live.result()
            closed = closings(sent, 1000, _ends(sent))
            while not closed.keys() <= seen.stored_at.keys() and time.monotonic() < give_up:
                rounds.append(_round(take))
    waits, missing = _waits(closed, seen.stored_at)
    return Found(waits, rounds, missing)


def _round(take: Any) -> float:
    began = time.monotonic()
    take()
    took = time.monotonic() - began
    time.sleep(POLL_SECONDS)
    return took


def _ends(sent: Sequence[int]) -> Sequence[int]:
    """Return the ends of the windows that closed after the job had settled, among those the live events are in."""
    return range(sent[0] - sent[0] % 2000 + 1000 * SETTLING_SECONDS, sent[-1] + 1, 2000)


def _waits(closed: Mapping[int, int], stored: Mapping[int, float]) -> tuple[Sequence[float], int]:
    waits = [stored[end] - at / 1000 for end, at in closed.items() if end in stored]
    return waits, len(closed) - len(waits)


def _learned(until: int) -> Iterator[tuple[int, dict[str, Any]]]:
    rng = np.random.default_rng(0)
    start = until - 1000 * LEARNED_SECONDS
    for i in range((LEARNED_SECONDS - PAUSE_SECONDS) * LEARNED_RATE):
        at = start + i * 1000 // LEARNED_RATE
        yield at, _event(rng, f"old{i}", at)


def _produce(address: str, topic: publishing.Topic, seconds: int, rate: int) -> Sequence[int]:
    """Send *rate* events a second for so many *seconds*, each when its time is now; return their times (ms)."""
    sent: list[int] = []
    rng = np.random.default_rng(1)

    def now() -> Iterator[tuple[int, dict[str, Any]]]:
        began = time.monotonic()
        for i in range(seconds * rate):
            time.sleep(max(0.0, began + i / rate - time.monotonic()))
            event = _event(rng, f"new{i}", 0)
            at = max(time.time_ns() // 1_000_000, sent[-1] if sent else 0)
            sent.append(at)
            yield at, {**event, "time": at}

    _send(address, topic, now())
    return sent


def _event(rng: np.random.Generator, name: str, at: int) -> dict[str, Any]:
    return {"id": name, "time": at, "model_version": "v1", "x": round(float(rng.normal()), 4),
            "y": round(float(rng.normal()), 4), "c": "abcd"[rng.integers(4)],
            "prediction": round(float(rng.uniform(0.01, 0.99)), 4)}  # fmt: skip


def _send(address: str, topic: publishing.Topic, rows: Iterator[tuple[int, dict[str, Any]]]) -> None:
    outlet = publishing.TopicFormat(topic, "json")
    messages = ((outlet, publishing.Message(at, None, json.dumps(row).encode())) for at, row in rows)
    for _ in publishing.send(address, messages):
        pass


def _another_process() -> ProcessPoolExecutor:
    # Not a thread: Flink's Python workers run in this process, and would wait for it.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _print(interval: int, found: Found, rate: int) -> None:
    title = f"Seconds from a window's close to its report; a checkpoint every {interval} s, {rate} events/s"
    table = Table("what", "n", "p50", "p99", "longest", title=title, box=None)
    for name, values in (("close to report", found.waits), ("a round of the monitor", found.rounds)):
        table.add_row(name, f"{len(values)}", *(f"{percentile(values, share):.2f}" for share in (0.5, 0.99, 1.0)))
    Console(width=100).print(table, f"windows without a report: {found.missing}")


if __name__ == "__main__":
    main()
