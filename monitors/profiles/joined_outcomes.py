"""Outcome cells of joined predictions: predictions with their labels, counted by slice, version and segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from features.schema import EventSchema, FeatureKind
from features.scoring import Values
from monitors.finding import Stage
from monitors.profiles import outcome_counts
from monitors.profiles.cells import Cell
from monitors.profiles.counting import SEGMENT_SEPARATOR, cells_of, layout
from monitors.profiles.derived import FrozenProfile


def count_outcomes(
    schema: EventSchema, frozen: Mapping[str, FrozenProfile], start: int, rows: pd.DataFrame
) -> Iterator[Cell]:
    """Yield the outcome cells of joined predictions of one slice.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        Bins and derived variables by model version.
    start
        Start of the slice, in milliseconds since the epoch.
    rows
        Columns ``version``, ``segments`` (the row's, joined by ``SEGMENT_SEPARATOR``), ``prediction``, ``label``
        and ``known``, the label's time, which is NaN where there is no label.
    """
    for key, some in rows.groupby(["version", "segments"]):
        version, segments = map(str, key)
        plan = layout(schema, frozen[version], Stage.OUTCOMES)
        prediction, label = (values(schema, some[c]) for c in ("prediction", "label"))
        found = outcome_counts.count(
            schema.task, frozen[version].bins, prediction=prediction, label=label,
            labelled=some["known"].notna().to_numpy(), groups=np.zeros(len(some), np.int64), n_groups=1,
        )  # fmt: skip
        counts = np.hstack([found[name] for name in plan.sizes])
        for segment in ("", *filter(None, segments.split(SEGMENT_SEPARATOR))):
            yield from cells_of(counts, np.array([start]), version, segment)


def values(schema: EventSchema, column: pd.Series) -> Values:
    """Return predictions or labels in the type that is scored: float64, or classes as text (None: no label)."""
    if schema.label_kind is FeatureKind.CATEGORICAL and schema.prediction_kind is FeatureKind.CATEGORICAL:
        return np.asarray(column.astype(object).where(column.notna(), None).to_numpy(object))
    return column.to_numpy(np.float64)
