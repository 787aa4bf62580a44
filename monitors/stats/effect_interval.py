"""Confidence intervals of effects: of a distance between distributions, and of a relative rise of a mean loss.

A distance is a biased estimate of an effect: in a small window it is large by chance alone. The interval takes that
away, so that a reader can tell a large change from a small sample. Both intervals are of the change of the long-run
level, so they are wide where slices differ by themselves (:mod:`monitors.stats.between_windows`).
"""

from __future__ import annotations

import math

from scipy import special

from monitors.stats.between_windows import CONFIDENCE, Z

NORMAL_FROM = 500.0
"""Squared distance in units of the noise from which the root of a non-central chi-square is taken as normal: the exact
inverse is slow there, and no different."""
TAIL = (1 - CONFIDENCE) / 2
SHAPES = 1.0, 1e6
"""Smallest and largest gamma shape of a mean that is reckoned with. Below 1 its standard error is larger than itself,
and the upper end would be thousands of times the mean; at a million it is one thousandth."""


def distance_interval(distance: float, bias: float, scale: float, upper_scale: float = 0.0) -> tuple[float, float]:
    """Return the 95 % interval of the distance between the two distributions that the samples came from.

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
    >>> tuple(round(x, 3) for x in distance_interval(0.1, 0.001, 0.0001))
    (0.075, 0.115)
    >>> tuple(round(x, 3) for x in distance_interval(0.02, 0.001, 0.0001))
    (0.0, 0.0)
    """
    if not scale:
        return distance, distance
    ends = ((scale, 1 - TAIL), (max(scale, upper_scale), TAIL))
    low, high = (math.sqrt(s * _noncentrality(distance**2 / s, bias / s, p)) for s, p in ends)
    return low, high


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


def _noncentrality(x: float, k: float, p: float) -> float:
    """Return the non-centrality at which a chi-square of k degrees of freedom is at most x with probability p."""
    if x > NORMAL_FROM:
        return max(0.0, max(0.0, math.sqrt(x) - float(special.ndtri(p))) ** 2 - (k - 1))
    return float(special.chndtrinc(x, k, p)) if special.chdtr(k, x) > p else 0.0
