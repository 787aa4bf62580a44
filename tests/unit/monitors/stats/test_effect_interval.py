"""Effect intervals: coverage as stated, in small windows too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.stats import distance_interval, effect_interval, stacked_windows, threshold
from monitors.stats.bins import Counts
from monitors.stats.distance import js_distance_log2

TEN = np.full(10, 0.1)
ZIPF = (1 / np.arange(1, 21)) / (1 / np.arange(1, 21)).sum()
BIAS, SCALE = 0.001, 0.0001


def tilted(shares: np.ndarray, by: float | np.ndarray) -> np.ndarray:
    """Return *shares* tilted towards their later cells."""
    raised = shares * np.exp(np.multiply.outer(by, np.linspace(-1, 1, len(shares))))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def interval(known: threshold.ReferenceWindows, window: Counts) -> tuple[float, float]:
    """Return the interval of the distance of one variable's window."""
    reference, rows = stacked_windows.StackedWindows([known]), window[None]
    chance = reference.chance(rows.sum(axis=1), np.array([True]))
    distance = np.atleast_1d(js_distance_log2(known.total, window))
    (low,), (high,) = distance_interval.between(reference, rows, distance, chance)
    return low, high


def covered(shares: np.ndarray, rows: int, by: float, wobble: float) -> float:
    """Return how often the interval holds the long-run distance, of 240 windows of tilted *shares*, eight a baseline.

    A baseline has 20 slices of as many rows as the window; the tilt of each slice, and the window's, wobbles.
    """
    rng = np.random.default_rng(1)
    long_run = [tilted(shares, by + wobble * rng.standard_normal(20_000)).mean(axis=0) for by in (0.0, by)]
    true, held = float(js_distance_log2(*(np.rint(s * 1e9).astype(np.int64) for s in long_run))), []
    for _ in range(30):
        slices: Counts = rng.multinomial(rows, tilted(shares, wobble * rng.standard_normal(20)))
        known = threshold.reference_windows(slices, list(range(len(shares))), length=1, level=0.01)
        windows: Counts = rng.multinomial(rows, tilted(shares, by + wobble * rng.standard_normal(8)))
        held += [low <= true <= high for low, high in (interval(known, w) for w in windows)]
    return float(np.mean(held))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "rows", "by"), [(TEN, 100, 0.1), (TEN, 1000, 1.0), (ZIPF, 1000, 0.1), (ZIPF, 100, 1.0)]
)
def test_the_interval_holds_the_true_distance(shares: np.ndarray, rows: int, by: float) -> None:
    """In 92 of 100 windows of independent rows at least, whatever the size of the effect."""
    assert covered(shares, rows, by, 0.0) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize(("shares", "by"), [(TEN, 0.0), (TEN, 0.4), (ZIPF, 1.0)])
def test_the_interval_holds_it_where_slices_differ(shares: np.ndarray, by: float) -> None:
    """In 90 of 100 windows at least, where levels of slices wobble; by sampling alone it would be half of them."""
    assert covered(shares, 200, by, 0.25) >= 0.9


@given(st.floats(0, 0.9), st.floats(0, 0.1), st.floats(0, 0.01))
def test_a_larger_distance_has_no_lower_interval(distance: float, more: float, excess: float) -> None:
    """Both ends rise with what was measured; the lower end is never below nothing."""
    near, far = (effect_interval.distance_interval(d, BIAS + excess, SCALE) for d in (distance, distance + more))

    assert 0 <= near[0] <= near[1]
    assert near[0] <= far[0] + 1e-6
    assert near[1] <= far[1] + 1e-6


@given(st.floats(0, 0.9), st.floats(1e-5, 0.01))
def test_unrest_lowers_the_lower_end(distance: float, excess: float) -> None:
    """What the baseline's own windows differ by is taken off: less is sure than by sampling alone."""
    unrest = effect_interval.distance_interval(distance, BIAS + excess, SCALE + excess)
    assert unrest[0] <= effect_interval.distance_interval(distance, BIAS, SCALE)[0] + 1e-9


def test_without_noise_the_distance_is_what_it_is() -> None:
    """One cell that holds everything leaves nothing open."""
    assert (0.3, 0.3) == effect_interval.distance_interval(0.3, 0.0, 0.0)


def test_the_normal_part_meets_the_exact_one() -> None:
    """Where quantiles go over from the non-central chi-square to the normal nothing jumps."""
    at = np.sqrt(effect_interval.NORMAL_FROM * SCALE)
    below, beyond = (effect_interval.distance_interval(float(at * f), BIAS, SCALE) for f in (0.9999, 1.0001))

    assert below == pytest.approx(beyond, rel=2e-3)


def test_windows_that_have_nothing_in_common_are_as_far_apart_as_can_be() -> None:
    """Slices that differ as much as slices can leave everything open, and are no error."""
    slices = 50 * np.eye(12, dtype=np.int64)
    known = threshold.reference_windows(slices, list(range(12)), length=2, level=0.01)
    low, high = interval(known, np.eye(12, dtype=np.int64)[11] * 100)

    assert 0.0 <= low <= high <= 1.0


def test_a_rise_that_is_well_known_is_a_normal_one() -> None:
    """1.96 standard errors to either side, of a small relative error."""
    assert (0.1 - 1.96 * 0.0055, 0.1 + 1.96 * 0.0055) == pytest.approx(
        effect_interval.rise_interval(0.1, 1.25e-5, 1.25e-5), abs=2e-4
    )


@given(st.floats(-0.99, 5), st.floats(0, 4), st.floats(0, 0.5))
def test_a_loss_cannot_fall_below_nothing(rise: float, window: float, baseline: float) -> None:
    """The interval holds what was measured, and its lower end is a loss of 0 at least."""
    low, high = effect_interval.rise_interval(rise, window, baseline)

    assert -1 <= low <= rise + 1e-9
    assert rise - 1e-9 <= high
