"""A log with all that a label join has to settle: late, early, corrected, missing labels, repetitions, bad records."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from monitors.training_set import period
from monitors.training_set.parts import Sources
from monitors.training_set.period import TrainingPeriod

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS, PER_HOUR = 48, 20
SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
    label_delay=6 * HOUR, windows=Windows(size=6 * HOUR, slide=2 * HOUR),
)  # fmt: skip


def write(root: Path, seed: int = 1) -> Sources:
    """Write a file an hour of predictions and labels, in no order inside a file; return their places."""
    rng = random.Random(seed)
    made: dict[int, list[str]] = {hour: [] for hour in range(HOURS + 1)}
    known: dict[int, list[str]] = {hour: [] for hour in range(HOURS + 1)}
    for n in range(HOURS * PER_HOUR):
        prediction = _prediction(n, START + n * HOUR / PER_HOUR, rng)
        hour = min(n // PER_HOUR + rng.choice([0, 0, 0, 1, 5]), HOURS)  # some come late
        made[hour] += [json.dumps(prediction)] * rng.choice([1, 1, 1, 2])  # some come twice
        if n % 17 == 0:  # a later prediction of the same id, which does not count
            made[hour].append(json.dumps({**prediction, "time": prediction["time"] + 1000, "x": 99.0}))
        for label in _labels(prediction, rng):
            known[min(max((label["time"] - to_ms(START)) // to_ms(HOUR), 0), HOURS)].append(json.dumps(label))
    for hour in range(0, HOURS, 10):
        made[hour].append("not json")
        known[hour].append(json.dumps({"id": f"e{hour}", "time": "never", "label": 1}))
    for role, hours in (("predictions", made), ("labels", known)):
        (root / role).mkdir(parents=True)
        for hour, lines in hours.items():
            rng.shuffle(lines)
            (root / role / f"{hour:03}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return [("predictions", root / "predictions"), ("labels", root / "labels")]


def _prediction(n: int, at: datetime, rng: random.Random) -> dict[str, Any]:
    x = None if n % 50 == 0 else 1e400 if n % 70 == 0 else round(rng.gauss(0, 1), 3)
    return {"id": f"e{n}", "time": to_ms(at), "model_version": "v1", "x": x, "c": rng.choice(["a", "b", None]),
            "prediction": round(rng.random(), 4)}  # fmt: skip


def _labels(prediction: dict[str, Any], rng: random.Random) -> list[dict[str, Any]]:
    """Return the labels of a prediction: none, one in time, too late or too early, a correction, two of one time."""
    delay, kind = to_ms(SCHEMA.label_delay), rng.randrange(8)
    at = prediction["time"] + rng.randrange(delay)
    label = {"id": prediction["id"], "time": at, "label": rng.randrange(2)}
    return {
        0: [], 1: [{**label, "time": prediction["time"] + delay + 1}], 2: [{**label, "time": prediction["time"] - 1}],
        3: [label, {**label, "time": min(at + 60_000, prediction["time"] + delay), "label": 1 - label["label"]}],
        4: [label, {**label, "label": 1 - label["label"]}, label], 5: [{**label, "label": 2}],
    }.get(kind, [label])  # fmt: skip


def training_period(start: int = 0, end: int = HOURS, barred: tuple[tuple[int, int], ...] = ()) -> TrainingPeriod:
    """Return the period from one hour to another, with all labels, without the rows of barred hours."""
    hours = [(START + a * HOUR, START + b * HOUR) for a, b in barred]
    return period.as_of(SCHEMA, START + (HOURS + 24) * HOUR, START + start * HOUR, START + end * HOUR, hours)
