"""E-detectors: bets have mean one on uniform ranks, on which the false-alarm guarantee rests; checked exactly."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitors.sequential import aged_bets, edetector
from monitors.stats.distance import Distances

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


@pytest.mark.parametrize(("reference", "ranked_among"), [(20, 20), (59, 60), (60, 93), (200, 500)])
def test_all_bets_pay_one_on_average(reference: int, ranked_among: int) -> None:
    """Over uniform p-values; and the smaller the p-value, the more is paid."""
    borders, table = edetector.payoffs(reference, ranked_among)

    assert np.ones(edetector.BETS) == pytest.approx(np.diff(borders) @ table, abs=1e-12)
    assert np.diff(table, axis=0).max() < 1e-9
    assert edetector.WEIGHTS[:5].sum() + edetector.WEIGHTS[5 :: len(aged_bets.AGES)].sum() == pytest.approx(1)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_a_detector_is_the_sum_over_all_starts(ranks: list[int]) -> None:
    """``M`` is the sum over every moment at which a change may have begun of the product of bets since."""
    p = (np.array(ranks) - 0.5) / 20
    m, paid = np.zeros(edetector.BETS), np.exp(edetector.log_bets(p, 20))
    for value in p:
        m = edetector.step(m, np.array(value), 20, 20)

    assert sum(np.prod(paid[k:], axis=0) for k in range(len(paid))) == pytest.approx(m[:5])


@given(st.floats(0, 300), st.integers(0, 6), st.floats(0.5, 1), st.sampled_from([20, 60, 200]))
def test_a_detector_grows_by_one_on_average(m: float, age: int, retention: float, reference: int) -> None:
    """Under uniform p-values the next ``M`` is ``M + 1`` in the mean, whatever the line: so the line A takes A slices.

    Of evidence that is lost from slice to slice, that much less.
    """
    before = np.zeros(edetector.BETS)
    before[[0, 5 + age]] = m
    borders, _ = edetector.payoffs(reference, reference)
    p = ((borders[1:] + borders[:-1]) / 2)[:, None]
    for line in (None, np.array(20.0), np.array(400.0)):
        after = edetector.step(np.tile(before, (len(p), 1, 1)), p, reference, reference,
                               retention=retention, lines=line)  # fmt: skip
        paid = np.diff(borders) @ edetector.evidence(after)[:, 0]

        assert retention * (before @ edetector.WEIGHTS + 1) == pytest.approx(paid)


@given(st.floats(0, 300), st.floats(5, 400))
def test_a_detector_that_reaches_the_line_stops_there(m: float, line: float) -> None:
    """What is beyond would be lost with the alarm; below the line, each p-value pays at least what it did."""
    p = np.linspace(0.001, 1, 50)
    before = np.full((50, edetector.BETS), m / edetector.WEIGHTS.sum())
    plain, paid = (edetector.evidence(edetector.step(before, p, 60, 60, lines=of)) for of in (None, np.array(line)))
    exceeded = edetector.evidence(before[0]) + 1 >= line

    assert exceeded or paid.max() <= line * (1 + 1e-6)
    assert (paid >= np.minimum(plain, line) * (1 - 1e-9)).all()


@pytest.mark.parametrize("reference", [2, 3, 4])
def test_over_all_orders_a_detector_is_as_large_as_the_time(reference: int) -> None:
    """Exactly: over all orders of six values, ranks are uniform given those before, and M after k slices is k.

    With what a step is in the mean (above) that is all that the guarantee of one score rests on.
    """
    orders, ranks, total = list(permutations(range(6))), Counter[tuple[int, ...]](), np.zeros(6 - reference)
    for order in orders:
        values, m, seen = np.array(order), np.zeros(edetector.BETS), list[int]()
        for k in range(reference, 6):
            seen.append(int((values[:k] > values[k]).sum()))
            m = _on_average(m, seen[-1], reference, k)
            total[k - reference] += edetector.evidence(m) / len(orders)
        ranks[tuple(seen)] += 1

    assert len(set(ranks.values())) == 1
    assert len(ranks) == np.prod(np.arange(reference + 1, 7))
    assert np.arange(1, 7 - reference) == pytest.approx(total)


def _on_average(m: Distances, further: int, reference: int, size: int) -> Distances:
    """Return the next detectors in the mean over ties: a p-value is uniform between two multiples of 1 / (size + 1)."""
    borders, _ = edetector.payoffs(reference, size)
    low, high = further / (size + 1), (further + 1) / (size + 1)
    width = np.diff(np.clip(borders, low, high)) * (size + 1)
    after = edetector.step(np.tile(m, (len(width), 1)), (borders[1:] + borders[:-1]) / 2, reference, size)
    return np.asarray(width @ after)


@pytest.mark.parametrize(("line", "retention"), [(30.0, 1.0), (100.0, 1.0), (100.0, 0.9)])
def test_one_score_alarms_as_often_as_is_allowed(line: float, retention: float) -> None:
    """Simulated, 250 times 120 slices after 30: once in A slices and no more; hardly less where no evidence is lost."""
    rng = np.random.default_rng(2)
    scores, m, alarms = rng.standard_normal((150, 250)), np.zeros((250, edetector.BETS)), 0
    for k in range(30, 150):
        p = edetector.p_values(scores[k], scores[:k], rng.random(250))
        m = edetector.step(m, p, 30, k, retention=retention, lines=np.array(line))
        fired = edetector.evidence(m) >= line
        alarms += int(fired.sum())
        m[fired] = 0
    allowed = 250 * 120 / line

    assert alarms <= stats.poisson.ppf(0.999, allowed)
    assert alarms >= 0.7 * allowed or retention < 1


def test_a_detector_that_saw_nothing_stays() -> None:
    """Where no slice was seen, neither the bet nor the 1 is added."""
    before = np.ones((2, edetector.BETS))
    after = edetector.step(before, np.array([np.nan, 0.5]), 60, 60, lines=np.array(2.0))

    assert (before[0] == after[0]).all()
    assert (before[1] != after[1]).any()


def test_a_detector_that_is_left_alone_stays_a_number() -> None:
    """It stops growing far beyond every requirement."""
    m = np.zeros(edetector.BETS)
    for k in range(200):
        m = edetector.step(m, np.array(1e-4), 60, 60 + k)

    assert m.max() == edetector.LARGEST
    assert np.isfinite(edetector.log_evidence(m[None]))


def test_an_old_change_is_known_by_ranks_that_a_new_one_is_not() -> None:
    """The third slice in a row that is the furthest, or among the three furthest, of all pays what it did at first."""
    paid = np.zeros(edetector.BETS), np.zeros(edetector.BETS)
    for k in range(6):
        paid = tuple(
            edetector.step(m, np.array(p), 60, 60 + k)
            for m, p in zip(paid, (0.5 / (61 + k), (k + 0.5) / (61 + k)), strict=True)
        )  # type: ignore[assignment]
    first, last = (edetector.evidence(m * (np.arange(edetector.BETS) >= 5)) for m in paid)

    assert first == pytest.approx(last, rel=0.5)
    assert last > 1e6


def test_evidence_is_the_mean_over_scores_of_weighted_bets() -> None:
    """Before any slice its log is -inf."""
    m = np.zeros((2, 5, edetector.BETS))
    m[0, :, 0] = 10

    assert [edetector.WEIGHTS[0] * 10, 0] == pytest.approx(np.exp(edetector.log_evidence(m)))
