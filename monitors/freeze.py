"""From the rows of the training period to frozen bins, and to what is frozen to derive further variables from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import scoring
from features.schema import LABEL, MULTIVARIATE, EventSchema, Kind, Task
from features.scoring import Values
from features.window import to_ms
from monitors import calibration, loss_table, performance, profiles, projection
from monitors.bins import Bins, freeze_categorical, freeze_numeric
from monitors.calibration import Calibration
from monitors.derived import Derived, Frozen
from monitors.loss_table import LossTable
from monitors.policy import MonitorPolicy

Ints = npt.NDArray[np.int64]


def freeze_bins(schema: EventSchema, policy: MonitorPolicy, predictions: pa.Table, labels: pa.Table) -> dict[str, Bins]:
    """Return the bins of every variable that is sent, from the rows of the training period."""
    kinds = {**schema.variables, LABEL: schema.label_kind}
    return {
        name: _freeze((labels if name == LABEL else predictions)[name], kind, policy) for name, kind in kinds.items()
    }


def freeze_derived(
    schema: EventSchema, policy: MonitorPolicy, bins: Mapping[str, Bins], predictions: pa.Table, labels: pa.Table
) -> Frozen:
    """Return *bins* with what derives further variables, from the same rows; their labels must be out of sample.

    There is no estimate from fewer labelled rows than the policy's least.
    """
    cells = {name: profiles.index(predictions[name], bins[name]) for name in schema.variables}
    features = {name: cells[name] for name in schema.features}
    found = projection.fit(bins, features)
    errors = {MULTIVARIATE: freeze_numeric(found.error(features), policy.bins)} if found else {}
    answer, (at, label) = profiles.predictions(schema, predictions), newest_labels(schema, predictions, labels)
    usable = performance.usable(schema.task, answer[at], label)
    at, label = at[usable], label[usable]
    estimate = _estimate(schema, bins, cells, answer, (at, label)) if len(at) >= policy.min_rows else None
    return Frozen({**bins, **errors}, Derived(projection=found, estimate=estimate))


def newest_labels(schema: EventSchema, predictions: pa.Table, labels: pa.Table) -> tuple[Ints, Values]:
    """Return where the labelled predictions are, each id once, and the newest label each had within the label delay."""
    made = predictions.select(["id", "time"]).to_pandas().assign(at=np.arange(predictions.num_rows))
    known = labels.select(["id", "time", LABEL]).to_pandas().rename(columns={"time": "known"})
    first = made.sort_values(["id", "time", "at"]).drop_duplicates("id")
    joined = first.merge(known, on="id")
    late = joined["known"] - joined["time"]
    joined = joined[(late >= 0) & (late <= to_ms(schema.label_delay))]
    newest = joined.sort_values(["id", "known", LABEL]).drop_duplicates("id", keep="last")
    kind = object if schema.task is Task.MULTICLASS else np.float64
    return newest["at"].to_numpy(np.int64), newest[LABEL].to_numpy(kind)


def _estimate(
    schema: EventSchema, bins: Mapping[str, Bins], cells: Mapping[str, Ints], answer: Values, truth: tuple[Ints, Values]
) -> Calibration | LossTable | None:
    at, label = truth
    if schema.task is Task.BINARY:
        score = np.asarray(answer, np.float64)
        there = np.isfinite(score)
        return calibration.fit(score[there], np.cumsum(there)[at] - 1, np.asarray(label, np.float64))
    most = 1.0 if schema.task is Task.MULTICLASS else scoring.LARGEST_ERROR**2
    losses = scoring.losses(schema.task, answer[at], label, sd=performance.label_sd(bins))
    own = {name: cell[at] for name, cell in cells.items()}
    return loss_table.fit(own, {name: bins[name].cells for name in own}, losses, most)


def _freeze(column: pa.ChunkedArray, kind: Kind, policy: MonitorPolicy) -> Bins:
    if kind is Kind.NUMERIC:
        return freeze_numeric(profiles.floats(column)[0], policy.bins)
    if pa.types.is_floating(column.type):
        column = pa.chunked_array([pa.array(map(performance.label_text, column.to_pylist()), pa.string())])
    return freeze_categorical(np.asarray(column.to_pandas().to_numpy(dtype=object)), policy.top)
