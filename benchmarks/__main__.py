"""`make bench`: how fast events become counts, beside numpy alone and beside Evidently on the same rows.

    python -m benchmarks [--rows 50000] [--format parquet]

Times include reading the file; Flink's include the start of the job, which is also given by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from features import codec
from features.schema import EventSchema, Kind, Task
from features.window import UTC, Windows, to_ms
from monitors import baseline_job, files_job, profiles, run_job, worker
from monitors.baseline import Baseline
from monitors.policy import MonitorPolicy
from registry import publish

START = datetime(2024, 1, 1, tzinfo=UTC)
NUMBERS, WORDS = 20, 5
FEATURES = {**{f"x{i}": Kind.NUMERIC for i in range(NUMBERS)}, **{f"c{i}": Kind.CATEGORICAL for i in range(WORDS)}}
SCHEMA = EventSchema(
    model="bench",
    task=Task.BINARY,
    features=FEATURES,
    windows=Windows(size=timedelta(days=7), slide=timedelta(days=1)),
)
POLICY = MonitorPolicy()


def events(rows: int) -> pd.DataFrame:
    """Return *rows* events over 30 days, seeded."""
    rng = np.random.default_rng(0)
    times = START + np.sort(rng.uniform(0, 30, rows)) * timedelta(days=1)
    made = {"id": np.arange(rows).astype(str), "time": [to_ms(t) for t in times], "model_version": "v1"}
    numbers = {f"x{i}": rng.normal(size=rows) for i in range(NUMBERS)}
    words = {f"c{i}": rng.choice(list("abcdefgh"), rows) for i in range(WORDS)}
    return pd.DataFrame({**made, **numbers, **words, "prediction": rng.uniform(0.01, 0.99, rows)})


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that *action* took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--format", choices=("parquet", "jsonl", "csv"), default="parquet")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        _report(args.rows, args.format, _measure(events(args.rows), args.format, Path(work)))


def published(source: Path, work: Path) -> tuple[Baseline, worker.Spec]:
    """Return the baseline of the events under *source*, published in *work*, and what a worker is told of it."""
    baseline = baseline_job.run(
        SCHEMA, POLICY, version="v1", predictions=source, labels=None, start=START, end=START + timedelta(days=30),
        logs=work / "logs",
    )  # fmt: skip
    publish.publish_baseline(baseline, work / "baselines")
    return baseline, worker.Spec(SCHEMA, POLICY, str(work / "baselines" / "bench"))


def _measure(rows: pd.DataFrame, kind: str, work: Path) -> dict[str, float]:
    source, few = work / "all", work / "few"
    for directory, part in ((source, rows), (few, rows[:10])):
        directory.mkdir()
        _write(part, directory / f"0.{kind}", kind)
    baseline, spec = published(source, work)
    frozen = {"v1": baseline.frozen}

    def numpy_alone() -> None:
        table = codec.read_events(SCHEMA, "predictions", source).table
        list(profiles.count_inputs(SCHEMA, frozen, table))

    def flink(directory: Path, *, streaming: bool) -> Callable[[], object]:
        return lambda: run_job.run_once(spec, files_job.Directories(directory), work / "logs", streaming=streaming)

    return {
        "read and count, no Flink": timed(numpy_alone),
        "profile job, batch": timed(flink(source, streaming=False)),
        "profile job, stream": timed(flink(source, streaming=True)),
        "start of a job (10 rows)": timed(flink(few, streaming=False)),
        "Evidently DataDriftPreset": timed(lambda: _evidently(rows)),
    }


def _write(rows: pd.DataFrame, path: Path, kind: str) -> None:
    if kind == "parquet":
        rows.to_parquet(path)
    elif kind == "csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True)


def _evidently(rows: pd.DataFrame) -> None:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[f for f, kind in FEATURES.items() if kind is Kind.NUMERIC],
        categorical_columns=[f for f, kind in FEATURES.items() if kind is Kind.CATEGORICAL],
    )
    half = len(rows) // 2
    sides = [Dataset.from_pandas(part[list(FEATURES)], definition) for part in (rows[:half], rows[half:])]
    Report([DataDriftPreset()]).run(sides[1], sides[0]).dict()


def _report(rows: int, kind: str, seconds: dict[str, float]) -> None:
    slowest = seconds["Evidently DataDriftPreset"]
    table = Table(
        "what", "seconds", "events/s", "times Evidently", title=f"{rows:,} events, 25 features, {kind}", box=None
    )
    for name, took in seconds.items():
        table.add_row(
            name, f"{took:.1f}", f"{rows / took:,.0f}" if "start" not in name else "", f"{slowest / took:.1f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
