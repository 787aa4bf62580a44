"""Confidence intervals of effects: of a distance between distributions, and of a relative rise of a mean loss.

A distance is a biased estimate of an effect: in a small window it is large by chance alone. The interval takes that
away, so that a reader can tell a large change from a small sample.
"""

from __future__ import annotations

import math

from scipy import special

from monitors.stats.null_distribution import NullDistribution

CONFIDENCE = 0.95
"""Probability with which an interval covers the true effect. Measured 0.94 to 0.98 for distances, independent rows and
windows of 50 to 5,000 rows (tests/unit/monitors/stats/test_effect_interval.py); lower where slices differ."""
NORMAL_FROM = 500.0
"""Squared distance in units of the noise from which the root of a non-central chi-square is taken as normal: the exact
inverse is slow there, and no different."""


def distance_interval(distance: float, chance: NullDistribution, excess: float = 0.0) -> tuple[float, float]:
    """Return the 95 % interval of the distance between the two distributions that the samples came from.

    Without a change the squared distance is about ``s chi2(k)``, where its first two moments give s and k. Between
    distributions at a true distance d it is ``s chi2(k, d^2 / s)``, non-central, whose quantiles are solved for d.

    Parameters
    ----------
    distance
        The measured distance, whose square is proportional to ``1/n + 1/m``.
    chance
        Its null distribution at the same sample sizes.
    excess
        By how much the mean squared distance of the reference's own windows exceeds sampling
        (:attr:`.ReferenceWindows.excess`): the interval is then of what lies beyond that too.

    Returns
    -------
    tuple
        Lower and upper end, 0 at least; both the distance itself where the null has no variance (a single cell).

    References
    ----------
    Patnaik (1949), "The non-central chi-square and F-distributions and their applications", Biometrika 36.

    Examples
    --------
    >>> noise = NullDistribution(mean_square=0.001, variance_square=2e-7, quantile=0.046)
    >>> tuple(round(x, 3) for x in distance_interval(0.1, noise))
    (0.075, 0.115)
    >>> tuple(round(x, 3) for x in distance_interval(0.02, noise))
    (0.0, 0.0)
    """
    if not chance.variance_square:
        return distance, distance
    null_scale = chance.variance_square / (2 * chance.mean_square)
    mean = chance.mean_square + excess
    scale = (chance.variance_square + 2 * excess**2 + 4 * null_scale * excess) / (2 * mean)
    tail = (1 - CONFIDENCE) / 2
    low, high = (math.sqrt(scale * _noncentrality(distance**2 / scale, mean / scale, p)) for p in (1 - tail, tail))
    return low, high


def rise_interval(rise: float, variance: float, mean: float) -> tuple[float, float]:
    """Return the 95 % normal interval of the relative rise of a mean; *variance* is that of the mean's estimate."""
    half = float(special.ndtri(0.5 + CONFIDENCE / 2)) * math.sqrt(variance) / mean
    return rise - half, rise + half


def _noncentrality(x: float, k: float, p: float) -> float:
    """Return the non-centrality at which a chi-square of k degrees of freedom is at most x with probability p."""
    if x > NORMAL_FROM:
        return float(max(0.0, math.sqrt(x) - float(special.ndtri(p))) ** 2 - (k - 1))
    return float(special.chndtrinc(x, k, p)) if special.chdtr(k, x) > p else 0.0
