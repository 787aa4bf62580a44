"""A model to serve: fitted versions in a real registry, a project file for `leeway serve`, and its process.

The label follows x; a version of another seed is fitted on other rows, so that its answers differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC
from leeway.stack import ports
from monitors.baseline.baseline import Baseline
from monitors.stats.bins import Bins, CategoricalBins, freeze_numeric
from registry import operations, queries
from registry.connection import Registry
from registry.files import artifacts
from registry.records import Action, Version

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEATURES = {"x": FeatureKind.NUMERIC, "z": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL}
SCHEMA = EventSchema(model="m", task=Task.BINARY, features=FEATURES)
PROJECT = """\
project: served
state: .
models:
  m:
    task: binary
    events:
      predictions: {path: predictions}
      labels: {path: labels}
    label_delay: 1h
    features: {x: numeric, z: numeric, c: categorical}
    windows: {size: 1h, slide: 10m}
    retrain:
      trainer: trainers:static
      trust: [sklearn.ensemble._hist_gradient_boosting.binning._BinMapper,
              sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor]
"""
TRUST = ("sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
         "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")  # fmt: skip


def rows(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return *n* rows of features and their labels."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.gamma(2.0, 3.0, n), "c": rng.choice(["a", "b", "d"], n)})
    label = (rng.random(n) < 1 / (1 + np.exp(-2 * frame["x"] - 0.1 * frame["z"] + (frame["c"] == "a")))).astype(int)
    return frame, label.to_numpy()


def linear(seed: int = 0) -> Any:
    """Return a fitted logistic regression, which takes no missing number."""
    inputs = make_column_transformer((StandardScaler(), ["x", "z"]), (OneHotEncoder(handle_unknown="ignore"), ["c"]))
    return make_pipeline(inputs, LogisticRegression()).fit(*rows(500, seed))


def trees(seed: int = 0) -> Any:
    """Return fitted gradient-boosted trees, which take missing values."""
    numbered = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    inputs = make_column_transformer((numbered, ["c"]), remainder="passthrough")
    return make_pipeline(inputs, HistGradientBoostingClassifier(max_iter=20, random_state=0)).fit(*rows(500, seed))


def picky(seed: int = 0) -> Any:
    """Return a fitted model that refuses a category it has not seen, and has no fast equal."""
    inputs = make_column_transformer((StandardScaler(), ["x", "z"]), (OneHotEncoder(), ["c"]))
    return make_pipeline(inputs, LogisticRegression()).fit(*rows(500, seed))


def bins() -> dict[str, Bins]:
    """Return the frozen bins of the features."""
    frame, _ = rows(500, 0)
    numbers: dict[str, Bins] = {name: freeze_numeric(frame[name].to_numpy()) for name in ("x", "z")}
    return {**numbers, "c": CategoricalBins(categories=("a", "b"), others=("d",))}


def open_registry(folder: Path) -> Registry:
    """Return the registry of the project in *folder*."""
    return Registry.open(f"sqlite:///{folder / 'leeway.db'}", folder / "artifacts")


def add_version(registry: Registry, name: str, model: Any, *, data: bytes | None = None) -> None:
    """Register a version with its model file (or *data* in place of one) and a baseline."""
    operations.add_model(registry, model="m", task="binary", now=NOW)
    digest = registry.artifacts.put(artifacts.dump_model(model) if data is None else data)
    operations.add_version(registry, Version(model="m", version=name, mode="static", artifact=digest, created_at=NOW))
    baseline = Baseline(
        events=SCHEMA, version=name, start=NOW, end=NOW.replace(day=2), rows=500, bins=bins(), inputs=()
    )
    operations.store_baseline(registry, baseline, now=NOW)


def promote(registry: Registry, name: str) -> None:
    """Make a version the champion."""
    champion = queries.champion(registry, "m")
    operations.promote(registry, model="m", version=name, expected_generation=champion.generation if champion else 0,
                       effective_at=NOW, actor="test", reason="a test", now=NOW)  # fmt: skip


def hold(registry: Registry, name: str) -> int:
    """Put a version on trial: a held run whose candidate it is; return the run's number."""
    decision = operations.record_decision(registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=("a test",), actor="test", now=NOW)  # fmt: skip
    run = operations.start_run(registry, decision_id=decision.id, as_of=NOW, flow_run=None, now=NOW)
    return operations.hold_run(registry, run.id, challenger=name, reason="undecided", now=NOW).id


def project(folder: Path) -> Path:
    """Write a project whose champion v1 is linear, and return its folder."""
    (folder / "leeway.yaml").write_text(PROJECT)
    (folder / "trainers.py").write_text("from tests.support.serving_world import linear as static\n")
    (folder / "predictions").mkdir()
    (folder / "labels").mkdir()
    with open_registry(folder) as registry:
        add_version(registry, "v1", linear())
        promote(registry, "v1")
    return folder


@dataclass(frozen=True)
class Server:
    """A process of `leeway serve` at *url* for the project in *folder*; *secret* is the file of its token."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    secret: Path

    @property
    def token(self) -> str:
        """What requests show."""
        return self.secret.read_text()

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return status and JSON (or text) of an answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data)
        for name, value in {"Authorization": f"Bearer {self.token}", **headers}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())

    def predict(self, *instances: Any, **headers: str) -> tuple[int, Any]:
        """Return status and answer of a request in plain JSON."""
        return self.ask("/v1/models/m/predict", {"instances": list(instances)}, **headers)

    def log(self) -> str:
        """Return what the process has written."""
        return (self.folder / "serve.log").read_text()

    def stop(self) -> int:
        """End the process as an orchestrator does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(60)


def _content(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


@contextmanager
def serving(folder: Path, *options: str, token: Path | None = None) -> Iterator[Server]:
    """Run `leeway serve` for the project in *folder*; it is killed at the end, unless it has ended."""
    port = ports.free()
    command = [sys.executable, "-m", "leeway", "serve", "--port", str(port), "--follow-every", "100ms", *options]
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    server = Server(f"http://127.0.0.1:{port}", folder, process, token or folder / "serve-token")
    try:
        wait_for(server, lambda: ports.answers(port), "it listens")
        yield server
    finally:
        process.kill()
        process.wait()


def wait_for(server: Server, so: Any, what: str, seconds: float = 60.0) -> None:
    """Wait until *so* returns something true."""
    end = time.monotonic() + seconds
    while not so():
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}\n{server.log()}"
        time.sleep(0.05)


def champion_is(server: Server, version: str) -> bool:
    """Return whether the server's champion is *version*."""
    return bool(server.ask("/health")[1]["m"]["champion"] == version)


def logged(folder: Path) -> pd.DataFrame:
    """Return the rows of all files of a prediction log, in the order of file names."""
    parts: Sequence[pd.DataFrame] = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
