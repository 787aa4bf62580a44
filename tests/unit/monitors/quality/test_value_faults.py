"""Faults of values: each is detected, and neither chance nor the baseline's own variation is called one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import value_faults, value_reference
from monitors.stats.bins import CategoricalBins, Counts, NumericBins, freeze_categorical

LEVEL = 0.001
POLICY = MonitorPolicy()
NUMBER = NumericBins(edges=(0.0, 1.1, 2.05, 3.0), mean=1.5, sd=1.0)  # bins x 3, under, over, missing, non-finite
WORD = CategoricalBins(categories=("a", "b"))  # a, b, other, unseen, missing
NUMBERS = np.array([300, 400, 290, 0, 0, 10, 0, 0, 0])
WORDS = np.array([600, 400, 0, 0, 0])


def reference(bins: NumericBins | CategoricalBins, *slices: Counts) -> value_reference.ValueReference:
    """Return the reference whose window-length runs are *slices*."""
    return value_reference.ValueReference(bins, np.sum(slices, axis=0), np.array(slices))


def judged(known: value_reference.ValueReference, window: list[int], policy: MonitorPolicy = POLICY) -> Finding | None:
    """Return the quality finding on *window*, None if there is nothing to tell."""
    found = list(value_faults.faults("x", known, np.array(window), policy, LEVEL))
    return value_faults.finding("x", found, known, np.array(window)) if found else None


def number(window: list[int], policy: MonitorPolicy = POLICY) -> Finding | None:
    """Return the quality finding on a window of numbers, 1 % missing in the baseline."""
    return judged(reference(NUMBER, *[NUMBERS] * 5), window, policy)


def test_a_window_like_the_baseline_has_no_fault() -> None:
    """Nothing to tell."""
    assert number([60, 80, 58, 0, 0, 2, 0, 0, 0]) is None


@pytest.mark.parametrize(
    ("window", "metric", "share"),
    [
        ([50, 60, 50, 0, 0, 40, 0, 0, 0], "missing_share", 0.2),
        ([0, 0, 0, 0, 0, 200, 0, 0, 0], "missing_share", 1.0),
        ([50, 70, 50, 0, 0, 0, 30, 0, 0], "non_finite_share", 0.15),
        ([15, 20, 15, 0, 0, 0, 0, 0, 150], "far_out_of_range_share", 0.75),
        ([0, 200, 0, 0, 0, 0, 0, 0, 0], "stuck_share", 1.0),
    ],
)
def test_each_fault_of_a_number_is_found(window: list[int], metric: str, share: float) -> None:
    """Nulls (all of them too), nonsense, a changed unit and a stuck value are each told by name, with their share."""
    found = number(window)
    assert found is not None
    assert (Signal.QUALITY, Verdict.DRIFT, metric, share) == (found.signal, found.verdict, found.metric, found.effect)
    assert found.threshold is not None
    assert found.threshold < share
    assert found.reason


@pytest.mark.parametrize(
    ("window", "metric"), [([0, 1, 0, 129, 0], "unseen_share"), ([60, 40, 0, 0, 30], "missing_share")]
)
def test_each_fault_of_a_category_is_found(window: list[int], metric: str) -> None:
    """Values never seen before, and missing ones."""
    found = judged(reference(WORD, *[WORDS] * 5), window)
    assert found is not None
    assert metric == found.metric


def test_a_reader_is_told_what_happened() -> None:
    """The reason names every fault in words with its numbers, and the range that was left."""
    found = number([5, 6, 5, 0, 0, 40, 0, 10, 134])
    assert found is not None
    assert found.reason == (
        "90.0% of x lies beyond the baseline's 0 to 3 (6.2% below, 83.8% above, of that 90.0% further than the range "
        "is wide): garbage or placeholder values; check the source of x; "
        "20.0% of x is missing, 1.0% in the baseline: a source or a join fails; check the source of x"
    )


def test_a_small_rise_is_not_told() -> None:
    """A rise below the policy's is no fault, however sure it is."""
    assert number([28_000, 39_000, 28_000, 0, 0, 5_000, 0, 0, 0]) is None


def test_a_shift_beyond_the_range_is_left_to_drift() -> None:
    """A season may lift all values out of their range; far beyond it is a fault, where the policy says; 1 is never."""
    window = [60, 60, 20, 0, 0, 0, 0, 0, 60]
    assert number([0, 0, 0, 0, 200, 0, 0, 0, 0]) is None
    assert number(window) is None
    assert number(window, MonitorPolicy(max_out_of_range=0.2)) is not None
    assert number([0, 0, 0, 0, 0, 0, 0, 0, 200], MonitorPolicy(max_out_of_range=1)) is None


def test_chance_is_no_fault() -> None:
    """Three nulls in 30 rows are 10 % and still nothing to tell at 1 in 1,000; in 3,000 rows they are."""
    assert number([9, 9, 9, 0, 0, 3, 0, 0, 0]) is None
    assert number([900, 900, 900, 0, 0, 300, 0, 0, 0]) is not None


def test_what_the_baseline_did_itself_is_no_fault() -> None:
    """A share that one of the baseline's own windows had is not news: an outage, or a value that often stands still."""
    outage, stuck = np.array([200, 300, 190, 0, 0, 310, 0, 0, 0]), np.array([0, 990, 0, 0, 0, 10, 0, 0, 0])
    assert judged(reference(NUMBER, *[NUMBERS] * 4, outage), [50, 60, 50, 0, 0, 40, 0, 0, 0]) is None
    assert judged(reference(NUMBER, *[NUMBERS] * 4, stuck), [0, 200, 0, 0, 0, 0, 0, 0, 0]) is None


def test_a_season_that_fills_the_outermost_bin_is_no_fault() -> None:
    """Every value in a bin that a shift fits into whole may be weather; in a narrow one it is a sensor that hangs."""
    wide = NumericBins(edges=(0.0, 1.1, 2.0, 40.0), mean=1.9, sd=1.5)
    assert judged(reference(wide, *[NUMBERS] * 5), [0, 0, 200, 0, 0, 0, 0, 0, 0]) is None
    assert judged(reference(wide, *[NUMBERS] * 5), [0, 200, 0, 0, 0, 0, 0, 0, 0]) is not None
    assert number([0, 0, 200, 0, 0, 0, 0, 0, 0]) is not None


def test_without_windows_of_its_own_a_baseline_does_not_know_what_a_season_does() -> None:
    """Values that all lie in an outermost bin are left alone where the baseline is shorter than two windows."""
    known = value_reference.ValueReference(NUMBER, NUMBERS, NUMBERS[None][:0])
    assert judged(known, [0, 0, 200, 0, 0, 0, 0, 0, 0]) is None


def test_what_hardly_varied_cannot_get_stuck() -> None:
    """A value that held nearly all of the baseline, or all of it, is allowed to hold all of a window."""
    assert judged(reference(WORD, np.array([950, 50, 0, 0, 0])), [500, 0, 0, 0, 0]) is None
    assert judged(reference(NUMBER, np.array([990, 0, 0, 0, 0, 10, 0, 0, 0])), [500, 0, 0, 0, 0, 0, 0, 0, 0]) is None


def test_few_rows_say_nothing() -> None:
    """Below the least number of rows, on either side, nothing is a fault; nor against a baseline of nulls only."""
    assert number([0, 0, 0, 0, 0, 29, 0, 0, 0]) is None
    assert judged(reference(NUMBER, NUMBERS // 50), [0, 0, 0, 0, 0, 500, 0, 0, 0]) is None
    assert judged(reference(NUMBER, np.array([0, 0, 0, 0, 0, 500, 0, 0, 0])), [0, 0, 0, 0, 0, 500, 0, 0, 0]) is None


def turnover(rng: np.random.Generator, slices: int) -> list[list[str]]:
    """Return slices of 100 words of a pool of 500, a tenth of which is replaced from slice to slice."""
    return [[f"w{50 * s + w}" for w in rng.integers(500, size=100)] for s in range(slices)]


def zipf(rng: np.random.Generator, slices: int) -> list[list[str]]:
    """Return slices of 100 words whose tail never ends."""
    return rng.zipf(1.3, (slices, 100)).astype(str).tolist()


def all_different(rng: np.random.Generator, slices: int) -> list[list[str]]:
    """Return slices of 100 words that never come again."""
    return np.arange(slices * 100).reshape(slices, 100).astype(str).tolist()


@pytest.mark.parametrize("words", [zipf, turnover, all_different])
def test_an_open_vocabulary_brings_new_words_all_the_time(
    words: Callable[[np.random.Generator, int], list[list[str]]],
) -> None:
    """Rare words may be new ones in any window; frequent ones that are spelled anew are a fault."""
    slices = words(np.random.default_rng(3), 60)
    bins = freeze_categorical(np.array([w for s in slices[:30] for w in s], dtype=object))
    cells = [np.bincount(bins.index(np.array(s, dtype=object)), minlength=bins.cells) for s in slices]
    known = reference(bins, *cells[:30])
    assert [None] * 30 == [judged(known, c.tolist()) for c in cells[30:]]
    assert max(c[bins.body] / 100 for c in cells[30:]) > 0.1
    frequent = known.total[: bins.body - 1].sum() > 0.3 * known.total.sum()
    anew = judged(known, [0] * bins.body + [100, 0])
    assert frequent == (anew is not None)


@given(known=st.integers(0, 400), n=st.integers(1, 5000), level=st.sampled_from([0.1, 1e-2, 1e-4]))
def test_the_count_by_chance_is_the_binomial_quantile(known: int, n: int, level: float) -> None:
    """The fast inverse equals scipy's exact one, at the upper limit that the baseline's share may have."""
    highest = stats.beta.ppf(1 - level / 2, known + 1, 400 - known) if known < 400 else 1.0
    expected = int(stats.binom.isf(level / 2, n, highest))
    assert expected == value_faults.largest_by_chance(known, 400, n, level)


@pytest.mark.parametrize(("share", "n"), [(0.001, 40), (0.04, 30), (0.3, 200)])
def test_chance_exceeds_its_count_as_seldom_as_asked(share: float, n: int) -> None:
    """Stationary windows of any share and size exceed the count at most at the level, however far from normal."""
    rng = np.random.default_rng(4)
    known, now = rng.binomial(500, share, 20_000), rng.binomial(n, share, 20_000)
    lines = {k: value_faults.largest_by_chance(int(k), 500, n, 0.01) for k in np.unique(known)}
    assert np.mean([x > lines[k] for k, x in zip(known, now, strict=True)]) < 0.0115
