"""Slices remember yesterday and know the calendar: what is ranked is what neither explains.

Ranks promise a level only among exchangeable values. Per series: the calendar's reference mean is taken away, then what
the slice before says (an AR(1) residual). Both are fitted on the reference alone and frozen. A lasting change of the
level stays visible, shrunk by 1 - phi. Where the residuals still remember, :func:`is_autocorrelated` says so, and no
promise is made on them.
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
"""Standard errors by which a fitted memory is taken to be longer: too short a memory breaks the promise."""
MIN_AUTOCORRELATION = 3.0
"""Standard errors from which a first autocorrelation is there."""
RANK_TEST_LEVEL = 0.005
"""Level at which residuals are said to remember."""


@dataclass(frozen=True, eq=False)
class Whitener:
    """What a reference of series (slices, ...) knows of the calendar and of memory; NaN is a slice without rows.

    *phi* is the AR(1) coefficient. *decay* is what the autocorrelation falls to from the first lag to the second: of a
    level seen through the noise of few rows that is the level's own memory, where *phi* is smaller (ARMA(1, 1)).
    """

    season: Season
    phi: Distances
    decay: Distances

    def residual(self, level: Distances, before: Distances, steps: int = 1) -> Distances:
        """Return what *level* holds beyond what the level *before*, *steps* slices ago, explains (NaN: nothing does).

        Where nothing is known of the past the level is scaled to the residuals' size.
        """
        phi = self.phi**steps
        alone = level * np.sqrt(1 - self.phi**2)
        return np.asarray(np.where(np.isnan(before), alone, level - phi * before))


def fit(reference: Distances, starts: Keys, slide: int, shared: int | None = None) -> tuple[Whitener, Distances]:
    """Return the whitener of *reference* (slices, ...), and the reference's own residuals.

    The series from *shared* on (along the last axis) have one memory and one calendar: many small ones, each fitted by
    itself, would make the reference look tighter than what comes.

    phi is the lag-1 autocorrelation, corrected for its small-sample bias ``(1 + 3 phi) / n`` (Kendall 1954) plus half a
    standard error, within [0, 0.98].
    """
    season, level = seasonality.fit(reference, starts, slide, shared)
    whitener = Whitener(season, _ar1_coefficient(level, shared), _autocorrelation_decay(level))
    residuals = [whitener.residual(level[i], level[i - 1] if i else np.full_like(level[0], np.nan))
                 for i in range(len(level))]  # fmt: skip
    return whitener, np.stack(residuals)


def is_autocorrelated(residuals: Distances) -> npt.NDArray[np.bool_]:
    """Say which series (slices, ...) still depend on their past: Bartels' rank test at :data:`RANK_TEST_LEVEL`, one-sided.

    The rank version of von Neumann's ratio (Bartels 1982); its approximate normal law is good from 10 values on.
    """
    ranks = stats.rankdata(residuals, axis=0, nan_policy="omit")
    n = np.maximum((~np.isnan(ranks)).sum(axis=0), 2)
    power = np.nansum((ranks - seasonality.nan_mean(ranks)) ** 2, axis=0)
    ratio = np.nansum(np.diff(ranks, axis=0) ** 2, axis=0) / np.where(power > 0, power, np.nan)
    sd = np.sqrt(4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2))
    return np.asarray((ratio - 2) / sd < stats.norm.ppf(RANK_TEST_LEVEL))


def _autocorrelation(level: Distances, lag: int, shared: int | None = None) -> Distances:
    a = level - seasonality.nan_mean(level)
    power, lagged = np.nansum(a * a, axis=0), np.nansum(a[lag:] * a[:-lag], axis=0)
    if shared is not None:
        for part in (power, lagged):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(lagged, power, out=np.zeros_like(power), where=power > 0))


def _autocorrelation_decay(level: Distances) -> Distances:
    """Return the ratio of the second lag's autocorrelation to the first's, 0 where the first is hardly there."""
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    first, second = (_autocorrelation(level, lag) for lag in (1, 2))
    return np.asarray(
        np.divide(second, first, out=np.zeros_like(first), where=first > MIN_AUTOCORRELATION / np.sqrt(n))
    )


def _ar1_coefficient(level: Distances, shared: int | None) -> Distances:
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    phi = _autocorrelation(level, 1, shared)
    return np.asarray(np.clip(phi + (1 + 3 * phi) / n + PHI_MARGIN / np.sqrt(n), 0, 0.98))
