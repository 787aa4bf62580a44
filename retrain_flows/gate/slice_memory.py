"""A t-test of the mean of autocorrelated slices: equally weighted cosines, with the law of their memory.

The long-run variance is estimated by the mean square of a few low-frequency cosine transforms (EWC). With a dozen
slices these frequencies are still too high where slices remember one another, so the ratio's law is not Student's; for
a given memory it is known exactly. The memory of a dozen slices cannot be estimated: of ten with .8 the usual estimate
is .3. So the law is that of the least favourable memory that is reckoned with, or, where there is a longer history, the
average over a grid of memories, weighted by the history's restricted likelihood.

References
----------
Lazarus, Lewis, Stock and Watson (2018), "HAR inference: recommendations for practice", Journal of Business and Economic
Statistics 36(4) (EWC). Craig (1991), "A new, simple and exact result for calculating the probability of error for
two-dimensional signal constellations", MILCOM 91 (the normal tail as an integral over an angle). Harville (1974),
"Bayesian inference for variance components using only error contrasts", Biometrika 61(2) (restricted likelihood).
Cochran (1977), *Sampling Techniques*, 3rd ed., chapter 6 (the ratio of two sums, linearised).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import linalg, optimize

from features.scoring import Floats

AUTOCORRELATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""AR(1) coefficients, slice to slice, that a history may have."""
LASTING_SHARES = (1.0, 0.75, 0.5)
"""Shares of the variance of slices that have that memory; the rest is noise of rows, drawn anew in each slice."""
MIN_HISTORY = 3
"""Slices of the past below which nothing is learned of memory."""
LEAST_FAVOURABLE = 0.8
"""AR(1) coefficient that is reckoned with where there is no history: up to it, error rates are as set
(docs/statistics/gate.md)."""
TILT = 0.75
"""The prior weight of a coefficient phi, where there is a history, is (1 - phi)^-TILT: too small a memory costs the
error rate, too large a one power only (docs/statistics/gate.md)."""
COSINES = 2.0
"""There are COSINES times the cube root of the number of slices: 5 of 14, 6 of 30, 8 of 60. With more, a history that
remembers less than the differences does more harm; with fewer, better models pass later (docs/statistics/gate.md)."""
MAX_SLICES = 300
"""Above this number, neighbouring slices are merged, as the cost grows with its square. By then the law depends little
on memory: a level of .01 is reached at 2.83 where it is .8, and at 2.65 where there is none."""
RATIOS = np.geomspace(0.05, 2000, 184)
"""Ratios at which laws are tabulated: between them, log-linear interpolation errs by .2 % of a probability."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ratio:
    """A number of slices' cosine transforms, (cosines, slices), and log tails at :data:`RATIOS`, (memories, ratios)."""

    cosines: Floats
    log_tails: Floats


def linearised(sums: Floats, rows: Floats) -> Floats:
    """Return values, (..., slices), whose mean is the mean over rows, and whose spread is this ratio's."""
    mean = sums.sum(axis=-1, keepdims=True) / rows.sum(axis=-1, keepdims=True)
    return np.asarray(mean + (sums - rows * mean) / rows.mean(axis=-1, keepdims=True), dtype=np.float64)


def merged(values: Floats) -> Floats:
    """Return means of neighbouring values, so that there are at most :data:`MAX_SLICES`; their mean is the same."""
    n = values.shape[-1]
    length = -(-n // MAX_SLICES)
    if length == 1:
        return values
    starts = np.arange(0, n, length)
    sums, sizes = np.add.reduceat(values, starts, axis=-1), np.diff([*starts, n]).astype(np.float64)
    return linearised(sums, sizes)


def standard_error(values: Floats) -> Floats:
    """Return the standard error of the mean, (...), by the cosine transforms of values, (..., slices)."""
    transforms = values @ _ratio(values.shape[-1]).cosines.T
    return np.asarray(np.sqrt((transforms**2).mean(axis=-1) / values.shape[-1]))


def tail(ratio: Floats, slices: int, weights: Floats) -> Floats:
    """Return the chance of a ratio of mean to standard error below *ratio*, (...), where the true mean is 0.

    Parameters
    ----------
    ratio
        Mean over standard error, (...).
    slices
        Number of slices.
    weights
        Weight of each memory, (memories,) or (..., memories).
    """
    at = np.log(np.maximum(np.abs(ratio), RATIOS[0]))
    tails = np.stack([np.exp(np.interp(at, np.log(RATIOS), law)) for law in _ratio(slices).log_tails], axis=-1)
    beyond = (tails * weights).sum(axis=-1)
    return np.asarray(np.where(ratio < 0, beyond, 1 - beyond))


def critical_ratio(level: float, slices: int, weights: Floats) -> float:
    """Return the ratio of mean to standard error that is exceeded with the chance *level*, where the mean is 0."""

    def excess(log_ratio: float) -> float:
        return float(tail(np.array(-np.exp(log_ratio)), slices, weights)) - level

    low, high = np.log(RATIOS[[0, -1]])
    return float(RATIOS[-1]) if excess(high) > 0 else float(np.exp(optimize.brentq(excess, low, high)))


def memory_weights(history: Floats | None = None) -> Floats:
    """Return the weight of each memory, (..., memories), by a history, (..., slices of the past).

    With fewer than :data:`MIN_HISTORY` slices of the past, all weight is on the least favourable memory; where the past
    does not vary at all, the weights are the prior's.
    """
    if history is None or history.shape[-1] < MIN_HISTORY:
        return np.array([float(pair == (LEAST_FAVOURABLE, 1.0)) for pair in _MEMORIES])
    history = history[..., -MAX_SLICES:]
    n = history.shape[-1]
    whiten, log_det, log_prior = _whitening(n)
    white = np.tensordot(history - history.mean(axis=-1, keepdims=True), whiten, axes=(-1, 2))
    ones = whiten.sum(axis=2)
    information = (ones**2).sum(axis=1)
    squares = np.maximum((white**2).sum(axis=-1) - (white * ones).sum(axis=-1) ** 2 / information, 0)
    varies = squares.min(axis=-1, keepdims=True) > 0
    log_likelihood = -(log_det + np.log(information) + (n - 1) * np.log(np.where(varies, squares, 1))) / 2
    weigh = log_prior + np.where(varies, log_likelihood, 0)
    weights = np.exp(weigh - weigh.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _correlations(n: int) -> list[Floats]:
    """Return the correlations of *n* slices, (n, n), under each memory."""
    lag = np.arange(n)
    return [linalg.toeplitz(share * phi**lag + (1 - share) * (lag == 0)) for phi, share in _MEMORIES]


@lru_cache(maxsize=64)
def _ratio(n: int) -> _Ratio:
    """Return the cosine transforms of *n* slices, and the law of mean over standard error under each memory."""
    count = min(n - 1, max(2, round(COSINES * n ** (1 / 3))))
    angles = np.pi * np.outer(np.arange(1, count + 1), (np.arange(n) + 0.5) / n)
    cosines = np.sqrt(2 / n) * np.cos(angles)
    both = np.vstack([np.full(n, n**-0.5), cosines])
    return _Ratio(cosines, np.log([_tails(both @ c @ both.T) for c in _correlations(n)]))


def _tails(covariance: Floats) -> Floats:
    """Return the chance of a ratio above each of :data:`RATIOS`, for normal (mean, transforms) of this covariance.

    It is half the chance that mean^2 - ratio^2 / cosines * sum of transforms^2 is above 0. This form has one positive
    eigenvalue; divided by it, the negative ones are a, and Craig's integral of the normal tail gives
    1 / pi * integral from 0 to pi / 2 of the product of (1 + a / sin^2)^(-1/2).
    """
    count = len(covariance) - 1
    root = linalg.cholesky(covariance, lower=True)
    diagonal = np.ones((len(RATIOS), count + 1))
    diagonal[:, 1:] = -(RATIOS[:, None] ** 2) / count
    values = np.linalg.eigvalsh(root.T @ (diagonal[:, :, None] * root))
    a = np.maximum(-values[:, :-1] / values[:, -1:], 0)
    products = np.prod(1 + a[:, None, :] / _SINES[:, None], axis=2) ** -0.5
    return np.asarray(products @ _WEIGHTS / 4)


@lru_cache(maxsize=16)
def _whitening(n: int) -> tuple[Floats, Floats, Floats]:
    """Return the inverse roots of the correlations, (memories, n, n), their log determinants, and the log prior."""
    roots = [np.linalg.cholesky(c) for c in _correlations(n)]
    whiten = np.array([linalg.solve_triangular(r, np.eye(n), lower=True) for r in roots])
    log_prior = [-TILT * np.log(1 - phi) - np.log(len(LASTING_SHARES) if phi else 1) for phi, _ in _MEMORIES]
    return whiten, np.array([2 * np.log(np.diag(r)).sum() for r in roots]), np.array(log_prior)


def autocorrelation_likelihood(history: Floats) -> Floats:
    """Return the likelihood of each of :data:`AUTOCORRELATIONS`, (..., coefficients), up to a factor, by a history."""
    of = np.array([[float(phi == own) for own in AUTOCORRELATIONS] for phi, _ in _MEMORIES])
    return np.asarray(memory_weights(history) @ of * (1 - np.array(AUTOCORRELATIONS)) ** TILT)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_SINES = np.sin(np.pi / 4 * (_NODES + 1)) ** 2
"""Squared sines of the nodes of Gauss and Legendre's rule for Craig's integral, with the rule's weights."""
_MEMORIES = tuple((phi, share) for phi in AUTOCORRELATIONS for share in (LASTING_SHARES if phi else (1.0,)))
"""Pairs of an AR(1) coefficient and the share of the variance that has it."""
