"""Between-window variance: by how much means of the baseline's windows differ beyond what independent rows do.

Rows of a real slice share an hour, a session or a customer, and slices have levels of their own, which may last. So the
variance of a window's mean is taken from the baseline's own windows (a cluster-robust estimate, with windows as
clusters), and a window of one slice borrows it, having nothing of its own to estimate it from.

References
----------
DerSimonian and Laird (1986), "Meta-analysis in clinical trials", Controlled Clinical Trials 7(3).
Cameron and Miller (2015), "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50(2).
Kendall (1954), "Note on bias in the estimation of autocorrelation", Biometrika 41 (``(1 + 4 r) / n``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

from monitors.stats.bins import Counts
from monitors.stats.distance import Distances

CONFIDENCE = 0.95
"""Probability with which an interval covers the true effect: docs/statistics/intervals.md has what was measured."""
Z = float(special.ndtri(0.5 + CONFIDENCE / 2))
"""The normal quantile of an interval."""
MAX_MEMORY = 0.8
"""Largest autocorrelation of neighbouring windows that is reckoned with: beyond it a baseline of 20 to 60 slices has
next to no information about the level that it varies around."""
MAX_PART = 0.5
"""Largest part of a window's between-window variance that the baseline's mean is taken to have."""

NOT_ESTIMATED = "; the interval takes rows as independent, as a single slice does not tell how slices differ"
"""Added to the reason of a finding whose baseline is a single slice."""
MIN_SLICES = 2
"""Slices with rows from which it can be told how much they differ."""
CLEARLY_LESS = 0.6
"""Of two estimates the larger one is taken unless the other is below this part of it: the smaller of two noisy ones
is too small on average."""


@dataclass(frozen=True)
class BetweenWindows:
    """How much windows of the baseline differ, and how well that is known.

    Parameters
    ----------
    variance
        Variance of the difference of a window's mean from the baseline's, beyond sampling of independent rows.
    degrees
        Degrees of freedom of the estimate; infinite where there was nothing to estimate it from.
    rows
        Rows that windows of the baseline have, in the median.
    sampling
        The variance of that difference by sampling independent rows, for a window of the baseline.
    growth
        What a moment estimate was multiplied by: for memory, which hides some of it from a short baseline, and for the
        part of a slice's variance that a window has.
    length
        Slices of the stretches that it was estimated from.
    """

    variance: float = 0.0
    degrees: float = math.inf
    rows: float = 0.0
    sampling: float = 0.0
    growth: float = 1.0
    length: int = 1

    @property
    def estimated(self) -> bool:
        """Whether the baseline had slices enough to tell how much they differ."""
        return math.isfinite(self.degrees)

    @property
    def note(self) -> str:
        """What a reader of an interval must know of it, to be added to a sentence; "" if nothing."""
        return "" if self.estimated else NOT_ESTIMATED

    def at(self, n: int) -> float:
        """Return the variance for a window of *n* rows: what rows share weighs more where there are fewer of them.

        It is not known how much of it is of rows that go together, and falls with their number, and how much is of
        levels, and does not: so it rises in a small window, and does not fall in a large one.
        """
        return self.variance * max(1.0, self.rows / n)

    @property
    def left_open(self) -> float:
        """The variance that an interval rests on, for a window of the baseline."""
        return (self.sampling + self.variance) * self.stretch

    @property
    def stretch(self) -> float:
        """What a variance is multiplied by, so that a normal quantile does for Student's t at these degrees."""
        return student_stretch(self.degrees) if self.estimated else 1.0


@lru_cache
def student_stretch(degrees: float) -> float:
    """Return what a variance is multiplied by, so that a normal quantile does for Student's t at *degrees*."""
    return (float(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2)) / Z) ** 2


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretches of a baseline's consecutive slices, beside the rest of it: what does not depend on what is looked at.

    Parameters
    ----------
    differences
        Means of a stretch less those of the rest, (stretches, quantities), oldest first.
    units
        ``1/n + 1/m`` for n rows in a stretch and m in the rest, (stretches,).
    rows
        Rows of a stretch, in the median.
    degrees
        How many independent stretches they are, less one.
    length, window
        Slices of a stretch, and of a window.
    """

    differences: Distances
    units: Distances
    rows: float
    degrees: float
    length: int
    window: int


def stretches(rows: Distances | Counts, sums: Distances | Counts, window: int) -> tuple[Stretches, ...]:
    """Return a baseline's slices, and its stretches as long as a window, where they have a degree of freedom.

    Parameters
    ----------
    rows
        Rows of each slice, (slices,), oldest first.
    sums
        Sums over its rows, (slices, quantities).
    window
        Slices that a window has.
    """
    return tuple(_stretches(rows, sums, window))


def _stretches(rows: Distances | Counts, sums: Distances | Counts, window: int) -> Iterator[Stretches]:
    """Yield single slices, and stretches as long as a window."""
    for length in sorted({1, window}):
        if len(rows) < 2 * length:
            continue
        n, total = _running(rows, length), _running(sums, length)
        rest = rows.sum() - n
        usable = (n > 0) & (rest > 0)
        n, rest, total = n[usable], rest[usable], total[usable]
        # Stretches overlap: the sum of squared correlations of one with the others says how many there are in truth.
        degrees = len(n) * 3 * length / (2 * length**2 + 1) - 1
        if degrees >= MIN_SLICES - 1:
            differences = total / n[:, None] - (sums.sum(axis=0) - total) / rest[:, None]
            middle = float(np.median(n)) * window / length
            yield Stretches(differences, 1 / n + 1 / rest, middle, degrees, length, window)


def between_windows(parts: Sequence[Stretches], code: Distances, row_variance: float) -> BetweenWindows:
    """Return the between-window variance of a baseline, by moments.

    It is estimated twice: from single slices, as if neighbours were alike by their autocorrelation alone, and from
    stretches as long as a window. The first has more degrees of freedom, the second knows of weekdays, which a week of
    slices does not feel: it is taken where it leaves clearly less open.

    Parameters
    ----------
    parts
        What :func:`stretches` returned.
    code
        The weight of each quantity, (quantities,), in what is looked at.
    row_variance
        The variance of one row.

    Examples
    --------
    >>> up_and_down = stretches(np.full(4, 100.0), np.array([[90.0], [110.0], [90.0], [110.0]]), 1)
    >>> spread = between_windows(up_and_down, np.ones(1), 0.0)
    >>> round(spread.variance, 4), spread.degrees
    (0.0178, 3.0)
    >>> between_windows(stretches(np.array([100.0]), np.array([[90.0]]), 1), np.ones(1), 1.0).estimated
    False
    """
    if not parts:
        return BetweenWindows()
    first, *others = (_estimate(part, part.differences @ code, row_variance) for part in parts)
    return next((other for other in others if other.left_open < CLEARLY_LESS * first.left_open), first)


def _estimate(part: Stretches, differences: Distances, row_variance: float) -> BetweenWindows:
    """Return the estimate from one kind of stretches, whose means differ from the rest's by *differences*."""
    length = part.length
    lagged = float(differences[length:] @ differences[:-length]) if len(differences) > length else 0.0
    moments = Moments(float(differences @ differences), lagged, len(differences), float(part.units.sum()))
    variance, sampling, growth = map(float, moments.variance(row_variance, length, part.window))
    return BetweenWindows(variance, part.degrees, part.rows, sampling, growth, length)


class Moments(NamedTuple):
    """Second moments of how stretches differ from the rest, each a number or one for each variable, (variables,).

    *squares* is the sum of squared differences, *lagged* that of products with the next stretch that does not overlap;
    there are so many *runs*, and *units* is the sum of ``1/n + 1/m``.
    """

    squares: Distances | float
    lagged: Distances | float
    runs: Distances | float
    units: Distances | float

    def variance(
        self, row_variance: Distances | float, length: Counts | int, window: int
    ) -> tuple[Distances, Distances, Distances]:
        """Return variance, sampling and growth as of :class:`BetweenWindows`, of stretches of *length* slices."""
        blocks, square = (self.runs + length - 1) / length, self.squares / self.runs
        lasting = self._lasting(length, blocks, square)
        hidden = np.minimum(lasting / blocks, MAX_PART)
        growth = np.maximum(1.0, (1 + hidden) / (1 - hidden) * (1 - 1 / blocks) ** 2)
        growth *= np.where(np.equal(length, window), 1.0, np.minimum(1.0, lasting / window))
        sampling = row_variance * self.units / self.runs
        return np.maximum(0.0, square - sampling) * growth, np.asarray(sampling * length / window), growth

    def _lasting(self, length: Counts | int, blocks: Distances | float, square: Distances | float) -> Distances:
        """Return how many independent blocks' variance the mean of blocks that remember one another has, 1 at least.

        ``(1 + r) / (1 - r)`` with r the autocorrelation of neighbouring blocks, corrected for its bias.
        """
        usable = (np.asarray(self.runs) > length) & (np.asarray(square) > 0)
        r = self.lagged / np.maximum(self.runs - length, 1) / np.where(usable, square, 1.0)
        r = np.clip(r + (1 + 4 * r) / blocks, 0.0, MAX_MEMORY)
        return np.where(usable, (1 + r) / (1 - r), 1.0)


def _running(values: Distances | Counts, length: int) -> Distances:
    upto = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    return np.asarray(upto[length:] - upto[:-length])
