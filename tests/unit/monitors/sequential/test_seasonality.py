"""Yearly seasonality: removed where several years agree on it, left in otherwise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from monitors.sequential import seasonality
from monitors.sequential.seasonality import DAY, WEEK

Floats = npt.NDArray[np.float64]
JANUARY_2021 = 18_628 * DAY  # a Friday


def starts(days: int) -> npt.NDArray[np.int64]:
    """Return the starts of *days* slices of a day from January 2021 on."""
    return JANUARY_2021 + DAY * np.arange(days)


def month(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the month (0 to 11) of each start."""
    return at.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) % 12


def yearly(days: int, seed: int = 1) -> Floats:
    """Return noise of sd 1 that summer lifts by 10 and winter lowers."""
    summer = -10 * np.cos(2 * np.pi * month(starts(days)) / 12)
    return np.asarray(np.random.default_rng(seed).standard_normal((days, 1)) + summer[:, None])


def test_two_years_know_the_season() -> None:
    """What is left of them is noise, and so is what is left of the third year."""
    series, at = yearly(3 * 365), starts(3 * 365)
    known, level = seasonality.fit(series[: 2 * 365], at[: 2 * 365], DAY)
    later = np.concatenate([known.level(int(t), s) for t, s in zip(at[730:], series[730:], strict=True)])

    assert 1 == pytest.approx(level.std(), abs=0.1)
    assert 1 == pytest.approx(later.std(), abs=0.1)
    assert 10 == pytest.approx(known.months.max(), abs=0.5)


def test_one_year_does_not() -> None:
    """It cannot tell a season from what merely happened: all of it stays, and is told as a long memory."""
    known, level = seasonality.fit(yearly(365), starts(365), DAY)

    assert not known.months.any()
    assert level.std() > 5


def test_years_that_disagree_know_no_season() -> None:
    """A level that moved from one year to the next, and months that differ by chance, are left in."""
    rng = np.random.default_rng(2)
    moved = np.repeat(rng.standard_normal((26, 200)), 28, axis=0)[:725]  # months are lifted, each year otherwise
    known, _ = seasonality.fit(moved + rng.standard_normal(moved.shape), starts(725 + 5)[:725], DAY)

    assert (known.months != 0).any(axis=0).mean() < 0.25


def test_a_month_is_compared_with_its_other_years() -> None:
    """A reference month that ran away keeps its distance: it is no witness for itself."""
    series = yearly(730)
    series[month(starts(730)) == 6] += 20
    series[:365][month(starts(365)) == 6] += 5
    _, level = seasonality.fit(series, starts(730), DAY)
    first, second = (level[part][month(starts(365)) == 6].mean() for part in (slice(365), slice(365, 730)))

    assert 5 == pytest.approx(first, abs=0.6)
    assert -5 == pytest.approx(second, abs=0.6)


def test_weeks_have_months_too() -> None:
    """Slices of a week belong to the month in which they begin; a month has four of them."""
    at = JANUARY_2021 + WEEK * np.arange(105)
    summer = -10 * np.cos(2 * np.pi * month(at) / 12)[:, None]
    known, level = seasonality.fit(np.random.default_rng(3).standard_normal((105, 1)) + summer, at, WEEK)

    assert ("", True) == (known.calendar, bool(known.months.any()))
    assert level.std() < 2
