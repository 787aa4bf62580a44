"""Slices remember yesterday and know the weekday: what is ranked is what neither explains.

Ranks promise a level only among exchangeable values. Per series: the calendar's reference mean is taken away, then what
the slice before says (an AR(1) residual). Both are fitted on the reference alone and frozen. A lasting change of the
level stays visible, shrunk by 1 - phi. Where the residuals still remember, :func:`remembers` says so, and no promise
is made on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from monitors.distance import Distances

Keys = npt.NDArray[np.int64]
HOUR, DAY, WEEK = 3_600_000, 86_400_000, 604_800_000
_THURSDAY = 3 * DAY
"""The epoch was a Thursday; weeks here start on Monday."""
LEAST_PER_KEY = 4
"""Reference slices that every hour or weekday must have before its mean is taken away."""
MARGIN = 0.5
"""Standard errors by which a fitted memory is taken to be longer: too short a memory breaks the promise."""
SEASON = 1.5
"""Below this many times the variance that noise alone gives its means, a calendar is left in: it is small then, and to
take noise away makes the reference look tighter than what comes."""
SURE = 3.0
"""Standard errors from which a first autocorrelation is there."""
SUSPICION = 0.005
"""Level at which residuals are said to remember."""


def calendars(slide: int) -> dict[str, int]:
    """Return the calendars that slices of *slide* ms can follow, finest first, by name: how many keys each has.

    >>> calendars(HOUR), calendars(DAY), calendars(WEEK)
    ({'hour of the week': 168, 'hour of the day': 24, 'weekday': 7}, {'weekday': 7}, {})
    """
    if slide >= WEEK:
        return {}
    if slide >= DAY or DAY % slide:
        return {"weekday": 7}
    per_day = DAY // max(slide, HOUR)
    return {"hour of the week": 7 * per_day, "hour of the day": per_day, "weekday": 7}


def keys(calendar: str, starts: Keys, slide: int) -> Keys:
    """Return the calendar key of slices that start at *starts* (ms since the epoch, UTC); all 0 without a calendar.

    >>> keys("weekday", np.array([0, DAY]), DAY).tolist()  # Thursday, Friday
    [3, 4]
    """
    if not calendar:
        return np.zeros(len(starts), np.int64)
    in_week = (np.asarray(starts, np.int64) + _THURSDAY) % WEEK
    step = max(slide, HOUR)
    return np.asarray(in_week // DAY if calendar == "weekday" else
                      (in_week % DAY) // step if calendar == "hour of the day" else in_week // step)  # fmt: skip


def choose(starts: Keys, slide: int) -> str:
    """Return the finest calendar of which the reference has every key :data:`LEAST_PER_KEY` times; "" if none."""
    for name, size in calendars(slide).items():
        seen = np.bincount(keys(name, starts, slide), minlength=size)
        if seen.min() >= LEAST_PER_KEY:
            return name
    return ""


@dataclass(frozen=True, eq=False)
class Whitener:
    """What a reference of series (slices, ...) knows of the calendar and of memory; NaN is a slice without rows.

    *phi* is the AR(1) coefficient. *decay* is what the autocorrelation falls to from the first lag to the second: of a
    level seen through the noise of few rows that is the level's own memory, where *phi* is smaller (ARMA(1, 1)).
    """

    calendar: str
    slide: int
    means: Distances  # (keys, ...)
    phi: Distances
    decay: Distances

    def level(self, start: int, series: Distances) -> Distances:
        """Return *series* of the slice at *start* less what the calendar explains."""
        return np.asarray(series - self.means[keys(self.calendar, np.array([start]), self.slide)[0]])

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
    itself, would make the reference look tighter than what comes. For the same reason a reference slice is compared
    with the *others* of its key, and a calendar is taken away only where its means vary by :data:`SEASON` times what
    noise alone makes of them.

    phi is the lag-1 autocorrelation, corrected for its small-sample bias ``(1 + 3 phi) / n`` (Kendall 1954) plus half a
    standard error, within [0, 0.98].
    """
    calendar = choose(starts, slide)
    key = keys(calendar, starts, slide)
    there, size = ~np.isnan(reference), key.max(initial=0) + 1
    n = np.stack([there[key == k].sum(axis=0) for k in range(size)])
    grand, own = _mean(reference), np.stack([_mean(reference[key == k]) for k in range(size)])
    kept = _kept(reference - own[key], own - grand, n, shared)
    means = grand + kept * (own - grand)
    others, rest = (
        (m - reference / c) * c / np.maximum(c - 1, 1) for m, c in ((own[key], n[key]), (grand, n.sum(axis=0)))
    )
    level = reference - rest - kept * (others - rest)
    phi = _memory(level, shared)
    whitener = Whitener(calendar, slide, means, phi, _decay(level))
    residuals = [whitener.residual(level[i], level[i - 1] if i else np.full_like(level[0], np.nan))
                 for i in range(len(level))]  # fmt: skip
    return whitener, np.stack(residuals)


def remembers(residuals: Distances) -> npt.NDArray[np.bool_]:
    """Say which series (slices, ...) still depend on their past: Bartels' rank test at :data:`SUSPICION`, one-sided.

    The rank version of von Neumann's ratio (Bartels 1982); its approximate normal law is good from 10 values on.
    """
    ranks = stats.rankdata(residuals, axis=0, nan_policy="omit")
    n = np.maximum((~np.isnan(ranks)).sum(axis=0), 2)
    power = np.nansum((ranks - _mean(ranks)) ** 2, axis=0)
    ratio = np.nansum(np.diff(ranks, axis=0) ** 2, axis=0) / np.where(power > 0, power, np.nan)
    sd = np.sqrt(4 * (n - 2) * (5 * n**2 - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2))
    return np.asarray((ratio - 2) / sd < stats.norm.ppf(SUSPICION))


def _kept(within: Distances, between: Distances, n: Distances, shared: int | None) -> Distances:
    """Say (1 or 0) which series have a calendar: deviations *between* keys, (keys, ...), beyond the noise *within*."""
    rows = np.maximum(n.sum(axis=0) - len(n), 1)
    noise = np.nansum(within**2, axis=0) / rows * (len(n) - 1)
    signal = (n * between**2).sum(axis=0)
    if shared is not None:
        for part in (noise, signal):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(signal > SEASON * noise, np.float64)


def _mean(values: Distances) -> Distances:
    n = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.maximum(n, 1))


def _autocorrelation(level: Distances, lag: int, shared: int | None = None) -> Distances:
    a = level - _mean(level)
    power, lagged = np.nansum(a * a, axis=0), np.nansum(a[lag:] * a[:-lag], axis=0)
    if shared is not None:
        for part in (power, lagged):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(lagged, power, out=np.zeros_like(power), where=power > 0))


def _decay(level: Distances) -> Distances:
    """Return the ratio of the second lag's autocorrelation to the first's, 0 where the first is hardly there."""
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    first, second = (_autocorrelation(level, lag) for lag in (1, 2))
    return np.asarray(np.divide(second, first, out=np.zeros_like(first), where=first > SURE / np.sqrt(n)))


def _memory(level: Distances, shared: int | None) -> Distances:
    n = np.maximum((~np.isnan(level)).sum(axis=0), 1)
    phi = _autocorrelation(level, 1, shared)
    return np.asarray(np.clip(phi + (1 + 3 * phi) / n + MARGIN / np.sqrt(n), 0, 0.98))
