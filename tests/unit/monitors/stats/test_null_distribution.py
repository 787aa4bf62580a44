"""Null distribution of a distance: checked against theory where there is one, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitors.stats import distance, null_distribution

TEN = (0.1,) * 10


def test_large_samples_meet_the_chi_square() -> None:
    """Far from empty cells, 8 ln 2 JS squared over (1/n + 1/m) is chi-square with cells - 1 degrees of freedom."""
    for level in (0.1, 0.01, 0.001):
        found = null_distribution.at_sizes(distance.js_distance_log2, TEN, n=20_000, m=50_000, level=level).quantile
        scaled = found**2 * 8 * np.log(2) / (1 / 20_000 + 1 / 50_000)
        assert pytest.approx(stats.chi2.isf(level, 9), rel=0.08) == scaled


def test_psi_has_its_own_scale() -> None:
    """PSI is a square already: (cells - 1)(1/n + 1/m) on average, chi-square in shape."""
    found = null_distribution.at_sizes(distance.psi, TEN, n=20_000, m=50_000, level=0.01)
    unit = 1 / 20_000 + 1 / 50_000
    assert pytest.approx(9 * unit, rel=0.03) == found.mean_square
    assert pytest.approx(stats.chi2.isf(0.01, 9) * unit, rel=0.05) == found.quantile


def test_ks_meets_kolmogorov() -> None:
    """On many cells the 5 % quantile of KS is Kolmogorov's 1.358 sqrt(1/n + 1/m)."""
    found = null_distribution.at_sizes(distance.ks, (0.005,) * 200, n=2000, m=2000, level=0.05).quantile
    assert pytest.approx(1.358 * np.sqrt(2 / 2000), rel=0.05) == found


@pytest.mark.parametrize("shares", [TEN, (0.98, 0.02), tuple((1 / np.arange(1, 31)).round(4).tolist())])
@pytest.mark.parametrize(("n", "m"), [(60, 5000), (1100, 5000), (1000, 300)])
def test_fresh_draws_exceed_the_line_as_often_as_asked(shares: tuple[float, ...], n: int, m: int) -> None:
    """At 1 in 1,000, an extrapolated level, 40,000 new windows exceed the line at most 2.5 times as often."""
    rng, p = np.random.default_rng(20), np.array(shares) / sum(shares)
    line = null_distribution.at_sizes(distance.js_distance_log2, shares, n=n, m=m, level=0.001).quantile
    drawn = distance.js_distance_log2(rng.multinomial(m, p, 40_000), rng.multinomial(n, p, 40_000))
    assert (drawn > line).mean() < 0.0025


def test_smaller_windows_need_a_higher_line() -> None:
    """The line falls with the size of the window, and with the level."""
    by_size = [
        null_distribution.at_sizes(distance.js_distance_log2, TEN, n=n, m=5000, level=0.01).quantile
        for n in (30, 100, 1000)
    ]
    assert sorted(by_size, reverse=True) == by_size
    by_level = [
        null_distribution.at_sizes(distance.js_distance_log2, TEN, n=100, m=5000, level=a).quantile
        for a in (0.1, 1e-2, 1e-4)
    ]
    assert sorted(by_level) == by_level


def test_the_same_question_has_the_same_answer() -> None:
    """No hidden state: emptying the cache and asking again gives the same numbers, bit for bit."""
    first = null_distribution.at_sizes(distance.js_distance_log2, TEN, n=321, m=4321, level=0.001)
    null_distribution._draw.cache_clear()
    assert first == null_distribution.at_sizes(distance.js_distance_log2, TEN, n=321, m=4321, level=0.001)


def test_windows_of_about_one_size_share_the_draws() -> None:
    """A stream whose windows vary by some per cent asks the Monte Carlo once."""
    null_distribution._draw.cache_clear()
    for n in range(1000, 1100, 10):
        null_distribution.at_sizes(distance.js_distance_log2, TEN, n=n, m=5000, level=0.001)
    assert 1 == null_distribution._draw.cache_info().misses


def test_variables_of_nearly_the_same_shares_share_a_null() -> None:
    """Draws are made once for shares and sizes to the half octave, so that segments do not each need their own."""
    null_distribution.at_sizes(distance.js_distance_log2, (0.1,) * 10, n=100, m=6000, level=0.01)
    drawn = null_distribution._draw.cache_info().misses
    near = tuple(0.1 + 0.001 * k for k in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5))
    null_distribution.at_sizes(distance.js_distance_log2, near, n=104, m=6100, level=0.01)

    assert drawn == null_distribution._draw.cache_info().misses


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n", [60, 700])
def test_a_shared_null_is_near_the_variables_own(power: float, n: int) -> None:
    """Its quantile at .01 is within 5 % of that by draws at the very shares and sizes, on 14 cells."""
    shares = np.arange(1.0, 15.0) ** -power * np.random.default_rng(4).uniform(0.7, 1.4, 14)
    own = tuple(shares / shares.sum())
    *_, square = null_distribution._draw(distance.js_distance_log2, own, n, 5 * n, 0.01)
    shared = null_distribution.at_sizes(distance.js_distance_log2, own, n=n, m=5 * n, level=0.01)

    assert shared.quantile == pytest.approx(square**0.5, rel=0.05)
