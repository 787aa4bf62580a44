"""The likelihood ratio of slices: it is what matrices give, it is fair, and units, signs and zeros do no harm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from features.scoring import Floats
from retrain_flows.gate import evidence, likelihood_ratio
from tests.support.slices import autocorrelated

SEEDS = st.integers(0, 10_000)


def ratio(
    values: Floats, weights: Floats | None = None, rows: Floats | None = None, lags: Floats | None = None
) -> Floats:
    """Return the log likelihood ratio of slices, (..., slices), from the first on."""
    state = likelihood_ratio.begin(likelihood_ratio.empty(values.shape[:-1]))
    for k in range(values.shape[-1]):
        own = 1.0 if rows is None else float(rows[k])
        state = likelihood_ratio.add(state, values[..., k], own, 1 if lags is None else int(lags[k]))
    weights = evidence.memory_weights(None) if weights is None else weights
    return likelihood_ratio.log_ratios(state, weights)[..., 0]


def only(phi: float, share: float) -> Floats:
    """Return weights that are all on one memory."""
    return np.array([float(memory == (phi, share)) for memory in likelihood_ratio.MEMORIES])


@pytest.mark.parametrize(("phi", "share"), [(0.0, 1.0), (0.6, 1.0), (0.8, 0.5), (0.0, 0.0)])
def test_it_is_the_ratio_of_marginal_densities(phi: float, share: float) -> None:
    """By integration over spread and mean, with the covariance of slices of unequal rows that lie unequally apart."""
    values = autocorrelated(1, 6, 0.4)[0] - 0.3
    lags = np.array([1, 1, 3, 1, 2, 1])
    at = np.cumsum(lags)
    distance = np.abs(at[:, None] - at)
    rows = np.array([1.0, 0.2, 2.0, 1.0, 3.0, 0.5])
    covariance = share * phi**distance + (1 - share) * np.diag(1 / rows)
    law = stats.multivariate_normal(np.zeros(6), covariance)

    def marginal(mean_in_sd: float) -> float:
        def density(sd: float) -> float:
            return float(law.pdf(values / sd - mean_in_sd)) / sd**7

        return integrate.quad(density, 0.05, 40, limit=300)[0]

    means = np.linspace(0, 8, 161)
    densities = np.array([marginal(-m) for m in means])
    prior = np.mean([stats.halfnorm(scale=s).pdf(means) for s in likelihood_ratio.EFFECTS], axis=0)
    expected = np.log(integrate.simpson(densities * prior, x=means) / marginal(0))
    assert float(ratio(values, only(phi, share), rows, lags)) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_it_is_rarely_large(phi: float) -> None:
    """It exceeds c in at most 1 / c of 40,000 series whose mean is 0 (Markov's inequality): no bet on it pays."""
    ratios = np.exp(ratio(autocorrelated(40_000, 8, phi), only(phi, 1.0)))
    assert all((ratios >= c).mean() <= 1 / c for c in (1, 2, 5, 20, 100))


@given(SEEDS, st.floats(1e-6, 1e6))
def test_the_unit_does_not_matter(seed: int, scale: float) -> None:
    """Losses may be in any unit."""
    values = autocorrelated(1, 9, 0.3, seed=seed)[0]
    assert float(ratio(scale * values)) == pytest.approx(float(ratio(values)), abs=1e-6)


@given(SEEDS)
def test_the_other_side_is_that_of_negative_slices(seed: int) -> None:
    """The models may change places."""
    values, weights = autocorrelated(1, 9, 0.3, seed=seed)[0], evidence.memory_weights(None)
    state = likelihood_ratio.begin(likelihood_ratio.empty())
    for value in values:
        state = likelihood_ratio.add(state, value)
    mirrored = likelihood_ratio.log_ratios(likelihood_ratio.mirrored(state), weights)
    assert mirrored[0] == pytest.approx(float(ratio(-values)))


def test_each_start_forgets_what_was_before_it() -> None:
    """A later start is what one alone from there would be."""
    values = autocorrelated(1, 12, 0.3)[0]
    state = likelihood_ratio.begin(likelihood_ratio.empty())
    for k, value in enumerate(values):
        state = likelihood_ratio.begin(state) if k == 7 else state
        state = likelihood_ratio.add(state, value)
    both = likelihood_ratio.log_ratios(state, evidence.memory_weights(None))
    assert both == pytest.approx([float(ratio(values)), float(ratio(values[7:]))])


def test_slices_that_are_alike_say_nothing() -> None:
    """Two models with the same answers: no division by 0, and no evidence on either side."""
    assert float(ratio(np.zeros(14))) < 0
    assert np.isfinite(ratio(np.full(300, -0.1)))
