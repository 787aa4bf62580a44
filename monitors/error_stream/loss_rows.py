"""Losses of joined predictions as text rows, which Flink carries to the error-stream detector."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from monitors.job_spec import JobSpec, baseline_counted_with, join
from monitors.profiles import joined_outcomes, outcome_counts

LossRow = tuple[int, str, int]
"""A labelled prediction: its time (ms), id and loss (millionths). Ordered by time, then id."""


def pack(spec: JobSpec, start: int, rows: pd.DataFrame) -> Iterator[str]:
    """Yield the rows of a slice that have a loss, as joined text: version, start, and the rows as JSON.

    Parameters
    ----------
    spec
        The job's specification.
    start
        Start of the slice, in milliseconds since the epoch.
    rows
        Joined predictions, as :func:`monitors.profiles.label_join.match` returns them.
    """
    task = spec.schema.task
    labelled = rows[rows["known"].notna()]
    for version in sorted(set(labelled["version"])):
        some = labelled[labelled["version"] == version]
        prediction, label = (joined_outcomes.values(spec.schema, some[name]) for name in ("prediction", "label"))
        scored = outcome_counts.usable(task, prediction, label)
        bins = baseline_counted_with(spec, version).bins
        lost = outcome_counts.losses(task, bins, prediction[scored], label[scored])
        losses = zip(some["time"][scored].tolist(), some["id"][scored], lost.tolist(), strict=True)
        yield join(version, start, json.dumps(list(losses)))


def unpack(parts: Sequence[str]) -> list[LossRow]:
    """Return the rows of all JSON texts in *parts*, in order."""
    return sorted((at, name, loss) for part in parts for at, name, loss in json.loads(part))
