"""Bets that know the age of a change: their payoffs are densities of ranks, and starts are lost nowhere."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.sequential import aged_bets, edetector


def paid(shift: float, age: int, size: int) -> np.ndarray:
    """Return what one bet pays on each of the ranks among *size* slices, without the part that is not at stake."""
    every = aged_bets.payoffs(np.linspace(0, 1, size + 2), size)
    at = aged_bets.SHIFTS.index(shift) * len(aged_bets.AGES) + aged_bets.AGES.index(age)
    return np.asarray((every[:, at] - (1 - aged_bets.STAKE)) / aged_bets.STAKE)


@pytest.mark.parametrize("size", aged_bets.SIZES[:8])
def test_every_bet_pays_one_on_average(size: int) -> None:
    """Whatever the borders: they need not be those of ranks."""
    borders = np.concatenate([[0.0], np.geomspace(1e-4, 1, 37)])

    assert np.ones(aged_bets.BETS) == pytest.approx(np.diff(borders) @ aged_bets.payoffs(borders, size))


@pytest.mark.parametrize("age", [1, 2, 4, 8])
def test_a_large_change_is_among_its_like(age: int) -> None:
    """It pays (n + j) / j on the j smallest of n + j ranks, and next to nothing on the others."""
    of_ranks = paid(8.0, age, 60)

    assert np.full(age, 61 / age) == pytest.approx(of_ranks[:age], rel=1e-3)
    assert of_ranks[age:].max() < 1e-2


def test_slices_after_a_large_change_pay_what_exchangeability_allows() -> None:
    """Three slices that are the furthest of 60 and one another: C(63, 3) at most, and no bet pays more."""
    paid_out = np.prod([paid(8.0, age, 60)[0] for age in (1, 2, 3)])

    assert paid_out <= comb(63, 3)
    assert paid_out >= 0.9 * comb(63, 3)


def test_a_change_by_one_sd_is_simulated() -> None:
    """The rank of the third slice after it, among 58 old ones and two new ones: as often as the payoff says."""
    rng = np.random.default_rng(4)
    old, new = rng.standard_normal((20_000, 58)), rng.standard_normal((20_000, 3)) + 1
    further = (np.concatenate([old, new[:, :2]], axis=1) > new[:, 2:]).sum(axis=1)
    seen = np.bincount(further, minlength=61) / 20_000 * 61
    expected = paid(1.0, 3, 60)

    assert np.add.reduceat(expected, [0, 5, 15, 30]) == pytest.approx(np.add.reduceat(seen, [0, 5, 15, 30]), rel=0.05)


@given(st.lists(st.floats(0, 1e6), min_size=aged_bets.BETS, max_size=aged_bets.BETS))
def test_starts_grow_older_and_none_is_lost(values: list[float]) -> None:
    """A slice later, the sum for each shift is larger by the one start that is new."""
    m = np.array(values)
    before, after = (x.reshape(len(aged_bets.SHIFTS), -1).sum(axis=1) for x in (m, aged_bets.aged(m)))

    assert before + 1 == pytest.approx(after)


def test_numbers_of_slices_share_tables() -> None:
    """The next smaller size: known before the slice, so its bets are fair."""
    tables = [edetector.payoffs(60, n)[1] for n in (60, 79, 80)]

    assert tables[0] is tables[1]
    assert tables[1] is not tables[2]
