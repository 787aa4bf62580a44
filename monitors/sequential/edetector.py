"""Conformal e-detectors: conformal p-values, bets on them (e-values), and Shiryaev-Roberts statistics of the bets.

An e-value is a non-negative number whose mean is at most 1 while nothing has changed. The Shiryaev-Roberts e-detector
``M_t = e_t (M_{t-1} + 1)`` reaches A for the first time after at least A steps on average. So does any weighted mean of
such detectors whose e-values have mean 1 given the past of all of them; for variables that each know their own past
only, that is measured (docs/statistics.md, section 1). E-values are bets on conformal p-values: where a slice's score
ranks among those of the reference and of all steady slices since (a conformal test martingale). No distribution is
assumed, only that slices are exchangeable.

Everything is computed in logarithms, as a detector that is left alone grows beyond floats.

References
----------
Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2(2); arXiv:2203.03532 (2022).
Vovk, Gammerman and Shafer (2022), "Algorithmic Learning in a Random World", 2nd ed. (conformal test martingales).
Vovk and Wang (2021), "E-values: calibration, combination and applications", Ann. Stat. 49(3).
Roberts (1966), "A comparison of some control chart procedures", Technometrics 8(3).
"""

from __future__ import annotations

import numpy as np

from monitors.stats.distance import Distances

STAKES = np.array([0.5, 0.5, 0.5, 0.4, 0.3])
"""Share of the capital that each of the five bets risks, 0 to 1 (the w of :func:`log_bets`).

Chosen with the tails of :func:`tail_probabilities` in simulations, where shifts were found two to four times as fast as
by the calibrator ``(1 - p + p ln p) / (p ln^2 p)`` of Vovk and Wang; delays of the choice: docs/statistics/power.md.
"""
FIXED_TAILS = np.array([0.05, 0.15, 0.4])
"""Tail probabilities of the three bets that do not depend on the number of reference slices: from moderate to small
shifts. Evidence as for :data:`STAKES`."""
SMALLEST_RANKS = np.array([1.0, 3.0])
"""The ranks that the other two bets are on: the smallest possible p-value, and the three smallest, for large shifts."""


def tail_probabilities(reference: int) -> Distances:
    """Return the tail probability q that each of the five bets is on, (5,), for a number of *reference* slices.

    >>> tail_probabilities(59).round(4).tolist()
    [0.0167, 0.05, 0.05, 0.15, 0.4]
    """
    return np.concatenate([SMALLEST_RANKS / (reference + 1), FIXED_TAILS])


def p_values(score: Distances, calibration_scores: Distances, ties: Distances) -> Distances:
    """Return conformal p-values: the share of slices, this one included, that are at least as far from the reference.

    With randomised ties a p-value is exactly uniform while slices are exchangeable.

    Parameters
    ----------
    score
        The score of the newest slice, (...); larger is further from the reference. NaN has a p-value of NaN.
    calibration_scores
        The scores of the slices that it is ranked among, (slices, ...); NaN is left out.
    ties
        Uniform random numbers in [0, 1), (...), that break ties.

    Returns
    -------
    Distances
        The p-values, (...), in (0, 1].
    """
    further = (calibration_scores > score).sum(axis=0)
    equal = (calibration_scores == score).sum(axis=0) + 1
    size = (~np.isnan(calibration_scores)).sum(axis=0) + 1
    return np.where(np.isnan(score), np.nan, (further + ties * equal) / size)


def log_bets(p: Distances, reference: int) -> Distances:
    """Return the log e-values of the five bets on p-values *p* (...), (..., 5); 0, which is no bet, where p is NaN.

    ``e = (1 - w) + w [p <= q] / q`` with stakes w and tails q has mean 1 for a uniform p, and pays ``1 - w + w / q`` in
    the tail. *reference* is the number of reference slices.

    >>> log_bets(np.array([1.0, np.nan]), 59).round(2).tolist()
    [[-0.69, -0.69, -0.69, -0.51, -0.36], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    q = tail_probabilities(reference)
    e = (1 - STAKES) + STAKES * (p[..., None] <= q) / q
    return np.asarray(np.where(np.isnan(p)[..., None], 0.0, np.log(e)))


def step(log_m: Distances, log_e: Distances, observed: Distances) -> Distances:
    """Return the log of ``e (M + 1)``, the next Shiryaev-Roberts statistic, of equal shape; log 0 is -inf.

    Where nothing was *observed* (False) the detector stays as it is.
    """
    return np.where(observed, log_e + np.logaddexp(0.0, log_m), log_m)


def log_mean(log_m: Distances, axis: int | tuple[int, ...]) -> Distances:
    """Return the log of the mean of ``exp(log_m)`` over *axis*: the mean of e-detectors is one again."""
    size = np.prod([log_m.shape[a] for a in np.atleast_1d(axis)])
    return np.asarray(np.logaddexp.reduce(log_m, axis=axis) - np.log(size) if isinstance(axis, int)
                      else _log_sum(log_m, axis) - np.log(size))  # fmt: skip


def _log_sum(log_m: Distances, axis: tuple[int, ...]) -> Distances:
    out = log_m
    for a in sorted((a % log_m.ndim for a in axis), reverse=True):
        out = np.logaddexp.reduce(out, axis=a)
    return out
