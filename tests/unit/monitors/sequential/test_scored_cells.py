"""Scored cells: which values have a share of their own in the scores, and which are frequent by luck."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from monitors.sequential import scored_cells
from monitors.stats import held_out, threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins, freeze_categorical


def frozen(values: npt.NDArray[np.int64], slices: int) -> tuple[CategoricalBins, Counts]:
    """Return the vocabulary of *values* and their held-out counts in slices of equal size."""
    rows, at = values.astype(str).astype(object), np.arange(len(values)) * slices // len(values)
    bins = freeze_categorical(rows)
    counts = np.zeros((slices, bins.cells), np.int64)
    np.add.at(counts, (at, held_out.cells(rows, at, bins)), 1)
    return bins, counts


@pytest.mark.parametrize("run", [1, 5])
def test_of_equally_frequent_words_none_stands_out(run: int) -> None:
    """Nor where a word comes several times in a row: such rows are fewer events."""
    values = np.repeat(np.random.default_rng(1).integers(300, size=6_000 // run), run)
    bins, counts = frozen(values, 60)

    assert [tuple(range(30)), (30,), (31,)] == scored_cells.groups(bins, counts)


def test_of_zipfs_words_the_frequent_ones_stand_out() -> None:
    """The first twenty have a share of their own; all cells are scored once, in the order of frequency."""
    bins, counts = frozen(np.random.default_rng(2).zipf(1.5, 6_000), 60)
    found = scored_cells.groups(bins, counts)

    assert [(cell,) for cell in range(20)] == found[:20]
    assert threshold.compared(bins) == sorted(cell for group in found for cell in group)


def test_a_vocabulary_without_others_and_a_number_have_all_their_cells() -> None:
    """There nothing was chosen."""
    numbers, words = NumericBins(edges=(0.0, 1.0, 2.0)), CategoricalBins(categories=("a", "b"))

    assert [(cell,) for cell in numbers.ordered] == scored_cells.groups(numbers, np.ones((9, numbers.cells), np.int64))
    assert [(0,), (1,), (2,), (3,)] == scored_cells.groups(words, np.ones((9, words.cells), np.int64))
