"""Samples per second of processor time of the learner in the stream, beside its model alone in a loop.

    python -m benchmarks.learner [--rows 500] [--slices 20]

The learner also writes predictions and a snapshot for each slice, and goes through its stored form; Flink is left out,
as its start is most of a short run.
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

from features import scoring
from features.events.decode import ID, TIME, VERSION
from features.schema import EventSchema, FeatureKind, Task
from features.window import Windows, to_ms
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.training_set.join import LABEL_TIME, RowCounts
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.slice_join import SliceCounts
from monitors.worker import folds
from registry.files import artifacts
from retrain_flows.data import sample_rows
from retrain_flows.training import learner_branch, online
from retrain_flows.training.learner_branch import BranchPlan
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


def fold(root: Path, made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Let the learner learn all parts."""
    trusted = tuple(_untrusted(artifacts.dump_model(trainer())))
    plan = BranchPlan(f"{__spec__.name}:{trainer.__name__}", 0, to_ms(SCHEMA.windows.slide))
    branch = learner_branch.begin(root / trainer.__name__, SCHEMA.model, plan)
    learner = StreamLearner(SCHEMA, made.folder, branch.folder, root / "artifacts", trusted, Path.cwd())
    folds.in_order(learner.open(), [reference for _, reference in folds.SampleListing(made).all()])


def _untrusted(data: bytes) -> list[str]:
    import skops.io

    names: list[str] = skops.io.get_untrusted_types(data=data)
    return [*names, "collections.Counter", "river.utils.vectordict.VectorDict", "numpy.dtype"]


def alone(made: SampleParts, trainer: Callable[[], Any]) -> None:
    """Test and train the model part by part in memory."""
    model = trainer()
    learner = online.learner_of("", model, np.array([0, 1]))
    for number, path in enumerate(made.listed()):
        rows = sample_rows.dataset(SCHEMA, parts.samples(path))
        if number:
            scoring.score(model, rows.frame, rows.task)
        learner.learn(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500, help="samples of a slice")
    parser.add_argument("--slices", type=int, default=20)
    args = parser.parse_args()
    for trainer in (scikit, river):
        with tempfile.TemporaryDirectory() as work:
            made = written(Path(work), args.rows, args.slices)
            alone(made, trainer)  # imports
            artifacts.dump_model(trainer())
            seconds = [_seconds(lambda: fold(Path(work), made, trainer)), _seconds(lambda: alone(made, trainer))]  # noqa: B023
        own, peer = (args.rows * args.slices / s for s in seconds)
        each = seconds[0] / args.slices * 1000
        print(f"{trainer.__name__}: {own:,.0f} samples per CPU second ({each:.0f} ms a slice), alone {peer:,.0f}")


def _seconds(run: Callable[[], None]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    main()
