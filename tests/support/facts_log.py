"""A log of a model with features of facts: some values logged, some null, some rows from before there were any."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.schema import EventSchema, Task
from features.window import UTC, from_ms
from monitors.training_set import period
from monitors.training_set.parts import Sources
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE

NOW = datetime(2024, 2, 1, tzinfo=UTC)
LOGGED = 12345.5
"""A logged value that no fact gives."""
SCHEMA = EventSchema(
    model="late", task=Task.BINARY, label_delay=timedelta(hours=1),
    features={"carrier": "categorical", "origin": "categorical",
              **{name: one.type for name, one in fact_worlds.declared().features.items()}},
)  # fmt: skip
PERIOD = period.as_of(SCHEMA, NOW, from_ms(BEGIN), from_ms(BEGIN + 200 * MINUTE))
ALL_LOGGED = {name: "N9" if name == "plane" else LOGGED for name in fact_worlds.declared().features}


def declared(root: Path) -> FactFeatures:
    """Return the fact features, of the facts of a log."""
    return fact_worlds.declared(root / "facts")


def sources(root: Path) -> Sources:
    """Return the places of a log's events."""
    return [(role, root / role) for role in ("requests", "predictions", "labels")]


def write(root: Path, rows: int = 300) -> dict[str, dict[str, Any]]:
    """Write facts, requests, predictions and labels; return what a training set must have of the facts, by id."""
    rng = random.Random(5)
    fact_worlds.write(root / "facts", fact_worlds.records(400, 3), 3)
    asked = fact_worlds.requests(rows, 4)
    of, end = declared(root), from_ms(BEGIN + 200 * MINUTE)
    values = lookup.load(of, start=from_ms(BEGIN), end=end, now=NOW).values
    made = lookup.add_columns(pa.Table.from_pylist(asked), values).select(list(of.features)).to_pylist()
    expected, before, logged = {}, list[dict[str, Any]](), list[dict[str, Any]]()
    for row, filled in zip(asked, made, strict=True):
        kind = rng.randrange(4)
        own = {name: value for name, value in filled.items() if value is not None} if kind == 1 else {}
        own |= {"mean": LOGGED, "last": None} if kind == 2 else {}  # sent by the caller, and null
        expected[row["id"]] = filled | {name: value for name, value in own.items() if value is not None}
        (before if kind == 0 else logged).append({**row, **own, **({} if kind == 0 else _answer())})
    fact_worlds.write(root / "requests", before, 2)
    fact_worlds.write(root / "predictions", logged, 3)
    labels = [{"id": row["id"], "time": row["time"] + MINUTE, "label": rng.randrange(2)} for row in asked]
    fact_worlds.write(root / "labels", labels, 2)
    return expected


def _answer() -> dict[str, Any]:
    return {"model_version": "v1", "prediction": 0.5}
