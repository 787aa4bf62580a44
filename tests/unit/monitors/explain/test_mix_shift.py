"""Mix shift: a change splits into mix and within parts that add up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitors.explain import mix_shift

COUNTS = arrays.arrays(np.int64, (3, 4), elements=st.integers(0, 500)).filter(lambda c: c.sum() > 0)


@given(COUNTS, COUNTS)
def test_mix_and_within_add_up_to_the_change_of_shares(before: np.ndarray, now: np.ndarray) -> None:
    """Whatever the segments do, the two parts sum to the whole change, cell by cell."""
    moved, within = mix_shift.decompose(before, now)
    change = now.sum(axis=0) / now.sum() - before.sum(axis=0) / before.sum()
    np.testing.assert_allclose(change, moved + within, atol=1e-12)


@given(COUNTS, st.lists(st.integers(1, 9), min_size=3, max_size=3))
def test_segments_that_only_grow_are_all_mix(before: np.ndarray, times: list[int]) -> None:
    """With the same shares inside every segment, nothing is a shift within."""
    found = mix_shift.split("by", dict(enumerate(before)), dict(enumerate(before * np.array(times)[:, None])))  # type: ignore[arg-type]
    assert 0 == round(found.within, 9)
    assert round(found.mix, 9) == round(found.total, 9)


def test_a_shift_inside_each_segment_is_all_within() -> None:
    """Simpson's trap the other way round: the crowd is the same and everybody changed."""
    found = mix_shift.split(
        "by", {"a": np.array([80, 20]), "b": np.array([20, 80])}, {"a": np.array([60, 40]), "b": np.array([0, 100])}
    )

    assert (0.2, 0.0, 0.2, 0.0) == (found.total, found.mix, found.within, found.mix_share)


def test_a_segment_that_comes_or_goes_is_mix() -> None:
    """Nothing is known of how it behaved where it was not, so its coming is a change of the crowd."""
    found = mix_shift.split("by", {"a": np.array([50, 50])}, {"a": np.array([50, 50]), "new": np.array([0, 100])})

    assert (0.25, 0.0, 1.0) == (found.mix, found.within, found.mix_share)
