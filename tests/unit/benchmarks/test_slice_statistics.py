"""Statistics of slices in the power benchmark are what their names say."""

from __future__ import annotations

import numpy as np
from scipy import stats

from benchmarks import slice_statistics
from benchmarks.changes import count

REFERENCE, AFTER, ROWS = 12, 6, 40


def _gain(known: np.ndarray, newest: np.ndarray, sd: float) -> float:
    """Return by how much two means fit better than one, as a log likelihood."""

    def fit(x: np.ndarray) -> float:
        return float(stats.norm.logpdf(x, x.mean(), sd).sum())

    return fit(known) + fit(newest) - fit(np.concatenate([known, newest]))


def test_the_likelihood_ratio_is_the_largest_over_all_starts() -> None:
    """It is what a mean of its own gains for the slices since a start, the reference's mean being estimated too."""
    series = np.random.default_rng(1).normal(size=(REFERENCE + AFTER, 1))
    series[-3:] += 2
    known, sd = series[:REFERENCE, 0], series[:REFERENCE, 0].std(ddof=1)
    expected = [
        max(_gain(known, series[REFERENCE + start : REFERENCE + t, 0], sd) for start in range(t))
        for t in range(1, AFTER + 1)
    ]

    found = slice_statistics.glr(series, REFERENCE)[:, 0]

    np.testing.assert_allclose(found, expected)


def test_upwards_only_a_fall_is_nothing() -> None:
    """A mean that falls has no likelihood ratio for having risen."""
    series = np.random.default_rng(2).normal(size=(REFERENCE + AFTER, 1))
    series[REFERENCE:] = series[:REFERENCE].min() - 1

    found = slice_statistics.glr(series, REFERENCE, both=False)

    assert (found == 0).all()
    assert (slice_statistics.glr(series, REFERENCE) > 0).all()


def test_moments_are_those_of_the_rows() -> None:
    """Means, and mean squares of what rows are off the reference's mean."""
    cells = np.random.default_rng(3).integers(5, size=(REFERENCE + AFTER, ROWS, 1))
    values = np.array([[-2.0, 0.0, 1.0, 3.0, 4.0]])
    rows = values[0][cells[..., 0]]

    found = slice_statistics.moments(count(cells, 5), values, REFERENCE)

    np.testing.assert_allclose(found[:, 0], rows.mean(axis=1))
    np.testing.assert_allclose(found[:, 1], ((rows - rows[:REFERENCE].mean()) ** 2).mean(axis=1))


def test_cramer_and_von_mises_distance_is_of_four_slices() -> None:
    """It is the mean over the reference's rows of the squared difference of both distribution functions."""
    cells = np.random.default_rng(4).integers(5, size=(REFERENCE + AFTER, ROWS, 1))
    known, newest = cells[:REFERENCE].ravel(), cells[REFERENCE + AFTER - 4 :].ravel()
    apart = [(newest <= x).mean() - (known <= x).mean() for x in known]

    found = slice_statistics.cramer_von_mises(count(cells, 5), REFERENCE)

    np.testing.assert_allclose(found[-1, 0], len(newest) * np.mean(np.square(apart)))
