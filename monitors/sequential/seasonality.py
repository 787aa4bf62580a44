"""Slices know the hour, the weekday and the month: what a reference says of the calendar, and which of it to believe.

A calendar is taken away only where its means vary by more than noise makes them, and a reference slice is compared with
the *others* of its key: otherwise the reference would look tighter than what comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitors.stats.distance import Distances

Keys = npt.NDArray[np.int64]
HOUR, DAY, WEEK = 3_600_000, 86_400_000, 604_800_000
_THURSDAY = 3 * DAY
"""The epoch was a Thursday; weeks here start on Monday."""
MIN_SLICES_PER_KEY = 4
"""Reference slices that every hour or weekday must have before its mean is taken away."""
MIN_YEARS = 2
"""Years in which the reference must have each month: one year cannot tell its seasons from what merely happened."""
MIN_VARIANCE_RATIO = 1.5
"""Below this many times the variance that noise alone gives its means, a calendar is left in: it is small then, and to
take noise away makes the reference look tighter than what comes."""
MIN_VARIANCE_RATIO_MONTHS = 3.0
"""The same for months, of which there are as few as two each to tell noise by."""


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
    """Return the finest calendar of which the reference has every key :data:`MIN_SLICES_PER_KEY` times; "" if none."""
    for name, size in calendars(slide).items():
        seen = np.bincount(keys(name, starts, slide), minlength=size)
        if seen.min() >= MIN_SLICES_PER_KEY:
            return name
    return ""


@dataclass(frozen=True, eq=False)
class Season:
    """What a reference of series (slices, ...) knows of its *calendar* (one of :func:`calendars`) and of the months.

    *means* (keys, ...) hold the level by key, *months* (12, ...) what a month adds to it: 0 where that is not known.
    """

    calendar: str
    slide: int
    means: Distances
    months: Distances

    def level(self, start: int, series: Distances) -> Distances:
        """Return *series* of the slice at *start* (ms) less what the calendar explains."""
        at = np.array([start], np.int64)
        key, month = keys(self.calendar, at, self.slide)[0], _months(at)[0] % 12
        return np.asarray(series - self.months[month] - self.means[key])


def fit(reference: Distances, starts: Keys, slide: int, shared: int | None = None) -> tuple[Season, Distances]:
    """Return the season of *reference* (slices, ...), and the reference less what its other slices say of it.

    The series from *shared* on (along the last axis) have one calendar: many small ones, each fitted by itself, would
    make the reference look tighter than what comes.
    """
    months, offsets = _month_offsets(reference, starts, shared)
    rest, calendar = reference - offsets, choose(starts, slide)
    means, level = _key_means(rest, keys(calendar, starts, slide), shared)
    return Season(calendar, slide, means, months), level


def _key_means(
    values: Distances, key: Keys, shared: int | None, min_ratio: float = MIN_VARIANCE_RATIO
) -> tuple[Distances, Distances]:
    """Return the mean of every key, the grand one where keys do not differ, and *values* less that of the others."""
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
    """Return what each month adds to the level, and what to take from each reference slice: the month's *other* years.

    Months of different years are the observations: days of one month are no witnesses to what the month does.
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
    """Return by how many times deviations *between* keys, (keys, ...), exceed what the noise *within* makes of them."""
    rows = np.maximum(n.sum(axis=0) - len(n), 1)
    noise = np.nansum(within**2, axis=0) / rows * (len(n) - 1)
    signal = (n * between**2).sum(axis=0)
    if shared is not None:
        for part in (noise, signal):
            part[..., shared:] = part[..., shared:].sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(signal, noise, out=np.where(signal > 0, np.inf, 0.0), where=noise > 0))


def nan_mean(values: Distances) -> Distances:
    """Return the mean over the first axis of what is there (NaN is not); 0 where nothing is."""
    n = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.maximum(n, 1))
