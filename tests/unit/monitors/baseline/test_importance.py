"""Importance as shares and weights: they sum to 1, and no weight is 0."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.baseline import importance

NAMES = ("a", "b", "c", "d")
shares = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1e6))


@given(shares, st.floats(0, 1))
def test_weights_sum_to_one_and_keep_the_floor(known: dict[str, float], floor: float) -> None:
    """Whatever is known of the variables, each has at least its part of the floor."""
    made = importance.weights(known, NAMES, floor)
    assert NAMES == tuple(made)
    assert math.isclose(1, math.fsum(made.values()))
    assert min(made.values()) >= floor / len(NAMES) - 1e-12


@given(shares)
def test_weights_are_in_the_order_of_importance(known: dict[str, float]) -> None:
    """The floor lifts the small ones and changes no order."""
    made = importance.weights(known, NAMES)
    ranked = [made[name] for name in importance.rank(known, NAMES)]
    assert ranked == sorted(ranked, reverse=True)


@pytest.mark.parametrize("known", [{}, {"a": 0.0, "b": 0.0}, {"of another schema": 1.0}, {"a": -0.5}])
def test_what_is_unknown_is_weighed_equally(known: dict[str, float]) -> None:
    """Nobody's ignorance makes one feature louder than another."""
    assert dict.fromkeys(NAMES, 0.25) == importance.weights(known, NAMES)


def test_all_weight_may_be_dealt_out_equally_or_by_importance_alone() -> None:
    """The two ends of the floor."""
    known = {"a": 0.75, "b": 0.25}
    assert {"a": 0.5, "b": 0.5} == importance.weights(known, ("a", "b"), floor=1)
    assert known == importance.weights(known, ("a", "b"), floor=0)


def test_no_variable_has_no_weight() -> None:
    """Nothing to share out is no error."""
    assert {} == importance.weights({"a": 1.0}, ())


@given(st.dictionaries(st.sampled_from(NAMES), st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf])))
def test_shares_are_normal_or_unknown(raw: dict[str, float]) -> None:
    """Whatever was measured, negative, infinite or NaN: shares of 1 to within their rounding, or none at all."""
    made = importance.normalise(raw)
    assert made == {} or (made.keys() == raw.keys() and math.isclose(1, math.fsum(made.values()), abs_tol=2e-6))
    assert all(value >= 0 for value in made.values())


def test_equals_keep_their_order() -> None:
    """So that a list of features does not jump about."""
    assert ("c", "b", "a") == importance.rank({"c": 1.0}, ("b", "c", "a"))
