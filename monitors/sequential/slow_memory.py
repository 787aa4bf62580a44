"""Slow memory of whitened slices: a test, pooled over a panel's variables, for what an AR(1) residual leaves behind.

A level that wanders under the noise of few rows looks like short memory to 60 slices of one variable, and whitening
leaves its slow part; slices that come in calm and in wild stretches look independent to a test of their order. Both
break exchangeability by little at a time, which evidence over time adds up. One variable is too short to tell, a
panel's variables together are not.

The statistics are Bartlett-weighted sums of autocorrelations, of residuals and of their squares. Their null is drawn by
permuting slices, for all variables alike: what variables have in common stays, so that it does not look like memory.
Each permutation is coloured by the AR(1) coefficients and whitened anew with ones that are fitted to it, because
fitting takes away some autocorrelation by itself. Size and power: docs/statistics/slow-memory.md.

References
----------
Newey and West (1987), "A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance
matrix", Econometrica 55.
McLeod and Li (1983), "Diagnostic checking ARMA time series models using squared-residual autocorrelations", Journal of
Time Series Analysis 4.
Westfall and Young (1993), "Resampling-Based Multiple Testing" (the largest of several statistics, permuted jointly).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitors.sequential import whitening
from monitors.stats.distance import Distances

Flags = npt.NDArray[np.bool_]
DRAWS = 99
"""Permutations that the null is drawn by: p-values are multiples of 1 / 100."""
MEMORY_LAGS = 12
"""Lags over which autocorrelations of residuals are summed: of 6, 12, 20, 29 and KPSS's sum the one with the most power
on 60 slices of levels with AR(.95), AR(.8), regimes and long memory."""
VOLATILITY_LAGS = 5
"""Lags over which those of squares are summed; 3 and 10 find as much."""
LARGEST_SQUARE = 9.0
"""Squares of standardised residuals are cut here, so that one wild slice does not make the statistic."""
LEVEL = 0.01
"""Level of the test of a panel, and of that for any single variable that remembers more than the panel does."""
FEW = 10
"""Variables below which a panel sees less than most of the memory that matters."""
LEVEL_OF_FEW = 0.03
"""Level of the test of a panel of fewer: with .01, five features with GARCH levels passed in .77 of cases. Either way
about 4 % of panels without slow memory are doubted."""
LEVEL_IN_DOUBT = 0.1
"""Level of both tests where slices are merged, or where other variables of the panel are doubted: what passes then has
to look like independent slices, not just fail to look otherwise."""
MOST_APART = 0.25
"""Share of a panel's variables that may be taken for the only ones with memory. Where more have it, all are doubted."""
SERIES = 2
"""The series that are tested: middle and spread, or mean loss and residual."""
TINY = 1e-9
"""Standard deviation by which a statistic that does not vary is divided."""
CHUNK = 200_000
"""Values that are permuted at once, which bounds memory to some tens of MiB."""


@dataclass(frozen=True, eq=False)
class SlowMemory:
    """What is known of a panel's slow memory.

    Parameters
    ----------
    wandering
        Variables whose levels remember more than whitening takes away, (variables,).
    bursting
        Variables whose slices vary more at some times than at others, (variables,).
    possible
        What the others may remember without being doubted: the largest of the summed autocorrelations, in the mean of
        variables and beyond what it is without memory, plus a standard deviation. About .3 for one variable of 60
        slices, .06 for twenty.
    """

    wandering: Flags
    bursting: Flags
    possible: float


def examine(whitener: whitening.Whitener, residuals: Distances, identity: str, *, merged: bool) -> SlowMemory:
    """Test a panel for slow memory and for changing volatility.

    Parameters
    ----------
    whitener
        The AR(1) coefficients that the residuals were made with.
    residuals
        The whitened series of the reference, (slices, variables, series); NaN is a slice without rows.
    identity
        The seed of the permutations, so that a replay agrees.
    merged
        Whether the slices are merged ones, which are tested at :data:`LEVEL_IN_DOUBT`.
    """
    there = ~np.isnan(residuals[..., :SERIES])
    own = np.where(there, residuals[..., :SERIES], 0.0)
    level = whitening.coloured(own, whitener.phi[:, :SERIES])
    seed = int.from_bytes(hashlib.sha256(f"{identity}|slow memory".encode()).digest()[:8], "big")
    drawn = np.concatenate([_statistics(own, there)[None], _permuted(level, there, np.random.default_rng(seed))])
    statistics = (drawn - drawn.mean(axis=0)) / np.maximum(drawn.std(axis=0).mean(axis=0), TINY)
    out, half = doubted(statistics, merged=merged), own.shape[-1]
    worst = statistics[0].mean(axis=0, keepdims=True) if out.all() else statistics[0]
    wandering = worst[:, :half].max(axis=-1) >= worst[:, half:].max(axis=-1)
    passed = drawn[:, ~out].mean(axis=1) if not out.all() else drawn[:1, 0]
    possible = float((passed[0] - passed.mean(axis=0) + passed.std(axis=0)).max())
    return SlowMemory(out & wandering, out & ~wandering, max(possible, 0.0))


def _permuted(level: Distances, there: Flags, rng: np.random.Generator) -> Distances:
    """Return the statistics of series of the same AR(1) whose residuals come in another order, (draws, variables, 4).

    All variables and series have the same orders.
    """
    phi = whitening.ar1_coefficient(level, margin=0.0)
    residuals = whitening.whitened(level, phi)
    residuals = (residuals - residuals.mean(axis=0)).astype(np.float32)
    phi = phi.astype(np.float32)
    at_once = max(1, CHUNK // max(residuals.size, 1))
    orders = np.argsort(rng.random((DRAWS, len(level))), axis=1)
    out = []
    for first in range(0, DRAWS, at_once):
        order = orders[first : first + at_once].T
        other = whitening.coloured(residuals[order], phi)
        out.append(_statistics(whitening.whitened(other, whitening.ar1_coefficient(other)), there[order]))
    return np.concatenate(out)


def _statistics(residuals: Distances, there: Flags) -> Distances:
    """Return the summed autocorrelations of residuals (slices, ..., series) and of squares, (..., 2 series).

    Slices that are not *there* take no part: as zeros they would be a calm time.
    """
    z = _standardised(residuals, there)
    squares = _standardised(np.minimum(z * z, LARGEST_SQUARE), there)
    return np.concatenate([_summed(z, MEMORY_LAGS), _summed(squares, VOLATILITY_LAGS)], axis=-1)


def _standardised(values: Distances, there: Flags) -> Distances:
    """Return *values* with mean 0 and mean square 1 over slices, as far as they are *there*, and 0 elsewhere."""
    n = np.maximum(there.sum(axis=0, dtype=np.float32), 1)
    centred = (values - (values * there).sum(axis=0) / n) * there
    return np.asarray(centred / np.maximum(np.sqrt((centred**2).sum(axis=0) / n), TINY))


def _summed(z: Distances, lags: int) -> Distances:
    """Return the Bartlett-weighted sum of the autocorrelations at the first *lags*, (...), of *z* (slices, ...)."""
    lags = min(lags, len(z) - 1)
    return np.asarray(
        sum((1 - lag / (lags + 1)) * np.einsum("t...,t...->...", z[lag:], z[:-lag]) for lag in range(1, lags + 1))
        / len(z)
    )


def doubted(statistics: Distances, *, merged: bool) -> Flags:
    """Return which variables are doubted, (variables,), by standardised statistics (1 + draws, variables, 4).

    The first row is the reference's own. If all variables together, or the worst of them, pass, none is; otherwise the
    fewest without which the rest passes, compared with draws that are without their worst as well.
    """
    size = statistics.shape[1]
    worst = statistics.max(axis=-1)
    order = np.argsort(worst, axis=1)
    ordered = np.take_along_axis(statistics, order[..., None], axis=1)
    for apart in range(int(size * MOST_APART) + 1):
        rest = ordered[:, : size - apart]
        means = rest.mean(axis=1)
        means = (means - means.mean(axis=0)) / np.maximum(means.std(axis=0), TINY)
        level = LEVEL_IN_DOUBT if merged or apart else LEVEL_OF_FEW if size < FEW else LEVEL
        one = LEVEL_IN_DOUBT if merged or apart else LEVEL
        if _p(means.max(axis=-1)) > level and _p(rest[:, -1].max(axis=-1)) > one:
            out = np.zeros(size, bool)
            out[order[0, size - apart :]] = True
            return out
    return np.ones(size, bool)


def _p(values: Distances) -> float:
    """Return the share of *values* that are at least as large as the first."""
    return float((values >= values[0]).mean())
