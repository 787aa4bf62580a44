"""Joined predictions become rows for the error stream: losses as text, sorted later by who sees all of a slice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from features.window import UTC, to_ms
from monitors import performance, profiles, worker

Row = tuple[int, str, int]
"""A labelled prediction: its time (ms), its id, its loss in millionths. Ordered by time, then id."""
Columns = Mapping[str, npt.NDArray[np.object_]]


def pack(spec: worker.Spec, columns: Columns) -> list[str]:
    """Return the rows that have a loss as joined text: version, start of the slice (ms), rows as JSON.

    *columns* are those of :func:`worker.outcome_cells`, without segments, and *predicted_at* (text, UTC)
    and *id*.
    """
    rows = worker.outcome_rows(columns)
    out: list[str] = []
    for version in sorted(set(rows["version"])):
        out += _of_version(spec, version, {name: column[rows["version"] == version] for name, column in rows.items()})
    return out


def _of_version(spec: worker.Spec, version: str, rows: Columns) -> Iterator[str]:
    bins, task = worker.counted_with(spec, version).bins, spec.schema.task
    prediction, label = (profiles.values(spec.schema, rows[name]) for name in ("prediction", "label"))
    labelled = np.array([value is not None for value in rows["label"]])
    scored = labelled & performance.usable(task, prediction, label)
    lost = performance.losses(task, bins, prediction[scored], label[scored])
    by_slice: dict[int, list[Row]] = defaultdict(list)
    for start, at, name, loss in zip(
        *(rows[c][scored] for c in ("start", "predicted_at", "id")), lost.tolist(), strict=True
    ):
        by_slice[start].append((to_ms(datetime.fromisoformat(at).replace(tzinfo=UTC)), name, loss))
    return (worker.join(version, start, json.dumps(some)) for start, some in by_slice.items())


def unpack(parts: Sequence[str]) -> list[Row]:
    """Return the rows of all the JSON in *parts*, in order."""
    return sorted((at, name, loss) for part in parts for at, name, loss in json.loads(part))
