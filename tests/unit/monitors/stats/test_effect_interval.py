"""Effect intervals: coverage as stated, in small windows too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.stats import effect_interval, null_distribution
from monitors.stats.distance import js_distance_log2
from monitors.stats.null_distribution import NullDistribution

TEN = np.full(10, 0.1)
ZIPF = (1 / np.arange(1, 21)) / (1 / np.arange(1, 21)).sum()
NOISE = NullDistribution(mean_square=0.001, variance_square=2e-7, quantile=0.046)


def tilted(shares: np.ndarray, by: float) -> np.ndarray:
    """Return *shares* tilted towards their later cells."""
    raised = shares * np.exp(by * np.linspace(-1, 1, len(shares)))
    return np.asarray(raised / raised.sum())


@pytest.mark.parametrize("shares", [TEN, ZIPF])
@pytest.mark.parametrize("rows", [100, 1000])
@pytest.mark.parametrize("by", [0.1, 0.4, 1.0])
def test_the_interval_holds_the_true_distance(shares: np.ndarray, rows: int, by: float) -> None:
    """In 93 to 99 of 100 windows, beside a baseline of 20,000 rows, whatever the size of the effect."""
    rng, base, window = np.random.default_rng(1), 20_000, tilted(shares, by)
    true = float(js_distance_log2(shares * 1e9, window * 1e9))
    held = 0
    for _ in range(300):
        p, q = rng.multinomial(base, shares), rng.multinomial(rows, window)
        chance = null_distribution.at_sizes(js_distance_log2, tuple(shares.round(4)), n=rows, m=base, level=0.01)
        low, high = effect_interval.distance_interval(float(js_distance_log2(p, q)), chance)
        held += low <= true <= high

    assert 0.93 <= held / 300 <= 0.995


@given(st.floats(0, 0.9), st.floats(0, 0.1), st.floats(0, 0.01))
def test_a_larger_distance_has_no_lower_interval(distance: float, more: float, excess: float) -> None:
    """Both ends rise with what was measured; the lower end is never below nothing."""
    near, far = (effect_interval.distance_interval(d, NOISE, excess) for d in (distance, distance + more))

    assert 0 <= near[0] <= near[1]
    assert near[0] <= far[0] + 1e-6
    assert near[1] <= far[1] + 1e-6


@given(st.floats(0, 0.9), st.floats(1e-5, 0.01))
def test_unrest_lowers_the_lower_end(distance: float, excess: float) -> None:
    """What the baseline's own windows differ by is taken off: less is sure than by sampling alone."""
    assert (
        effect_interval.distance_interval(distance, NOISE, excess)[0]
        <= effect_interval.distance_interval(distance, NOISE)[0] + 1e-9
    )


def test_without_noise_the_distance_is_what_it_is() -> None:
    """One cell that holds everything leaves nothing open."""
    assert (0.3, 0.3) == effect_interval.distance_interval(0.3, NullDistribution(0.0, 0.0, 0.0))


def test_the_normal_part_meets_the_exact_one() -> None:
    """Where quantiles go over from the non-central chi-square to the normal nothing jumps."""
    s = NOISE.variance_square / (2 * NOISE.mean_square)
    at = np.sqrt(effect_interval.NORMAL_FROM * s)
    below, beyond = (effect_interval.distance_interval(float(at * f), NOISE) for f in (0.9999, 1.0001))

    assert below == pytest.approx(beyond, rel=2e-3)


def test_a_rise_and_its_standard_errors() -> None:
    """1.96 of them to either side, relative to the mean."""
    assert (0.1 - 1.96 * 0.02, 0.1 + 1.96 * 0.02) == pytest.approx(
        effect_interval.rise_interval(0.1, variance=0.0001, mean=0.5), abs=1e-4
    )
