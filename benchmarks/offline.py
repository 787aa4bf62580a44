"""Offline: `leeway predict` and `leeway score` beside pandas and `predict_proba`, on the same file in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.offline [--rows 400000]

25 numbers, 100 gradient-boosted trees; the file as Parquet and as JSON Lines. pandas reads the file, takes the rows of
the period, predicts, and writes Parquet: what a notebook does, without dead letters, receipts, or a run that goes on.
Each way is a process of its own, imports and Flink's start included; the start of `leeway predict` is measured by
itself, on ten rows. Predictions have to be equal.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import process_cost
from benchmarks import serving_world as world
from benchmarks.process_cost import Cost
from registry import queries
from registry.files import artifacts

MODEL, FEW = "trees", 10
START, END = pd.Timestamp("2025-01-01", tz="UTC"), pd.Timestamp("2025-02-01", tz="UTC")
PERIOD = (f"{START:%Y-%m-%d}", f"{END:%Y-%m-%d}")


def main() -> None:
    """Measure and print the tables, or predict with pandas for a parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--pandas", nargs=3, metavar=("FOLDER", "SOURCE", "TARGET"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pandas:
        _pandas(*map(Path, args.pandas))
        return
    with tempfile.TemporaryDirectory(prefix="leeway-bench-") as work:
        world.project(Path(work), (MODEL,))
        for kind in ("parquet", "jsonl"):
            _show(kind, args.rows, _measured(Path(work), kind, args.rows))


def _pandas(folder: Path, source: Path, target: Path) -> None:
    with world.registry(folder) as registry:
        digest = queries.version(registry, MODEL, "v1").artifact
        model = artifacts.load_model(registry.artifacts.get(digest or ""), world.TREES)
    rows = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_json(source, lines=True)
    rows = rows[(rows["time"] >= START.value // 10**6) & (rows["time"] < END.value // 10**6)]
    rows.assign(model_version="v1", prediction=model.predict_proba(rows[world.FEATURES])[:, 1]).to_parquet(target)


def _written(path: Path, rows: int) -> Path:
    """Write seeded events of the period."""
    rng = np.random.default_rng(1)
    made = pd.DataFrame(rng.normal(size=(rows, len(world.FEATURES))).round(6), columns=world.FEATURES)
    times = np.sort(rng.integers(START.value // 10**6, END.value // 10**6, rows))
    made = made.assign(id=[f"e{i}" for i in range(rows)], time=times)
    if path.suffix == ".parquet":
        made.to_parquet(path, row_group_size=100_000)
    else:
        made.to_json(path, orient="records", lines=True)
    return path


def _measured(folder: Path, kind: str, rows: int) -> dict[str, Cost]:
    source, few = (_written(folder / f"{name}.{kind}", n) for name, n in (("all", rows), ("few", FEW)))
    out = {way: folder / f"{way}-{kind}" for way in ("pandas", "score", "predict", "start")}
    scored = out["score"].with_suffix(".parquet")

    def predict(events: Path, target: Path) -> Cost:
        return process_cost.module("leeway", "--project", str(folder), "predict", str(target), "--model", MODEL,
                                   "--source", str(events), "--from", PERIOD[0], "--to", PERIOD[1])  # fmt: skip

    made = {
        "pandas and predict_proba": process_cost.module(
            "benchmarks.offline", "--pandas", str(folder), str(source), str(out["pandas"])
        ),
        "leeway score": process_cost.module(
            "leeway", "--project", str(folder), "score", str(source), str(scored), "--model", MODEL
        ),
        "leeway predict": predict(source, out["predict"]),
    }
    start = predict(few, out["start"])
    answers = [_answers(path) for path in (out["pandas"], scored, out["predict"])]
    assert rows == len(answers[0])
    for other in answers[1:]:
        pd.testing.assert_series_equal(answers[0], other, rtol=1e-12)
    return {**made, "leeway predict, after its start": made["leeway predict"].after(start)}


def _answers(place: Path) -> pd.Series:
    return pq.read_table(place, columns=["id", "prediction"]).to_pandas().set_index("id")["prediction"].sort_index()


def _show(kind: str, rows: int, made: dict[str, Cost]) -> None:
    table = Table("way", "wall s", "rows/s", "times", "CPU s", "rows/CPU s", "times", "peak MB", box=None,
                  title=f"{rows:,} rows of {kind}, times pandas")  # fmt: skip
    peer = next(iter(made.values()))
    for way, cost in made.items():
        table.add_row(way, f"{cost.wall:.1f}", f"{rows / cost.wall:,.0f}", f"{peer.wall / cost.wall:.2f}",
                      f"{cost.cpu:.1f}", f"{rows / cost.cpu:,.0f}", f"{peer.cpu / cost.cpu:.2f}",
                      f"{cost.peak:,.0f}")  # fmt: skip
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
