"""Confidence interval of a Jensen-Shannon distance whose variance is that of the baseline's own windows.

What a difference of levels does to a distance depends on where the distribution moved: along the direction in which
slices differ anyway, a change is less sure than across it. So the baseline's windows are looked at along the gradient
of the distance at what was measured (the delta method, cluster-robust with windows as clusters).
"""

from __future__ import annotations

import numpy as np

from monitors.stats import effect_interval
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances
from monitors.stats.null_distribution import NullDistribution
from monitors.stats.stacked_windows import StackedWindows


def between(
    reference: StackedWindows, window: Counts, distance: Distances, chance: NullDistribution
) -> tuple[Distances, Distances]:
    """Return the 95 % intervals of the distance between a baseline's long-run distribution and a window's.

    Parameters
    ----------
    reference
        The baseline's counts, pooled and in windows.
    window
        The window's counts on the compared cells, (variables, cells).
    distance
        Their distances from the baseline, (variables,).
    chance
        The null distributions at the window's sizes.

    Returns
    -------
    tuple
        Lower and upper ends, (variables,), 0 at least; of no meaning where a side has no rows.
    """
    n, m = np.maximum(window.sum(axis=1), 1), np.maximum(reference.rows, 1)
    own, rest = window / n[:, None], reference.totals / m[:, None]
    middle = (own + rest) / 2
    to_window, to_baseline = _gradient(own, middle), _gradient(rest, middle)
    along = reference.stretches.along(to_window, _variance(to_window, rest))
    excess = along.widened(reference.excess(along.length) * along.growth, n)
    variance = _variance(to_window, own) / n + along.widened(along.variance, n) + _variance(to_baseline, rest) / m
    mean, apart = np.asarray(chance.mean_square), distance > 0
    noisy = mean > 0  # of a single cell every distance is 0, and sure
    sampling = np.where(noisy, chance.variance_square, 0.0) / np.where(noisy, 2 * mean, 1.0)
    scale = np.maximum(np.where(apart, variance / np.where(apart, 4 * distance**2, 1.0), 0.0), sampling)
    # A window whose level happened to go against the change is near the baseline, where directions mean nothing: the
    # upper end allows for all of the excess along the change.
    low, high = effect_interval.distance_interval(
        distance, mean + excess, np.where(noisy, scale * along.stretch, 0.0), (sampling + excess) * along.stretch
    )
    return low, np.minimum(1.0, high)


def _gradient(of: Distances, middle: Distances) -> Distances:
    """Return by how much the squared distance grows with each share *of* a distribution, (..., cells), in bits.

    ``d JS(p, q) / dq = log2(q / ((p + q) / 2)) / 2``; a share of 0 moves nothing.
    """
    ratio = np.divide(of, middle, out=np.ones_like(of), where=of > 0)
    return np.asarray(np.log2(ratio) / 2)


def _variance(code: Distances, shares: Distances) -> Distances:
    """Return the variance of a code of cells in one row, (...), by the cells' shares, (..., cells)."""
    weighted = shares * code
    return np.asarray((weighted * code).sum(axis=-1) - weighted.sum(axis=-1) ** 2)
