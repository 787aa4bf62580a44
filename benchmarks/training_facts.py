"""Training sets with features of facts, beside pandas `merge_asof` and rolling windows on the same files, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.training_facts [--rows 1000000 5000000]

Events of 20 numbers and 6 categories in Parquet, with a label each, and a fact for every fifth event: two features (the
mean of three hours and the count of a day, by a key of 500) that the log does not have. pandas rolls over the facts of
each key, and takes for each event what the last fact before it (less the delay) has seen: what a notebook does. Its
values are of the fact's time and not of the event's, and know neither tiles nor corrections, so they are alike and not
equal; the share of rows whose means differ by less than a tenth of a standard deviation is printed. Each way is a
process of its own, imports and Flink's start included.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import process_cost
from benchmarks.process_cost import Cost
from benchmarks.speed import DAYS, SCHEMA, START, events
from features.facts.declaration import FactFeature, FactFeatures, FactSource
from features.schema import Events, FeatureKind, Source
from features.window import to_ms
from monitors.training_set import built, period, written
from monitors.training_set.parts import Survey, survey
from retrain_flows.data.event_log import StoredEvents

END = START + timedelta(days=DAYS)
KEYS, FILES, ROWS_A_FACT = 500, 10, 5
MEAN, COUNT = "mean_3h", "count_1d"
OF_FACTS = SCHEMA.model_copy(update={"features": {
    **SCHEMA.features, "key": FeatureKind.CATEGORICAL, MEAN: FeatureKind.NUMERIC, COUNT: FeatureKind.NUMERIC,
}})  # fmt: skip
DELAY = timedelta(minutes=1)


def declared(log: Path) -> FactFeatures:
    """Return the two features of facts."""
    common = {"type": "numeric", "from": "past", "key": "key"}
    features = {MEAN: {**common, "mean": "value", "window": "3h"}, COUNT: {**common, "count": "value", "window": "1d"}}
    sources = {"past": FactSource(path=str(log / "facts"), tile=timedelta(minutes=5), delay=DELAY)}
    return FactFeatures(features={n: FactFeature.model_validate(f) for n, f in features.items()}, sources=sources)


def main() -> None:
    """Measure and print the tables, or go one way for a parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--way", nargs=3, metavar=("WAY", "LOG", "TARGET"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        way, log, target = args.way
        WAYS[way](Path(log), Path(target))
        return
    for rows in args.rows:
        with tempfile.TemporaryDirectory(prefix="leeway-bench-") as work:
            _write(rows, log := Path(work))
            targets = {way: log / f"set-{n}" for n, way in enumerate(args.ways)}
            costs = {
                way: process_cost.module("benchmarks.training_facts", "--way", way, work, str(target))
                for way, target in targets.items()
            }
            _show(rows, costs, [_read(target) for target in targets.values()])


def _write(rows: int, log: Path) -> None:
    """Write a log whose days are in files of their own, and facts for every fifth event."""
    rng, of_facts = np.random.default_rng(1), rows // ROWS_A_FACT
    made = events(rows)
    made["key"] = [f"k{i}" for i in rng.integers(0, KEYS, rows)]
    known = pd.DataFrame({"id": made["id"], "time": made["time"] + rng.integers(0, to_ms(SCHEMA.label_delay), rows),
                          "label": rng.integers(0, 2, rows)})  # fmt: skip
    times = to_ms(START) + np.sort(rng.integers(0, to_ms(END - START), of_facts))
    facts = pd.DataFrame({"time": times, "key": [f"k{i}" for i in rng.integers(0, KEYS, of_facts)],
                          "value": rng.normal(size=of_facts)})  # fmt: skip
    for name, table in (("predictions", made), ("labels", known), ("facts", facts)):
        (log / name).mkdir()
        for n, part in enumerate(np.array_split(np.arange(len(table)), FILES)):
            table.iloc[part].to_parquet(log / name / f"{n:02}.parquet", row_group_size=100_000)


def _pandas(log: Path, target: Path) -> None:
    made, known, facts = (pd.read_parquet(log / name) for name in ("predictions", "labels", "facts"))
    rows = made.merge(known.rename(columns={"time": "label_time"}), on="id")
    rows = rows[rows["label_time"] - rows["time"] <= to_ms(SCHEMA.label_delay)]
    rows["at"] = pd.to_datetime(rows["time"], unit="ms")
    facts["at"] = pd.to_datetime(facts["time"], unit="ms")
    by_key = facts.sort_values("at").set_index("at").groupby("key")["value"]
    seen = pd.DataFrame({MEAN: by_key.rolling("3h").mean(), COUNT: by_key.rolling("1d").count()}).reset_index()
    seen["at"] += DELAY
    rows = pd.merge_asof(rows.sort_values("at"), seen.sort_values("at"), on="at", by="key")
    target.mkdir()
    rows.drop(columns="at").sort_values(["time", "id"]).to_parquet(target / "rows.parquet")


def _build(log: Path, target: Path, *, flink: bool) -> None:
    from monitors.flink import training_set_job
    from monitors.in_process import training_set_runner

    places = Events(predictions=Source(path=str(log / "predictions")), labels=Source(path=str(log / "labels")))
    wanted = period.as_of(OF_FACTS, END + SCHEMA.label_delay, START, END)
    parts = survey(wanted, StoredEvents(OF_FACTS, places, log / "sets").sources(), Survey()).needed(wanted)
    run = partial(training_set_job.run, logs=log / "logs") if flink else training_set_runner.run
    with tempfile.TemporaryDirectory(dir=log) as work:
        written.write(built.build(wanted, parts, Path(work, "runs"), run, facts=declared(log)), target)


WAYS = {
    "pandas: merge, rolling, merge_asof": _pandas,
    "features build, in this process": partial(_build, flink=False),
    "features build, Flink batch": partial(_build, flink=True),
}


def _read(target: Path) -> pd.DataFrame:
    table = pq.read_table(sorted(target.rglob("*.parquet")), columns=["id", MEAN, COUNT])
    return table.to_pandas().set_index("id").sort_index()


def _show(rows: int, costs: dict[str, Cost], sets: list[pd.DataFrame]) -> None:
    table = Table("way", "rows", "rows/s", "times", "rows/CPU s", "times", "peak MB", "of pandas", "alike", box=None,
                  title=f"{rows:,} events, {rows // ROWS_A_FACT:,} facts, times {next(iter(costs))}")  # fmt: skip
    peer, first = next(iter(costs.values())), sets[0]
    for (way, cost), made in zip(costs.items(), sets, strict=True):
        n, near = len(made), (made[MEAN] - first[MEAN]).abs() < 0.1 * first[MEAN].std()
        table.add_row(way, f"{n:,}", f"{n / cost.wall:,.0f}", f"{peer.wall / cost.wall:.2f}", f"{n / cost.cpu:,.0f}",
                      f"{peer.cpu / cost.cpu:.2f}", f"{cost.peak:,.0f}", f"{cost.peak / peer.peak:.2f}",
                      f"{near.mean():.2f}")  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
