"""Confidence interval of a Jensen-Shannon distance whose variance is that of the baseline's own windows.

What a difference of levels does to a distance depends on where the distribution moved: along the direction in which
slices differ anyway, a change is less sure than across it. So the baseline's windows are looked at along the gradient
of the distance at what was measured (the delta method, cluster-robust with windows as clusters).
"""

from __future__ import annotations

import numpy as np

from monitors.stats.between_windows import between_windows
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances, js_distance_log2
from monitors.stats.effect_interval import distance_interval
from monitors.stats.threshold import ReferenceWindows


def between(reference: ReferenceWindows, window: Counts) -> tuple[float, float]:
    """Return the 95 % interval of the distance between a baseline's long-run distribution and a window's.

    Parameters
    ----------
    reference
        The baseline's counts, pooled and in windows; one row at least.
    window
        The window's counts on the compared cells, (cells,); one row at least.

    Returns
    -------
    tuple
        Lower and upper end, 0 at least.
    """
    n, m = int(window.sum()), reference.rows
    distance, chance = float(js_distance_log2(reference.total, window)), reference.chance(n)
    if not chance.variance_square:
        return distance, distance
    own, rest = window / n, reference.total / m
    to_window, to_baseline = _gradient(own, rest), _gradient(rest, own)
    along = between_windows(reference.stretches, to_window, _variance(to_window, rest))
    windows = reference if along.length == reference.length else reference.of_slices
    excess = windows.excess * along.growth * max(1.0, along.rows / n) if along.estimated else 0.0
    variance = _variance(to_window, own) / n + along.at(n) + _variance(to_baseline, rest) / m
    sampling = chance.variance_square / (2 * chance.mean_square)
    scale = max(variance / (4 * distance**2) if distance else 0.0, sampling)
    # A window whose level happened to go against the change is near the baseline, where directions mean nothing: the
    # upper end allows for all of the excess along the change.
    bias, stretch = chance.mean_square + excess, along.stretch
    low, high = distance_interval(distance, bias, scale * stretch, (sampling + excess) * stretch)
    return low, min(1.0, high)


def _gradient(of: Distances, other: Distances) -> Distances:
    """Return by how much the squared distance grows with each share *of* a distribution, (cells,), in bits.

    ``d JS(p, q) / dq = log2(q / ((p + q) / 2)) / 2``; a share of 0 moves nothing.
    """
    both = of > 0
    return np.asarray(np.log2(np.where(both, of, 1.0) / np.where(both, (of + other) / 2, 1.0)) / 2)


def _variance(code: Distances, shares: Distances) -> float:
    """Return the variance of a code of cells in one row, by the cells' shares."""
    return float((shares * code**2).sum() - (shares * code).sum() ** 2)
