"""Training sets: `python -m benchmarks.training_set`, rows a second and peak memory at 1 and 5 million events.

Each way runs in a process of its own, over the same Parquet files of 25 features, a label for each event. pandas reads
both files whole, merges them by id and sorts: what a notebook does. Ratios are of processor time, since what else the
machine does changes wall time. Peak memory is the largest resident set of the process, and of Flink's Java beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.speed import DAYS, SCHEMA, START, events
from features.schema import Events, Source
from features.window import to_ms
from monitors.training_set import period
from monitors.training_set.parts import Survey, survey
from retrain_flows.data import dataset
from retrain_flows.data.event_log import StoredEvents

END = START + timedelta(days=DAYS)
AS_OF = END + SCHEMA.label_delay
FILES = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way took.

    Parameters
    ----------
    rows
        Rows of its set.
    wall, cpu
        Seconds, of the process with its children.
    base, peak, java
        Resident memory in MB: before it began, at most, and of Java at most.
    digest
        The set's digest; empty where the way has none.
    """

    rows: int
    wall: float
    cpu: float
    base: float
    peak: float
    java: float = 0.0
    digest: str = ""


def main() -> None:
    """Measure and print the table, or measure one way for a parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(asdict(_measured(args.way, args.log))))
        return
    for rows in args.rows:
        with tempfile.TemporaryDirectory(prefix="leeway-bench-") as work:
            _write(rows, Path(work))
            _show(rows, {way: _in_process_of_its_own(way, Path(work)) for way in WAYS})


def _write(rows: int, log: Path) -> None:
    """Write a log, its days in files of their own."""
    made, rng = events(rows), np.random.default_rng(1)
    for role in ("predictions", "labels"):
        (log / role).mkdir()
    for n, part in enumerate(np.array_split(np.arange(rows), FILES)):
        own = made.iloc[part]
        own.to_parquet(log / "predictions" / f"{n:02}.parquet", row_group_size=100_000)
        later = rng.integers(0, to_ms(SCHEMA.label_delay), len(own))
        known = {"id": own["id"], "time": own["time"] + later, "label": rng.integers(0, 2, len(own))}
        pd.DataFrame(known).to_parquet(log / "labels" / f"{n:02}.parquet", row_group_size=100_000)


def _pandas(log: Path) -> tuple[int, str]:
    made, known = (pd.read_parquet(log / role) for role in ("predictions", "labels"))
    joined = made.merge(known.rename(columns={"time": "label_time"}), on="id")
    joined = joined[joined["label_time"] - joined["time"] <= to_ms(SCHEMA.label_delay)]
    return len(joined.sort_values("label_time").drop_duplicates("id", keep="last").sort_values(["time", "id"])), ""


def _stored(log: Path) -> StoredEvents:
    places = Events(predictions=Source(path=str(log / "predictions")), labels=Source(path=str(log / "labels")))
    return StoredEvents(SCHEMA, places, log / "sets")


def _retrain(log: Path, days: int = DAYS) -> tuple[int, str]:
    start = END - timedelta(days=days)
    rows = dataset.read(_stored(log), SCHEMA, as_of=AS_OF, start=start, end=END).rows
    return len(rows), rows.digest


def _build(log: Path, *, flink: bool) -> tuple[int, str]:
    from monitors.flink import training_set_job
    from monitors.in_process import training_set_runner
    from monitors.training_set import built, written

    wanted, run = period.as_of(SCHEMA, AS_OF, START, END), training_set_runner.run
    parts = survey(wanted, _stored(log).sources(), Survey()).needed(wanted)
    with tempfile.TemporaryDirectory(dir=log) as work:
        job = partial(training_set_job.run, logs=log / "logs") if flink else run
        manifest = written.write(built.build(wanted, parts, Path(work, "runs"), job), Path(work, "set"))
    return manifest.counts["rows"], manifest.digest


WAYS = {
    "pandas: read, merge, sort": _pandas,
    "retrain: read the period": _retrain,
    "retrain: read it again": _retrain,
    "retrain: read a tenth of it": partial(_retrain, days=DAYS // 10),
    "features build, in this process": partial(_build, flink=False),
    "features build, Flink batch": partial(_build, flink=True),
}


def _measured(way: str, log: Path) -> Measured:
    base, began, used = _peak(), time.perf_counter(), os.times()
    rows, digest = WAYS[way](log)
    java = _java()
    now = os.times()
    # Java is a child that is not over yet, so its time is read like its memory.
    cpu = now.user + now.system - used.user - used.system + java[1]
    return Measured(rows, time.perf_counter() - began, cpu, base, _peak(), java[0], digest)


def _peak(process: str = "self") -> float:
    """Return the largest resident set of a process, in MB (getrusage gives the parent's where that is larger)."""
    lines = Path("/proc", process, "status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def _java() -> tuple[float, float]:
    """Return the largest resident set (MB) and the processor seconds of the Java process of this one."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            if f"PPid:\t{os.getpid()}\n" in text and "Name:\tjava" in text:
                used = status.with_name("stat").read_text().rpartition(")")[2].split()
                seconds = (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
                return _peak(status.parent.name), seconds
        except OSError:
            continue
    return 0.0, 0.0


def _in_process_of_its_own(way: str, log: Path) -> Measured:
    command = [sys.executable, "-m", "benchmarks.training_set", "--way", way, "--log", str(log)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _show(rows: int, measured: dict[str, Measured]) -> None:
    peer = next(iter(measured.values()))
    table = Table("way", "rows", "rows/s", "times pandas", "rows/CPU s", "times pandas", "peak MB", "of pandas",
                  "Java MB", "digest", box=None, title=f"{rows:,} events, {len(SCHEMA.features)} features")  # fmt: skip
    for way, one in measured.items():
        wall, cpu, top = one.rows / one.wall, one.rows / one.cpu, one.peak + one.java
        table.add_row(way, f"{one.rows:,}", f"{wall:,.0f}", f"{wall / (peer.rows / peer.wall):.2f}", f"{cpu:,.0f}",
                      f"{cpu / (peer.rows / peer.cpu):.2f}", f"{one.peak:,.0f}", f"{top / peer.peak:.2f}",
                      f"{one.java:,.0f}", one.digest[:8])  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
