"""Project that the serving benchmark serves: 100 gradient-boosted trees and a linear model, and trees with facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC
from monitors.baseline.baseline import Baseline
from monitors.stats.bins import freeze_categorical, freeze_numeric
from registry import operations
from registry.connection import Registry
from registry.files import artifacts
from registry.records import Version

FEATURES = [f"x{i:02}" for i in range(25)]
TREES = ("sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
         "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")  # fmt: skip
MODELS = ("trees", "linear")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = ("x22", "x23", "x24")
"""The features of the model `facts` that the server takes from its store where a request leaves them out."""
KEYS = [f"k{i:03}" for i in range(500)]
ROWS = 5000


def frame(columns: list[str]) -> pd.DataFrame:
    """Return seeded rows of numbers, with keys under the column `key`."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(ROWS, len(FEATURES))), columns=FEATURES)
    return made.assign(key=rng.choice(KEYS, ROWS))[columns]


@cache
def fitted(name: str, seed: int = 0) -> Any:
    """Return a model fitted on 25 numbers; that of `facts` has a category besides."""
    rows = frame([*FEATURES, "key"] if name == "facts" else FEATURES)
    chance = np.random.default_rng(seed).random(ROWS)
    label = (chance < 1 / (1 + np.exp(-rows[FEATURES].sum(axis=1)))).astype(int)
    trees = HistGradientBoostingClassifier(max_iter=100)
    if name == "facts":
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        return make_pipeline(make_column_transformer((encoder, ["key"]), remainder="passthrough"), trees).fit(
            rows, label
        )
    return (trees if name == "trees" else make_pipeline(StandardScaler(), LogisticRegression())).fit(rows, label)


def project(folder: Path, names: Sequence[str] = (*MODELS, "facts")) -> None:
    """Write a project with models as champions, the trees with a second version, and the facts of now."""
    (folder / "leeway.yaml").write_text(json.dumps(_file()))
    (folder / "facts").mkdir()
    ago, rng = datetime.now(UTC) - timedelta(minutes=10), np.random.default_rng(0)
    facts = [{"time": (ago + timedelta(seconds=i / 10)).isoformat(), "key": key, "value": float(rng.normal())}
             for i, key in enumerate(KEYS * 4)]  # fmt: skip
    (folder / "facts" / "0.jsonl").write_text("".join(f"{json.dumps(fact)}\n" for fact in facts))
    with registry(folder) as reg:
        for name in names:
            _champion(reg, name)


def registry(folder: Path) -> Registry:
    """Return the project's registry."""
    return Registry.open(f"sqlite:///{folder / 'leeway.db'}", folder / "artifacts")


def _file() -> dict[str, Any]:
    def section(name: str, features: Mapping[str, Any]) -> dict[str, Any]:
        return {"task": "binary", "features": features, "retrain": {"trainer": "trainers:static", "trust": TREES},
                "events": {"predictions": {"path": f"log/{name}"}, "labels": {"path": "labels"}}}  # fmt: skip

    numbers = dict.fromkeys(FEATURES, "numeric")
    aggregates = ({"mean": "value"}, {"max": "value"}, {"sum": "value"})
    of_facts = {name: {"type": "numeric", "from": "past", "key": "key", "window": "6h", "empty": 0, **aggregate}
                for name, aggregate in zip(FACTS, aggregates, strict=True)}  # fmt: skip
    models = {name: section(name, numbers) for name in MODELS}
    models["facts"] = section("facts", {**numbers, "key": "categorical", **of_facts})
    past = {"path": "facts", "tile": "1m", "delay": "1m"}
    return {"project": "bench", "state": ".", "facts": {"past": past}, "models": models}


def _champion(reg: Registry, name: str) -> None:
    operations.add_model(reg, model=name, task="binary", now=NOW)
    kinds = dict.fromkeys(FEATURES, FeatureKind.NUMERIC)
    bins: dict[str, Any] = dict.fromkeys(FEATURES, freeze_numeric(np.random.default_rng(0).normal(size=ROWS)))
    if name == "facts":
        kinds, bins = (
            {**kinds, "key": FeatureKind.CATEGORICAL},
            {**bins, "key": freeze_categorical(np.array(KEYS, dtype=object))},
        )
    schema = EventSchema(model=name, task=Task.BINARY, features=kinds)
    for seed, version in enumerate(("v1", "v2") if name == "trees" else ("v1",)):
        digest = reg.artifacts.put(artifacts.dump_model(fitted(name, seed)))
        operations.add_version(
            reg, Version(model=name, version=version, mode="static", artifact=digest, created_at=NOW)
        )
        baseline = Baseline(events=schema, version=version, start=NOW, end=NOW + timedelta(days=1), rows=ROWS,
                            bins=bins, inputs=())  # fmt: skip
        operations.store_baseline(reg, baseline, now=NOW)
    promote(reg, name, "v1", 0)


def promote(reg: Registry, name: str, version: str, generation: int) -> None:
    """Make a version the champion."""
    operations.promote(reg, model=name, version=version, expected_generation=generation, actor="bench", reason="bench",
                       effective_at=NOW + timedelta(seconds=generation), now=NOW)  # fmt: skip
