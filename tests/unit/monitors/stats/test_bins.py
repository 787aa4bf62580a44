"""Bins: each value has one cell, the same wherever it is counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from monitors.stats import bins

FLOATS = st_np.arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 7.5]))


@given(FLOATS, st.integers(2, 20))
def test_the_reference_lies_inside_its_own_bins(values: npt.NDArray[np.float64], k: int) -> None:
    """No reference value is under or over, edges increase, and there are not many more bins than asked for."""
    frozen = bins.freeze_numeric(values, k)
    cells = frozen.index(values, np.zeros(len(values), bool))

    assert cells.max() < frozen.body
    assert all(a < b for a, b in zip(frozen.edges[:-1], frozen.edges[1:], strict=True)) or 1 == frozen.body
    assert frozen.body <= 3 * k


@given(FLOATS, FLOATS)
def test_counts_of_parts_add_up_to_counts_of_the_whole(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> None:
    """Counting in two parts, in any order, gives what counting at once gives."""
    frozen = bins.freeze_numeric(left)

    def count(values: npt.NDArray[np.float64]) -> bins.Counts:
        return np.bincount(frozen.index(values, np.zeros(len(values), bool)), minlength=frozen.cells)

    whole = count(np.concatenate([right, left]))

    assert whole.tolist() == (count(left) + count(right)).tolist()


@pytest.mark.parametrize("atom", [0.0, 5.0, 10.0])
def test_a_frequent_value_has_a_bin_of_its_own(atom: float) -> None:
    """Be it the smallest, in the middle or the largest: rain begins where zero ends."""
    values = np.concatenate([np.full(900, atom), np.linspace(0, 10, 101)])
    frozen = bins.freeze_numeric(values)
    cell = frozen.index(np.array([atom]), np.zeros(1, bool))[0]
    others = values[values != atom]

    assert 901 == np.count_nonzero(frozen.index(values, np.zeros(len(values), bool)) == cell)
    assert cell not in frozen.index(others, np.zeros(len(others), bool))


def test_numbers_that_are_none_or_not_finite_have_cells_of_their_own() -> None:
    """Missing, NaN, both infinities and values beyond the range are told apart from the bins and from each other."""
    frozen = bins.freeze_numeric(np.arange(10.0), 2)
    values = np.array([-1.0, 10.0, 99.0, np.nan, np.nan, -np.inf])
    missing = np.array([False, False, False, True, False, False])
    names = [frozen.labels[i] for i in frozen.index(values, missing)]

    assert ["under", "over", "far over", "missing", "non-finite", "non-finite"] == names


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), max_size=50))
def test_every_category_of_the_reference_is_known(values: list[str | None]) -> None:
    """Nothing of the reference is unseen; what it never held is."""
    array = np.array([*values, None], dtype=object)
    frozen = bins.freeze_categorical(array, top=2)

    assert frozen.body not in frozen.index(array)
    assert [frozen.body] == frozen.index(np.array(["z"], object)).tolist()
