"""Between-window variance: what slices differ by beyond their rows, and how well it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitors.stats.between_windows import BetweenWindows, between_windows, stretches
from monitors.stats.distance import Distances

ROWS = 100


def spread(levels: Distances, window: int, *, row_variance: float = 1.0) -> BetweenWindows:
    """Return the estimate from slices of 100 independent rows around *levels*."""
    rng = np.random.default_rng(3)
    means = levels + rng.standard_normal(len(levels)) * math.sqrt(row_variance / ROWS)
    parts = stretches(np.full(len(levels), float(ROWS)), ROWS * means[:, None], window)
    return between_windows(parts, np.ones(1), row_variance)


def test_independent_rows_have_next_to_none() -> None:
    """A tenth of their own sampling variance at most, from 2,000 slices."""
    assert spread(np.zeros(2000), 1).variance < 0.1 / ROWS


def test_levels_of_slices_are_found() -> None:
    """Their variance; of the mean of four, a quarter of it."""
    levels = 0.3 * np.random.default_rng(1).standard_normal(2000)

    assert pytest.approx(0.09, rel=0.15) == spread(levels, 1).variance
    assert pytest.approx(0.09 / 4, rel=0.3) == spread(levels, 4).variance


def test_a_pattern_that_a_window_goes_through_is_no_variance_of_windows() -> None:
    """Weekdays differ, weeks do not."""
    weekdays = np.tile([0.0, 0.5, 0.5, 0.5, 0.5, 0.0, -1.0], 9)

    assert spread(weekdays, 7).variance < 0.02 * spread(weekdays, 1).variance


def test_levels_that_last_leave_more_open() -> None:
    """A baseline whose levels last is less sure of where they vary around, and a window of many slices no surer."""
    rng = np.random.default_rng(2)
    shuffled = np.repeat(0.3 * rng.standard_normal(10), 4)
    lasting, mixed = spread(shuffled, 3), spread(rng.permutation(shuffled), 3)

    assert lasting.variance > 1.5 * mixed.variance


def test_fewer_rows_leave_more_open_and_more_rows_no_less() -> None:
    """It is not known whether rows go together or levels differ."""
    levels = 0.3 * np.random.default_rng(1).standard_normal(60)
    known = spread(levels, 1)

    assert pytest.approx(2 * known.variance) == known.at(ROWS // 2)
    assert known.variance == known.at(ROWS * 10)


@pytest.mark.parametrize(("slices", "quantile"), [(20, 2.093), (60, 2.001), (4, 3.182)])
def test_few_slices_have_students_quantile(slices: int, quantile: float) -> None:
    """The variance is stretched by what makes 1.96 of it."""
    known = spread(np.zeros(slices), 1)

    assert pytest.approx((quantile / 1.95996) ** 2, rel=1e-3) == known.stretch


@pytest.mark.parametrize("slices", [0, 1])
def test_one_slice_says_nothing_of_slices(slices: int) -> None:
    """It is not estimated, and rows are taken as independent."""
    known = spread(np.zeros(slices), 1)

    assert (False, 0.0, 1.0) == (known.estimated, known.at(10), known.stretch)


def test_slices_without_rows_are_left_out() -> None:
    """They have no mean, and are no error."""
    rows = np.array([100.0, 0.0, 100.0, 100.0, 0.0])
    known = between_windows(stretches(rows, rows[:, None] * 0.5, 1), np.ones(1), 0.25)

    assert (True, 2.0, 100.0) == (known.estimated, known.degrees, known.rows)
