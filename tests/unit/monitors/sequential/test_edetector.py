"""E-detectors: bets have mean one on uniform ranks, on which the false-alarm guarantee rests; checked exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.sequential import edetector

SCORES = st.lists(st.integers(-3, 3), min_size=2, max_size=30)


@pytest.mark.parametrize("reference", [19, 59, 199])
def test_bets_have_mean_one(reference: int) -> None:
    """Over p-values that are uniform on a grid which every tail meets exactly, each bet pays 1 on average."""
    cells = 20 * (reference + 1)
    paid = np.exp(edetector.log_bets((np.arange(cells) + 0.5) / cells, reference))

    assert np.ones(5) == pytest.approx(paid.mean(axis=0), abs=1e-12)


@given(st.integers(2, 5000))
def test_bets_have_mean_one_whatever_the_reference(reference: int) -> None:
    """A bet pays one sum in its tail and another outside; weighed by their chances they are 1."""
    q = edetector.tail_probabilities(reference)
    inside, outside = (np.exp(edetector.log_bets(np.array(p), reference)) for p in (0.0, 1.0))

    assert np.ones(5) == pytest.approx(q * inside + (1 - q) * outside)


def test_the_smallest_rank_of_sixty_pays_thirty_times() -> None:
    """Half of the capital is staked on it, and the chance of it is 1 in 60."""
    assert [30.5, 10.5, 10.5, 3.27, 1.45] == np.exp(edetector.log_bets(np.array(0.5 / 60), 59)).round(2).tolist()


@given(SCORES, st.floats(0, 1))
def test_ranks_of_exchangeable_scores_are_uniform(scores: list[int], level: float) -> None:
    """Whichever of some scores came last, ties among them or not: over all of these a p-value is exactly uniform."""
    values, below = np.array(scores, float), []
    for k, score in enumerate(values):
        bag = np.delete(values, k)
        low, high = (float(edetector.p_values(score, bag, np.array(u))) for u in (0.0, 1.0))
        below.append(np.clip((level - low) / (high - low), 0, 1))

    assert level == pytest.approx(np.mean(below), abs=1e-9)


@given(SCORES, st.floats(0, 0.999), st.integers(-4, 4), st.integers(0, 4))
def test_a_score_further_away_has_no_larger_p_value(scores: list[int], tie: float, score: int, more: int) -> None:
    """Monotone in the effect, with ties broken alike."""
    bag = np.array(scores, float)
    near, far = (edetector.p_values(np.array(float(s)), bag, np.array(tie)) for s in (score, score + more))

    assert far <= near


def test_what_is_not_there_has_no_rank() -> None:
    """A missing score has no p-value and places no bet; missing ones in the bag do not count."""
    bag = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 5.0]])
    p = edetector.p_values(np.array([np.nan, 5.0]), bag, np.array([0.5, 0.5]))

    assert [True, False] == np.isnan(p).tolist()
    assert 0.5 == p[1]
    assert [0.0] * 5 == edetector.log_bets(p, 60)[0].tolist()


@given(st.lists(st.floats(0.1, 40), min_size=1, max_size=20))
def test_a_detector_is_the_sum_over_all_starts(values: list[float]) -> None:
    """``M`` is the sum over every moment at which a change may have begun of the product of bets since."""
    log_m = np.array(-np.inf)
    for e in values:
        log_m = edetector.step(log_m, np.log(e), np.array(True))

    assert sum(np.prod(values[k:]) for k in range(len(values))) == pytest.approx(float(np.exp(log_m)))


@given(st.floats(0, 1e6))
def test_a_detector_grows_by_one_on_average(m: float) -> None:
    """Under uniform p-values the next ``M`` is ``M + 1`` in the mean: so it takes A slices to reach A."""
    with np.errstate(divide="ignore"):
        log_m = np.log(np.full((60, 5), m))
    after = edetector.step(log_m, edetector.log_bets((np.arange(60) + 0.5) / 60, 59), np.ones((60, 1), bool))

    assert np.full(5, m + 1) == pytest.approx(np.exp(after).mean(axis=0))


def test_a_detector_that_saw_nothing_stays() -> None:
    """Where no slice was seen, neither the bet nor the 1 is added."""
    assert [0.5, float(np.log(2 * np.e))] == pytest.approx(
        edetector.step(np.array([0.5, 0.0]), np.array([1.0, 1.0]), np.array([False, True]))
    )


def test_a_mean_of_detectors_minds_no_order() -> None:
    """The log of the mean of ``M`` over one axis or several, zeros among them."""
    m = np.random.default_rng(1).lognormal(size=(3, 4, 5))
    m[0, 0] = 0
    with np.errstate(divide="ignore"):
        log_m = np.log(m)

    assert np.log(m.mean(axis=(1, 2))) == pytest.approx(edetector.log_mean(log_m, axis=(1, 2)))
    assert edetector.log_mean(log_m, axis=(1, 2)) == pytest.approx(edetector.log_mean(log_m[:, ::-1], axis=(2, 1)))
    assert np.log(m.mean(axis=2)[0, 1:]) == pytest.approx(edetector.log_mean(log_m, axis=2)[0, 1:])
