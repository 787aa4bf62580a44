"""Outcomes as they would be if labels came out otherwise: another mix of labels, or another meaning of the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from features.errors import DataError
from features.schema import LABEL, Task
from monitors.baseline.baseline import Baseline
from monitors.profiles import outcome_counts
from monitors.report import Stage
from monitors.sequential import slice_scores
from monitors.simulation.tilting import exponential_tilting, rounded_to_total
from monitors.stats import threshold
from monitors.stats.bins import Counts, NumericBins
from monitors.stats.distance import Distances

Tallies = Mapping[str, Sequence[int]]
Relabel = Callable[[Tallies], dict[str, list[int]]]
"""Returns one slice's outcome counts after the change."""
MIDDLE = (np.arange(outcome_counts.SCORE_BINS) + 0.5) / outcome_counts.SCORE_BINS
LOSSES = np.column_stack([-np.log(1 - MIDDLE), -np.log(MIDDLE)])
"""The log loss of a label 0 and of a label 1 with a score in the middle of each bin of the grid."""


def plain(counts: Tallies) -> dict[str, list[int]]:
    """Return a copy of *counts*."""
    return {name: list(row) for name, row in counts.items()}


def prior(size: float, baseline: Baseline) -> Relabel:
    """The labels' shares change, and rows of one label look as they did (prior probability shift).

    Categories: *size* of all labels goes from the baseline's most frequent one to the others. Binary: the rows of each
    label keep their scores, and the loss follows from the score grid. A number moves by *size* sd. Not imitated: the
    losses of other tasks, which are not counted by label, and the predictions of the inputs stage.
    """
    bins, total = baseline.bins[LABEL], baseline.counts(Stage.OUTCOMES, LABEL)
    if isinstance(bins, NumericBins):
        cells = threshold.compared(bins)
        codes = slice_scores.share_scores({LABEL: total}, {LABEL: cells}).codes[0, 0]
        return lambda counts: {**plain(counts), LABEL: exponential_tilting(counts[LABEL], cells, codes, size)}
    usual = total.sum(axis=0)[: bins.body]
    top = int(usual.argmax())
    binary = baseline.events.task is Task.BINARY

    def shifted(counts: Tallies) -> dict[str, list[int]]:
        label = _from(np.array(counts[LABEL], np.int64), top, usual, size)
        out = {**plain(counts), LABEL: [int(n) for n in label]}
        if not binary:
            return out
        grid = _grid(counts["scores"])
        one = int(bins.categories[top] == "1")
        now = _from(grid.sum(axis=0), one, np.ones(2), size)
        moved = np.column_stack(
            [rounded_to_total(grid[:, y] if grid[:, y].any() else grid.sum(axis=1), now[y]) for y in (0, 1)]
        )
        return {**out, **_scored(counts, grid, moved)}

    return shifted


def _from(counts: Counts, top: int, usual: Distances | Counts, size: float) -> Counts:
    """Return *counts* with a share *size* of all taken from cell *top*, and dealt to the others as *usual*."""
    others = np.arange(len(usual)) != top
    if not usual[others].any():
        return counts
    moved = min(round(size * int(counts.sum())), int(counts[top]))
    out = counts.copy()
    out[top] -= moved
    out[: len(usual)][others] += rounded_to_total(usual[others], moved)
    return out


def concept(size: float, baseline: Baseline) -> Relabel:
    """The loss rises by *size* while the inputs stay as they were: labels depend on them in another way.

    Binary: the same part of the labels is inverted at every score, so that the score means less; it moves the label's
    share towards a half as well, and in a single slice the rise varies with its scores. Other tasks: the losses rise in
    proportion, 0-1 losses up to every row. Not imitated: a concept that changes for some inputs only (a segment's
    windows would tell).
    """
    if baseline.events.task is not Task.BINARY:
        power = 2 if baseline.events.task is Task.REGRESSION else 1
        return lambda counts: {**plain(counts), "loss": _risen(counts, size, power)}
    if size > (largest := most(baseline)):
        msg = f"the loss cannot rise by {size:.0%}: with every label inverted it rises by {largest:.0%}"
        raise DataError(msg, hint="choose a smaller concept shift")
    part = size / largest if size else 0.0

    def changed(counts: Tallies) -> dict[str, list[int]]:
        label, grid = np.array(counts[LABEL], np.int64), _grid(counts["scores"])
        cells = [baseline.bins[LABEL].labels.index(text) for text in ("0", "1") if text in baseline.bins[LABEL].labels]
        label[cells] = _inverted(label[cells][None], part)[0] if len(cells) == 2 else label[cells]
        return {**plain(counts), LABEL: label.tolist(), **_scored(counts, grid, _inverted(grid, part))}

    return changed


def most(baseline: Baseline) -> float:
    """Return the largest concept shift there can be: that which inverts every label (binary), or any."""
    if baseline.events.task is not Task.BINARY:
        return math.inf
    now, then = _losses(baseline)
    return then / now - 1


def _losses(baseline: Baseline) -> tuple[float, float]:
    """Return the sum of the baseline's losses on its score grid, and what it would be with every label inverted."""
    pooled = _grid(baseline.counts(Stage.OUTCOMES, "scores").sum(axis=0))
    return float((pooled * LOSSES).sum()), float((pooled[:, ::-1] * LOSSES).sum())


def _inverted(grid: Counts, part: float) -> Counts:
    """Return *grid* (cells, 2) with a *part* of both columns exchanged, evenly from low to high."""
    out = np.column_stack([rounded_to_total(grid[:, y], round(part * int(grid[:, y].sum()))) for y in (0, 1)])
    return np.asarray(grid - out + out[:, ::-1])


def _grid(scores: Sequence[int] | Counts) -> Counts:
    return np.asarray(scores, np.int64).reshape(outcome_counts.SCORE_BINS, 2)


def _risen(counts: Tallies, size: float, power: int) -> list[int]:
    most = int(counts["coverage"][0]) / outcome_counts.LOSS_UNIT if power == 1 else np.inf
    first, second = counts["loss"]
    return [int(min(round(first * (1 + size)), most)), int(min(round(second * (1 + size) ** power), most))]


def _scored(counts: Tallies, was: Counts, now: Counts) -> dict[str, list[int]]:
    """Return the score grid *now*, and the sums of losses, which follow it as they did where it *was*."""
    before, after = ([float((grid * LOSSES**p).sum()) for p in (1, 2)] for grid in (was, now))
    loss = [round(n * a / b) if b else int(n) for n, a, b in zip(counts["loss"], after, before, strict=True)]
    return {"scores": [int(n) for n in now.ravel()], "loss": loss}
