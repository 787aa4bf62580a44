"""Plan of a short baseline: how many slices it has and lacks in each stage, and when it can be renewed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.window import from_ms
from monitors.baseline.renewal import SLICES_NEEDED, BaselineLength
from monitors.finding import Stage
from registry import baseline_plan
from registry.baseline_plan import BaselinePlan

DAY = 86_400_000
IN, OUT = Stage.INPUTS, Stage.OUTCOMES


def plan(
    slices: dict[Stage, int], gained: dict[Stage, int], *, delay: int = 0, window: int = 1, obstacle: str = ""
) -> BaselinePlan:
    """Return the plan of a baseline of daily slices that ended on day 10; slices count from day 12 on."""
    own = BaselineLength(slices, 10 * DAY, DAY, delay * DAY, 1, window)
    ends = {stage: tuple((13 + i) * DAY for i in range(n)) for stage, n in gained.items()}
    return baseline_plan.plan("v2", "d" * 64, own, 12 * DAY, ends, obstacle)


def test_outcomes_count_apart_and_wait_for_labels() -> None:
    """The stage that lacks most is shown, and the renewal is not before its last label can have come."""
    made = plan({IN: 15, OUT: 7}, {IN: 9, OUT: 2}, delay=7)
    assert (7, 20, 2, 13) == (made.slices, made.needed, made.gained, made.missing)
    assert from_ms((12 + 13 + 1 + 7) * DAY) == made.renewable_from
    assert not made.is_due
    assert "7 of the 20 slices" in made.text


def test_it_is_due_when_no_stage_lacks_any_and_both_reach_as_far() -> None:
    """Both stages get the slices of the same period."""
    assert plan({IN: 15, OUT: 7}, {IN: 20, OUT: 12}).until is None
    made = plan({IN: 15, OUT: 7}, {IN: 20, OUT: 14})
    assert (True, from_ms(25 * DAY)) == (made.is_due, made.until)
    assert "the next decision run renews it" in made.text
    assert plan({IN: 10, OUT: 20}, {IN: 10, OUT: 3}).until is None  # outcomes lack none, but are behind
    assert not plan({IN: 15, OUT: 7}, {IN: 20, OUT: 14}, obstacle="incident 3 is open").is_due


def test_a_change_that_is_not_confirmed_yet_is_in_no_renewal() -> None:
    """Without a guarantee it is drift after a window of windows, so as many slices must have followed in each stage."""
    lacks = {IN: 7, OUT: 7}
    assert [None, None] == [plan(lacks, {IN: n, OUT: m}, window=7).until for n, m in ((19, 19), (30, 19))]
    made = plan(lacks, {IN: 30, OUT: 20}, window=7)
    assert (True, from_ms(25 * DAY)) == (made.is_due, made.until)
    assert from_ms(32 * DAY) == plan(lacks, {IN: 19, OUT: 19}, window=7).renewable_from


def test_one_without_labels_needs_inputs_alone() -> None:
    """A baseline without outcomes promises nothing about them."""
    assert plan({IN: 7}, {IN: 14}).is_due


@pytest.mark.parametrize("slices", [{IN: 20}, {IN: 20, OUT: 20}, {IN: 60, OUT: 24}])
def test_one_that_is_long_enough_has_no_plan(slices: dict[Stage, int]) -> None:
    """Nothing is due, whatever has come and whatever is open."""
    made = plan(slices, {}, obstacle="incident 3 is open")
    assert (False, False, None, "") == (made.is_short, made.is_due, made.renewable_from, made.obstacle)


@given(
    slices=st.fixed_dictionaries({IN: st.integers(1, 30), OUT: st.integers(1, 30)}),
    gained=st.fixed_dictionaries({IN: st.integers(0, 40), OUT: st.integers(0, 40)}),
    delay=st.integers(0, 9),
    window=st.integers(1, 7),
)
def test_any_plan_agrees_with_itself(
    slices: dict[Stage, int], gained: dict[Stage, int], delay: int, window: int
) -> None:
    """Due: each stage then has what it needs, and no slice more than the neediest; later slices change nothing."""
    made = plan(slices, gained, delay=delay, window=window)
    lacks = {stage: max(SLICES_NEEDED - n, 0) for stage, n in slices.items()}
    assert made.is_short == any(lacks.values())
    if made.is_due:
        assert made.until is not None
        added = (made.until - from_ms(12 * DAY)).days
        assert max(lacks.values()) == added
        assert all(gained[stage] >= added + window for stage in lacks)
        later = {stage: n + 1 for stage, n in gained.items()}
        assert plan(slices, later, delay=delay, window=window).until == made.until
    elif made.is_short:
        assert any(gained[stage] < max(lacks.values()) + window for stage in lacks)
