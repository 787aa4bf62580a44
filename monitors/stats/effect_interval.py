"""Confidence intervals of effects: of a distance between distributions, and of a relative rise of a mean loss.

A distance is a biased estimate of an effect: in a small window it is large by chance alone. The interval takes that
away, so that a reader can tell a large change from a small sample. Both intervals are of the change of the long-run
level, so they are wide where slices differ by themselves (:mod:`monitors.stats.between_windows`).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from monitors.stats.between_windows import CONFIDENCE, Z
from monitors.stats.distance import Distances

Array = Distances | float

NORMAL_FROM = 500.0
"""Squared distance in units of the noise from which the root of a non-central chi-square is taken as normal: the exact
inverse is slow there, and no different."""
TAIL = (1 - CONFIDENCE) / 2
SHAPES = 1.0, 1e6
"""Smallest and largest gamma shape of a mean that is reckoned with. Below 1 its standard error is larger than itself,
and the upper end would be thousands of times the mean; at a million it is one thousandth."""


def distance_interval(
    distance: Array, bias: Array, scale: Array, upper_scale: Array = 0.0
) -> tuple[Distances, Distances]:
    """Return the 95 % interval of the distance between the two distributions that the samples came from.

    All arguments are numbers, or one for each variable, (variables,); so is what is returned.

    Without a change the squared distance is about ``s chi2(k)``, where s is the variance of the distance along the
    direction of the change, and its mean gives k. Between distributions at a true distance d it is
    ``s chi2(k, d^2 / s)``, non-central, whose quantiles are solved for d.

    Parameters
    ----------
    distance
        The measured distance.
    bias
        The mean of the squared distance without a change, by sampling and by how much the baseline's windows differ.
    scale
        The variance s of the distance, stretched for Student's t where it was estimated from few windows.
    upper_scale
        That for the upper end, where it is larger.

    Returns
    -------
    tuple
        Lower and upper end, 0 at least; both the distance itself where there is no variance (a single cell).

    References
    ----------
    Patnaik (1949), "The non-central chi-square and F-distributions and their applications", Biometrika 36.

    Examples
    --------
    >>> tuple(round(float(x), 3) for x in distance_interval(0.1, 0.001, 0.0001))
    (0.075, 0.115)
    >>> tuple(round(float(x), 3) for x in distance_interval(0.02, 0.001, 0.0001))
    (0.0, 0.0)
    """
    apart, by_chance, lower, upper = np.broadcast_arrays(distance, bias, scale, np.maximum(scale, upper_scale))
    ends = ((np.where(lower > 0, s, 1.0), p) for s, p in ((lower, 1 - TAIL), (upper, TAIL)))
    low, high = (
        np.where(lower > 0, np.sqrt(s * _noncentrality(apart**2 / s, by_chance / s, p)), apart) for s, p in ends
    )
    return low[()], high[()]


def rise_interval(rise: float, window: float, baseline: float) -> tuple[float, float]:
    """Return the 95 % interval of the relative rise of a mean loss.

    The mean of a window and that of the baseline are taken to be gamma distributed around their true values, as losses
    are positive and skewed: their ratio then has an F distribution. Upwards, the interval reaches as far as the normal
    one at least, as losses that are mostly equal and seldom large have no gamma's light lower tail.

    Parameters
    ----------
    rise
        The measured rise.
    window, baseline
        Variances of the two means, each in units of its squared mean.

    Examples
    --------
    >>> tuple(round(x, 3) for x in rise_interval(0.2, 0.0025, 0.0001))
    (0.088, 0.329)
    """
    ratio = 1 + rise
    freedom = [2 * min(max(1 / max(variance, 1 / SHAPES[1]), SHAPES[0]), SHAPES[1]) for variance in (window, baseline)]
    low, high = (ratio / float(special.fdtri(*freedom, p)) for p in (1 - TAIL, TAIL))
    return low - 1, max(high, ratio + Z * math.sqrt(window + baseline)) - 1


def _noncentrality(x: Distances, k: Distances, p: float) -> Distances:
    """Return the non-centrality at which a chi-square of k degrees of freedom is at most x with probability p."""
    above = np.maximum(0.0, np.sqrt(x) - special.ndtri(p)) ** 2
    out = np.where(x > NORMAL_FROM, np.maximum(0.0, above - (k - 1)), 0.0)
    near = (x <= NORMAL_FROM) & (special.chdtr(k, x) > p)
    out[near] = special.chndtrinc(x[near], k[near], p)
    return out
