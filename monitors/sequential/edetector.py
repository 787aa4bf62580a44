"""Evidence over time with a known false-alarm rate: conformal ranks, bets on them, and Shiryaev-Roberts sums of bets.

An e-value is a non-negative number whose mean is at most 1 while nothing has changed. The Shiryaev-Roberts e-detector
``M_t = e_t (M_{t-1} + 1)`` then exceeds A for the first time after at least A steps on average, and so does any mean of
such detectors, whatever depends on what (Shin, Ramdas and Rinaldo 2022, "E-detectors"). E-values come from where a
slice's score ranks among the reference's and all steady ones since (conformal test martingales: Vovk, Gammerman and
Shafer, "Algorithmic Learning in a Random World", 2022): no distribution is assumed, only that slices are exchangeable.
"""

from __future__ import annotations

import numpy as np

from monitors.stats.distance import Distances

STAKES = np.array([0.5, 0.5, 0.5, 0.4, 0.3])
"""The part of the capital that each bet risks."""
FIXED_TAILS = np.array([0.05, 0.15, 0.4])


def tail_probabilities(reference: int) -> Distances:
    """Return the tail probability that each of five bets is on, for *reference* slices: the two smallest ranks' first.

    >>> tails(59).round(4).tolist()
    [0.0167, 0.05, 0.05, 0.15, 0.4]
    """
    return np.concatenate([np.array([1.0, 3.0]) / (reference + 1), FIXED_TAILS])


def p_values(score: Distances, calibration_scores: Distances, ties: Distances) -> Distances:
    """Return the conformal p-value of each *score* (...) in *bag* (slices, ...): the share of slices as far away.

    Ties are broken by *ties*, uniform in [0, 1): then a p-value is exactly uniform under exchangeability. NaN in the
    bag is nobody; a NaN score has a p-value of NaN.
    """
    further = (calibration_scores > score).sum(axis=0)
    equal = (calibration_scores == score).sum(axis=0) + 1
    size = (~np.isnan(calibration_scores)).sum(axis=0) + 1
    return np.where(np.isnan(score), np.nan, (further + ties * equal) / size)


def log_bets(p: Distances, reference: int) -> Distances:
    """Return the log e-values of five bets on *p* (...), an array (..., 5); no bet (0) where p is NaN.

    ``e = (1 - w) + w [p <= q] / q`` has mean 1 for a uniform p, and pays ``1 - w + w / q`` in the tail.

    >>> log_bets(np.array([1.0, np.nan]), 59).round(2).tolist()
    [[-0.69, -0.69, -0.69, -0.51, -0.36], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    q = tail_probabilities(reference)
    e = (1 - STAKES) + STAKES * (p[..., None] <= q) / q
    return np.asarray(np.where(np.isnan(p)[..., None], 0.0, np.log(e)))


def step(log_m: Distances, log_e: Distances, observed: Distances) -> Distances:
    """Return the log of ``e (M + 1)``; where nothing was *seen* the detector stays as it is. log 0 is -inf."""
    return np.where(observed, log_e + np.logaddexp(0.0, log_m), log_m)


def log_mean(log_m: Distances, axis: int | tuple[int, ...]) -> Distances:
    """Return the log of the mean of ``exp(log_m)`` over *axis*."""
    size = np.prod([log_m.shape[a] for a in np.atleast_1d(axis)])
    return np.asarray(np.logaddexp.reduce(log_m, axis=axis) - np.log(size) if isinstance(axis, int)
                      else _log_sum(log_m, axis) - np.log(size))  # fmt: skip


def _log_sum(log_m: Distances, axis: tuple[int, ...]) -> Distances:
    out = log_m
    for a in sorted((a % log_m.ndim for a in axis), reverse=True):
        out = np.logaddexp.reduce(out, axis=a)
    return out
