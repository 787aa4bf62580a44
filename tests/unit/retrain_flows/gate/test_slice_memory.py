"""The t-test of autocorrelated slices: its law is exact, and merging slices does not move the mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from retrain_flows.gate import slice_memory
from tests.support.slices import autocorrelated, drawn


@pytest.mark.parametrize(("slices", "phi"), [(5, 0.8), (14, 0.0), (30, 0.8)])
def test_the_law_of_the_ratio_is_exact(slices: int, phi: float) -> None:
    """For normal AR(1) slices, 1 % and 5 % of ratios are below the points that this is the chance of."""
    means = autocorrelated(100_000, slices, phi)
    weights = slice_memory.memory_weights() if phi else np.eye(28)[0]
    p = slice_memory.tail(means.mean(axis=1) / slice_memory.standard_error(means), slices, weights)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.001)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.0022)


def test_without_memory_and_with_all_cosines_it_is_students_t() -> None:
    """Two slices have one cosine, and the ratio is Cauchy's."""
    ratio = np.array([-3.0, -0.5, 0.5, 3.0])
    expected = special.stdtr(1, ratio)
    assert slice_memory.tail(ratio, 2, np.eye(28)[0]) == pytest.approx(expected, rel=0.003)


def test_the_critical_ratio_is_where_the_tail_has_the_level() -> None:
    """One inverts the other."""
    weights = slice_memory.memory_weights()
    ratio = slice_memory.critical_ratio(0.025, 14, weights)
    assert float(slice_memory.tail(np.array(-ratio), 14, weights)) == pytest.approx(0.025, rel=0.001)


def test_many_slices_are_merged() -> None:
    """Neighbours are merged above 300 slices; the mean is the same."""
    sums, rows = drawn(8, slices=1001)
    values = slice_memory.merged(slice_memory.linearised(sums, rows))
    assert len(values) <= slice_memory.MAX_SLICES
    assert values.mean() == pytest.approx(sums.sum() / rows.sum())


def test_a_history_of_two_slices_is_none() -> None:
    """All weight is on the least favourable memory, as without one."""
    assert slice_memory.memory_weights(np.ones(2)).tolist() == slice_memory.memory_weights().tolist()
