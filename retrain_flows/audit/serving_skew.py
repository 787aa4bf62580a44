"""Training-serving skew: does what is served answer as the registered model does, on the very features it logged?

Preprocessing that was ported, a default that differs, a stale file: the answers differ while nothing drifted. Asked of
the newest predictions of each version that Leeway holds the model of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import scoring
from features.events.decode import TIME, VERSION
from features.schema import PREDICTION, Task
from features.scoring import Values
from features.window import to_ms
from registry import queries
from retrain_flows.data import workspace
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import retrain_data

MAX_ROWS = 2_000
"""Predictions a version that are asked again: one in 500 that differs is seen with a probability of 98 %."""
TOLERANCE = 1e-6
"""Absolute and relative difference of two numbers that are the same answer: floats travel as text."""


@dataclass(frozen=True, slots=True)
class Skew:
    """Of *rows* logged answers of *version*, how many are *different* from what its registered model answers."""

    version: str
    rows: int
    different: int


def measure(ws: Workspace, start: datetime, end: datetime) -> Iterator[Skew]:
    """Yield the skew of every version with a model file that answered in [start, end), on its newest answers there.

    None where the project only watches, as nothing says which model files to trust; none of an altered file.

    Raises:
        ArtifactError: a model file holds types that are not trusted.
        DataError: the events cannot be read.
    """
    sound = ws.registry.artifacts.verify
    held = [v for v in queries.versions(ws.registry, ws.model) if v.artifact is not None and sound(v.artifact)]
    if not held or ws.retrain is None:
        return
    events = workspace.read(ws).predictions
    inside = events.filter((pc.field(TIME) >= to_ms(start)) & (pc.field(TIME) < to_ms(end)))
    for version in held:
        own = inside.filter(pc.field(VERSION) == version.version).sort_by(TIME)
        rows = own.slice(max(0, own.num_rows - MAX_ROWS))
        if rows.num_rows:
            again = scoring.score(retrain_data.load(ws, version), scoring.inputs(ws.schema, rows), ws.schema.task)
            yield Skew(version.version, rows.num_rows, count_different(_logged(ws.schema.task, rows), again))


def count_different(logged: Values, again: Values) -> int:
    """Return how many answers differ; two that are both missing do not.

    >>> different(np.array([0.5, np.nan, 0.2]), np.array([0.5000000001, np.nan, 0.3]))
    1
    """
    if logged.dtype == object:
        return int((logged != again).sum())
    numbers = logged.astype(np.float64), again.astype(np.float64)
    return int((~np.isclose(*numbers, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)).sum())


def _logged(task: Task, rows: pa.Table) -> Values:
    column = rows[PREDICTION]
    if task is Task.MULTICLASS:
        return np.array(column.to_pylist(), dtype=object)
    return np.asarray(column.to_pandas(), dtype=np.float64)
