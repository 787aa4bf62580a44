"""Sums, means and standard deviations are exact and rounded once, in any order and grouping."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from features.facts.exact_sums import Moments

NUMBERS = st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20)


@given(NUMBERS, st.integers(0, 20))
def test_moments_are_those_of_fractions(numbers: list[float], cut: int) -> None:
    """To the last bit, however they are grouped."""
    parts = [[Moments.of(x) for x in part] for part in (numbers[:cut], numbers[cut:])]
    both = Moments.together([Moments.together(parts[1]), Moments.together(parts[0])])
    exact = [Fraction(x) for x in numbers]

    assert (float(sum(exact)), float(sum(exact) / len(exact))) == (both.sum, both.mean)
    assert both.sum == math.fsum(numbers)
    assert math.sqrt(float(statistics.variance(exact))) == both.standard_deviation


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1))
def test_decimals_sum_to_the_nearest_float_of_what_was_read(numbers: list[object]) -> None:
    """No error of addition is added to that of reading."""
    floats = [float(str(number)) for number in numbers]

    assert math.fsum(floats) == Moments.together([Moments.of(x) for x in floats]).sum


def test_of_nothing_and_of_one_there_is_no_spread() -> None:
    """And no mean of nothing."""
    assert (None, None, 0.0) == (Moments().mean, Moments().standard_deviation, Moments().sum)
    assert None is Moments.of(1.0).standard_deviation
