"""A model to retrain: 60 days of events with concept drift on day 30, and a champion of the first days.

    day 0 ........ 20 ........ 30 ............ 45 ........ 59 60
    champion trained |  rule: x -> 1  |  rule: x -> 0          as_of (labels take a day)
                                      training [29, 45) evaluation [45, 59)

The baseline job is stubbed: it freezes the bins and counts nothing, since Flink is not the subject here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from features import scoring
from features.events import decode
from features.schema import Events, EventSchema, FeatureKind, Source, Task
from features.window import UTC, Windows
from monitors.baseline import freeze
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry import queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Incident
from retrain_flows import promote
from retrain_flows.config import Gate, Retrain, Signals
from retrain_flows.data.workspace import Workspace
from retrain_flows.first_version import train_and_promote
from retrain_flows.orchestration.model_jobs import Job
from retrain_flows.training import challengers, retrain_data

DAY = timedelta(days=1)
START = datetime(2013, 1, 1, tzinfo=UTC)
AS_OF = START + 60 * DAY
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PER_DAY, TURN, FILE_DAYS = 40, 30, 10
SCHEMA = EventSchema(
    model="m",
    task=Task.BINARY,
    features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
    segments=("c",),
    label_delay=DAY,
    windows=Windows(size=7 * DAY, slide=DAY),
)
HERE = "tests.support.trained_model"
STEPS = (retrain_data.gather, challengers.train, challengers.gate_candidate, promote.promote_or_reject)
"""The steps that a retrain calls through its *call*."""
RETRAIN = Retrain(
    trainer=f"{HERE}:static", online=f"{HERE}:online", window=30 * DAY, evaluation=14 * DAY, min_rows=200,
    gate=Gate(min_rows=100),
)  # fmt: skip


def _encode() -> Any:
    return ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["c"]), ("x", "passthrough", ["x"])])


def static() -> Any:
    """Return an unfitted model that learns all at once."""
    return make_pipeline(_encode(), LogisticRegression())


def online() -> Any:
    """Return an unfitted model that learns bit by bit."""
    last = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.02, random_state=0)
    return make_pipeline(_encode(), StandardScaler(), last)


def broken() -> Any:
    """Fail as a user's trainer may."""
    msg = "no such column: distance"
    raise KeyError(msg)


def static_after_signal() -> Any:
    """Return what `static` does once the file of LEEWAY_TEST_SIGNAL is there; a file beside it says that it waits."""
    path = Path(os.environ["LEEWAY_TEST_SIGNAL"])
    path.with_name(f"{path.name}.waits").touch()
    while not path.exists():
        time.sleep(0.1)
    return static()


def useless() -> Any:
    """Return a model that learns next to nothing."""
    return make_pipeline(_encode(), LogisticRegression(C=1e-9))


def wrong() -> Any:
    """Return a model that is sure of one class: worse than any that hedges."""
    return make_pipeline(_encode(), DummyClassifier(strategy="constant", constant=1))


def write_events(folder: Path, *, days: int = 60) -> Events:
    """Write the predictions and labels of *days* days, a file for every few: most of a test's time is reading them."""
    rng = np.random.default_rng(7)
    for role in ("predictions", "labels"):
        (folder / role).mkdir(parents=True)
    for day in range(days):
        at, x = START + day * DAY, rng.normal(size=PER_DAY)
        c, sign = rng.choice(["a", "b"], PER_DAY), 1 if day < TURN else -1
        y = (rng.random(PER_DAY) < 1 / (1 + np.exp(-3 * sign * x))).astype(int)
        made = [{"id": f"{day}-{i}", "time": (at + i * DAY / PER_DAY).isoformat(), "x": round(float(x[i]), 6),
                 "c": str(c[i]), "model_version": "v1", "prediction": 0.5} for i in range(PER_DAY)]  # fmt: skip
        known = [{"id": m["id"], "time": (at + i * DAY / PER_DAY + DAY / 2).isoformat(), "label": int(y[i])}
                 for i, m in enumerate(made)]  # fmt: skip
        for role, rows in (("predictions", made), ("labels", known)):
            with (folder / role / f"{day // FILE_DAYS:03}.jsonl").open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
    return Events(predictions=Source(path=str(folder / "predictions")), labels=Source(path=str(folder / "labels")))


def stub_baseline(
    schema: EventSchema, policy: MonitorPolicy, *, version: str, predictions: Path, labels: Path | None,
    start: datetime, end: datetime, importance: Mapping[str, float] | None = None,
) -> Baseline:  # fmt: skip
    """Freeze the bins of the reference events, which must be readable, and count nothing."""
    assert labels is not None
    made = decode.read_events(schema, "predictions", predictions).table
    known = decode.read_events(schema, "labels", labels).table
    bins = freeze.freeze_bins(schema, policy, made, known)
    return Baseline(events=schema, version=version, start=start, end=end, rows=len(made), bins=bins, inputs=(),
                    importance=dict(importance or {}))  # fmt: skip


def workspace(folder: Path, registry: Registry, events: Events, **changes: Any) -> Workspace:
    """Return the world's workspace; *changes* are fields of its `retrain` section."""
    return Workspace(
        registry=registry, schema=SCHEMA, events=events, monitor=MonitorPolicy(), signals=Signals(),
        retrain=RETRAIN.model_copy(update=changes), project_dir=folder, state=folder / ".leeway",
        build_baseline=stub_baseline,
    )  # fmt: skip


def with_champion(ws: Workspace) -> None:
    """Train the champion on the first 20 days."""
    train_and_promote(ws, start=START, end=START + 20 * DAY, actor="ann", now=NOW)


def served(ws: Workspace, folder: Path) -> Workspace:
    """Return *ws* with the same predictions as the champion really answers, written to *folder*."""
    model = retrain_data.load(ws, queries.version(ws.registry, "m", "v1"))
    folder.mkdir()
    for path in sorted(Path(ws.events.predictions.path).glob("*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        answers = scoring.score(model, pd.DataFrame(rows)[list(SCHEMA.features)], SCHEMA.task)
        lines = (json.dumps({**row, "prediction": float(a)}) for row, a in zip(rows, answers, strict=True))
        (folder / path.name).write_text("".join(f"{line}\n" for line in lines))
    return replace(ws, events=ws.events.model_copy(update={"predictions": Source(path=str(folder))}))


def open_registry(folder: Path) -> Registry:
    """Return the registry in *folder*."""
    return Registry.open(f"sqlite:///{folder / 'leeway.db'}", folder / "artifacts")


@contextmanager
def open_job(project: str, model: str) -> Iterator[Job]:
    """Open the world in the folder *project*, as a flow does in its own process.

    Its replay finds nothing, and delivering alerts leaves a file of that name.
    """
    assert model == SCHEMA.model
    folder = Path(project)
    events = Events(predictions=Source(path=str(folder / "predictions")), labels=Source(path=str(folder / "labels")))
    changes = json.loads((folder / "retrain.json").read_text())
    with open_registry(folder) as registry:
        yield Job(
            workspace(folder, registry, events, **changes),
            lambda start, end: [],
            30 * DAY,
            (folder / "delivered").touch,
            "http://127.0.0.1:8321",
        )


def report(end: datetime, signal: Signal = Signal.PERFORMANCE, verdict: Verdict = Verdict.DRIFT) -> Report:
    """Return the report of v1's window that ends at *end*, with one finding."""
    finding = Finding(signal=signal, variable="loss", window_verdict=verdict, metric="mean_loss_increase", effect=0.4,
                      threshold=0.1, n=280, baseline_n=800)  # fmt: skip
    return Report(model="m", version="v1", stage=Stage.OUTCOMES, window_start=end - 7 * DAY, window_end=end,
                  baseline="0" * 64, rows=280, counts={}, findings=(finding,))  # fmt: skip


def drift(ws: Workspace, *signals: Signal, day: int = 59) -> Sequence[Incident]:
    """Let the monitors find drift in the window that ends on *day*, and return the incidents that it opens."""
    findings = [f for s in signals or (Signal.PERFORMANCE,) for f in report(START, s).findings]
    told = report(START + day * DAY).model_copy(update={"findings": tuple(findings)})
    return ingest.ingest(ws.registry, [told], now=NOW).opened


def with_incident(folder: Path) -> Path:
    """Return *folder*, made the state of a project whose champion drifted: an incident that nobody has looked at."""
    events = write_events(folder)
    (folder / "retrain.json").write_text("{}")
    with open_registry(folder) as registry:
        ws = workspace(folder, registry, events)
        with_champion(ws)
        drift(ws, day=55)
        later = report(AS_OF, verdict=Verdict.STEADY).model_copy(update={"stage": Stage.INPUTS})
        ingest.ingest(registry, [later], now=NOW)
    return folder
