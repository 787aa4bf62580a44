"""Baselines fitted to rows, and windows counted as the profile job counts them, without Flink."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from monitors.baseline import freeze
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.profiles import counting

DAY = 86_400_000
POLICY = MonitorPolicy()
Rows = Mapping[str, Any]


def schema(task: Task, *numbers: str, words: tuple[str, ...] = (), segments: tuple[str, ...] = ()) -> EventSchema:
    """Return a schema of features by kind, in windows of two days."""
    features = {**dict.fromkeys(numbers, FeatureKind.NUMERIC), **dict.fromkeys(words, FeatureKind.CATEGORICAL)}
    windows = Windows.model_validate({"size": "2d", "slide": "1d"})
    return EventSchema(
        model="m", task=task, features=features, segments=segments, label_delay=timedelta(days=1), windows=windows
    )


def tables(events: EventSchema, rows: Rows, *, days: int = 1) -> tuple[pa.Table, pa.Table]:
    """Return *rows* (arrays by name, NaN and None missing) as decoded predictions and labels, spread over *days*."""
    n = len(rows[PREDICTION])
    time = np.arange(n) * days * DAY // n
    base = {"id": pa.chunked_array([[f"e{i:06}" for i in range(n)]]), "time": pa.chunked_array([time])}
    made = {name: _column(rows[name]) for name in events.variables}
    predictions = pa.table({**base, "model_version": pa.chunked_array([["v1"] * n]), **made})
    return predictions, pa.table({**base, "time": pa.chunked_array([time + DAY // 2]), LABEL: _column(rows[LABEL])})


def _column(values: Any) -> pa.ChunkedArray:
    array = np.asarray(values)
    kind = pa.string() if array.dtype == object else pa.float64()
    return pa.chunked_array([pa.array(array, kind, from_pandas=True)])


def baseline(events: EventSchema, rows: Rows, *, days: int = 20, policy: MonitorPolicy = POLICY) -> Baseline:
    """Return the baseline of *rows*, a slice a day; outcomes are not counted."""
    predictions, labels = tables(events, rows, days=days)
    bins = freeze.freeze_bins(events, policy, predictions, labels)
    made = freeze.freeze_derived(events, policy, bins, predictions, labels)
    frozen = made.frozen
    plan, cells = counting.layout(events, frozen, Stage.INPUTS), defaultdict(list)
    for c in counting.count_inputs(events, {"v1": frozen}, predictions):
        cells[c.start, c.segment].append((c.cell, c.n))
    slices = tuple(Slice(start=at, segment=s, counts=plan.row(found)) for (at, s), found in sorted(cells.items()))
    return Baseline(
        events=events, version="v1", start=from_ms(0), end=from_ms(days * DAY), rows=predictions.num_rows,
        bins=dict(frozen.bins), derived=frozen.derived, inputs=made.recounted(events, predictions, slices),
    )  # fmt: skip


def counts(known: Baseline, rows: Rows, segment: str = "") -> dict[str, list[int]]:
    """Return the counts of *rows* as one window of *segment*."""
    cells = counting.count_inputs(known.events, {"v1": known.frozen}, tables(known.events, rows)[0])
    own = [(c.cell, c.n) for c in cells if c.segment == segment]
    return counting.layout(known.events, known.frozen, Stage.INPUTS).row(own)
