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
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

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
        return (float(special.stdtrit(self.degrees, 0.5 + CONFIDENCE / 2)) / Z) ** 2 if self.estimated else 1.0


def between_windows(rows: Distances, sums: Distances, row_variance: float, window: int) -> BetweenWindows:
    """Return the between-window variance of a baseline, by moments.

    It is estimated twice: from single slices, as if neighbours were alike by their autocorrelation alone, and from
    stretches as long as a window. The first has more degrees of freedom, the second knows of weekdays, which a week of
    slices does not feel: it is taken where it leaves clearly less open.

    Parameters
    ----------
    rows, sums
        Rows of each slice, and the sum of what they are the mean of, (slices,), oldest first.
    row_variance
        The variance of one row.
    window
        Slices that a window has.

    Examples
    --------
    >>> spread = between_windows(np.full(4, 100.0), np.array([90.0, 110.0, 90.0, 110.0]), 0.0, 1)
    >>> round(spread.variance, 4), spread.degrees
    (0.0178, 3.0)
    >>> between_windows(np.array([100.0]), np.array([90.0]), 1.0, 1).estimated
    False
    """
    slices, *stretches = [*_estimates(rows, sums, row_variance, window), BetweenWindows()]
    for other in stretches:
        if other.estimated and other.left_open < CLEARLY_LESS * slices.left_open:
            return other
    return slices


def _estimates(rows: Distances, sums: Distances, row_variance: float, window: int) -> Iterator[BetweenWindows]:
    """Yield the estimates that have a degree of freedom."""
    for length in sorted({1, window}):
        if len(rows) < 2 * length:
            continue
        n, total = (_running(values, length) for values in (rows, sums))
        rest = rows.sum() - n
        usable = (n > 0) & (rest > 0)
        n, rest, total = n[usable], rest[usable], total[usable]
        # Stretches overlap: the sum of squared correlations of one with the others says how many there are in truth.
        degrees = len(n) * 3 * length / (2 * length**2 + 1) - 1
        if degrees >= 1:
            differences, sampling = total / n - (sums.sum() - total) / rest, row_variance * (1 / n + 1 / rest)
            yield _estimate(differences, sampling, n, degrees, (length, window))


def _estimate(
    differences: Distances, sampling: Distances, n: Distances, degrees: float, lengths: tuple[int, int]
) -> BetweenWindows:
    """Return the estimate from *differences* of stretches; *lengths* are the slices of one, and of a window."""
    length, window = lengths
    blocks = (len(n) + length - 1) / length
    lasting = _lasting(differences, length, blocks)
    part = min(lasting / blocks, MAX_PART)
    hidden = max(1.0, (1 + part) / (1 - part) * (1 - 1 / blocks) ** 2)
    growth = hidden * (1.0 if length == window else min(1.0, lasting / window))
    excess = max(0.0, float((differences**2 - sampling).mean()))
    mean_sampling = float(sampling.mean()) * length / window
    return BetweenWindows(
        excess * growth, degrees, float(np.median(n)) * window / length, mean_sampling, growth, length
    )


def _running(values: Distances, length: int) -> Distances:
    upto = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(upto[length:] - upto[:-length])


def _lasting(differences: Distances, length: int, blocks: float) -> float:
    """Return how many independent blocks' variance the mean of blocks that remember one another has, 1 at least.

    ``(1 + r) / (1 - r)`` with r the autocorrelation of neighbouring blocks, corrected for its bias.
    """
    if len(differences) <= length:
        return 1.0
    square = float((differences**2).mean())
    r = float((differences[length:] * differences[:-length]).mean()) / square if square else 0.0
    r = min(max(0.0, r + (1 + 4 * r) / blocks), MAX_MEMORY)
    return (1 + r) / (1 - r)
