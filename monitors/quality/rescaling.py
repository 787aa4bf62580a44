"""Rescaling: what a baseline's numbers would count after an affine map, or on another variable's bins.

A baseline is known at its bins' borders only. Between them its values are interpolated as a normal's: the normal score
of the share below is linear from border to border, and continues in the outermost bins with their neighbours' slope, so
that one outlier does not stretch them. For uniform and whole numbers, spreading a bin's values evenly is often nearer,
so both are returned. A bin of a single value is exact.

Measured on five families and eight weather columns under nine maps, the nearer one: medians .00 to .08 from the truth
(Jensen-Shannon distance), at most .16, and .24 for a wind speed with few values.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from monitors.stats.bins import Counts, NumericBins
from monitors.stats.distance import js_distance_log2

Shares = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPREAD_FACTORS = (0.7, 1.0, 1.4)
"""Factors by which a natural change may narrow or widen a distribution while it moves: half to double the variance."""
TAIL_KNOT = 0.9
"""Share of an outermost bin's normal score that lies before its additional knot, see ``_drawn_in``."""
MAX_GROWTH = 8.0
"""Factor by which a natural change may let values grow or shrink about zero: three doublings of a price."""


def has_width(bins: NumericBins) -> bool:
    """Return whether the baseline had more than one value; a constant cannot be mapped to anything."""
    return bins.edges[-1] > bins.edges[0]


def affine_shares(bins: NumericBins, total: Counts, onto: NumericBins, scale: Shares, shift: Shares) -> Shares:
    """Return the shares of ``scale * value + shift`` in ordered cells.

    How far the two interpolations are apart shows how much is unknown about the values between borders.

    Parameters
    ----------
    bins
        The bins of the values.
    total
        The baseline's counts on all their cells, (cells,); missing and non-finite values are left out.
    onto
        The bins to count on.
    scale
        Factor of each map, (maps,).
    shift
        Addend of each map, (maps,).

    Returns
    -------
    Shares
        (2, maps, ordered cells): interpolated as a normal's, and evenly.

    Examples
    --------
    >>> b = NumericBins(edges=(0.0, 1.0, 2.0))
    >>> affine_shares(b, np.array([50, 50, 0, 0, 0, 0, 0, 0]), b, np.ones(1), np.full(1, 1.5))[1].tolist()
    [[0.0, 0.0, 0.0, 0.25, 0.75, 0.0]]
    """
    values, closed = _borders(onto)
    points = _snap((values - shift[:, None]) / scale[:, None], bins)
    flipped = scale[:, None] < 0
    below = _below(bins, total, points, closed ^ flipped)
    below = np.where(flipped, 1 - below, below)
    below = np.maximum.accumulate(below, axis=2)  # borders that rounding has put on one place
    ends = np.zeros((2, len(scale), 1))
    return np.asarray(np.diff(np.concatenate([ends, below, ends + 1], axis=2), axis=2))


def natural_moves(bins: NumericBins, total: Counts, *, within: float = math.inf) -> Shares:
    """Return the baseline's shares after natural changes, (interpolations and changes, ordered cells).

    A natural change moves a variable and keeps its shape: it is shifted by up to twice its range, its spread changed by
    :data:`SPREAD_FACTORS`. Values that are never negative may also grow or shrink, by as much as their spread allows;
    if the sd is at least half the mean, by :data:`MAX_GROWTH`, and then they do not fall below zero.

    Parameters
    ----------
    bins
        The variable's bins.
    total
        The baseline's counts, (cells,).
    within
        Largest change of the mean, in the baseline's sd.
    """
    width, sd = bins.edges[-1] - bins.edges[0], bins.sd or 1.0
    positive = bins.edges[0] >= 0 and sd >= bins.mean / 2
    by = np.linspace(0 if positive else -1, 1, 121) * min(2 * width, within * sd)
    growth = _growth(bins, sd, positive=positive)
    growth = growth[np.abs(growth - 1) * abs(bins.mean) <= within * sd]
    spread = np.repeat(SPREAD_FACTORS, len(by))
    shift = np.tile(by, len(SPREAD_FACTORS)) + bins.mean * (1 - spread)
    scale, shift = np.concatenate([spread, growth]), np.concatenate([shift, 0 * growth])
    return np.concatenate(affine_shares(bins, total, bins, scale, shift))


def _growth(bins: NumericBins, sd: float, *, positive: bool) -> Shares:
    if bins.edges[0] < 0:
        return np.array(SPREAD_FACTORS)
    most = MAX_GROWTH if positive else 1 + 3 * sd / bins.mean
    return np.geomspace(1 / most, most, 61)


def js_distance(p: npt.ArrayLike, q: npt.ArrayLike) -> Shares:
    """Return the Jensen-Shannon distance (log 2) between rows of counts; see :mod:`monitors.stats.distance`."""
    return js_distance_log2(np.array(p), np.array(q))


def merge_single_values(bins: NumericBins, ordered: npt.ArrayLike) -> Shares:
    """Return rows of ordered cells with each bin of a single value merged into the bin above it, except the last bin.

    Where whole numbers on another scale would fall among such bins is unknown.

    Parameters
    ----------
    bins
        The variable's bins.
    ordered
        Counts or shares, (..., ordered cells).

    Examples
    --------
    >>> merge_single_values(NumericBins(edges=(0.0, 5e-324, 1.0)), np.array([1, 2, 3, 4, 5, 6])).tolist()
    [1, 2, 7, 5, 6]
    """
    edges = np.array(bins.edges)
    single = np.flatnonzero(edges[1:-1] == np.nextafter(edges[:-2], np.inf))
    starts = np.delete(np.arange(bins.body + 4), single + 3)
    return np.asarray(np.add.reduceat(np.array(ordered), starts, axis=-1))


def _borders(bins: NumericBins) -> tuple[Shares, Mask]:
    """Return the border values of the ordered cells, and whether each value itself is in the cell below.

    A bin of a single value has borders an ulp apart, which no arithmetic survives: both are replaced by that value, the
    lower one open, the upper one closed.
    """
    low, high = bins.edges[0], bins.edges[-1]
    values = np.array([2 * low - high, *bins.edges, 2 * high - low])
    closed = np.concatenate([[False], values[1:] == np.nextafter(values[:-1], np.inf)])
    if closed[-2]:
        values[-3] = high
    closed[-2:] = False
    values[closed] = values[np.flatnonzero(closed) - 1]
    closed[-2:] = True
    return values, closed


def _snap(points: Shares, bins: NumericBins) -> Shares:
    """Return *points*, with those that are a border but for rounding set to it: a frequent value may lie there."""
    borders = np.unique(_borders(bins)[0])
    near = borders[np.abs(points[..., None] - borders).argmin(axis=-1)]
    return np.where(np.abs(points - near) <= 1e-12 * np.abs(near), near, points)


def _below(bins: NumericBins, total: Counts, points: Shares, closed: Mask) -> Shares:
    """Return the share of values below each point, the point itself included where *closed*, (2, ...).

    Interpolated as a normal's, and evenly.
    """
    upto = np.cumsum(total[list(bins.ordered)])
    score = special.ndtri((upto[:-1] + 0.5) / (upto[-1] + 1))
    normal = _drawn_in(*_steps(bins, score))
    evenly = _steps(bins, upto[:-1] / max(upto[-1], 1))
    return np.array([special.ndtr(_between(points, closed, *normal)), _between(points, closed, *evenly)])


def _steps(bins: NumericBins, level: Shares) -> tuple[Shares, Shares, Shares]:
    """Return each border once, with the *level* just below it and at it: they differ where a single value has a bin."""
    values, _ = _borders(bins)
    knots, first = np.unique(values, return_index=True)
    last = len(values) - 1 - np.unique(values[::-1], return_index=True)[1]
    return knots, level[first], level[last]


def _between(points: Shares, closed: Mask, knots: Shares, below: Shares, at: Shares) -> Shares:
    """Return the level at *points*, linear between knots: from *at* one to just *below* the next."""
    end = len(knots) - 1
    first, last = np.searchsorted(knots, points).clip(0, end), np.searchsorted(knots, points, side="right") - 1
    left = last.clip(0, end - 1)
    gap = knots[left + 1] - knots[left]
    way = np.clip((points - knots[left]) / np.where(gap > 0, gap, 1), 0, 1)
    inside = at[left] + (below[left + 1] - at[left]) * way
    return np.where(knots[first] == points, np.where(closed, at[last], below[first]), inside)


def _drawn_in(knots: Shares, below: Shares, at: Shares) -> tuple[Shares, Shares, Shares]:
    """Return a normal score with a knot in each outermost bin, up to which it continues with its neighbour's slope.

    One outlier may stretch a bin a hundredfold, while nearly all its values are near the others.
    """
    if len(knots) < 6:
        return knots, below, at
    low, high = below[2] + TAIL_KNOT * (at[1] - below[2]), at[-3] + TAIL_KNOT * (below[-2] - at[-3])
    steep = (below[3] - at[2]) / (knots[3] - knots[2]), (below[-3] - at[-4]) / (knots[-3] - knots[-4])
    first = max(knots[2] + (low - below[2]) / max(steep[0], 1e-300), knots[1])
    last = min(knots[-3] + (high - at[-3]) / max(steep[1], 1e-300), knots[-2])
    # Two knots on one place are a jump there: the last part of the score, of a bin that ends early.
    where = [2, len(knots) - 2]
    return (
        np.insert(knots, where, [first, last]),
        np.insert(below, where, [low, high]),
        np.insert(at, where, [low, high]),
    )
