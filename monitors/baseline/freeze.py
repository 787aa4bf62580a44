"""From the rows of the training period to frozen bins, and to what is frozen to derive further variables from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import scoring
from features.schema import LABEL, MULTIVARIATE, EventSchema, FeatureKind, Task
from features.scoring import Values
from features.window import to_ms
from monitors.baseline.baseline import Slice
from monitors.config import MonitorPolicy
from monitors.profiles import (
    counting,
    label_join,
    loss_estimator,
    outcome_counts,
    reconstruction_error,
    score_calibration,
)
from monitors.profiles.derived import Derived, FrozenProfile
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats.bins import Bins, freeze_categorical, freeze_numeric

Ints = npt.NDArray[np.int64]
STRETCHES = 10


def freeze_bins(schema: EventSchema, policy: MonitorPolicy, predictions: pa.Table, labels: pa.Table) -> dict[str, Bins]:
    """Return the bins of every variable that is sent, from the rows of the training period."""
    kinds = {**schema.variables, LABEL: schema.label_kind}
    return {
        name: _freeze((labels if name == LABEL else predictions)[name], kind, policy) for name, kind in kinds.items()
    }


@dataclass(frozen=True, eq=False)
class FrozenBaseline:
    """What was *frozen*, and the cell of ``multivariate`` each row would have had, had it been frozen without it."""

    frozen: FrozenProfile
    unusual: Ints | None

    def out_of_sample(self, schema: EventSchema, predictions: pa.Table, slices: Iterable[Slice]) -> tuple[Slice, ...]:
        """Return the *slices* counted of the rows that were learned from, with ``multivariate`` as of other rows."""
        if self.unusual is None:
            return tuple(slices)
        bins = self.frozen.bins
        counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * bins[MULTIVARIATE].cells)
        for c in counting.count_columns(schema, bins, predictions, [(bins[MULTIVARIATE].cells, self.unusual)]):
            counts[c.start, c.segment][c.cell] = c.n
        told = ((s, {**s.counts, MULTIVARIATE: counts[s.start, s.segment]}) for s in slices)
        return tuple(s.model_copy(update={"counts": counted}) for s, counted in told)


def freeze_derived(
    schema: EventSchema, policy: MonitorPolicy, bins: Mapping[str, Bins], predictions: pa.Table, labels: pa.Table
) -> FrozenBaseline:
    """Return *bins* with what derives further variables, from a version's rows; their predictions are out of sample.

    There is no estimate from fewer labelled rows than the policy's least.
    """
    cells = {name: counting.cell_index(predictions[name], bins[name]) for name in schema.variables}
    features = {name: cells[name] for name in schema.features}
    found = reconstruction_error.fit(bins, features, stretches(predictions))
    errors = reconstruction_error.freeze_errors(found[1], found[0].error(features), policy.bins) if found else None
    answer, (at, label) = counting.predictions(schema, predictions), newest_labels(schema, predictions, labels)
    usable = outcome_counts.usable(schema.task, answer[at], label)
    at, label = at[usable], label[usable]
    estimate = _estimate(schema, bins, cells, answer, (at, label)) if len(at) >= policy.min_rows else None
    if not found or not errors:
        return FrozenBaseline(FrozenProfile(bins, Derived(estimate=estimate)), None)
    frozen = FrozenProfile({**bins, MULTIVARIATE: errors}, Derived(projection=found[0], estimate=estimate))
    return FrozenBaseline(frozen, errors.index(found[1], np.zeros(len(found[1]), bool)))


def stretches(predictions: pa.Table) -> Ints:
    """Return which of ten stretches of time, of as many rows each, every row is in.

    Whole stretches, since rows of a day are alike: what holds of one is no news to the next.
    """
    order = predictions.select(["time", "id"]).to_pandas().sort_values(["time", "id"]).index.to_numpy()
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) * STRETCHES // max(len(order), 1)
    return out


def newest_labels(schema: EventSchema, predictions: pa.Table, labels: pa.Table) -> tuple[Ints, Values]:
    """Return where the labelled predictions are, each id once, and the newest label each had within the label delay."""
    made = predictions.select(["id", "time"]).to_pandas().assign(at=np.arange(predictions.num_rows))
    known = labels.select(["id", "time", LABEL]).to_pandas()
    joined = label_join.match(made, known, to_ms(schema.label_delay))
    labelled = joined[joined["known"].notna()].sort_values("at")
    kind = object if schema.task is Task.MULTICLASS else np.float64
    return labelled["at"].to_numpy(np.int64), labelled[LABEL].to_numpy(kind)


def _estimate(
    schema: EventSchema, bins: Mapping[str, Bins], cells: Mapping[str, Ints], answer: Values, truth: tuple[Ints, Values]
) -> ScoreCalibration | DirectLossEstimator | None:
    at, label = truth
    if schema.task is Task.BINARY:
        score = np.asarray(answer, np.float64)
        there = np.isfinite(score)
        return score_calibration.fit(score[there], np.cumsum(there)[at] - 1, np.asarray(label, np.float64))
    most = 1.0 if schema.task is Task.MULTICLASS else scoring.LARGEST_ERROR**2
    losses = scoring.losses(schema.task, answer[at], label, sd=outcome_counts.label_sd(bins))
    own = {name: cell[at] for name, cell in cells.items()}
    return loss_estimator.fit(own, {name: bins[name].cells for name in own}, losses, most)


def _freeze(column: pa.ChunkedArray, kind: FeatureKind, policy: MonitorPolicy) -> Bins:
    if kind is FeatureKind.NUMERIC:
        return freeze_numeric(counting.floats(column)[0], policy.bins)
    if pa.types.is_floating(column.type):
        column = pa.chunked_array([pa.array(map(outcome_counts.label_text, column.to_pylist()), pa.string())])
    return freeze_categorical(np.asarray(column.to_pandas().to_numpy(dtype=object)), policy.top)
