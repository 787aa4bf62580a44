"""The change point of a loss: found where it is, silent where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from retrain_flows.training.change_point import change_point, rise


@pytest.mark.parametrize("at", [4, 20, 36])
def test_a_change_is_found_where_it_is(at: int) -> None:
    """Within its own uncertainty, which is narrow for a large change."""
    values = np.random.default_rng(at).normal(1.0, 0.1, 40)
    values[at:] += 0.5
    change = change_point(values, np.full(40, 100.0))
    assert change is not None
    assert change.significant
    assert change.low <= at <= change.high
    assert abs(change.index - at) <= 1


def test_no_change_is_rarely_significant() -> None:
    """At most about 5 % of series of independent slices, with the two ends tried as well."""
    rng = np.random.default_rng(1)
    changes = [change_point(rng.normal(size=40), np.ones(40)) for _ in range(400)]
    assert np.mean([change is not None and change.significant for change in changes]) < 0.10


def test_a_slice_counts_by_its_rows() -> None:
    """A few odd rows move nothing: a slice of one row is no change of the mean."""
    values = np.r_[np.random.default_rng(2).normal(1.0, 0.1, 36), np.full(4, 1.5)]
    heavy, light = (change_point(values, np.r_[np.full(36, 1000.0), np.full(4, n)]) for n in (1000.0, 1.0))
    assert heavy is not None
    assert light is not None
    assert (36, True, False) == (heavy.index, heavy.significant, light.significant)


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [2.0] * 30])
def test_too_few_or_equal_slices_have_none(values: list[float]) -> None:
    """Nothing can be estimated."""
    assert change_point(np.array(values), np.ones(len(values))) is None


@pytest.mark.parametrize("loss", [0.1, 1 / 3, float(np.log(2)), 1e-3, 1e6])
def test_the_rounding_of_means_is_no_change(loss: float) -> None:
    """A model that answers the same to all rows may have one loss, whose means differ in their last digits."""
    rows = np.random.default_rng(7).integers(1, 200, 60)
    means = np.array([np.full(n, loss).sum() / n for n in rows])
    assert change_point(means, rows.astype(np.float64)) is None
    assert rise(means, rows.astype(np.float64)) is None


def test_the_uncertainty_grows_with_the_noise() -> None:
    """The same change among noisier slices could be in more places."""
    noise = np.random.default_rng(5).normal(size=60)
    step = np.r_[np.zeros(30), np.ones(30)]
    sharp, vague = (change_point(step + sd * noise, np.ones(60)) for sd in (0.1, 1.0))
    assert sharp is not None
    assert vague is not None
    assert sharp.high - sharp.low < vague.high - vague.low
    assert sharp.statistic > vague.statistic


@pytest.mark.parametrize("rises", [True, False])
def test_a_rise_is_found_behind_a_fall(*, rises: bool) -> None:
    """One that is longer than the rise too; a fall alone is none."""
    noise = np.random.default_rng(3).normal(0, 0.05, 53)
    levels = np.repeat([1.8, 0.4, 1.8 if rises else 0.4], [22, 22, 9])
    assert (44 if rises else None) == rise(levels + noise, np.ones(53))
