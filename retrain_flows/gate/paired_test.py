"""Is one model better than another on the same rows? Rows of one stretch of time err together, so stretches are drawn.

A row-by-row test takes thousands of rows of the same bad Tuesday for thousands of proofs. Here the unit is a slice of
time, and blocks of neighbouring slices are drawn together (the moving-block bootstrap, Künsch 1989), which keeps what
one slice tells about the next. Few blocks are paid for by Student's t with as many degrees of freedom less one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from features.scoring import Floats

BOOTSTRAP_DRAWS = 2000
SEED = 20130101
MIN_SLICES = 5
"""Slices below which nothing is said."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A mean difference over *rows* rows in *slices* slices, with one-sided bounds; NaN where there are too few."""

    mean: float
    low: float
    high: float
    rows: int
    slices: int

    @property
    def bounded(self) -> bool:
        """Whether there were slices enough to bound it."""
        return bool(np.isfinite(self.high))


def paired_difference(values: Floats, slices: npt.NDArray[np.int64], *, confidence: float) -> PairedDifference:
    """Return the mean of *values* (one a row) and its bounds, each of which holds with *confidence*.

    *slices* says which slice of time each row is in. Slices are drawn in circular blocks of about the cube root of
    their number; the standard deviation of the drawn means, widened for the number of blocks, is the standard error.
    Seeded: the same rows give the same bounds.

    >>> d = paired_difference(np.tile([0.1, 0.3], 50), np.arange(100) // 10, confidence=0.95)
    >>> round(d.mean, 6), d.slices, bool(d.low <= d.mean <= d.high)
    (0.2, 10, True)
    """
    if len(values) == 0:
        return PairedDifference(np.nan, np.nan, np.nan, 0, 0)
    _, of_row = np.unique(slices, return_inverse=True)
    sums, rows = np.bincount(of_row, weights=values).astype(np.float64), np.bincount(of_row)
    mean, n = float(values.mean()), len(rows)
    if n < MIN_SLICES:
        return PairedDifference(mean, np.nan, np.nan, len(values), n)
    length = max(1, round(n ** (1 / 3)))
    blocks = n / length
    drawn = _drawn_means(sums, rows, length)
    error = float(drawn.std()) * float(np.sqrt(blocks / (blocks - 1)))
    reach = float(stats.t.ppf(confidence, blocks - 1)) * error
    return PairedDifference(mean, mean - reach, mean + reach, len(values), n)


def _drawn_means(sums: Floats, rows: npt.NDArray[np.int64], length: int) -> Floats:
    n = len(rows)
    starts = np.random.default_rng(SEED).integers(0, n, (BOOTSTRAP_DRAWS, -(-n // length)))
    drawn = ((starts[:, :, None] + np.arange(length)) % n).reshape(BOOTSTRAP_DRAWS, -1)[:, :n]
    return np.asarray(sums[drawn].sum(axis=1) / rows[drawn].sum(axis=1), dtype=np.float64)
