"""The gate's evidence: an equal model is rarely promoted however often it is looked at, and a better one is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.scoring import Floats
from registry.records import CheckResult, ComparedSlice
from retrain_flows.gate import evidence, likelihood_ratio, slice_sums
from retrain_flows.gate.evidence import Evidence, Question
from tests.support import slices
from tests.support.slices import WINDOWS, autocorrelated

ALPHA = 0.05
NOTHING_KNOWN = Question(WINDOWS)
ROWS = 100
SEEDS = st.integers(0, 10_000)


def looks(means: Floats, sizes: tuple[int, ...]) -> list[list[ComparedSlice]]:
    """Return looks at slices of 100 rows, a day each, by the mean difference of each."""
    return slices.looks(ROWS * means, np.full(len(means), ROWS), sizes)


def first_decision(means: Floats, sizes: tuple[int, ...], question: Question = NOTHING_KNOWN) -> CheckResult:
    """Return the first decision over looks; HOLD if there is none."""
    made = looks(means, sizes)
    for k in range(1, len(made) + 1):
        result = evidence.decide(evidence.weigh(made[:k], question), ALPHA)
        if result is not CheckResult.HOLD:
            return result
    return CheckResult.HOLD


@pytest.mark.parametrize("history", [True, False])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.8])
def test_an_equal_model_passes_at_most_as_often_as_set(phi: float, history: bool) -> None:
    """In 800 runs, looked at after each of 40 slices; .066 is .05 and two standard errors of such a rate."""
    runs, past = autocorrelated(800, 40, phi), autocorrelated(800, 60, phi, seed=2)
    weights = evidence.memory_weights(past if history else None)
    measures = np.stack([runs, slice_sums.shares(runs, np.full_like(runs, 2.0))])
    state, passed = likelihood_ratio.empty((2, 800)), np.zeros(800, bool)
    for k in range(40):
        state = likelihood_ratio.begin(state) if k in (0, 10, 20) else state
        state = likelihood_ratio.add(state, measures[:, :, k])
        total = evidence.by_start(state, weights).sum(axis=-1)
        passed |= (total >= 1 / ALPHA) & (k + 1 >= evidence.MIN_SLICES)
    assert passed.mean() <= 0.066


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_clearly_better_model_passes_and_a_worse_one_fails(sign: int) -> None:
    """By two sd of a slice, within 42 slices, though nothing is known of the memory."""
    wanted = CheckResult.PASS if sign < 0 else CheckResult.FAIL
    results = [first_decision(means + 2 * sign, (14, 14, 14)) for means in autocorrelated(20, 42, 0)]
    assert {wanted} == set(results)


def test_a_history_without_memory_decides_sooner() -> None:
    """A gain of one sd: nothing else tells a lucky spell from a better model."""
    history = Question(WINDOWS, history=autocorrelated(1, 60, 0, seed=9)[0])
    runs = [looks(means - 1, (14,)) for means in autocorrelated(20, 14, 0)]
    known, unknown = ([evidence.weigh(made, q).better for made in runs] for q in (history, NOTHING_KNOWN))
    assert np.median(known) > 2 * np.median(unknown)


@given(SEEDS, st.lists(st.integers(1, 7), min_size=2, max_size=6))
def test_evidence_is_of_slices_whoever_looked(seed: int, sizes: list[int]) -> None:
    """Looks change where later starts are, and nothing else: the first start's ratio is of all slices."""
    means = autocorrelated(1, sum(sizes), 0.3, seed=seed)[0]
    many, one = (evidence.weigh(looks(means, s), NOTHING_KNOWN) for s in (tuple(sizes), (sum(sizes),)))
    assert many.slices == one.slices == sum(sizes)
    assert many.better >= one.better * (1 - 1e-9)


@given(SEEDS)
def test_the_models_may_change_places(seed: int) -> None:
    """Evidence of being better and of being worse change places."""
    means = autocorrelated(1, 20, 0.3, seed=seed)[0]
    mine, theirs = np.full(20, slices.LOSS), slices.LOSS + means
    one, other = (
        evidence.weigh(slices.looks(ROWS * d, np.full(20, ROWS), (14, 6), losses=ROWS * loss), NOTHING_KNOWN)
        for d, loss in ((means, mine), (-means, theirs))
    )
    assert (other.better, other.worse) == pytest.approx((one.worse, one.better))


def test_a_margin_counts_a_little_worse_as_no_worse() -> None:
    """It is taken off the candidate's loss, row by row."""
    means = autocorrelated(1, 30, 0)[0]
    plain, shifted = looks(means - 0.5, (30,)), looks(means, (30,))
    margin = Question(WINDOWS, margin=0.5)
    assert evidence.weigh(plain, NOTHING_KNOWN).better == pytest.approx(evidence.weigh(shifted, margin).better)


def test_a_few_slices_with_most_of_the_loss_do_not_hide_a_better_model() -> None:
    """A fifth better in each slice, while losses differ tenfold: shares see it more often than means alone would."""
    rng = np.random.default_rng(3)
    history = Question(WINDOWS, history=autocorrelated(1, 60, 0, seed=9)[0])
    by_shares, by_means = [], []
    for _ in range(20):
        losses = ROWS * rng.lognormal(0, 1, 40)
        differences = losses * (np.exp(rng.normal(-0.2, 0.2, 40)) - 1)
        for found, of in ((by_shares, losses), (by_means, np.full(40, 1e6 * ROWS))):
            (made,) = slices.looks(differences, np.full(40, ROWS), (40,), losses=of)
            found.append(evidence.decide(evidence.weigh([made], history), ALPHA) is CheckResult.PASS)
    assert sum(by_shares) >= sum(by_means) + 5


def test_a_model_that_is_worse_where_most_of_the_loss_is_does_not_pass() -> None:
    """Better by a third in four slices of five, and worse in the fifth, which has ten times the loss."""
    large = np.arange(60) % 5 == 4
    losses = ROWS * np.where(large, 10.0, 1.0)
    differences = losses * np.where(large, 0.2, -0.33) * np.random.default_rng(4).uniform(0.8, 1.2, 60)
    made = slices.looks(differences, np.full(60, ROWS), (60,), losses=losses)
    assert evidence.decide(evidence.weigh(made, NOTHING_KNOWN), ALPHA) is CheckResult.HOLD


def test_a_late_change_is_found_though_both_models_were_alike_for_long() -> None:
    """Three months in which they were alike, then a gain of 2 sd: six weeks are mostly enough."""
    runs = autocorrelated(10, 132, 0)
    runs[:, 90:] -= 2
    history = Question(WINDOWS, history=autocorrelated(1, 60, 0, seed=9)[0])
    results = [first_decision(means, (6,) * 22, history) for means in runs]
    assert results.count(CheckResult.PASS) >= 8


def test_being_worse_starts_anew_where_it_is_told_to() -> None:
    """The next candidate is another model; that it is better is still one question."""
    made = looks(np.concatenate([np.ones(14), -np.ones(14)]) + autocorrelated(1, 28, 0)[0] / 4, (14, 14))
    whole, anew = evidence.weigh(made, NOTHING_KNOWN), evidence.weigh(made, NOTHING_KNOWN, worse_since=1)
    assert anew.worse < whole.worse
    assert anew.better == whole.better


def test_slices_that_are_missing_lengthen_the_gap() -> None:
    """Slices a week apart remember less of one another than those of neighbouring days."""
    (near,) = looks(autocorrelated(1, 14, 0.8)[0] - 1, (14,))
    far = [s.model_copy(update={"start": 7 * s.start}) for s in near]
    slow = Question(WINDOWS, history=autocorrelated(1, 60, 0.8, seed=9)[0])
    assert evidence.weigh([far], slow).better > evidence.weigh([near], slow).better


def test_few_slices_decide_nothing() -> None:
    """However large the evidence is."""
    assert evidence.decide(Evidence(1e9, 0.0, 4, -1.0), ALPHA) is CheckResult.HOLD
    assert evidence.decide(Evidence(1e9, 0.0, 5, -1.0), ALPHA) is CheckResult.PASS


def test_models_that_answer_alike_are_undecided() -> None:
    """Differences of exactly 0 are no evidence on either side, and no look at all is none."""
    total = evidence.weigh(looks(np.zeros(30), (14, 16)), NOTHING_KNOWN)
    assert max(total.better, total.worse) < 1
    assert evidence.NONE == evidence.weigh([], NOTHING_KNOWN)


@pytest.mark.parametrize("starts", [1, 10, 10_000])
def test_stakes_sum_to_less_than_one(starts: int) -> None:
    """However many starts there are, so that all of them together are a fair bet; and each has some of it."""
    stakes = evidence.stakes(starts)
    assert (stakes.sum() < 1, bool((stakes > 0).all()), len(stakes)) == (True, True, starts)


def test_newest_rows_must_not_contradict() -> None:
    """Many small slices on which it is better, and a few large ones on which it is worse: not yet."""
    means = np.where(np.arange(28) % 7 == 6, 1.0, -1.0) + autocorrelated(1, 28, 0)[0] / 4
    rows = np.where(np.arange(28) % 7 == 6, 5000.0, 50.0)
    total = evidence.weigh(slices.looks(rows * means, rows, (28,)), NOTHING_KNOWN)
    assert total.recent > 0
    assert evidence.decide(Evidence(1e9, 0.0, 28, total.recent), ALPHA) is CheckResult.HOLD
