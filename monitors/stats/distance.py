"""Distances between two binned distributions: PSI, Jensen-Shannon, Kolmogorov-Smirnov, Wasserstein, total variation.

Each is a function of its own, named with its logarithm base and scale where there are several in use. Every function
takes counts `p` (baseline) and `q` (window) whose last axis are the cells, and broadcasts over the leading axes, so
that a Monte Carlo null distribution is one call. The result is ``nan`` where either side is empty. :data:`DISTANCES`
has one row for each, with all that differs between them: to add a distance is to add a row.

None of them is a verdict: how large a distance is by chance depends on both sample sizes, see
:mod:`monitors.stats.threshold`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monitors.stats import share_distances
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.share_distances import jeffreys, jensen_shannon, kolmogorov_smirnov, shares, wasserstein

Distances = npt.NDArray[np.float64]
Distance = Callable[[Counts, Counts], Distances]
"""A distance of window counts from baseline counts, both (..., cells)."""

PSI_PSEUDO_COUNT = 0.5
"""Rows added to every cell before the shares of :func:`psi` are taken, so that an empty cell has a finite logarithm.

Half a row is Jeffreys' prior of a multinomial; Evidently puts the share 1e-4 in place of an empty one instead.
"""


def psi(p: Counts, q: Counts) -> Distances:
    """Return the population stability index ``sum((q - p) ln(q / p))``: natural logarithm, 0 without an upper bound.

    Shares are ``(count + 0.5) / (total + 0.5 cells)`` on both sides, see :data:`PSI_PSEUDO_COUNT`. It is symmetric, and
    the same as Jeffreys' divergence. Without a change its mean is about ``(cells - 1) (1/n + 1/m)`` for n window and m
    baseline rows, so no fixed threshold suits it.

    Parameters
    ----------
    p, q
        Counts of the baseline and of the window, (..., cells).

    Returns
    -------
    Distances
        The index of every row of counts, (...); ``nan`` where a side has no rows.

    References
    ----------
    Jeffreys (1946), "An invariant form for the prior probability in estimation problems", Proc. R. Soc. A 186.
    Yurdakul (2018), "Statistical properties of population stability index", PhD thesis, Western Michigan University.

    Examples
    --------
    >>> round(float(psi(np.array([50, 50]), np.array([90, 10]))), 4)
    0.8531
    >>> float(psi(np.array([50, 50]), np.array([0, 0])))
    nan
    """
    pseudo = np.full(np.shape(p)[-1], PSI_PSEUDO_COUNT)
    return jeffreys(shares(p, pseudo), shares(q, pseudo))


def js_distance_log2(p: Counts, q: Counts) -> Distances:
    """Return the Jensen-Shannon distance: the square root of the divergence in bits, 0 (equal) to 1 (disjoint).

    ``sqrt((KL(p, m) + KL(q, m)) / 2)`` with ``m = (p + q) / 2`` and logarithms to base 2. It is a metric. Empty cells
    add nothing, and need no pseudo-count. A shift of a normal variable by a tenth of its sd is about 0.04.

    Parameters
    ----------
    p, q
        Counts of the baseline and of the window, (..., cells).

    Returns
    -------
    Distances
        The distance of every row of counts, (...); ``nan`` where a side has no rows.

    References
    ----------
    Lin (1991), "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1).
    Endres and Schindelin (2003), "A new metric for probability distributions", IEEE Trans. Inf. Theory 49(7).

    Examples
    --------
    >>> float(js_distance_log2(np.array([5, 0]), np.array([0, 7])))
    1.0
    >>> round(float(js_distance_log2(np.array([50, 50]), np.array([90, 10]))), 4)
    0.3831
    """
    return jensen_shannon(shares(p), shares(q))


def ks(p: Counts, q: Counts) -> Distances:
    """Return the Kolmogorov-Smirnov distance over ordered cells: the largest difference of the two CDFs, 0 to 1.

    It compares the CDFs at cell borders only, so it is never larger than the statistic of the raw values.

    Parameters
    ----------
    p, q
        Counts of the baseline and of the window, (..., cells), from low to high values: ``counts[..., bins.ordered]``.

    Returns
    -------
    Distances
        The distance of every row of counts, (...); ``nan`` where a side has no rows.

    References
    ----------
    Smirnov (1948), "Table for estimating the goodness of fit of empirical distributions", Ann. Math. Stat. 19(2).

    Examples
    --------
    >>> round(float(ks(np.array([50, 50]), np.array([90, 10]))), 4)
    0.4
    """
    return kolmogorov_smirnov(np.cumsum(shares(q) - shares(p), axis=-1))


def wasserstein_normed(p: Counts, q: Counts, bins: NumericBins) -> Distances:
    """Return the first Wasserstein distance in units of the reference's sd: how many sd a value moves on average.

    The integral of the absolute difference of the two CDFs. The mass of a bin is taken to be at its midpoint; that of
    values outside the reference's range at the border (far outside: one range width beyond it). The wide outer quantile
    bins overstate other moves: a shift of a normal variable by one sd is about 1.2.

    Parameters
    ----------
    p, q
        Counts of the baseline and of the window, (..., cells), from low to high values: ``counts[..., bins.ordered]``.
    bins
        The bins of the variable, with its reference sd.

    Returns
    -------
    Distances
        The distance of every row of counts, (...); ``nan`` where a side has no rows, or the reference's sd is 0.

    References
    ----------
    Vallender (1974), "Calculation of the Wasserstein distance between probability distributions on the line",
    Theory of Probability and its Applications 18(4).

    Examples
    --------
    >>> b = NumericBins(edges=(0.0, 1.0, 2.0), mean=1.0, sd=0.5)
    >>> float(wasserstein_normed(np.array([0, 0, 4, 0, 0, 0]), np.array([0, 0, 2, 2, 0, 0]), b))
    1.0
    """
    return wasserstein(np.cumsum(shares(q) - shares(p), axis=-1), bins.positions, bins.sd)


def total_variation(p: Counts, q: Counts) -> Distances:
    """Return half the summed absolute difference of shares, 0 to 1: the share of rows that would have to change cell.

    Examples
    --------
    >>> round(float(total_variation(np.array([50, 50]), np.array([90, 10]))), 4)
    0.4
    """
    return share_distances.total_variation(shares(p), shares(q))


@dataclass(frozen=True, slots=True)
class DistanceSpec:
    """One distance: what it is called, where it is used, and how it depends on the sample sizes.

    Parameters
    ----------
    name
        The key of the distance in a finding's metrics.
    function
        The distance of two arrays of counts; with the bins as third argument if it *needs_bins*.
    kinds
        The kinds of bins that it is computed on.
    low, high
        The range of its values.
    power
        1 if its mean without a change is proportional to ``1/n + 1/m`` for n window and m baseline rows (a sum of
        squares of shares, as PSI), 2 if that holds for its square, so that the distance itself falls with the root.
    unit
        What its values are measured in.
    log_base
        The base of its logarithm, "" if it has none.
    needs_bins
        Whether it depends on the positions of the cells, not only on the counts.
    """

    name: str
    function: Callable[..., Distances]
    kinds: frozenset[Literal["numeric", "categorical"]]
    low: float
    high: float
    power: Literal[1, 2]
    unit: str
    log_base: Literal["", "e", "2"] = ""
    needs_bins: bool = False

    def on(self, bins: NumericBins | CategoricalBins) -> Distance:
        """Return the distance of counts on *bins*: equal specs and bins are equal, so that a null can be cached."""
        return DistanceOnBins(self, bins) if self.needs_bins else self.function


@dataclass(frozen=True, slots=True)
class DistanceOnBins:
    """A distance that needs to know the bins, with these: a function of counts that can be hashed and compared."""

    spec: DistanceSpec
    bins: NumericBins | CategoricalBins

    def __call__(self, p: Counts, q: Counts) -> Distances:
        """Return the distance of window counts *q* from baseline counts *p*, (...)."""
        return self.spec.function(p, q, self.bins)


_NUMERIC: frozenset[Literal["numeric", "categorical"]] = frozenset({"numeric"})
_CATEGORICAL: frozenset[Literal["numeric", "categorical"]] = frozenset({"categorical"})

DISTANCES = (
    DistanceSpec("psi", psi, _NUMERIC | _CATEGORICAL, 0, np.inf, 1, "nats", log_base="e"),
    DistanceSpec("js_distance_log2", js_distance_log2, _NUMERIC | _CATEGORICAL, 0, 1, 2, "root of bits", log_base="2"),
    DistanceSpec("ks", ks, _NUMERIC, 0, 1, 2, "share of rows"),
    DistanceSpec("wasserstein_normed", wasserstein_normed, _NUMERIC, 0, np.inf, 2, "reference sd", needs_bins=True),
    DistanceSpec("total_variation", total_variation, _CATEGORICAL, 0, 1, 2, "share of rows"),
)
"""Every distance that a finding on a distribution has among its metrics. The verdict rests on ``js_distance_log2``
(:mod:`monitors.verdicts.distribution`), the others are shown beside it.
"""
