"""Bin changes: shares before and now by part of the range, largest first, with direction."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.explain.bin_changes import bin_changes
from monitors.stats.bins import CategoricalBins, NumericBins

BINS = NumericBins(edges=(0.0, 1.0, 2.0, 3.0, 4.0))
EVEN = [25, 25, 25, 25, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("now", "direction"),
    [
        ([10, 20, 30, 40, 0, 0, 0, 0, 0, 0], "up"),
        ([40, 30, 20, 10, 0, 0, 0, 0, 0, 0], "down"),
        ([40, 10, 10, 40, 0, 0, 0, 0, 0, 0], "wider"),
        ([10, 40, 40, 10, 0, 0, 0, 0, 0, 0], "narrower"),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 100], "up"),
    ],
)
def test_a_number_says_which_way_it_moved(now: list[int], direction: str) -> None:
    """Direction is that of the larger gap between the distribution functions; gaps on both sides are a spread."""
    assert direction == bin_changes(BINS, EVEN, now).direction


def test_the_parts_that_moved_most_are_named_with_their_shares() -> None:
    """A category that took over is told first, with how much it had and has."""
    bins = CategoricalBins(categories=("a", "b"), others=())
    found = bin_changes(bins, np.array([70, 30, 0, 0, 0]), np.array([20, 30, 0, 50, 0]))

    assert ["a", "unseen"] == sorted(p.label for p in found.parts)
    assert {(0.7, 0.2), (0.0, 0.5)} == {(p.before, p.now) for p in found.parts}


def test_equal_shares_and_empty_sides_move_nowhere() -> None:
    """Twice the rows with the same shares is no movement; neither is no row at all."""
    assert "" == str(bin_changes(BINS, EVEN, [2 * n for n in EVEN]))
    assert "" == str(bin_changes(BINS, EVEN, [0] * 10))
    assert bin_changes(BINS, EVEN, [26, 25, 24, 25, 0, 0, 0, 0, 0, 0]).is_spread
    assert not bin_changes(BINS, EVEN, EVEN).is_spread
