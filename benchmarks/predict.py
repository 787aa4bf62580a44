"""Offline scoring: `leeway predict` beside pandas and `predict_proba` on the same Parquet file.

    python -m benchmarks.predict [--rows 1000000]

25 numbers, 100 gradient-boosted trees, one file in row groups of 100,000. pandas reads it whole, predicts and writes
one file. `leeway predict` decodes and checks each value, writes each part exactly once with version and digest, and can
go on after a kill. A run of few rows tells what its start takes.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import serving_world as world
from benchmarks import watched
from benchmarks.watched import Watched

FEW, ROW_GROUP = 1000, 100_000
_PANDAS = """
import pickle, sys, pandas as pd
model, source, target = sys.argv[1:]
rows = pd.read_parquet(source)
made = rows[["id", "time"]].assign(prediction=pickle.load(open(model, "rb")).predict_proba(rows.filter(like="x"))[:, 1])
made.to_parquet(target)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.project(folder, ("trees",))
        (folder / "model.pkl").write_bytes(pickle.dumps(world.fitted("trees")))
        for number in (FEW, rows):
            _write(folder / f"{number}.parquet", number)
        ways = {n: (_pandas(folder, n), _leeway(folder, n)) for n in (FEW, rows)}
    print(f"{rows:,} rows\n{'way':10}{'rows/s':>10}{'per CPU s':>11}{'after start':>13}{'per CPU s':>11}{'peak MB':>9}")
    for i, way in enumerate(("pandas", "leeway")):
        start, whole = ways[FEW][i], ways[rows][i]
        print(f"{way:10}{rows / whole.wall:10,.0f}{rows / whole.cpu:11,.0f}"
              f"{(rows - FEW) / max(whole.wall - start.wall, 1e-9):13,.0f}"
              f"{(rows - FEW) / max(whole.cpu - start.cpu, 1e-9):11,.0f}{whole.peak:9,.0f}")  # fmt: skip


def _write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(rows, len(world.FEATURES))), columns=world.FEATURES)
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, 86_400, rows)), unit="s")
    made.insert(0, "id", np.arange(rows).astype(str))
    made.insert(1, "time", times.round("ms"))
    made.to_parquet(path, row_group_size=ROW_GROUP)


def _pandas(folder: Path, rows: int) -> Watched:
    words = [sys.executable, "-c", _PANDAS, "model.pkl", f"{rows}.parquet", f"pandas-{rows}.parquet"]
    return watched.run(words, folder)


def _leeway(folder: Path, rows: int) -> Watched:
    period = ("--from", "2024-01-01", "--to", "2024-01-03", "--source", f"{rows}.parquet", "--model", "trees")
    return watched.run([sys.executable, "-m", "leeway", "predict", f"out-{rows}", *period], folder)


if __name__ == "__main__":
    main()
