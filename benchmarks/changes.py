"""Streams with a change at a known slice, on which detection power is measured.

Fifty normal features stand for wide tables, pools of scored rows (:mod:`benchmarks.concepts`) for what is predicted.
Numbers are rounded to a grid: every monitor is shown the same rows, and slices are compared by their counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Concepts = npt.NDArray[np.int64]
"""Which concept each row is of, (slices, rows); 0 is the first."""
ROWS, REFERENCE, AFTER = 500, 60, 60
CELLS = 256
EIGHT = 8.0
"""Normal features are counted from -8 to 8 sd, what is beyond in the outermost cells."""
LOSS_CELLS = 50
SD_OF_SQUARE = 2**0.5
"""Sd of a squared standard normal error, whose mean is 1."""
LEAST_LEVEL = 0.1
"""A level of losses is at least this."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Slices as *counts* (slices, features, cells), and row by row (slices, rows) the *first* feature's values.

    Where there are labels also the *error* (0 or 1, or the squared one), the *outcome* cell that an oracle goes by, and
    the *series* (slices, rows, k) that Leeway takes means of.
    """

    counts: Ints
    first: Floats
    error: Floats | None = None
    outcome: Ints | None = None
    series: Floats | None = None


class World(Protocol):
    """Where rows come from. *values* (features, cells) are what cells stand for, *few* says which are categories."""

    values: Floats
    few: npt.NDArray[np.bool_]

    def rows(self, rng: Rng, concepts: Concepts) -> Rows:
        """Draw a row for each place of *concepts*."""

    def llr(self, rows: Rows, concept: int, share: float) -> Floats:
        """Return each slice's log likelihood ratio of *share* of the rows being of *concept*, against none."""


def count(cells: Ints, width: int) -> Ints:
    """Return the counts (slices, features, width) of *cells* (slices, rows, features)."""
    slices, _, features = cells.shape
    at = cells + width * (np.arange(slices)[:, None, None] * features + np.arange(features))
    return np.bincount(at.ravel(), minlength=slices * features * width).reshape(slices, features, width)


@dataclass(frozen=True)
class Normal:
    """Independent normal features, of which the first is moved, widened or told in another unit in concept 1.

    Each slice's means *wobble* by that many sd.
    """

    shift: float = 0.0
    spread: float = 1.0
    wobble: float = 0.0
    features: int = 50

    @property
    def values(self) -> Floats:
        """The middles of the cells."""
        return np.tile(EIGHT * (2 * np.arange(CELLS) + 1 - CELLS) / CELLS, (self.features, 1))

    @property
    def few(self) -> npt.NDArray[np.bool_]:
        """No feature is a category."""
        return np.zeros(self.features, bool)

    def rows(self, rng: Rng, concepts: Concepts) -> Rows:
        """Draw normal rows."""
        x = rng.standard_normal((*concepts.shape, self.features), np.float32)
        x += self.wobble * rng.standard_normal((len(x), 1, self.features), np.float32)
        x[..., 0] = np.where(concepts > 0, self.shift + self.spread * x[..., 0], x[..., 0])
        cells = np.clip((x * (CELLS / 2 / EIGHT) + CELLS / 2).astype(np.int64), 0, CELLS - 1)
        return Rows(count(cells, CELLS), x[..., 0].astype(np.float64))

    def llr(self, rows: Rows, concept: int, share: float) -> Floats:
        """Know the rows' law, or the slice means' where these wobble."""
        x = rows.first
        if self.wobble:
            middle, variance = x.mean(axis=1), self.wobble**2 + 1 / x.shape[1]
            return np.asarray(self.shift * (middle - self.shift / 2) / variance)
        z = (x - self.shift) / self.spread
        return np.asarray((x**2 / 2 - z**2 / 2 - np.log(self.spread)).sum(axis=1))


@dataclass(frozen=True)
class Losses:
    """Squared normal errors; in concept 1 they are *rise* times as large.

    Each slice's level *wobbles* by that many sd of a row's loss. The one feature is normal, and never changes.
    """

    rise: float = 1.0
    wobble: float = 0.0

    @property
    def values(self) -> Floats:
        """The middles of the feature's cells."""
        return Normal(features=1).values

    @property
    def few(self) -> npt.NDArray[np.bool_]:
        """The feature is no category."""
        return np.zeros(1, bool)

    def rows(self, rng: Rng, concepts: Concepts) -> Rows:
        """Draw normal errors of unit variance, times the level."""
        feature = Normal(features=1).rows(rng, np.zeros_like(concepts))
        level = np.maximum(1 + self.wobble * SD_OF_SQUARE * rng.standard_normal((len(concepts), 1)), LEAST_LEVEL)
        loss = rng.standard_normal(concepts.shape) ** 2 * level * np.where(concepts > 0, self.rise, 1.0)
        return Rows(feature.counts, feature.first, loss, series=loss[..., None])

    def llr(self, rows: Rows, concept: int, share: float) -> Floats:
        """Know the errors' law, or that of the slice means where these wobble."""
        assert rows.error is not None  # there is nothing else
        loss, by = rows.error, self.rise - 1
        if self.wobble:
            variance = SD_OF_SQUARE**2 * (self.wobble**2 + 1 / loss.shape[1])
            return np.asarray(by * (loss.mean(axis=1) - 1 - by / 2) / variance)
        return np.asarray((loss / 2 * (1 - 1 / self.rise) - np.log(self.rise) / 2).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Pools:
    """A pool of scored rows for each concept: *cells* (concepts, rows, features), the rest as in :class:`Rows`."""

    values: Floats
    few: npt.NDArray[np.bool_]
    cells: Ints
    error: Floats
    outcome: Ints
    series: Floats

    def rows(self, rng: Rng, concepts: Concepts) -> Rows:
        """Draw rows with replacement."""
        at = (concepts, rng.integers(0, self.cells.shape[1], concepts.shape))
        cells = self.cells[at]
        counts = count(cells, self.values.shape[1])
        first = self.values[0][cells[..., 0]]
        return Rows(counts, first, self.error[at], self.outcome[at], self.series[at])

    def llr(self, rows: Rows, concept: int, share: float) -> Floats:
        """Know the law of losses and labels."""
        assert rows.outcome is not None  # pools are scored
        before, after = (np.bincount(self.outcome[c], minlength=self.outcome.max() + 1) + 0.5 for c in (0, concept))
        after = (1 - share) * before / before.sum() + share * after / after.sum()
        return np.asarray(np.log(after * before.sum() / before)[rows.outcome].sum(axis=1))

    def reweighted(self, change: float) -> Pools:
        """Return the pools with a second concept in which *change* more of the rows have the label 1."""
        label = self.outcome[0] >= LOSS_CELLS
        share = label.mean()
        weight = np.where(label, (share + change) / share, (1 - share - change) / (1 - share))
        drawn = np.random.default_rng(1).choice(len(label), len(label), p=weight / weight.sum())
        both = (np.stack([a[0], a[0][drawn]]) for a in (self.cells, self.error, self.outcome, self.series))
        return Pools(self.values, self.few, *both)
