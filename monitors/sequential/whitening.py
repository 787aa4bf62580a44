"""Whitening of slice series: seasonal adjustment and AR(1) residuals, so that slices become exchangeable.

Conformal ranks keep a level only among exchangeable values, and slices remember the slice before and follow the
calendar. Per series the seasonal mean is taken away (:mod:`monitors.sequential.seasonality`), then what the slice
before predicts (an AR(1) residual). Both are fitted on the reference alone and frozen. A lasting change of the level
stays visible, shrunk by ``1 - phi``. Where residuals still depend on their past, :func:`is_autocorrelated` says so, and
no guarantee is given on them.

References
----------
Kendall (1954), "Note on bias in the estimation of autocorrelation", Biometrika 41.
Bartels (1982), "The rank version of von Neumann's ratio test for randomness", J. Am. Stat. Assoc. 77.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from monitors.sequential import seasonality
from monitors.sequential.seasonality import Keys, Season
from monitors.stats.distance import Distances

PHI_MARGIN = 0.5
"""Standard errors of phi that are added to its estimate: too small a phi breaks the false-alarm guarantee, too large
a one costs some delay. With it the guarantee holds on slices with AR(.6) and AR(.9) memory
(docs/statistics/calibration.md)."""
MAX_PHI = 0.98
"""The largest AR(1) coefficient that is fitted, so that residuals keep some of a lasting shift."""
MIN_AUTOCORRELATION = 3.0
"""Standard errors (of 1 / sqrt(n)) from which a lag-1 autocorrelation is distinct enough to tell its decay."""
RANK_TEST_LEVEL = 0.005
"""Level of the one-sided test for autocorrelated residuals: low, as every variable and score of a model is tested."""


@dataclass(frozen=True, eq=False)
class Whitener:
    """Seasonal means and AR(1) coefficients that were fitted on a reference.

    Parameters
    ----------
    season
        The seasonal means.
    phi
        The AR(1) coefficient of every series, (...), 0 to :data:`MAX_PHI`.
    decay
        The ratio of the lag-2 to the lag-1 autocorrelation, (...). Where a level is seen through the noise of few rows
        (ARMA(1, 1)) this is the level's own AR coefficient, and *phi* is smaller.
    """

    season: Season
    phi: Distances
    decay: Distances

    def residual(self, level: Distances, before: Distances, steps: int = 1) -> Distances:
        """Return the AR(1) residual of a slice.

        Parameters
        ----------
        level
            The seasonally adjusted series of the slice, (...).
        before
            Those of the slice before, (...); NaN where it had no rows: then the level is scaled to a residual's sd.
        steps
            How many slices ago that was.
        """
        phi = self.phi**steps
        alone = level * np.sqrt(1 - self.phi**2)
        return np.asarray(np.where(np.isnan(before), alone, level - phi * before))


def fit(reference: Distances, starts: Keys, slide: int, shared: int | None = None) -> tuple[Whitener, Distances]:
    """Fit season and AR(1) coefficients of reference series.

    phi is the lag-1 autocorrelation, corrected for its small-sample bias ``(1 + 3 phi) / n`` (Kendall 1954) and raised
    by :data:`PHI_MARGIN` standard errors.

    Parameters
    ----------
    reference
        The series, (slices, ..., series); NaN is a slice without rows.
    starts
        Where each slice starts, (slices,), in milliseconds since the epoch, UTC.
    slide
        Milliseconds that a slice lasts.
    shared
        From this one on (along the last axis) the series have one phi and one calendar: many small ones, each fitted by
        itself, would make the reference look tighter than what comes. None: each has its own.

    Returns
    -------
    tuple
        The whitener, and the reference's own residuals, of the reference's shape.
    """
    season, level = seasonality.fit(reference, starts, slide, shared)
    whitener = Whitener(season, ar1_coefficient(level, shared), _autocorrelation_decay(level))
    residuals = [whitener.residual(level[i], level[i - 1] if i else np.full_like(level[0], np.nan))
                 for i in range(len(level))]  # fmt: skip
    return whitener, np.stack(residuals)


def is_autocorrelated(residuals: Distances) -> npt.NDArray[np.bool_]:
    """Return which series still depend on their past, (...), by Bartels' one-sided test at :data:`RANK_TEST_LEVEL`.

    The rank version of von Neumann's ratio: successive differences are small where values remember. Its normal
    approximation is good from 10 values on.

    Parameters
    ----------
    residuals
        The series in order of time, (slices, ...); NaN is left out.
    """
    ranks = stats.rankdata(residuals, axis=0, nan_policy="omit")
    n = np.maximum((~np.isnan(ranks)).sum(axis=0), 2)
    power = np.nansum((ranks - seasonality.nan_mean(ranks)) ** 2, axis=0)
    ratio = np.nansum(np.diff(ranks, axis=0) ** 2, axis=0) / np.where(power > 0, power, np.nan)
    sd = np.sqrt(4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2))
    return np.asarray((ratio - 2) / sd < stats.norm.ppf(RANK_TEST_LEVEL))


def _autocorrelation(level: Distances, lag: int, shared: int | None = None) -> Distances:
    a = np.nan_to_num(level - seasonality.nan_mean(level))
    power, lagged = (np.einsum("t...,t...->...", *pair) for pair in ((a, a), (a[lag:], a[:-lag])))
    if shared is not None:
        for part in (power, lagged):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(lagged, power, out=np.zeros_like(power), where=power > 0))


def _autocorrelation_decay(level: Distances) -> Distances:
    """Return the ratio of the lag-2 to the lag-1 autocorrelation; 0 where the latter is not distinct from 0."""
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    first, second = (_autocorrelation(level, lag) for lag in (1, 2))
    return np.asarray(
        np.divide(second, first, out=np.zeros_like(first), where=first > MIN_AUTOCORRELATION / np.sqrt(n))
    )


def ar1_coefficient(level: Distances, shared: int | None = None, margin: float = PHI_MARGIN) -> Distances:
    """Return the AR(1) coefficient of series, (..., series), from (slices, ..., series); see :func:`fit`.

    It is raised by *margin* standard errors.
    """
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    phi = _autocorrelation(level, 1, shared)
    return np.asarray(np.clip(phi + (1 + 3 * phi) / n + margin / np.sqrt(n), 0, MAX_PHI))


def whitened(level: Distances, phi: Distances) -> Distances:
    """Return the AR(1) residuals of *level* (slices, ...), which has no NaN, by *phi* (...)."""
    out = level.copy()
    out[0] *= np.sqrt(1 - phi**2)
    out[1:] -= phi * level[:-1]
    return out


def coloured(residuals: Distances, phi: Distances) -> Distances:
    """Return the series (slices, ...) whose AR(1) residuals these are: the inverse of :func:`whitened`."""
    out = residuals.copy()
    out[0] /= np.sqrt(1 - phi**2)
    for t in range(1, len(out)):
        out[t] += phi * out[t - 1]
    return out
