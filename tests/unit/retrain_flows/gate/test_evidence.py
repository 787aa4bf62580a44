"""The gate's evidence: an equal model is rarely promoted however often it is looked at, and a better one is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.scoring import Floats
from registry.records import CheckResult
from retrain_flows.gate import evidence, slice_memory
from retrain_flows.gate.evidence import Evidence, Window
from tests.support.slices import autocorrelated, drawn

SEEDS = st.integers(0, 10_000)


def window(sums: Floats, rows: Floats, history: Floats | None = None) -> Window:
    """Return a window that has enough slices."""
    made = evidence.window(sums, rows, history)
    assert made is not None
    return made


def decided(means: Floats, windows: tuple[int, ...]) -> CheckResult:
    """Return the first decision over windows of slices with equal rows; HOLD if there is none."""
    total, at = Evidence(), 0
    for n in windows:
        total = evidence.add(total, window(100 * means[at : at + n], np.full(n, 100.0)), 0.05)
        result, at = evidence.decide(total, 0.05), at + n
        if result is not CheckResult.HOLD:
            return result
    return CheckResult.HOLD


@pytest.mark.parametrize("windows", [(14,), (14, 10, 10), (5, 5, 5, 5, 5, 5)])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.8])
def test_an_equal_model_passes_at_most_as_often_as_set(phi: float, windows: tuple[int, ...]) -> None:
    """In 800 runs, at one window or many; .066 is .05 and two standard errors of such a rate."""
    runs = autocorrelated(800, sum(windows), phi)
    tails = [p_values(part) for part in np.split(runs, np.cumsum(windows)[:-1], axis=1)]
    passed = 0
    for own in zip(*tails, strict=True):
        total, results = Evidence(), []
        for p in own:
            total = evidence.add(total, Window(0, 0, 0, better=p, worse=1 - p, rows=1, slices=5), 0.05)
            results.append(evidence.decide(total, 0.05))
        passed += CheckResult.PASS in results
    assert passed / 800 <= 0.066


def p_values(means: Floats) -> list[float]:
    """Return the p-value of a window that a candidate is no better, of many runs at once."""
    ratio = means.mean(axis=1) / slice_memory.standard_error(means)
    return [float(p) for p in slice_memory.tail(ratio, means.shape[1], slice_memory.memory_weights())]


def test_p_values_of_many_runs_are_those_of_windows() -> None:
    """The error rates above are those of what runs."""
    runs = autocorrelated(5, 14, 0.3)
    assert p_values(runs) == pytest.approx([window(means, np.ones(14)).better for means in runs])


def test_a_better_model_passes_and_a_worse_one_fails() -> None:
    """By two sd of a slice, within 28 slices, though nothing is known of the memory."""
    runs = autocorrelated(20, 28, 0)
    assert {CheckResult.PASS} == {decided(means - 2, (28,)) for means in runs}
    assert {CheckResult.FAIL} == {decided(means + 2, (28,)) for means in runs}


def test_bets_are_fair() -> None:
    """An e-value has a mean of 1 where p-values are uniform, and falls with p."""
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    values = [evidence.e_value(float(x), 0.05) for x in p[::10]]
    assert np.mean(values) == pytest.approx(1, abs=0.01)
    assert values == sorted(values, reverse=True)


def test_stakes_sum_to_one() -> None:
    """Looks at which a bet pays 1 leave what was put in so far: never more than the whole stake."""
    total, even = Evidence(), Window(0, 0, 0, better=0.25, worse=0.25, rows=1, slices=5)
    paid = evidence.e_value(0.25, 0.05)
    stakes = []
    for _ in range(1000):
        after = evidence.add(total, even, 0.05)
        stakes.append(after.better / paid - total.better)
        total = after
    assert sum(stakes) == pytest.approx(1, abs=0.001)


def test_a_window_small_enough_decides_at_once() -> None:
    """At the first look a p-value of .375 alpha is enough; a little above, it is not."""
    level = evidence.FIRST_STAKE * evidence.AT_ONCE * 0.05
    for p, result in ((level, CheckResult.PASS), (1.01 * level, CheckResult.HOLD)):
        looked = Window(-1, -2, 0, better=p, worse=1 - p, rows=1, slices=14)
        assert evidence.decide(evidence.add(Evidence(), looked, 0.05), 0.05) is result


def test_history_narrows_the_bounds_of_slices_without_memory() -> None:
    """Sixty slices without memory leave little doubt about fourteen more; sixty that remember leave more."""
    sums, rows = drawn(3)
    free, bound = (autocorrelated(1, 60, phi)[0] for phi in (0.0, 0.9))
    wide, narrow, slow = (window(sums, rows, h) for h in (None, free, bound))
    assert narrow.high < wide.high < slow.high
    assert narrow.better < wide.better < slow.better


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_bounds_hold_as_often_as_they_say(phi: float) -> None:
    """Those of the least favourable memory hold in 95 % of windows that have it, and in more that have less."""
    made = [window(means, np.ones(14)) for means in autocorrelated(400, 14, phi)]
    share = np.mean([w.low <= 0 <= w.high for w in made])
    assert share > 0.925
    assert phi == 0.0 or share < 0.975


@given(SEEDS, st.floats(0, 3))
def test_a_lower_loss_of_the_candidate_can_only_help_it(seed: int, shift: float) -> None:
    """Bounds move by what every row's difference is lower, and the p-value falls."""
    sums, rows = drawn(seed)
    before, after = window(sums, rows), window(sums - shift * rows, rows)
    assert after.high == pytest.approx(before.high - shift)
    assert after.better <= before.better + 1e-9


@given(SEEDS, st.floats(1e-6, 1e6))
def test_the_unit_of_loss_does_not_matter(seed: int, scale: float) -> None:
    """Differences times a number have bounds times this number, and the same p-value."""
    sums, rows = drawn(seed)
    one, other = window(sums, rows), window(scale * sums, rows)
    assert (other.low, other.high) == pytest.approx((scale * one.low, scale * one.high))
    assert other.better == pytest.approx(one.better)


@given(SEEDS)
def test_the_models_may_change_places(seed: int) -> None:
    """The second minus the first has the negative bounds, and the p-values change places."""
    sums, rows = drawn(seed)
    one, other = window(sums, rows), window(-sums, rows)
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))
    assert (other.better, other.worse) == pytest.approx((one.worse, one.better))


def test_models_that_answer_alike_are_undecided() -> None:
    """Differences of exactly 0 have bounds of 0; evidence falls on both sides."""
    alike = window(np.zeros(14), np.ones(14))
    total = evidence.add(Evidence(), alike, 0.05)
    assert (alike.low, alike.high, alike.better, alike.worse) == (0, 0, 0.5, 0.5)
    assert evidence.decide(total, 0.05) is CheckResult.HOLD


def test_too_few_slices_are_no_window() -> None:
    """Four slices leave the evidence as it is."""
    assert evidence.window(np.ones(4), np.ones(4)) is None
