"""`leeway init` on all kinds of logs: columns are recognised, and `leeway check` passes on the result."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from features.schema import FeatureKind
from features.window import UTC
from leeway import cli
from leeway.project.load import Model, Project
from tests.support import project_imports
from tests.support.example_counts import examples

NAMES = {
    "id": ("id", "order_id", "RequestId", "Vorgang"),
    "time": ("time", "event_time", "createdAt", "Zeitpunkt", "when"),
    "prediction": ("prediction", "y_pred", "Score", "predicted_price"),
    "label": ("label", "target", "y_true"),
    "version": ("model_version", "version"),
}
START = datetime(2024, 1, 30, tzinfo=UTC)
TASKS: dict[str, tuple[Any, Any]] = {
    "binary": (lambda r: round(r.random(), 4), lambda r, p: int(r.random() < p)),
    "yes": (lambda r: round(r.random(), 4), lambda r, p: "yes" if r.random() < p else "no"),
    "truth": (lambda r: round(r.random(), 4), lambda r, p: r.random() < p),
    "regression": (lambda r: round(r.gauss(200, 40), 2), lambda r, p: round(p + r.gauss(0, 5), 2)),
    "classes": (lambda r: r.choice("abc"), lambda r, p: r.choice([p, "a"])),
}
CLOCKS: dict[str, Any] = {
    "iso": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S"), "zone": lambda t: t.strftime("%Y-%m-%d %H:%M:%S+00:00"),
    "german": lambda t: t.strftime("%d.%m.%Y %H:%M"), "american": lambda t: t.strftime("%m/%d/%Y %H:%M"),
    "s": lambda t: int(t.timestamp()), "ms": lambda t: int(t.timestamp()) * 10**3,
    "us": lambda t: int(t.timestamp()) * 10**6, "ns": lambda t: int(t.timestamp()) * 10**9,
    "float": lambda t: t.timestamp() + 0.5, "stamp": lambda t: pd.Timestamp(t),
}  # fmt: skip


@dataclass(frozen=True)
class Log:
    """A log to be made: its names, its formats, and what is in it."""

    names: dict[str, str]
    clock: str
    task: str
    suffix: str
    german: bool
    predicted: bool
    labels: str
    versions: bool
    rows: int
    minutes: int
    seed: int


LOGS = st.builds(
    Log,
    names=st.fixed_dictionaries({part: st.sampled_from(names) for part, names in NAMES.items()}),
    clock=st.sampled_from(sorted(CLOCKS)),
    task=st.sampled_from(sorted(TASKS)),
    suffix=st.sampled_from([".csv", ".jsonl", ".parquet"]),
    german=st.booleans(),
    predicted=st.booleans(),
    labels=st.sampled_from(["none", "same", "folder", "file"]),
    versions=st.booleans(),
    rows=st.integers(40, 300),
    minutes=st.sampled_from([1, 30, 240, 1440]),
    seed=st.integers(0, 99),
)


def frames(log: Log) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the log's events and, where they are elsewhere, its labels."""
    rng, names = random.Random(log.seed), log.names
    predict, truth = TASKS[log.task]
    made, known = [], []
    for i in range(log.rows):
        at = START + timedelta(minutes=log.minutes * i)
        answer = predict(rng)
        row: dict[str, Any] = {names["id"]: f"e-{i}", names["time"]: CLOCKS[log.clock](at)}
        row |= {names["prediction"]: answer} if log.predicted else {}
        row |= {names["version"]: "v1"} if log.versions else {}
        row |= {"amount": round(rng.gauss(50, 9), 3) if i % 9 else None, "city": rng.choice(["Köln", "Ulm", "x:#y"])}
        row |= {"rooms": rng.randint(1, 4), "empty": None, "always": 7, "token": f"{rng.getrandbits(64):x} {i}"}
        label = truth(rng, answer)
        if log.labels == "same":
            row |= {names["label"]: label}
        else:
            late = CLOCKS[log.clock](at + timedelta(minutes=log.minutes))
            known.append({names["id"]: f"e-{i}", names["label"]: label, "known_at": late})
        made.append(row)
    return pd.DataFrame(made), pd.DataFrame(known) if log.labels in ("folder", "file") else None


def write(frame: pd.DataFrame, path: Path, log: Log) -> None:
    """Write *frame* at *path* in the log's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if log.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif log.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    elif log.german:
        frame.to_csv(path, index=False, sep=";", decimal=",", encoding="cp1252")
    else:
        frame.to_csv(path, index=False)


def place(folder: Path, log: Log) -> Path:
    """Write the log under *folder*, and return what `--from` names."""
    if log.german and log.suffix == ".csv" and log.clock == "float":
        log = replace(log, clock="s")  # a decimal comma in a count of seconds: no decoder reads that
    made, known = frames(log)
    source = folder / ("log/predictions" if log.labels == "folder" else "log") / f"made{log.suffix}"
    write(made, source, log)
    if known is not None:
        at = "labels/a" if log.labels == "folder" else "labels"
        write(known, folder / "log" / f"{at}{log.suffix}", log)
    return source


def run(folder: Path, *words: str) -> Any:
    """Return what a command prints as JSON; its exit code must be 0."""
    with project_imports.undone():  # else the next example's module `trainers` would be this one's
        done = CliRunner().invoke(cli.app, ["-p", str(folder), *words, "--json"], catch_exceptions=False)
    assert 0 == done.exit_code, done.stdout
    return json.loads(done.stdout)


def begun(folder: Path, log: Log) -> Model:
    """Return the model of the project that `init` writes for *log*; `check` must have no error to tell."""
    run(folder, "init", "--from", str(place(folder, log)))
    assert [] == [c for c in run(folder, "check")["checks"] if c["result"] == "error"]
    return Project.load(folder).model()


TO_TRAIN = Log({part: names[0] for part, names in NAMES.items()}, "american", "binary", ".csv", german=False,
               predicted=False, labels="same", versions=False, rows=40, minutes=1, seed=0)  # fmt: skip
"""The least log that `init` writes a trainer for, which `check` imports."""


@example(TO_TRAIN)
@example(replace(TO_TRAIN, clock="zone"))
@given(LOGS.filter(lambda log: log.predicted or log.labels == "same"))
@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow])
def test_check_passes_on_what_init_wrote(log: Log) -> None:
    """Whatever columns are called, however values are written, wherever labels are: parts and features are found."""
    with tempfile.TemporaryDirectory() as root:
        model = begun(Path(root), log)

    columns, names = model.schema.columns, log.names
    assert (names["id"], names["time"]) == (columns.id, columns.time)
    assert not log.predicted or names["prediction"] == columns.prediction
    assert not log.predicted or model.schema.version == (None if log.versions else "v1")
    assert (log.labels == "none") == (model.events.labels is None)
    assert model.events.labels is None or names["label"] == columns.label
    assert (model.events.history is None) == log.predicted
    kinds = {
        "amount": FeatureKind.NUMERIC,
        "city": FeatureKind.CATEGORICAL,
        "rooms": FeatureKind.NUMERIC,
        "always": FeatureKind.NUMERIC,
    }
    assert kinds == model.schema.features
    assert "yes" != log.task or model.events.positive == (None if log.labels == "none" else "yes")
