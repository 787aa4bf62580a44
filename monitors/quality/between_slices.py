"""Variation of a share between slices: how large a share may become that varies as the baseline's slices did.

Rows that are missing are rarely so one by one. A station fails, a session comes without its device, an optional field
is left out more on some days. A line that takes rows as independent is then crossed again and again while nothing is
broken. So shares are taken as drawn anew in each slice from a beta distribution, which has a variance of its own.

References
----------
Williams (1982), "Extra-binomial variation in logistic linear models", Applied Statistics 31.
Kleinman (1973), "Proportions with extraneous variance: single and independent samples", JASA 68.
"""

from __future__ import annotations

import math

from scipy import special

from monitors.stats.bins import Counts

CHANCE = 0.01
"""Slices of independent rows are taken to vary by more than that once in so many baselines."""
NEARLY_ALL = 0.95
"""Share of a single slice, of a longer window that is judged as well, from which on a share that varies between slices
is a fault: one long session may be most of a slice, and no number of slices shows how long the longest is."""
MARGIN = 2.0
"""Standard errors, of a variance of as many normal values, that are added to the variation that slices had."""


def intraclass_correlation(x: Counts, n: Counts) -> float:
    """Return the intraclass correlation of rows in slices, 0 to 1, with a margin; 0 where chance explains the slices.

    It is the part of a row's variance that lies between slices: 0 of independent rows, 1 if a slice has all rows or
    none. The estimate is the analysis of variance's.

    Parameters
    ----------
    x, n
        Rows that have the property, and all rows, by slice, (slices,).

    Examples
    --------
    >>> import numpy as np
    >>> intraclass_correlation(np.array([5, 6, 4, 5, 5]), np.full(5, 100))
    0.0
    >>> intraclass_correlation(np.array([0, 0, 100, 0, 0]), np.full(5, 100))
    1.0
    """
    x, n = x[n > 0], n[n > 0]
    rows, count = int(n.sum()), len(n)
    p = x.sum() / max(rows, 1)
    if count < 2 or p in (0, 1):
        return 0.0
    between = float((n * (x / n - p) ** 2).sum() / (p * (1 - p)))
    if special.chdtrc(count - 1, between) > CHANCE:
        return 0.0
    size = rows - float((n**2).sum()) / rows
    estimate = max(between - (count - 1), 0.0) / max(size - (count - 1), 1e-9)
    return min(1.0, estimate * (1 + MARGIN * math.sqrt(2 / (count - 1))))


def largest_share(share: float, correlation: float, n: int, level: float) -> float:
    """Return the share of *n* rows of a slice that is exceeded with probability *level*: a beta-binomial quantile.

    It is that of the beta distribution with the same mean and variance.

    Parameters
    ----------
    share
        The usual share, 0 to 1.
    correlation
        The :func:`intraclass_correlation`; 0 leaves the line to chance alone and returns *share*.
    n
        Rows of a window.
    level
        The probability.

    Examples
    --------
    >>> largest_share(0.05, 0.0, 100, 1e-4), round(largest_share(0.05, 0.05, 1000, 1e-4), 2)
    (0.05, 0.4)
    """
    if not correlation or share in (0, 1):
        return share
    size = 1 / (correlation + (1 - correlation) / max(n, 1)) - 1
    return float(special.betaincinv(share * size, (1 - share) * size, 1 - level)) if size > 0 else 1.0
