"""Held-out cells: a reference's rows as rows that had no part in its vocabulary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.stats import held_out
from monitors.stats.bins import CategoricalBins, freeze_categorical

words = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([*"abcdefgh", None])), min_size=1, max_size=60)


def by_hand(
    value: str | None, rest: npt.NDArray[np.object_], folds: npt.NDArray[np.object_], b: CategoricalBins
) -> str:
    """Return what a value is by the rows of the other slices, and by those of the other folds."""
    known = freeze_categorical(rest, len(b.categories), len(b.others))
    if value is None:
        return "missing"
    if value not in (*known.categories, *known.others):
        return "unseen"
    return "top" if value in freeze_categorical(folds, len(b.categories)).categories else "other"


@given(words, st.integers(1, 4), st.integers(0, 3))
def test_a_row_counts_as_other_slices_have_it(rows: list[tuple[int, str | None]], top: int, vocabulary: int) -> None:
    """Known by the other slices, frequent by the other folds (with so few slices, the same), in a cell of its own."""
    slices, values = np.array([s for s, _ in rows]), np.array([*(v for _, v in rows)], object)
    bins = freeze_categorical(values, top, vocabulary)
    cells = held_out.cells(values, slices, bins)

    for slice_, value, cell in zip(slices, values, cells, strict=True):
        rest = values[slices != slice_]
        label = bins.labels[cell] if cell >= len(bins.categories) else "top"
        usual = bins.labels[bins.index(np.array([value], object))[0]]
        assert label == (by_hand(value, rest, rest, bins) if len(rest) else "top" if usual == value else usual)
        assert label != "top" or value not in bins.categories or bins.categories[cell] == value


def test_the_folds_are_every_tenth_slice() -> None:
    """A word that only slices 0, 10 and 20 have is known by two of them, and frequent by none."""
    values = np.array([*["a"] * 30, *["b"] * 30, *["c"] * 9], object)
    slices = np.concatenate([np.arange(30), np.arange(30), np.repeat([0, 10, 20], 3)])
    bins = CategoricalBins(categories=("a", "b", "c"), others=())

    assert {"other"} == {bins.labels[c] for c in held_out.cells(values, slices, bins)[-9:]}


@pytest.mark.parametrize("power", [1.2, 1.5, 2.0])
def test_as_many_are_unseen_as_of_later_rows(power: float) -> None:
    """Of Zipf's words 1 to 25 % are new in every slice: of the reference's own as of those that come."""
    rng = np.random.default_rng(3)
    values, slices = rng.zipf(power, 24_000).astype(str).astype(object), np.repeat(np.arange(240), 100)
    bins = freeze_categorical(values[:6_000])
    own, later = held_out.cells(values[:6_000], slices[:6_000], bins), bins.index(values[6_000:])
    sd = np.sqrt((later == bins.body).mean() / 6_000)

    assert abs((own == bins.body).mean() - (later == bins.body).mean()) < 4 * sd
    assert abs((own < 30).mean() - (later < 30).mean()) < 4 * np.sqrt(0.25 / 6_000)


def test_the_most_frequent_of_equal_words_are_no_more_frequent_than_later() -> None:
    """Thirty of 300 words have a tenth of later rows; by its own choice the reference has an eighth there."""
    rng = np.random.default_rng(4)
    values, slices = rng.integers(300, size=6_000).astype(str).astype(object), np.repeat(np.arange(60), 100)
    bins = freeze_categorical(values)

    assert (bins.index(values) < 30).mean() > 0.12
    assert 0.09 < (held_out.cells(values, slices, bins) < 30).mean() < 0.11


def test_one_slice_is_counted_by_its_own_words() -> None:
    """There are no others."""
    values = np.array(["a", "b", None], object)

    assert [0, 1, 4] == held_out.cells(values, np.zeros(3, int), freeze_categorical(values)).tolist()
