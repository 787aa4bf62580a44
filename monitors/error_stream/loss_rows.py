"""Joined predictions become rows for the error stream: losses as text, sorted later by who sees all of a slice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from monitors.job_spec import JobSpec, baseline_counted_with, join
from monitors.profiles import counting, outcome_counts

Row = tuple[int, str, int]
"""A labelled prediction: its time (ms), its id, its loss in millionths. Ordered by time, then id."""


def pack(spec: JobSpec, start: int, rows: pd.DataFrame) -> Iterator[str]:
    """Yield those *rows* of the slice from *start* (ms) that have a loss, as joined text: version, start, rows as JSON.

    *rows* are as :mod:`monitors.profiles.label_join` gives them.
    """
    task = spec.schema.task
    labelled = rows[rows["known"].notna()]
    for version in sorted(set(labelled["version"])):
        some = labelled[labelled["version"] == version]
        prediction, label = (counting.values(spec.schema, some[name]) for name in ("prediction", "label"))
        scored = outcome_counts.usable(task, prediction, label)
        bins = baseline_counted_with(spec, version).bins
        lost = outcome_counts.losses(task, bins, prediction[scored], label[scored])
        told = zip(some["time"][scored].tolist(), some["id"][scored], lost.tolist(), strict=True)
        yield join(version, start, json.dumps(list(told)))


def unpack(parts: Sequence[str]) -> list[Row]:
    """Return the rows of all the JSON in *parts*, in order."""
    return sorted((at, name, loss) for part in parts for at, name, loss in json.loads(part))
