"""Evidence of looks: bets that pay at most 1 on average where the candidate is no better, however many there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from registry.records import CheckResult
from retrain_flows.gate import evidence, slice_memory
from retrain_flows.gate.evidence import Evidence, Window

ALPHA = 0.05
ROWS = 20.0


def looked(p: float) -> Window:
    """Return a window with a p-value of being better."""
    return Window(0.0, -1.0, 1.0, p, 1 - p, 100, 10)


def sums(slices: int, seed: int, *, shift: float = 0.0, memory: float = 0.0) -> npt.NDArray[np.float64]:
    """Return sums of differences of slices of 20 rows: AR(1) with a mean of *shift* a row."""
    rng = np.random.default_rng(seed)
    effect = np.zeros(slices + 30)
    for t in range(1, slices + 30):
        effect[t] = memory * effect[t - 1] + rng.normal() * np.sqrt(1 - memory**2)
    return np.asarray(ROWS * (0.2 * effect[30:] + shift))


def window(values: npt.NDArray[np.float64]) -> Window:
    """Return the window of sums of slices, with the least favourable memory."""
    made = evidence.window(values, np.full(len(values), ROWS))
    assert made is not None
    return made


@pytest.mark.parametrize("alpha", [0.05, 0.0375, 0.004])
def test_an_e_value_pays_at_most_one_on_average(alpha: float) -> None:
    """Over p-values that are uniform, the worst that a valid test can give."""
    p = (np.arange(50_000) + 0.5) / 50_000
    assert 0.95 < np.mean([evidence.e_value(float(one), alpha) for one in p]) <= 1.0


def test_a_smaller_p_value_pays_more() -> None:
    """In every place, also around the level at which a bet decides at once."""
    values = [evidence.e_value(float(p), ALPHA) for p in np.geomspace(1e-9, 1, 500)]
    assert values == sorted(values, reverse=True)


def test_stakes_add_up_to_one_at_most() -> None:
    """Windows that pay 1 each leave the stake as it is: a later look has a smaller part of the rest."""
    total = Evidence()
    for _ in range(200):
        before = total
        total = evidence.add(total, looked(0.25), ALPHA)
        assert total.looks == before.looks + 1
    pays = evidence.e_value(0.25, ALPHA)
    assert total.better <= max(1.0, pays) ** 200
    stakes = [0.75, *((1 - 0.75) / (n * (n - 1)) for n in range(2, 10_000))]
    assert 0.999 < sum(stakes) <= 1.0


def test_the_first_look_may_decide_at_once() -> None:
    """With a p-value below half of the first stake's share of alpha; a larger one waits for more."""
    level = evidence.FIRST_STAKE * evidence.AT_ONCE * ALPHA
    passed, held = (evidence.add(Evidence(), looked(p), ALPHA) for p in (level, 2 * level))
    assert CheckResult.PASS is evidence.decide(passed, ALPHA)
    assert CheckResult.HOLD is evidence.decide(held, ALPHA)
    worse = replace(looked(0.9), worse=level)
    assert CheckResult.FAIL is evidence.decide(evidence.add(Evidence(), worse, ALPHA), ALPHA)


def test_evidence_grows_over_looks_that_would_each_not_do() -> None:
    """That is what a look after the other is for."""
    total, results = Evidence(), []
    for _ in range(6):
        total = evidence.add(total, looked(0.02), ALPHA)
        results.append(evidence.decide(total, ALPHA))
    assert CheckResult.HOLD is results[0]
    assert CheckResult.PASS is results[-1]


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_an_equal_model_rarely_passes_however_often_it_is_looked_at(memory: float) -> None:
    """Six looks of 10 slices each: at most alpha of 200 equal candidates pass, give or take three standard errors."""
    passed = 0
    for seed in range(200):
        slices, total = sums(60, seed, memory=memory), Evidence()
        for start in range(0, 60, 10):
            values = slices[start : start + 10]
            sd = float(slice_memory.standard_error(slice_memory.linearised(values, np.full(10, ROWS))))
            p = float(slice_memory.tail(np.array(values.mean() / ROWS / sd), 10, slice_memory.memory_weights(None)))
            total = evidence.add(total, looked(p), ALPHA)
            if evidence.decide(total, ALPHA) is CheckResult.PASS:
                passed += 1
                break
    assert passed / 200 <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 200)


def test_lower_losses_of_the_candidate_only_help() -> None:
    """The same slices shifted down: the p-value falls, and the evidence that it is better does not."""
    slices = sums(14, 3)
    windows = [window(slices - ROWS * shift) for shift in (0.0, 0.05, 0.1, 0.2, 0.4)]
    better = [evidence.add(Evidence(), one, ALPHA).better for one in windows]
    assert [w.better for w in windows] == sorted((w.better for w in windows), reverse=True)
    assert better == sorted(better)
    assert [w.mean for w in windows] == pytest.approx([windows[0].mean - s for s in (0.0, 0.05, 0.1, 0.2, 0.4)])


def test_a_much_better_model_passes_at_once() -> None:
    """Two weeks suffice where it is better by more than slices vary; and the bounds leave zero out."""
    looked_at = window(sums(14, 1, shift=-0.5))
    assert CheckResult.PASS is evidence.decide(evidence.add(Evidence(), looked_at, ALPHA), ALPHA)
    assert looked_at.low < looked_at.mean < looked_at.high < 0


def test_better_and_worse_are_mirror_images() -> None:
    """The sign of the differences alone tells them apart."""
    one, other = window(sums(14, 5, shift=-0.1)), window(-sums(14, 5, shift=-0.1))
    assert (one.better, one.worse) == pytest.approx((other.worse, other.better))


@pytest.mark.parametrize(("difference", "p"), [(0.0, 0.5), (-1.0, 0.0), (1.0, 1.0)])
def test_slices_that_are_all_alike_need_no_error(difference: float, p: float) -> None:
    """Models that differ by a constant are told apart with certainty, equal ones not at all."""
    made = evidence.window(np.full(8, difference), np.ones(8))
    assert made is not None
    assert (p, 1 - p) == pytest.approx((made.better, made.worse), abs=1e-6)


def test_few_slices_say_nothing() -> None:
    """A window of fewer than five is none."""
    assert evidence.window(sums(4, 0), np.full(4, ROWS)) is None
    assert replace(window(sums(5, 0)), mean=0.0).slices == 5
