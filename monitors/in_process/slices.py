"""Slices counted in this process: what the profile job counts of a version's events, by the same functions.

A backtest replays years in minutes, where each start of an engine would cost seconds. A test holds both equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd
import pyarrow as pa

from features.schema import EventSchema
from features.window import to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.baseline.build import BaselineEvents
from monitors.finding import Stage
from monitors.profiles import counting, joined_outcomes, label_join
from monitors.profiles.cells import Cell
from monitors.profiles.derived import FrozenProfile
from monitors.profiles.side_channels import without_zero
from monitors.worker.chunk_counts import prediction_rows


def count_inputs(schema: EventSchema, frozen: FrozenProfile, predictions: pa.Table) -> list[Slice]:
    """Return the input slices of one version's decoded predictions, by start and segment.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        The version's bins and derived variables.
    predictions
        Decoded predictions of one version.
    """
    version = _version(predictions)
    cells = counting.count_inputs(schema, {version: frozen}, predictions) if version is not None else ()
    return _slices(schema, frozen, Stage.INPUTS, cells)


def count_outcomes(schema: EventSchema, frozen: FrozenProfile, predictions: pa.Table, labels: pa.Table) -> list[Slice]:
    """Return the outcome slices of one version: its predictions joined with their labels.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        The version's bins and derived variables.
    predictions
        Decoded predictions of one version.
    labels
        Decoded labels; each prediction gets its newest within the label delay.
    """
    version = _version(predictions)
    if version is None:
        return []
    profile, delay = {version: frozen}, to_ms(schema.label_delay)
    made = pd.DataFrame(prediction_rows(schema, profile, predictions))
    joined = label_join.match(made, labels.select(["id", "time", "label"]).to_pandas(), delay)
    starts = counting.slice_starts(schema.windows, joined["time"].to_numpy())
    by_slice = ((int(start), joined[starts == start]) for start in np.unique(starts))
    cells = (joined_outcomes.count_outcomes(schema, profile, start, rows) for start, rows in by_slice)
    return _slices(schema, frozen, Stage.OUTCOMES, chain.from_iterable(cells))


def count_baseline(draft: Baseline, events: BaselineEvents) -> Mapping[Stage, Sequence[Slice]]:
    """Return the slices of a baseline in the making: a :data:`monitors.baseline.build.CountSlices`."""
    inputs = count_inputs(draft.events, draft.frozen, events.predictions)
    outcomes = (
        count_outcomes(draft.events, draft.frozen, events.predictions, events.labels) if events.labels.num_rows else []
    )
    return {Stage.INPUTS: inputs, Stage.OUTCOMES: outcomes}


def _version(predictions: pa.Table) -> str | None:
    return predictions["model_version"][0].as_py() if predictions.num_rows else None


def _slices(schema: EventSchema, frozen: FrozenProfile, stage: Stage, cells: Iterable[Cell]) -> list[Slice]:
    """Return cells as slices, by start and segment; sparse side channels are left out where they are zero."""
    plan = counting.layout(schema, frozen, stage)
    by_slice: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for cell in cells:
        by_slice[cell.start, cell.segment].append((cell.cell, cell.n))
    rows = ((key, plan.row(by_slice[key])) for key in sorted(by_slice))
    return [Slice(start=start, segment=segment, counts=without_zero(row)) for (start, segment), row in rows]
