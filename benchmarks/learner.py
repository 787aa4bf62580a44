"""Samples a second of the learner in the stream, beside its model alone in a loop, in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.learner [--rows 2000] [--slices 60]

Four ways over the same parts, each in a process of its own: the model alone, which is tested and learns part by part
in memory; the learner without Flink; its job in batch (`leeway learner run --once`) and as a stream, until the last
snapshot (`leeway learner run`). The learner also goes through its stored form, writes predictions and snapshots
slice by slice, and learns what waits for its labels twice. What a run over two slices takes is taken off, as a
start.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks import process_cost
from benchmarks.process_cost import Cost
from features import scoring
from features.events.decode import ID, TIME, VERSION
from features.schema import EventSchema, FeatureKind, Task
from features.window import Windows, to_ms
from monitors.flink import fold_job
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.training_set.join import LABEL_TIME, RowCounts
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.slice_join import SliceCounts
from monitors.worker import folds
from registry.files import artifacts
from retrain_flows.data import sample_rows
from retrain_flows.training import learner_branch, online
from retrain_flows.training.learner_branch import Branch, BranchPlan
from retrain_flows.training.stream_learner import StreamLearner

SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={f"x{i}": FeatureKind.NUMERIC for i in range(10)}, windows=Windows()
)


def scikit() -> Any:
    """Return a linear model of scikit-learn."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))


def river() -> Any:
    """Return a linear model of River."""
    from river import linear_model, preprocessing

    return preprocessing.StandardScaler() | linear_model.LogisticRegression()


def written(root: Path, rows: int, slices: int) -> SampleParts:
    """Write seeded samples, a part for each slice."""
    made, rng, slide = SampleParts(root / "samples"), np.random.default_rng(0), to_ms(SCHEMA.windows.slide)
    made.begin(SCHEMA)
    for start in range(0, slices * slide, slide):
        x = {name: rng.normal(size=rows) for name in SCHEMA.features}
        times = start + np.sort(rng.integers(0, slide, rows))
        table = pa.table({
            ID: [f"{start}-{i}" for i in range(rows)], TIME: times, VERSION: ["v1"] * rows,
            "prediction": np.full(rows, 0.5), **x, "label": (x["x0"] > 0).astype(float), LABEL_TIME: times,
        })  # fmt: skip
        made.write(TrainingPeriod(SCHEMA, start, start + slide), table, SliceCounts(RowCounts(rows=rows)))
    return made


def learner(root: Path, made: SampleParts, trainer: Callable[[], Any]) -> tuple[StreamLearner, Branch]:
    """Return the learner of all parts, and its new branch."""
    trusted = tuple(_untrusted(artifacts.dump_model(trainer())))
    plan = BranchPlan(f"{__spec__.name}:{trainer.__name__}", 0, to_ms(SCHEMA.windows.slide))
    branch = learner_branch.begin(root / "state", SCHEMA.model, plan)
    return StreamLearner(SCHEMA, made.folder, branch.folder, root / "artifacts", trusted, Path.cwd()), branch


def _untrusted(data: bytes) -> list[str]:
    import skops.io

    names: list[str] = skops.io.get_untrusted_types(data=data)
    return [*names, "collections.Counter", "river.utils.vectordict.VectorDict", "numpy.dtype"]


def alone(_: Path, made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Test and train the model part by part in memory."""
    model = trainer()
    own = online.learner_of("", model, np.array([0, 1]))
    for number, path in enumerate(made.listed()):
        rows = sample_rows.dataset(SCHEMA, parts.samples(path))
        if number:
            scoring.score(model, rows.frame, rows.task)
        own.learn(rows)


def fold(root: Path, made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Let the learner learn all parts in this process."""
    of, _ = learner(root, made, trainer)
    folds.in_order(of.open(), [reference for _, reference in folds.SampleListing(made).all()])


def batch(root: Path, made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Let the learner learn all parts in a Flink batch job."""
    fold_job.run(learner(root, made, trainer)[0], made, root / "logs")


def stream(root: Path, made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Let the learner learn all parts in a Flink streaming job, until it has written the last snapshot."""
    of, branch = learner(root, made, trainer)
    job, wanted = fold_job.follow(of, made, root / "logs", root / "checkpoints"), len(made.listed())
    try:
        while len(branch.snapshots()) < wanted:
            job.check()
            time.sleep(0.05)
    finally:
        job.stop()


TRAINERS = {"scikit-learn": scikit, "River": river}
WAYS = {"alone in a loop": alone, "learner, no Flink": fold, "job, batch": batch, "job, stream": stream}
FEW = 2
"""Slices of a run that is little more than its start."""


def main() -> None:
    """Measure and print, or go one way for a parent process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000, help="samples of a slice")
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--way", nargs=4, metavar=("WAY", "TRAINER", "SAMPLES", "ROOT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        way, trainer, samples, root = args.way
        WAYS[way](Path(root), SampleParts(Path(samples)), TRAINERS[trainer])
        return
    with tempfile.TemporaryDirectory(prefix="leeway-bench-") as work:
        few, made = (written(Path(work, str(n)), args.rows, n).folder for n in (FEW, args.slices))
        for trainer in TRAINERS:
            costs = {way: _cost(way, trainer, made).after(_cost(way, trainer, few)) for way in WAYS}
            _show(trainer, args.rows, args.slices - FEW, costs)


def _cost(way: str, trainer: str, samples: Path) -> Cost:
    with tempfile.TemporaryDirectory(prefix="leeway-bench-") as root:
        return process_cost.module("benchmarks.learner", "--way", way, trainer, str(samples), root)


def _show(trainer: str, rows: int, slices: int, costs: dict[str, Cost]) -> None:
    n, peer = rows * slices, next(iter(costs.values()))
    table = Table("way", "samples/s", "times", "samples/CPU s", "times", "CPU ms a slice", box=None,
                  title=f"{trainer}, {slices} slices of {rows:,} samples, times the model alone")  # fmt: skip
    for way, cost in costs.items():
        table.add_row(way, f"{n / cost.wall:,.0f}", f"{peer.wall / cost.wall:.2f}", f"{n / cost.cpu:,.0f}",
                      f"{peer.cpu / cost.cpu:.2f}", f"{1000 * cost.cpu / slices:.0f}")  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
