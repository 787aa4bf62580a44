"""Change point of the champion's loss: the slice from which its mean differs most from the slices before.

A least-squares estimate of one change in the mean of a series of slices (Bai 1994), with the slices where the fit is
almost as good as its uncertainty. It only proposes a training window, which must prove itself, so its false alarms cost
a fit and nothing else.

References
----------
Bai (1994), "Least squares estimation of a shift in linear processes", Journal of Time Series Analysis 15(5).
Andrews (1993), "Tests for parameter instability and structural change with unknown change point", Econometrica 61(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.scoring import Floats

EQUAL = 1e-12
"""Part of the series' sum of squares below which its variation is that of rounding: its slices are all equal."""
MIN_SLICES = 2
"""Slices on each side of a change: one alone may be an outlier."""
CRITICAL = 8.85
"""Largest F statistic over all change points that independent slices without a change exceed with probability .05:
Andrews (1993), table 1, one parameter, 15 % trimmed."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change in the mean of slices.

    Parameters
    ----------
    index
        The first slice after the change.
    low, high
        The first and the last slice that explain the series almost as well: the residual sum of squares is at most
        1 + 3.84 / n times the smallest.
    statistic
        The F statistic of the change.
    """

    index: int
    low: int
    high: int
    statistic: float

    @property
    def significant(self) -> bool:
        """Whether the change is larger than chance among independent slices explains, see :data:`CRITICAL`."""
        return self.statistic > CRITICAL


def change_point(values: Floats, weights: Floats) -> ChangePoint | None:
    """Return the most likely change of the mean; None with too few slices or where nothing varies.

    Parameters
    ----------
    values
        Mean of each slice, (slices,), in order of time.
    weights
        Rows of each slice, (slices,), all above 0.

    Examples
    --------
    >>> found = change_point(np.array([1, 1.1, 0.9, 1, 1.1, 3, 3.1, 2.9, 3, 3]), np.ones(10))
    >>> found.index, found.significant
    (5, True)
    """
    n = len(values)
    if n < 2 * MIN_SLICES + 1:
        return None
    cuts = np.arange(MIN_SLICES, n - MIN_SLICES + 1)
    total, sums, rows = values @ weights, np.cumsum(values * weights), np.cumsum(weights)
    left, right = rows[cuts - 1], rows[-1] - rows[cuts - 1]
    between = sums[cuts - 1] ** 2 / left + (total - sums[cuts - 1]) ** 2 / right - total**2 / rows[-1]
    whole = float(weights @ (values - total / rows[-1]) ** 2)
    if whole <= EQUAL * float(weights @ values**2):
        return None
    residual = np.maximum(whole - between, 1e-12 * whole)
    best = int(np.argmin(residual))
    statistic = float(between[best] / (residual[best] / (n - 2)))
    near = cuts[residual <= residual[best] * (1 + 3.84 / n)]
    return ChangePoint(int(cuts[best]), int(near[0]), int(near[-1]), statistic)


def rise(values: Floats, weights: Floats) -> int | None:
    """Return the first slice from which on the mean is significantly higher; None where no rise stands out.

    After a fall the slices since are looked at by themselves: one change is estimated at a time, and a fall hides a
    later rise. The arguments are those of :func:`change_point`.

    Examples
    --------
    >>> rise(np.array([3, 3, 3, 3, 3, 3.1, 1, 1, 1, 1, 1, 1, 1.1, 1, 3, 3, 3]), np.ones(17))
    14
    >>> rise(np.array([3, 3, 3, 3.1, 1, 1, 1, 1.1]), np.ones(8))
    """
    start = 0
    while (point := change_point(values[start:], weights[start:])) is not None and point.significant:
        at = start + point.index
        if np.average(values[at:], weights=weights[at:]) > np.average(values[start:at], weights=weights[start:at]):
            return at
        start = at
    return None
