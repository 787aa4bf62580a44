"""A window of slices: bounds that hold as often as they say, whatever unit, sign and memory the slices have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.scoring import Floats
from retrain_flows.gate import slice_window
from retrain_flows.gate.slice_window import Window
from tests.support.slices import autocorrelated, drawn

SEEDS = st.integers(0, 10_000)


def window(sums: Floats, rows: Floats, history: Floats | None = None) -> Window:
    """Return a window that has enough slices."""
    made = slice_window.window(sums, rows, history)
    assert made is not None
    return made


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


@pytest.mark.parametrize(("difference", "p"), [(0.0, 0.5), (-1.0, 0.0), (1.0, 1.0)])
def test_slices_that_are_all_alike_need_no_error(difference: float, p: float) -> None:
    """Models that differ by a constant are told apart with certainty, equal ones not at all."""
    made = window(np.full(8, difference), np.ones(8))
    assert (p, 1 - p) == pytest.approx((made.better, made.worse), abs=1e-6)
    assert (difference, difference) == pytest.approx((made.low, made.high))


def test_few_slices_say_nothing() -> None:
    """A window of fewer than five is none."""
    assert slice_window.window(np.ones(4), np.ones(4)) is None
