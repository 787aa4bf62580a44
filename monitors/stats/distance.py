"""How far two rows of counts on the same bins are apart, each distance by a name that states its base and scale.

Every function takes counts *p* (baseline) and *q* (window) whose last axis are the cells and broadcasts over the
leading ones, so that a Monte Carlo null is one call. The answer is ``nan`` where either side is empty. None of them is
a verdict: what a distance means depends on both sizes, see :mod:`monitors.stats.threshold`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from monitors.stats.bins import Counts, NumericBins

Distances = npt.NDArray[np.float64]

PSI_PSEUDO_COUNT = 0.5
"""Added to every cell before the shares of :func:`psi` are taken (Jeffreys' prior), so that an empty cell is finite."""


def psi(p: Counts, q: Counts) -> Distances:
    """Return the population stability index ``sum((q - p) ln(q / p))``, natural log, from 0 up without bound.

    Shares are ``(count + 0.5) / (total + 0.5 cells)`` on both sides. Symmetric; Jeffreys' divergence by another name
    (Jeffreys 1946; Yurdakul 2018). Under no change it is about ``(cells - 1)(1/n + 1/m)``, so no fixed line suits it.

    >>> round(float(psi(np.array([50, 50]), np.array([90, 10]))), 4)
    0.8531
    >>> float(psi(np.array([50, 50]), np.array([0, 0])))
    nan
    """
    a, b = _shares(p, PSI_PSEUDO_COUNT), _shares(q, PSI_PSEUDO_COUNT)
    return np.asarray(((b - a) * np.log(b / a)).sum(axis=-1))


def js_distance_log2(p: Counts, q: Counts) -> Distances:
    """Return the Jensen-Shannon distance: the root of the divergence in bits; 0 is equal, 1 is nothing in common.

    ``sqrt((KL(p, m) + KL(q, m)) / 2)`` with ``m = (p + q) / 2`` and log base 2. A metric (Endres and Schindelin 2003),
    defined with empty cells, which add nothing. A shift of a normal by a tenth of its sd is about 0.04.

    >>> float(js_distance_log2(np.array([5, 0]), np.array([0, 7])))
    1.0
    >>> round(float(js_distance_log2(np.array([50, 50]), np.array([90, 10]))), 4)
    0.3831
    """
    a, b = _shares(p), _shares(q)
    middle = (a + b) / 2
    bits = (special.rel_entr(a, middle) + special.rel_entr(b, middle)).sum(axis=-1) / (2 * np.log(2))
    return np.asarray(np.sqrt(np.clip(bits, 0, 1)))


def ks(p: Counts, q: Counts) -> Distances:
    """Return the Kolmogorov-Smirnov distance over ordered cells: the largest difference of the two CDFs, 0 to 1.

    Cells must run from low to high (``counts[..., bins.ordered]``). It sees the CDFs at cell borders only and so never
    exceeds the distance of the raw values.

    >>> round(float(ks(np.array([50, 50]), np.array([90, 10]))), 4)
    0.4
    """
    return np.asarray(np.abs(np.cumsum(_shares(q) - _shares(p), axis=-1)).max(axis=-1))


def wasserstein_normed(p: Counts, q: Counts, bins: NumericBins) -> Distances:
    """Return the first Wasserstein distance over the reference's sd: by how many sd a value moves on average.

    *p* and *q* hold the ordered cells (``counts[..., bins.ordered]``). A cell's mass sits at its midpoint, what
    is beyond the reference's range at the nearest border (far: one range further), while the wide outer quantile bins
    overstate other moves (a normal's shift by one sd is about 1.2). ``nan`` where the reference's
    sd is 0. Vallender (1974): the integral of the CDFs' absolute difference.

    >>> b = NumericBins(edges=(0.0, 1.0, 2.0), mean=1.0, sd=0.5)
    >>> float(wasserstein_normed(np.array([0, 0, 4, 0, 0, 0]), np.array([0, 0, 2, 2, 0, 0]), b))
    1.0
    """
    gaps = np.abs(np.cumsum(_shares(q) - _shares(p), axis=-1))[..., :-1]
    return np.asarray((gaps * np.diff(bins.places)).sum(axis=-1) / (bins.sd or np.nan))


def total_variation(p: Counts, q: Counts) -> Distances:
    """Return half the summed absolute difference of shares, 0 to 1: the share of rows that would have to change cell.

    >>> round(float(total_variation(np.array([50, 50]), np.array([90, 10]))), 4)
    0.4
    """
    return np.asarray(np.abs(_shares(q) - _shares(p)).sum(axis=-1) / 2)


def _shares(counts: Counts, pseudo: float = 0.0) -> Distances:
    total = np.asarray(counts).sum(axis=-1, keepdims=True)
    cells = np.shape(counts)[-1]
    return np.asarray((counts + pseudo) / np.where(total > 0, total + pseudo * cells, np.nan))
