"""Prior and concept shifts in counted outcomes: another mix of labels, or labels that depend on inputs in another
way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from features.errors import DataError
from features.schema import LABEL, Task
from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.profiles import outcome_counts
from monitors.sequential import slice_scores
from monitors.sequential.slice_scores import SliceCounts
from monitors.simulation.tilting import exponential_tilting, rounded_to_total
from monitors.stats import threshold
from monitors.stats.bins import Counts, NumericBins
from monitors.stats.distance import Distances

Relabel = Callable[[SliceCounts], dict[str, list[int]]]
"""Returns the outcome counts of one slice, by name, as they are after a change."""
SCORE_MIDDLES = (np.arange(outcome_counts.SCORE_BINS) + 0.5) / outcome_counts.SCORE_BINS
"""The score in the middle of each bin of the score grid, (bins,)."""
SCORE_LOSSES = np.column_stack([-np.log(1 - SCORE_MIDDLES), -np.log(SCORE_MIDDLES)])
"""The log loss of labels 0 and 1 at these scores, (bins, 2)."""


def copied(counts: SliceCounts) -> dict[str, list[int]]:
    """Return a copy of the counts of one slice."""
    return {name: list(row) for name, row in counts.items()}


def prior_shift(size: float, baseline: Baseline) -> Relabel:
    """Return a prior probability shift: shares of labels change, and the rows of one label look as they did.

    Categories: a share of all labels moves from the baseline's most frequent one to the others. Binary: the rows of
    each label keep their scores, and the loss follows from the score grid. A numeric label moves by *size* sd. Not
    imitated: the losses of other tasks, which are not counted by label, and the predictions of the inputs stage.

    Parameters
    ----------
    size
        Share of all labels, 0 to 1, or sd of a numeric label.
    baseline
        The baseline, with outcomes.

    References
    ----------
    Moreno-Torres et al. (2012), "A unifying view on dataset shift in classification", Pattern Recognition 45(1).
    """
    bins, total = baseline.bins[LABEL], baseline.counts(Stage.OUTCOMES, LABEL)
    if isinstance(bins, NumericBins):
        cells = threshold.compared(bins)
        codes = slice_scores.share_scores({LABEL: total}, {LABEL: cells}).codes[0, 0]
        return lambda counts: {**copied(counts), LABEL: exponential_tilting(counts[LABEL], cells, codes, size)}
    usual = total.sum(axis=0)[: bins.body]
    top = int(usual.argmax())
    binary = baseline.events.task is Task.BINARY

    def shifted(counts: SliceCounts) -> dict[str, list[int]]:
        """Return the outcome counts of one slice with the labels shifted."""
        label = _taken_from(np.array(counts[LABEL], np.int64), top, usual, size)
        out = {**copied(counts), LABEL: [int(n) for n in label]}
        if not binary:
            return out
        grid = _grid(counts["scores"])
        one = int(bins.categories[top] == "1")
        now = _taken_from(grid.sum(axis=0), one, np.ones(2), size)
        moved = np.column_stack(
            [rounded_to_total(grid[:, y] if grid[:, y].any() else grid.sum(axis=1), now[y]) for y in (0, 1)]
        )
        return {**out, **_scores_and_losses(counts, grid, moved)}

    return shifted


def _taken_from(counts: Counts, top: int, usual: Distances | Counts, size: float) -> Counts:
    """Return counts, (cells,), with a share *size* moved from cell *top* to others in proportion to *usual*."""
    others = np.arange(len(usual)) != top
    if not usual[others].any():
        return counts
    moved = min(round(size * int(counts.sum())), int(counts[top]))
    out = counts.copy()
    out[top] -= moved
    out[: len(usual)][others] += rounded_to_total(usual[others], moved)
    return out


def concept_shift(size: float, baseline: Baseline) -> Relabel:
    """Return a concept shift: the loss rises while the inputs stay as they were.

    Binary: the same part of the labels is inverted at every score, so that the score means less; it moves the label's
    share towards a half as well, and in a single slice the rise varies with its scores. Other tasks: the losses rise in
    proportion, 0-1 losses up to every row. Not imitated: a concept that changes for some inputs only.

    Parameters
    ----------
    size
        The relative rise of the loss, 0 or more.
    baseline
        The baseline, with outcomes.

    Raises
    ------
    DataError
        The loss cannot rise that far: see :func:`largest_concept_shift`.

    References
    ----------
    Gama et al. (2014), "A survey on concept drift adaptation", ACM Computing Surveys 46(4).
    """
    if baseline.events.task is not Task.BINARY:
        power = 2 if baseline.events.task is Task.REGRESSION else 1
        return lambda counts: {**copied(counts), "loss": _raised_losses(counts, size, power)}
    if size > (largest := largest_concept_shift(baseline)):
        msg = f"the loss cannot rise by {size:.0%}: with every label inverted it rises by {largest:.0%}"
        raise DataError(msg, hint="choose a smaller concept shift")
    part = size / largest if size else 0.0

    def changed(counts: SliceCounts) -> dict[str, list[int]]:
        """Return the outcome counts of one slice with a part of its labels inverted."""
        label, grid = np.array(counts[LABEL], np.int64), _grid(counts["scores"])
        cells = [baseline.bins[LABEL].labels.index(text) for text in ("0", "1") if text in baseline.bins[LABEL].labels]
        label[cells] = _inverted(label[cells][None], part)[0] if len(cells) == 2 else label[cells]
        return {**copied(counts), LABEL: label.tolist(), **_scores_and_losses(counts, grid, _inverted(grid, part))}

    return changed


def largest_concept_shift(baseline: Baseline) -> float:
    """Return the largest relative rise of the loss: that of inverting every label (binary), or infinity."""
    if baseline.events.task is not Task.BINARY:
        return math.inf
    now, then = _losses(baseline)
    return then / now - 1


def _losses(baseline: Baseline) -> tuple[float, float]:
    """Return the sum of the baseline's losses on its score grid, and what it would be with every label inverted."""
    pooled = _grid(baseline.counts(Stage.OUTCOMES, "scores").sum(axis=0))
    return float((pooled * SCORE_LOSSES).sum()), float((pooled[:, ::-1] * SCORE_LOSSES).sum())


def _inverted(grid: Counts, part: float) -> Counts:
    """Return a grid of counts, (bins, 2), with a *part* of both columns exchanged, evenly from low to high scores."""
    out = np.column_stack([rounded_to_total(grid[:, y], round(part * int(grid[:, y].sum()))) for y in (0, 1)])
    return np.asarray(grid - out + out[:, ::-1])


def _grid(scores: Sequence[int] | Counts) -> Counts:
    return np.asarray(scores, np.int64).reshape(outcome_counts.SCORE_BINS, 2)


def _raised_losses(counts: SliceCounts, size: float, power: int) -> list[int]:
    most = int(counts["coverage"][0]) / outcome_counts.LOSS_UNIT if power == 1 else np.inf
    first, second = counts["loss"]
    return [int(min(round(first * (1 + size)), most)), int(min(round(second * (1 + size) ** power), most))]


def _scores_and_losses(counts: SliceCounts, was: Counts, now: Counts) -> dict[str, list[int]]:
    """Return the score grid *now*, and the sums of losses, changed in proportion to the losses of the grid."""
    before, after = ([float((grid * SCORE_LOSSES**p).sum()) for p in (1, 2)] for grid in (was, now))
    loss = [round(n * a / b) if b else int(n) for n, a, b in zip(counts["loss"], after, before, strict=True)]
    return {"scores": [int(n) for n in now.ravel()], "loss": loss}
