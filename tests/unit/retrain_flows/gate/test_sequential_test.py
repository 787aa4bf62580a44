"""The group sequential test of two models: valid bounds over looks, and what must not change its answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from features.scoring import Floats
from registry.records import CheckResult
from retrain_flows.gate import slice_memory, spending
from retrain_flows.gate.sequential_test import Reason, Rule, SequentialDifference, sequential_test

RULE = Rule(alpha=0.05)
SEEDS = st.integers(0, 10_000)


def autocorrelated(runs: int, slices: int, phi: float, *, seed: int = 1) -> Floats:
    """Return stationary AR(1) slice means, (runs, slices), of sd 1."""
    noise = np.random.default_rng(seed).normal(size=(runs, slices))
    out = noise.copy()
    for t in range(1, slices):
        out[:, t] = phi * out[:, t - 1] + np.sqrt(1 - phi**2) * noise[:, t]
    return out


def drawn(seed: int, *, slices: int = 14, mean: float = -1.0) -> tuple[Floats, Floats]:
    """Return sums and rows of slices with unequal rows."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(20, 400, slices).astype(float)
    return rows * rng.normal(mean, 1, slices), rows


def pass_rate(means: Floats, looks: tuple[int, ...]) -> float:
    """Return how often a run passes at any of the looks, all runs at once, by the tail that the bounds invert."""
    passed = np.zeros(len(means), dtype=bool)
    for n, level in zip(looks, spending.levels(looks, 0.05), strict=True):
        ratio = means[:, :n].mean(axis=1) / slice_memory.standard_error(means[:, :n])
        passed |= slice_memory.tail(ratio, n, slice_memory.memory_weights()) < level
    return float(passed.mean())


@pytest.mark.parametrize("looks", [(7,), (14,), (30,), (5, 7, 10, 14, 20, 28)])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6, 0.8])
def test_an_equal_model_passes_at_most_as_often_as_set(phi: float, looks: tuple[int, ...]) -> None:
    """In 800 runs, at one look or many; .066 is .05 and two standard errors of such a rate."""
    assert pass_rate(autocorrelated(800, looks[-1], phi), looks) <= 0.066


def test_a_better_model_passes() -> None:
    """By two sd of a slice, mostly within 14 slices, and by one within 60, though nothing is known of the memory."""
    assert pass_rate(autocorrelated(300, 14, 0) - 2, (5, 7, 10, 14)) > 0.5
    assert pass_rate(autocorrelated(300, 56, 0) - 1, (5, 7, 10, 14, 20, 28, 40, 56)) > 0.9


def test_history_narrows_the_bounds_of_slices_without_memory() -> None:
    """Sixty slices without memory leave little doubt about fourteen more; sixty that remember leave more."""
    sums, rows = drawn(3)
    free, bound = (autocorrelated(1, 60, phi)[0] for phi in (0.0, 0.9))
    wide, narrow, slow = (sequential_test(sums, rows, RULE, history=h) for h in (None, free, bound))
    assert narrow.high < wide.high < slow.high
    assert narrow.memory < wide.memory < slow.memory


@given(SEEDS, st.floats(0, 3))
def test_a_lower_loss_of_the_first_can_only_help_it(seed: int, shift: float) -> None:
    """What passes still passes if every row's difference is lower by the same."""
    sums, rows = drawn(seed)
    before, after = sequential_test(sums, rows, RULE), sequential_test(sums - shift * rows, rows, RULE)
    assert after.high == pytest.approx(before.high - shift)
    assert after.result is CheckResult.PASS or before.result is not CheckResult.PASS


@given(SEEDS, st.floats(1e-6, 1e6))
def test_the_unit_of_loss_does_not_matter(seed: int, scale: float) -> None:
    """Differences times a number have bounds times this number, and the same result."""
    sums, rows = drawn(seed)
    one, other = sequential_test(sums, rows, RULE), sequential_test(scale * sums, rows, RULE)
    assert (other.low, other.high) == pytest.approx((scale * one.low, scale * one.high))
    assert other.result is one.result


@given(SEEDS)
def test_the_models_may_change_places(seed: int) -> None:
    """The second minus the first has the negative bounds: what passes the one way is worse the other."""
    sums, rows = drawn(seed)
    one, other = sequential_test(sums, rows, RULE), sequential_test(-sums, rows, RULE)
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))
    assert (one.reason is Reason.BETTER) == (other.reason is Reason.WORSE)


def test_rows_are_weighted_alike_wherever_they_are() -> None:
    """The mean is over rows; slices without rows do not count."""
    sums, rows = drawn(4)
    d = sequential_test(np.insert(sums, 3, 0), np.insert(rows, 3, 0), RULE)
    assert d == sequential_test(sums, rows, RULE)
    assert d.mean == pytest.approx(sums.sum() / rows.sum())
    assert (d.rows, d.slices) == (rows.sum(), 14)


def decided(
    sums: Floats, rule: Rule = RULE, looks: tuple[int, ...] = ()
) -> tuple[CheckResult, Reason, SequentialDifference]:
    """Return the result for slices of 100 rows."""
    d = sequential_test(100 * sums, np.full(len(sums), 100.0), rule, looks=looks)
    return d.result, d.reason, d


def test_results_and_reasons() -> None:
    """Better, worse, no useful gain, out of patience, undecided, too few slices."""
    noise = np.random.default_rng(5).normal(0, 0.1, 20)
    noise -= noise.mean()
    assert decided(noise - 1)[:2] == (CheckResult.PASS, Reason.BETTER)
    assert decided(noise + 1)[:2] == (CheckResult.FAIL, Reason.WORSE)
    assert decided(noise, Rule(alpha=0.05, margin=1.0))[:2] == (CheckResult.PASS, Reason.BETTER)
    assert decided(noise, Rule(alpha=0.05, least_gain=1.0))[:2] == (CheckResult.FAIL, Reason.NO_USEFUL_GAIN)
    assert decided(noise, Rule(alpha=0.05, patience=20))[:2] == (CheckResult.FAIL, Reason.OUT_OF_PATIENCE)
    assert decided(noise, Rule(alpha=0.05, patience=21))[:2] == (CheckResult.HOLD, Reason.UNDECIDED)
    assert decided(noise[:4])[:2] == (CheckResult.HOLD, Reason.TOO_FEW_SLICES)
    assert decided(noise[:0])[2].rows == 0


def test_models_that_answer_alike_are_undecided() -> None:
    """Differences of exactly 0 have bounds of 0, which are not below 0."""
    result, reason, d = decided(np.zeros(14))
    assert (result, reason, d.low, d.high) == (CheckResult.HOLD, Reason.UNDECIDED, 0, 0)


def test_a_look_before_its_time_repeats_the_last_that_counts() -> None:
    """At 13 slices after a look at 10, bounds are those of 10; at 14 they are new, and more of alpha is spent."""
    noise = np.random.default_rng(6).normal(0, 1, 14)
    at_10, at_13, at_14 = (decided(noise[:n], looks=tuple(range(5, n)))[2] for n in (10, 13, 14))
    assert at_13 == at_10
    assert (at_14.slices, at_14.next_look, at_10.next_look) == (14, 20, 14)
    assert at_10.spent < at_14.spent < 0.05


def test_earlier_looks_widen_the_bounds() -> None:
    """The first look at 14 slices has more of alpha to spend than one that comes after three."""
    noise = np.random.default_rng(7).normal(0, 1, 14)
    assert decided(noise)[2].high < decided(noise, looks=(5, 7, 10))[2].high


def test_many_slices_are_merged() -> None:
    """Neighbours are merged above 300 slices; the mean is the same."""
    sums, rows = drawn(8, slices=1001)
    assert sequential_test(sums, rows, RULE).mean == pytest.approx(sums.sum() / rows.sum())
    assert len(slice_memory.merged(slice_memory.linearised(sums, rows))) <= slice_memory.MAX_SLICES


@pytest.mark.parametrize(("slices", "phi"), [(5, 0.8), (14, 0.0), (30, 0.8)])
def test_the_law_of_the_ratio_is_exact(slices: int, phi: float) -> None:
    """For normal AR(1) slices, 1 % and 5 % of ratios are below the points that this is the chance of."""
    means = autocorrelated(100_000, slices, phi)
    weights = slice_memory.memory_weights() if phi else np.eye(28)[0]
    p = slice_memory.tail(means.mean(axis=1) / slice_memory.standard_error(means), slices, weights)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.001)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.0022)


def test_without_memory_and_with_all_cosines_it_is_students_t() -> None:
    """Two slices have one cosine, and the ratio is Cauchy's."""
    ratio = np.array([-3.0, -0.5, 0.5, 3.0])
    expected = special.stdtr(1, ratio)
    assert slice_memory.tail(ratio, 2, np.eye(28)[0]) == pytest.approx(expected, rel=0.003)


def test_levels_spend_alpha() -> None:
    """A simulated Brownian motion crosses a boundary as often as is to be spent by the last look."""
    looks = (5, 7, 10, 14, 20, 28)
    path = np.random.default_rng(9).normal(size=(200_000, 28)).cumsum(axis=1)
    z = path[:, np.array(looks) - 1] / np.sqrt(looks)
    crossed = (z > -special.ndtri(spending.levels(looks, 0.05))).any(axis=1).mean()
    assert crossed == pytest.approx(spending.spent(28, 0.05, first=5), abs=0.0015)


def test_tries_sum_to_alpha() -> None:
    """Over a hundred thousand tries nearly all of it is spent, and candidates share what a try has."""
    total = sum(spending.alpha_of_try(0.05, k) for k in range(1, 100_000))
    assert 0.0497 < total < 0.05
    assert spending.alpha_of_try(0.05, 3, candidates=4) == spending.alpha_of_try(0.05, 3) / 4


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"alpha": 0.5}, {"alpha": 0.05, "margin": np.nan}, {"alpha": 0.05, "least_gain": -1.0},
     {"alpha": 0.05, "patience": 4}],
)  # fmt: skip
def test_a_rule_that_cannot_be_followed(wrong: dict[str, float]) -> None:
    """A ValueError."""
    with pytest.raises(ValueError, match="must be"):
        Rule(**wrong)  # type: ignore[arg-type]


def test_slices_that_cannot_be_compared() -> None:
    """Shapes, values, rows and looks that make no sense are a ValueError."""
    ones = np.ones(6)
    for sums, rows in ((ones, ones[:5]), (ones * np.nan, ones), (ones, -ones), (ones[None], ones[None])):
        with pytest.raises(ValueError, match="sums and rows"):
            sequential_test(sums, rows, RULE)
    with pytest.raises(ValueError, match="7 slices"):
        sequential_test(ones, ones, RULE, looks=[7])
    with pytest.raises(ValueError, match="counted from 1"):
        spending.alpha_of_try(0.05, 0)
