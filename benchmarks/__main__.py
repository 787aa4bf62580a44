"""`make bench`: throughput from event files to counts, beside numpy alone and Evidently on the same rows.

    python -m benchmarks [--rows 1000000] [--format parquet]

Times include reading the file; Flink's include the start of the job, which is measured by itself. `benchmarks.kafka`
does the same from topics.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.speed import COMPARED, FEW, SCHEMA, Way, events, evidently, frozen, published, show, timed
from features.events import decode, location
from monitors.flink import files_source_job, run_job
from monitors.profiles import counting


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=("parquet", "jsonl", "csv"), default="parquet")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        peer, *ways = _measure(args.rows, args.format, Path(work))
    show(f"{len(SCHEMA.features)} features, {args.format}, times Evidently", [peer, *ways], peer)


def _measure(rows: int, kind: str, work: Path) -> list[Way]:
    made, source, few = events(rows), work / "all", work / "few"
    for directory, part in ((source, made), (few, made[:FEW])):
        directory.mkdir()
        _write(part, directory / f"0.{kind}", kind)
    spec = published(work)

    def numpy_alone() -> None:
        for reference in location.references(source):  # as many rows at once as the job takes
            list(counting.count_inputs(SCHEMA, frozen(spec), decode.decode(SCHEMA, "predictions", reference).table))

    def flink(directory: Path, *, streaming: bool) -> Callable[[], object]:
        return lambda: run_job.run_once(
            spec, files_source_job.Directories(directory), work / "logs", streaming=streaming
        )

    ways = [evidently(made[:COMPARED]), Way("read and count, no Flink", rows, timed(numpy_alone))]
    for name, streaming in (("batch", False), ("stream", True)):
        start = timed(flink(few, streaming=streaming))
        ways.append(Way(f"profile job, {name}", rows, timed(flink(source, streaming=streaming)), start))
    return ways


def _write(rows: pd.DataFrame, path: Path, kind: str) -> None:
    if kind == "parquet":
        rows.to_parquet(path, row_group_size=100_000)
    elif kind == "csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True)


if __name__ == "__main__":
    main()
