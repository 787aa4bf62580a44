"""Variation of a share between slices: what it is by chance, and how large a share may become with it."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.quality import between_slices


@pytest.mark.parametrize("correlation", [0.02, 0.1, 0.4])
def test_the_correlation_of_rows_is_estimated_with_a_margin(correlation: float) -> None:
    """Shares from a beta distribution of that variance: at least that, in most baselines, and no more than thrice."""
    rng, size, found = np.random.default_rng(1), 1 / correlation - 1, []
    for _ in range(200):
        share = rng.beta(0.1 * size, 0.9 * size, 60)
        found.append(between_slices.intraclass_correlation(rng.binomial(200, share), np.full(60, 200)))

    assert np.quantile(found, 0.2) > correlation
    assert np.median(found) < 2 * correlation


def test_independent_rows_have_none() -> None:
    """In 99 of 100 baselines, whatever the sizes of slices."""
    rng = np.random.default_rng(2)
    n = rng.integers(20, 2_000, (400, 60))
    found = [between_slices.intraclass_correlation(rng.binomial(k, 0.05), k) for k in n]

    assert np.mean(np.array(found) > 0) < 0.03


@pytest.mark.parametrize("x", [[0, 0, 0], [100, 100, 100], []])
def test_a_share_of_none_or_all_does_not_vary(x: list[int]) -> None:
    """Nor does one without slices."""
    assert between_slices.intraclass_correlation(np.array(x, int), np.full(len(x), 100)) == 0


@pytest.mark.parametrize("level", [0.1, 0.01, 0.001])
def test_a_share_is_exceeded_as_seldom_as_asked(level: float) -> None:
    """By rows of slices whose shares are drawn from the beta distribution."""
    rng = np.random.default_rng(3)
    x = rng.binomial(300, rng.beta(0.1 * 9, 0.9 * 9, 200_000))
    exceeded = np.mean(x / 300 > between_slices.largest_share(0.1, 0.1, 300, level))

    assert 0.5 * level < exceeded < 1.3 * level
