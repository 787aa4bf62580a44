"""Freezing a baseline: from the rows of the training period to bins, PCA reconstruction error and performance estimate.

What is fitted here is stored with the baseline, and is all that turns later rows into counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import scoring
from features.schema import ESTIMATED_LOSS, LABEL, MULTIVARIATE, EventSchema, FeatureKind, Task
from features.scoring import Values
from features.window import to_ms
from monitors.baseline.baseline import Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.profiles import (
    counting,
    label_join,
    loss_estimator,
    outcome_counts,
    reconstruction_error,
    score_calibration,
)
from monitors.profiles.cells import Layout
from monitors.profiles.derived import Derived, FrozenProfile
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats import held_out
from monitors.stats.bins import Bins, CategoricalBins, NumericBins, freeze_categorical, freeze_numeric

Ints = npt.NDArray[np.int64]
FOLDS = 10
"""Folds of time over which the reference's own reconstruction errors are cross-fitted. Fitted and counted on the same
rows, 50 unrelated features in 10,000 rows lie .11 from any later window of the same stream; cross-fitted, .03
(docs/decisions/0005)."""


def freeze_bins(schema: EventSchema, policy: MonitorPolicy, predictions: pa.Table, labels: pa.Table) -> dict[str, Bins]:
    """Return the bins of every variable that events have, from the prediction and label rows of the training period."""
    kinds = {**schema.variables, LABEL: schema.label_kind}
    return {
        name: _freeze((labels if name == LABEL else predictions)[name], kind, policy) for name, kind in kinds.items()
    }


@dataclass(frozen=True, eq=False)
class FrozenBaseline:
    """Bins and derivations, with what its own rows count as: that of rows which had no part in freezing them.

    Parameters
    ----------
    frozen
        What turns later rows into counts.
    out_of_sample
        What each row, or what it adds to each cell, is by a vocabulary without its slice or a fit without its fold; by
        variable, (rows,) or (cells, rows), where that may differ from what *frozen* makes of it.
    """

    frozen: FrozenProfile
    out_of_sample: Mapping[str, Ints]

    def recounted(self, schema: EventSchema, predictions: pa.Table, slices: Iterable[Slice]) -> tuple[Slice, ...]:
        """Return the slices of the rows that were frozen on, counted out of sample.

        Parameters
        ----------
        schema
            The schema of the events.
        predictions
            The rows that were frozen on.
        slices
            Their counts in sample.
        """
        if not self.out_of_sample:
            return tuple(slices)
        layout = counting.layout(schema, self.frozen, Stage.INPUTS)
        own = Layout({name: layout.sizes[name] for name in self.out_of_sample})
        columns = [(own.sizes[name], column) for name, column in self.out_of_sample.items()]
        found: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        for c in counting.count_columns(schema, self.frozen.bins, predictions, columns):
            found[c.start, c.segment].append((c.cell, c.n))
        return tuple(
            s.model_copy(update={"counts": {**s.counts, **own.row(found[s.start, s.segment])}}) for s in slices
        )


def held_out_cells(schema: EventSchema, bins: Mapping[str, Bins], predictions: pa.Table) -> dict[str, Ints]:
    """Return the cell of every row by variable that is sent, (rows,); of words, by the vocabulary of other slices."""
    starts = counting.slice_starts(schema.windows, predictions["time"].to_numpy())
    return {
        name: held_out.cells(predictions[name].to_pandas().to_numpy(dtype=object), starts, of)
        if isinstance(of := bins[name], CategoricalBins)
        else counting.cell_index(predictions[name], of)
        for name in schema.variables
    }


def freeze_derived(
    schema: EventSchema, policy: MonitorPolicy, bins: Mapping[str, Bins], predictions: pa.Table, labels: pa.Table
) -> FrozenBaseline:
    """Fit the derived variables of a baseline: PCA reconstruction error and performance estimate.

    Parameters
    ----------
    schema
        The schema of the events.
    policy
        Its *bins* and *min_rows* are used: there is no estimate from fewer labelled rows than these.
    bins
        The frozen bins by variable.
    predictions, labels
        The rows of the period; predictions must be out of sample, or the estimate is too good.

    Returns
    -------
    FrozenBaseline
        Without reconstruction error where no components are left over (fewer than two features that vary). What is
        fitted to words has their held-out cells (:mod:`monitors.stats.held_out`), so unseen ones among them.

    References
    ----------
    Jolliffe (2002), "Principal Component Analysis", 2nd ed., chapter 10 (outliers in the last components).
    Chernozhukov et al. (2018), "Double/debiased machine learning", Econometrics Journal 21(1) (cross-fitting).
    """
    cells = held_out_cells(schema, bins, predictions)
    features = {name: cells[name] for name in schema.features}
    fitted = reconstruction_error.fit(bins, features, time_folds(predictions))
    errors = reconstruction_error.freeze_errors(fitted[1], fitted[0].error(features), policy.bins) if fitted else None
    answer, (at, label) = counting.predictions(schema, predictions), newest_labels(schema, predictions, labels)
    usable = outcome_counts.usable(schema.task, answer[at], label)
    at, label = at[usable], label[usable]
    estimate = _estimate(schema, bins, cells, answer, (at, label)) if len(at) >= policy.min_rows else None
    numbers = tuple(name for name in schema.variables if isinstance(bins[name], NumericBins))
    derived = Derived(projection=fitted[0] if fitted and errors else None, estimate=estimate, hashed=numbers)
    own = dict[str, Ints]()
    if fitted and errors:
        bins, own = {**bins, MULTIVARIATE: errors}, {MULTIVARIATE: errors.index(fitted[1], np.zeros(len(answer), bool))}
    frozen = FrozenProfile(bins, derived)
    return FrozenBaseline(frozen, _out_of_sample(schema, frozen, predictions, cells) | own)


def _out_of_sample(
    schema: EventSchema, frozen: FrozenProfile, predictions: pa.Table, cells: Mapping[str, Ints]
) -> dict[str, Ints]:
    """Return the held-out *cells* of variables that have others in sample, and the estimate that follows from all."""
    words = [name for name in schema.variables if isinstance(frozen.bins[name], CategoricalBins)]
    moved = {
        name: cells[name]
        for name in words
        if (cells[name] != counting.cell_index(predictions[name], frozen.bins[name])).any()
    }
    if not moved or not isinstance(frozen.derived.estimate, DirectLossEstimator):
        return moved
    return {**moved, ESTIMATED_LOSS: frozen.derived.estimate.addends(cells, predictions.num_rows)}


def time_folds(predictions: pa.Table) -> Ints:
    """Return the cross-fitting fold of every row, (rows,), 0 to :data:`FOLDS` - 1: stretches of time of equal size.

    Rows of one day are alike, so folds that are drawn at random would not be out of sample.
    """
    order = predictions.select(["time", "id"]).to_pandas().sort_values(["time", "id"]).index.to_numpy()
    out = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) * FOLDS // max(len(order), 1)
    return out


def newest_labels(schema: EventSchema, predictions: pa.Table, labels: pa.Table) -> tuple[Ints, Values]:
    """Return the newest label of every labelled prediction within the label delay.

    Returns
    -------
    tuple
        The indices of the labelled predictions, each id once, (n,), ascending; and their labels, (n,).
    """
    predicted = predictions.select(["id", "time"]).to_pandas().assign(at=np.arange(predictions.num_rows))
    labelled_rows = labels.select(["id", "time", LABEL]).to_pandas()
    joined = label_join.match(predicted, labelled_rows, to_ms(schema.label_delay))
    labelled = joined[joined["known"].notna()].sort_values("at")
    kind = object if schema.task is Task.MULTICLASS else np.float64
    return labelled["at"].to_numpy(np.int64), labelled[LABEL].to_numpy(kind)


def _estimate(
    schema: EventSchema, bins: Mapping[str, Bins], cells: Mapping[str, Ints], answer: Values, truth: tuple[Ints, Values]
) -> ScoreCalibration | DirectLossEstimator | None:
    """Fit CBPE (binary models) or direct loss estimation (others) to labelled rows; *truth* are indices and labels.

    *answer* has the predictions of all rows; *cells* the cell of every row, by variable.
    """
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
