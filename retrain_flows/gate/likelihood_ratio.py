"""Likelihood ratio of slices that remember one another: is their mean below 0, or 0, whatever their spread is.

Under both hypotheses the means of slices are normal: a level that is an AR(1), and noise of rows, whose variance falls
with their number. Which part of the variance lasts, and for how long, is a mixture over a grid. The spread is unknown
and integrated out, and the mean in units of it has a half-normal prior. The ratio is then a test martingale of what a
change of unit leaves alone: it may be looked at after each slice, and exceeds c with a chance of at most 1 / c if the
mean is 0. Slices tell by themselves which memory they have, so that a short history is corrected as they come, and how
much a slice of few rows tells. Likelihoods come from the Kalman filter.

References
----------
Pérez-Ortiz, Lardy, de Heide and Grünwald (2024), "E-statistics, group invariance and anytime-valid testing", Annals of
Statistics 52(4) (the spread integrated out by the right Haar prior). Lai (1976), "On confidence sequences", Annals of
Statistics 4(2). Robbins (1970), "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41(5) (mixtures over the mean). Harvey (1989), *Forecasting, structural time series models and
the Kalman filter*, chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from features.scoring import Floats
from retrain_flows.gate import slice_memory

Ints = npt.NDArray[np.int64]
EFFECTS = (0.5, 2.0, 10.0)
"""Scales of the half-normal prior of the mean, in sd of a slice, a third of the prior each: a slow gain, a clear one,
and a sudden change, which five slices show. Without the largest that takes some slices more."""
SHARES = (1.0, 0.75, 0.5, 0.25)
"""Shares of the variance of a slice of average rows that last; the rest is noise of rows, drawn anew in each slice.
Without memory it may also be noise alone."""
MEMORIES = tuple((phi, share) for phi in slice_memory.AUTOCORRELATIONS for share in (SHARES if phi else (*SHARES, 0.0)))
"""Pairs of an AR(1) coefficient and the share of the variance that has it."""
SMALLEST = 1e-300
"""Sums of squares below this count as this: slices on which both models answered alike say nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Kalman filters of slices from several starts on, under each memory, and what the likelihoods need of them.

    All but *slices* are (..., starts, memories).

    Parameters
    ----------
    level, one_level
        The expected next value of the slices, and of a series of ones.
    variance
        The variance of the level that lasts, where that of an average slice is 1.
    squares, products, ones
        Sums of squared innovations of the slices, of their products with those of ones, and of squared ones.
    log_sd
        Sum of the log standard deviations of the innovations.
    slices
        Number of slices since each start, (starts,).
    """

    level: Floats
    one_level: Floats
    variance: Floats
    squares: Floats
    products: Floats
    ones: Floats
    log_sd: Floats
    slices: Ints


def empty(runs: tuple[int, ...] = ()) -> Filter:
    """Return filters without a start; *runs* is the shape of series that are filtered side by side."""
    none = np.zeros((*runs, 0, len(MEMORIES)))
    return Filter(none, none, none, none, none, none, none, np.zeros(0, np.int64))


def begin(before: Filter) -> Filter:
    """Return the filters with one more start, from the next slice on: nothing of the slices before is known to it."""

    def grown(values: Floats, fill: Floats | float = 0.0) -> Floats:
        new = np.broadcast_to(np.asarray(fill, dtype=np.float64), (*values.shape[:-2], 1, values.shape[-1]))
        return np.concatenate([values, new], axis=-2)

    return Filter(
        level=grown(before.level), one_level=grown(before.one_level), variance=grown(before.variance, _LASTING),
        squares=grown(before.squares), products=grown(before.products), ones=grown(before.ones),
        log_sd=grown(before.log_sd), slices=np.append(before.slices, 0),
    )  # fmt: skip


def add(before: Filter, mean: Floats | float, rows: Floats | float = 1.0, lag: int = 1) -> Filter:
    """Return the filters after another slice.

    Parameters
    ----------
    before
        The filters before it.
    mean
        The slice's mean difference, in any unit, (...).
    rows
        Its number of rows, where that of an average slice is 1, (...); above 0.
    lag
        How many slices after the one before; above 1 where there were slices without rows.
    """
    decay = np.where(before.slices[:, None] == 0, 0.0, _PHIS**lag)
    variance = decay**2 * before.variance + _LASTING * (1 - decay**2)
    level, one_level = decay * before.level, decay * before.one_level
    of_slice = variance + (1 - _LASTING) / np.asarray(rows, dtype=np.float64)[..., None, None]
    moved, one = np.asarray(mean, dtype=np.float64)[..., None, None] - level, 1 - one_level
    gain = variance / of_slice
    return Filter(
        level=level + gain * moved,
        one_level=one_level + gain * one,
        variance=variance * (1 - gain),
        squares=before.squares + moved**2 / of_slice,
        products=before.products + moved * one / of_slice,
        ones=before.ones + one**2 / of_slice,
        log_sd=before.log_sd + np.log(of_slice) / 2,
        slices=before.slices + 1,
    )


def mirrored(of: Filter) -> Filter:
    """Return the filters of the negative slices: the other side's question."""
    return replace(of, level=-of.level, products=-of.products)


def weights(autocorrelations: Floats) -> Floats:
    """Return the weight of each memory, (..., memories), by those of autocorrelations, (..., coefficients)."""
    index = [slice_memory.AUTOCORRELATIONS.index(phi) for phi, _ in MEMORIES]
    return np.asarray(autocorrelations[..., index] / np.bincount(index)[index])


def log_ratios(of: Filter, weights: Floats) -> Floats:
    """Return the log likelihood ratio from each start, (..., starts): that the mean is below 0, against 0.

    Parameters
    ----------
    of
        The filters.
    weights
        Weight of each memory, (memories,) or (..., memories).

    Notes
    -----
    For innovations z of the n slices and u of ones, with S = sum z^2, b = sum z u and a = sum u^2, a normal prior of
    the mean with variance g gives (1 + g a)^(-1/2) (S / S')^(n / 2), where S' = S - g b^2 / (1 + g a). The half-normal
    prior multiplies it by twice the posterior chance that the mean is below 0, by Student's t with n degrees of
    freedom.
    """
    n = of.slices[:, None]
    with np.errstate(divide="ignore"):
        log_weights = np.log(np.asarray(weights))[..., None, :] - of.log_sd
    squares = np.maximum(of.squares, SMALLEST)
    none = special.logsumexp(log_weights - n / 2 * np.log(squares), axis=-1)
    lower = [special.logsumexp(log_weights + _log_marginal(of, squares, scale), axis=-1) for scale in EFFECTS]
    return np.asarray(special.logsumexp(lower, axis=0) - np.log(len(EFFECTS)) - none)


def _log_marginal(of: Filter, squares: Floats, scale: float) -> Floats:
    """Return the log density of the slices under a prior of the mean, but for what both hypotheses have in common."""
    n, g = np.maximum(of.slices[:, None], 1), scale**2
    shrunk = 1 + g * of.ones
    left = np.maximum(squares - g * of.products**2 / shrunk, SMALLEST)
    ratio = g * of.products / shrunk / np.sqrt(g / shrunk * left / n)
    below = np.maximum(special.stdtr(n, -ratio), SMALLEST)
    return np.asarray(np.log(2 * below) - np.log(shrunk) / 2 - of.slices[:, None] / 2 * np.log(left))


_PHIS = np.array([phi for phi, _ in MEMORIES])
_LASTING = np.array([share for _, share in MEMORIES])
