"""What a feature of facts is: equal to its definition, whatever the order, repetition and time of computing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.facts.fact import Fact
from features.facts.key_state import KeyState, state_of
from tests.support.fact_worlds import BEGIN, MINUTE, MOMENTS, bits, by_carrier, histories, naive

GROUP = by_carrier()
TIMES = st.lists(st.integers(0, 100 * MINUTE).map(lambda ms: BEGIN + ms), min_size=1, max_size=4)


def values(state: KeyState, times: list[int]) -> list[object]:
    """Return the bits of all features at some times."""
    return [bits(state.value(name, time)) for name in GROUP.features for time in times]


@given(histories(), TIMES)
def test_a_value_is_what_its_definition_says(facts: list[Fact], times: list[int]) -> None:
    """Tiles, and what they remember, change no bit of it."""
    expected = [bits(naive(GROUP, facts, name, time)) for name in GROUP.features for time in times]

    assert expected == values(state_of(GROUP, facts), times)


@given(histories(), TIMES, st.randoms(use_true_random=False))
def test_order_and_repetition_of_facts_change_no_bit(facts: list[Fact], times: list[int], rng: random.Random) -> None:
    """Shuffled, some of them twice, and read in between."""
    again = [*facts, *rng.sample(facts, len(facts) // 2)]
    rng.shuffle(again)
    state = KeyState(GROUP)
    for fact in again:
        state.add(fact)
        state.value(rng.choice(list(GROUP.features)), rng.choice(times))

    assert values(state_of(GROUP, facts), times) == values(state, times)


@given(histories(), histories(), TIMES)
def test_what_becomes_known_later_does_not_count(facts: list[Fact], later: list[Fact], times: list[int]) -> None:
    """A training set that is built again a year later has the same values."""
    future = [
        fact._replace(known_time=GROUP.cutoff(max(times)) + fact.known_time - BEGIN + 6 * MINUTE) for fact in later
    ]

    assert values(state_of(GROUP, facts), times) == values(state_of(GROUP, [*facts, *future]), times)


@given(histories(), histories(), TIMES, MOMENTS)
def test_what_is_too_old_to_count_may_be_forgotten(
    facts: list[Fact], before: list[Fact], times: list[int], since: int
) -> None:
    """No row from then on has another value; facts of days before are dropped."""
    later = [since + time - BEGIN for time in times]
    old = [fact._replace(id=f"old {fact.id}", time=fact.time - 2 * GROUP.reach) for fact in before]
    state = state_of(GROUP, [*old, *facts])
    state.forget(since - GROUP.reach)

    assert set(facts) == set(state.facts())
    assert values(state_of(GROUP, [*old, *facts]), later) == values(state, later)
    state.forget(since + GROUP.reach)
    assert [] == state.facts()


def test_a_correction_counts_from_when_it_was_known() -> None:
    """A fact of 00:10 known at 00:11, corrected at 00:18: a row of 00:17 sees the first, one of 00:22 the second."""
    first = Fact("1", BEGIN + 10 * MINUTE, BEGIN + 11 * MINUTE, ("1", 1.0, None))
    second = first._replace(known_time=BEGIN + 18 * MINUTE, values=("9", 9.0, None))
    state = state_of(GROUP, [second, first])

    assert [1.0, 1.0, 9.0] == [state.value("mean", BEGIN + minute * MINUTE) for minute in (17, 21, 22)]


def test_what_became_known_at_the_cutoff_counts_from_the_next_one() -> None:
    """Known at 00:10, when a tile ends: not at 00:12, whose cutoff that is, but at 00:17; so is a correction."""
    first = Fact("1", BEGIN + 3 * MINUTE, BEGIN + 10 * MINUTE, ("1", 1.0, None))
    second = first._replace(known_time=BEGIN + 15 * MINUTE, values=("9", 9.0, None))
    state = state_of(GROUP, [first, second])

    assert [None, 1.0, 9.0] == [state.value("mean", BEGIN + minute * MINUTE) for minute in (12, 17, 22)]


def test_a_tile_counts_when_it_has_been_closed_for_the_delay() -> None:
    """Facts of [00:00, 00:05) count from 00:07 on, with a delay of 2 minutes, and until their window ends."""
    state = state_of(GROUP, [Fact("1", BEGIN + 1, BEGIN + 1, ("4", 4.0, None))])
    at = {minute: state.value("sum", BEGIN + minute * MINUTE) for minute in (5, 6, 7, 26, 27)}

    assert {5: None, 6: None, 7: 4.0, 26: 4.0, 27: None} == at
    assert None is state.value("sum", BEGIN + 7 * MINUTE - 1)


def test_a_fact_of_the_future_changes_nothing_now() -> None:
    """It closes no tile: cutoffs come from rows alone."""
    facts = [Fact("1", BEGIN, BEGIN, ("4", 4.0, None)), Fact("2", BEGIN + 10**12, BEGIN + 10**12, ("5", 5.0, None))]

    assert 4.0 == state_of(GROUP, facts).value("sum", BEGIN + 10 * MINUTE)


@pytest.mark.parametrize("name", [name for name in GROUP.features if name not in ("plane", "distinct")])
def test_a_version_without_a_value_takes_the_fact_back(name: str) -> None:
    """Null in the corrected column."""
    fact = Fact("1", BEGIN, BEGIN, ("4", 4.0, None))
    state = state_of(GROUP, [fact, fact._replace(known_time=BEGIN + MINUTE, values=(None, None, None))])

    assert None is state.value(name, BEGIN + 8 * MINUTE)
