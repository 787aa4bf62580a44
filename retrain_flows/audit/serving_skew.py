"""Training-serving skew: logged predictions compared with those of the registered model for the same features.

Ported preprocessing, a default that differs or a stale file make served predictions differ while nothing has drifted.
The newest predictions of each version with a model file are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import scoring
from features.events.decode import VERSION
from features.schema import PREDICTION, Task
from features.scoring import Values
from features.window import to_ms
from monitors.training_set.join import ORDER
from monitors.training_set.period import TrainingPeriod
from registry import queries
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import retrain_data

MAX_ROWS = 2_000
"""Newest predictions of a version that are compared. If one prediction in 500 differs, at least one of these does
with a probability of 98 % (1 - 0.998 ** 2000)."""
TOLERANCE = 1e-6
"""Absolute and relative difference up to which two numbers are equal: floats travel as text, some as float32."""


@dataclass(frozen=True, slots=True)
class Skew:
    """The skew of one version.

    Parameters
    ----------
    version
        The model version.
    rows
        Number of logged predictions that were compared.
    different
        Number of these that differ from the registered model's.
    """

    version: str
    rows: int
    different: int


def measure(ws: Workspace, start: datetime, end: datetime) -> Iterator[Skew]:
    """Yield the skew of each version with a model file, on its newest predictions in [start, end).

    Versions whose file is missing or altered are left out (the check of files names them), and so are all versions of a
    project without a `retrain` section, since nothing says which types may be built when a file is loaded.

    Raises
    ------
    ArtifactError
        A model file holds types that are not trusted.
    DataError
        The events cannot be read.
    """
    intact = ws.registry.artifacts.verify
    versions = [v for v in queries.versions(ws.registry, ws.model) if v.artifact is not None and intact(v.artifact)]
    if not versions or ws.retrain is None:
        return
    newest = _newest(ws.log.predictions(TrainingPeriod(ws.schema, to_ms(start), to_ms(end))),
                     {version.version for version in versions})  # fmt: skip
    for version in versions:
        if rows := newest.get(version.version):
            again = scoring.score(retrain_data.load(ws, version), scoring.inputs(ws.schema, rows), ws.schema.task)
            yield Skew(version.version, rows.num_rows, count_different(_logged(ws.schema.task, rows), again))


def _newest(parts: Iterable[pa.Table], versions: Collection[str]) -> dict[str, pa.Table]:
    """Return the newest :data:`MAX_ROWS` predictions of each version that has any, in order of time and id."""
    newest = dict[str, pa.Table]()
    for part in parts:
        for version in set(part[VERSION].unique().to_pylist()) & set(versions):
            own = part.filter(pc.field(VERSION) == version)
            both = pa.concat_tables([newest[version], own]) if version in newest else own
            newest[version] = both.sort_by(ORDER).slice(max(0, both.num_rows - MAX_ROWS))
    return newest


def count_different(logged: Values, again: Values) -> int:
    """Return the number of predictions that differ, both (rows,); two that are both missing are equal.

    >>> count_different(np.array([0.5, np.nan, 0.2]), np.array([0.5000000001, np.nan, 0.3]))
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
