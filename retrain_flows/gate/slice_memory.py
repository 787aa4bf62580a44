"""Standard error of a mean of autocorrelated slices, averaged over how much they remember.

The autocorrelation of a dozen slices cannot be estimated: of ten slices with .8 the usual estimate is .3. So a grid of
AR(1) memories, alone or beside noise without memory (rows drawn anew in each slice), is weighted by a prior and by the
restricted likelihood of the slices, and of a longer history where there is one.

References
----------
Harville (1974), "Bayesian inference for variance components using only error contrasts", Biometrika 61(2). Cochran
(1977), *Sampling Techniques*, 3rd ed., section 6 (the ratio of two sums, linearised).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import linalg

from features.scoring import Floats

AUTOCORRELATIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""AR(1) coefficients, slice to slice, that are reckoned with."""
LASTING_SHARES = (1.0, 0.75, 0.5)
"""Shares of the variance of slices that have that memory; the rest is noise without any. Without shares below 1, an
equal model passed too often where slices have unequal rows: docs/statistics/gate.md."""
TILT = 0.85
"""The prior weight of phi is (1 - phi)^-TILT: chosen for size where phi is .8, see docs/statistics/gate.md."""
MAX_SLICES = 200
"""Above this number, neighbouring slices are merged: the cost grows with its cube, and memory gets shorter."""


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """The standard error of a mean under each memory of the grid.

    Parameters
    ----------
    errors
        Standard errors, (..., memories), in the unit of the values.
    weights
        Weights, (..., memories), that sum to 1.
    memory
        Lag-1 autocorrelation of slices, (memories,).
    df
        Degrees of freedom of Student's t.
    """

    errors: Floats
    weights: Floats
    memory: Floats
    df: int


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """What depends on the number of slices only: whitening matrices, (memories, n, n), and the rest, (memories,)."""

    whiten: Floats
    log_det: Floats
    of_mean: Floats
    memory: Floats
    log_prior: Floats


def linearised(sums: Floats, rows: Floats) -> Floats:
    """Return values, (..., slices), whose mean is the mean over rows, and whose spread is this ratio's."""
    mean = sums.sum(axis=-1, keepdims=True) / rows.sum(axis=-1, keepdims=True)
    return np.asarray(mean + (sums - rows * mean) / rows.mean(axis=-1, keepdims=True), dtype=np.float64)


def standard_errors(values: Floats, history: Floats | None = None) -> StandardErrors:
    """Return the standard error of the mean of values under each memory, and how much each weighs.

    Parameters
    ----------
    values
        One a slice, (..., slices), in order of time; two or more slices.
    history
        A longer series with the same memory, (..., slices of the past); level and scale may be other.
    """
    values = _merged(values)
    n = values.shape[-1]
    grid = _grid(n)
    likelihood, squares = _likelihood(values, grid)
    weigh = grid.log_prior + likelihood
    if history is not None and history.shape[-1] > 2:
        past = history[..., -MAX_SLICES:]
        weigh = weigh + _likelihood(past, _grid(past.shape[-1]))[0]
    weights = np.exp(weigh - weigh.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return StandardErrors(np.sqrt(squares / (n - 1) * grid.of_mean), weights, grid.memory, n - 1)


def _likelihood(values: Floats, grid: _Grid) -> tuple[Floats, Floats]:
    """Return the restricted log likelihood and the whitened residual sum of squares, (..., memories).

    Without any spread, every memory is equally likely.
    """
    n = values.shape[-1]
    centred = values - values.mean(axis=-1, keepdims=True)
    white = np.tensordot(centred, grid.whiten, axes=(-1, 2))
    ones = grid.whiten.sum(axis=2)
    information = (ones**2).sum(axis=1)
    squares = np.maximum((white**2).sum(axis=-1) - (white * ones).sum(axis=-1) ** 2 / information, 0)
    spread = np.where(squares > 0, squares, 1)
    log_likelihood = -(grid.log_det + np.log(information) + (n - 1) * np.log(spread)) / 2
    return np.where(squares.min(axis=-1, keepdims=True) > 0, log_likelihood, 0), squares


@lru_cache(maxsize=64)
def _grid(n: int) -> _Grid:
    lag = np.arange(n)
    pairs = [(phi, share) for phi in AUTOCORRELATIONS for share in (LASTING_SHARES if phi else (1.0,))]
    covariances = [linalg.toeplitz(share * phi**lag + (1 - share) * (lag == 0)) for phi, share in pairs]
    roots = [np.linalg.cholesky(c) for c in covariances]
    whiten = np.array([linalg.solve_triangular(r, np.eye(n), lower=True) for r in roots])
    of_phi = [-TILT * np.log(1 - phi) - np.log(len(LASTING_SHARES) if phi else 1) for phi, _ in pairs]
    return _Grid(
        whiten=whiten,
        log_det=np.array([2 * np.log(np.diag(r)).sum() for r in roots]),
        of_mean=np.array([c.sum() / n**2 for c in covariances]),
        memory=np.array([phi * share for phi, share in pairs]),
        log_prior=np.array(of_phi),
    )


def _merged(values: Floats) -> Floats:
    """Return means of neighbouring values, so that there are at most :data:`MAX_SLICES`; their mean is the same."""
    n = values.shape[-1]
    length = -(-n // MAX_SLICES)
    if length == 1:
        return values
    starts = np.arange(0, n, length)
    sums, sizes = np.add.reduceat(values, starts, axis=-1), np.diff([*starts, n]).astype(np.float64)
    return linearised(sums, sizes)
