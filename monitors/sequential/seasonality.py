"""Seasonal adjustment of slice series: the means of hour, weekday and month that a reference supports.

Ranks need exchangeable slices, and traffic follows the calendar. A season is taken away only where its means vary by
more than noise makes them. A reference slice is compared with the *other* slices of its hour or weekday (leave one
out), as a later slice is: otherwise the reference would look tighter than what comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitors.stats.distance import Distances

Keys = npt.NDArray[np.int64]
HOUR = 3_600_000
"""Milliseconds of an hour."""
DAY = 24 * HOUR
"""Milliseconds of a day."""
WEEK = 7 * DAY
"""Milliseconds of a week."""
EPOCH_IN_WEEK = 3 * DAY
"""Milliseconds from the start of the epoch's week (Monday) to the epoch, a Thursday."""
MIN_SLICES_PER_KEY = 4
"""Reference slices that every hour or weekday must have before its mean is taken away: four weeks of weekdays."""
MIN_YEARS = 2
"""Years in which the reference must have each month: one year cannot tell a season from what merely happened in it."""
MIN_VARIANCE_RATIO = 1.5
"""How many times the variance that noise alone gives them the means of a calendar must have to be taken away.

Below, a season is small, and to take noise away would make the reference look tighter than what comes. With it the
false-alarm guarantee holds with and without a weekly pattern (docs/statistics/calibration.md)."""
MIN_VARIANCE_RATIO_MONTHS = 3.0
"""The same for months, whose noise is judged by as few as two observations each."""


def calendars(slide: int) -> dict[str, int]:
    """Return the number of keys of every calendar that slices of *slide* ms can follow, by name, finest first.

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
    in_week = (np.asarray(starts, np.int64) + EPOCH_IN_WEEK) % WEEK
    step = max(slide, HOUR)
    return np.asarray(in_week // DAY if calendar == "weekday" else
                      (in_week % DAY) // step if calendar == "hour of the day" else in_week // step)  # fmt: skip


def choose(starts: Keys, slide: int) -> str:
    """Return the finest calendar of which the reference has every key :data:`MIN_SLICES_PER_KEY` times; "" if none."""
    for name, size in calendars(slide).items():
        seen = np.bincount(keys(name, starts, slide), minlength=size)
        if seen.min() >= MIN_SLICES_PER_KEY:
            return name
    return ""


@dataclass(frozen=True, eq=False)
class Season:
    """The seasonal means of a reference's series.

    Parameters
    ----------
    calendar
        One of :func:`calendars`; "" if the reference is too short for any.
    slide
        Milliseconds that a slice lasts.
    means
        The level of the series by calendar key, (keys, ...).
    months
        What a month adds to the level, (12, ...), January first; 0 where the reference cannot tell.
    """

    calendar: str
    slide: int
    means: Distances
    months: Distances

    def level(self, start: int, series: Distances) -> Distances:
        """Return the series (...) of the slice at *start* (ms) less their seasonal mean."""
        at = np.array([start], np.int64)
        key, month = keys(self.calendar, at, self.slide)[0], _months(at)[0] % 12
        return np.asarray(series - self.months[month] - self.means[key])


def fit(reference: Distances, starts: Keys, slide: int, shared: int | None = None) -> tuple[Season, Distances]:
    """Fit the seasonal means of reference series, and take them away.

    Parameters
    ----------
    reference
        The series, (slices, ..., series); NaN is a slice without rows.
    starts
        Where each slice starts, (slices,), in milliseconds since the epoch, UTC.
    slide
        Milliseconds that a slice lasts.
    shared
        From this one on (along the last axis) the series have a calendar together or none has: many small ones, each
        decided by itself, would make the reference look tighter than what comes. None: each is decided by itself.

    Returns
    -------
    tuple
        The season, and the reference less the seasonal mean of its *other* slices, of the same shape.
    """
    months, offsets = _month_offsets(reference, starts, shared)
    rest, calendar = reference - offsets, choose(starts, slide)
    means, level = _key_means(rest, keys(calendar, starts, slide), shared)
    return Season(calendar, slide, means, months), level


def _key_means(
    values: Distances, key: Keys, shared: int | None, min_ratio: float = MIN_VARIANCE_RATIO
) -> tuple[Distances, Distances]:
    """Return the mean by key, (keys, ...), and *values* (slices, ...) less the mean of the others of their key.

    Where keys do not differ by *min_ratio* times what noise makes, both are about the grand mean instead.
    """
    there, size = ~np.isnan(values), key.max(initial=0) + 1
    n = np.stack([there[key == k].sum(axis=0) for k in range(size)])
    grand, own = nan_mean(values), np.stack([nan_mean(values[key == k]) for k in range(size)])
    seasonal = _variance_ratio(values - own[key], own - grand, n, shared) > min_ratio
    others, rest = (
        (m - values / c) * c / np.maximum(c - 1, 1) for m, c in ((own[key], n[key]), (grand, n.sum(axis=0)))
    )
    return grand + seasonal * (own - grand), values - rest - seasonal * (others - rest)


def _months(starts: Keys) -> Keys:
    """Return the number of months since January 1970 of each start."""
    return np.asarray(starts, np.int64).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)


def _month_offsets(reference: Distances, starts: Keys, shared: int | None) -> tuple[Distances, Distances]:
    """Return what each month adds to the level, (12, ...), and what to subtract from each slice, (slices, ...).

    A slice is compared with its month in *other* years. Months of different years are the observations: the days of one
    month are not independent witnesses to what the month does.
    """
    blocks, at, size = np.unique(_months(starts), return_inverse=True, return_counts=True)
    nothing = np.zeros((12, *reference.shape[1:])), np.zeros_like(reference)
    whole = size >= MIN_SLICES_PER_KEY
    if np.bincount(blocks[whole] % 12, minlength=12).min() < MIN_YEARS:
        return nothing
    values = np.stack([nan_mean(reference[at == b]) if whole[b] else np.full(reference.shape[1:], np.nan)
                       for b in range(len(blocks))])  # fmt: skip
    means, level = _key_means(values, blocks % 12, shared, MIN_VARIANCE_RATIO_MONTHS)
    months = means - nan_mean(values)
    others = np.where(months.any(axis=0), values - level - nan_mean(values), 0.0)
    return months, np.where(whole.reshape(-1, *(1,) * (values.ndim - 1)), others, months[blocks % 12])[at]


def _variance_ratio(within: Distances, between: Distances, n: Distances, shared: int | None) -> Distances:
    """Return the variance of the key means in units of what noise makes of it, (...): an F ratio, 1 without a season.

    *within* are the slices' deviations from their key's mean, (slices, ...); *between* the key means' deviations from
    the grand mean, and *n* the slices of every key, both (keys, ...).
    """
    rows = np.maximum(n.sum(axis=0) - len(n), 1)
    noise = np.nansum(within**2, axis=0) / rows * (len(n) - 1)
    signal = (n * between**2).sum(axis=0)
    if shared is not None:
        for part in (noise, signal):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(signal, noise, out=np.where(signal > 0, np.inf, 0.0), where=noise > 0))


def nan_mean(values: Distances) -> Distances:
    """Return the mean over the first axis without NaN; 0 where there is nothing but NaN."""
    n = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.maximum(n, 1))
