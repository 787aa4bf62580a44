"""Slices as numbers that can be ranked: how far, which way and how wide, in units that busy and quiet slices share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitors import series
from monitors.bins import Counts

TEN = np.full(10, 0.1)
SLICES = arrays.arrays(np.int64, (6, 4), elements=st.integers(1, 50))


def drawn(rng: np.random.Generator, slices: int, rows: int, wobble: float = 0.0) -> Counts:
    """Return counts (slices, 10) of normal rows in deciles, whose means wobble from slice to slice."""
    edges = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816])
    values = rng.standard_normal((slices, rows)) + wobble * rng.standard_normal((slices, 1))
    return np.array([np.bincount(np.searchsorted(edges, v), minlength=10) for v in values])


def measure(**counts: Counts) -> series.Shares:
    """Return the measure of variables on all their cells."""
    return series.shares(counts, {name: range(c.shape[1]) for name, c in counts.items()})


def test_numbers_by_hand() -> None:
    """Two cells that are as good as known: 60 of 100 rows up is 2 sd, whose square is the chi-square."""
    found = measure(x=np.full((20, 2), 10**6)).series({"x": [40, 60]})[0]

    assert [4.0, 2.0] == pytest.approx(found[:2], rel=1e-3)


def test_five_scores_look_five_ways() -> None:
    """Any difference, the middle up and down, wider and narrower."""
    found = measure(x=np.full((20, 10), 1000))
    up, wide = [5, 5, 5, 5, 5, 5, 5, 5, 30, 30], [30, 10, 5, 3, 2, 2, 3, 5, 10, 30]
    far, right, left, wider, narrower = found.directed(found.series({"x": up}))[0]

    assert far > 5
    assert right == -left > 5
    assert wider == -narrower
    assert 5 < found.directed(found.series({"x": wide}))[0, 3]
    assert 0 == pytest.approx(found.directed(found.series({"x": wide}))[0, 1], abs=1e-6)


@given(SLICES, arrays.arrays(np.int64, 4, elements=st.integers(0, 30)), st.integers(0, 30))
def test_rows_that_move_up_raise_the_middle(slices: Counts, newest: Counts, more: int) -> None:
    """Monotone in the effect: rows that go from the lowest cell to the highest never lower the score."""
    found = measure(x=slices)
    before, after = (newest + more * np.array(cells) for cells in ([1, 0, 0, 0], [0, 0, 0, 1]))
    middle = [found.series({"x": list(c)})[0, 1] for c in (before, after) if c.sum()]

    assert middle == pytest.approx(sorted(middle))


@given(SLICES, arrays.arrays(np.int64, 4, elements=st.integers(1, 50)))
def test_cells_turned_round_turn_the_middle_round(slices: Counts, newest: Counts) -> None:
    """High to low instead of low to high: the middle changes its sign, the rest stays."""
    one, other = measure(x=slices).series({"x": newest}), measure(x=slices[:, ::-1]).series({"x": newest[::-1]})

    assert one * np.array([1, -1, 1]) == pytest.approx(other, abs=1e-6)


@given(SLICES, SLICES, st.integers(1, 5))
def test_neighbours_and_padding_do_not_matter(one: Counts, two: Counts, padding: int) -> None:
    """A variable's series are the same alone, beside another in either order, and with cells that nothing is in."""
    newest = {"x": list(one[0] + 1), "y": list(two[0] + 2)}
    alone = measure(x=one)
    beside, turned = measure(x=one, y=two), measure(y=two, x=one)
    wide = series.shares({"x": np.pad(one, ((0, 0), (0, padding)))}, {"x": range(4 + padding)})

    assert alone.reference[:, 0] == pytest.approx(beside.reference[:, 0])
    assert beside.reference == pytest.approx(turned.reference[:, ::-1])
    assert beside.series(newest) == pytest.approx(turned.series(newest)[::-1])
    assert alone.series(newest)[0] == pytest.approx(beside.series(newest)[0])
    assert alone.series(newest) == pytest.approx(wide.series({"x": [*newest["x"], *[0] * padding]}))


@pytest.mark.parametrize("wobble", [0.0, 0.2])
def test_the_unit_is_a_standard_deviation(wobble: float) -> None:
    """Means and spreads of later slices have variance 1 and chi-square mean 1, whatever their rows and their unrest."""
    rng = np.random.default_rng(1)
    found = measure(x=np.concatenate([drawn(rng, 200, n, wobble) for n in (100, 1000)]))
    for n in (100, 1000):
        seen = np.array([found.series({"x": c})[0] for c in drawn(rng, 400, n, wobble)])
        assert 1 == pytest.approx(seen[:, 1].std(), abs=0.1)
        assert 1 == pytest.approx(seen[:, 0].mean(), abs=0.2)


def test_unrest_is_the_variance_between_slices() -> None:
    """In units of a row's: near 0 where sampling is all, .04 where means wobble by .2 sd, less what bins lose."""
    rng = np.random.default_rng(2)
    still, restless = (measure(x=drawn(rng, 500, 1000, w)).unrest[0] for w in (0.0, 0.2))

    assert still < 0.001
    assert 0.036 == pytest.approx(restless, rel=0.15)


def test_a_slice_without_rows_says_nothing() -> None:
    """In the reference or later, or where a variable is not counted at all."""
    slices = np.vstack([np.full((5, 3), 10), np.zeros((1, 3), np.int64)])
    found = measure(x=slices, y=np.full((6, 3), 10))

    assert [False] * 5 + [True] == np.isnan(found.reference[:, 0, 1]).tolist()
    assert np.isnan(found.series({"y": [1, 2, 3]})[0]).all()
    assert np.isfinite(found.series({"y": [1, 2, 3]})[1]).all()


@given(SLICES, SLICES)
def test_slices_add_up(one: Counts, two: Counts) -> None:
    """Counts of merged slices are the sum, in either order; what only one has is kept."""
    a, b = {"x": one[0].tolist(), "y": [1]}, {"x": two[0].tolist()}

    assert series.add(a, b) == series.add(b, a) == {"x": (one[0] + two[0]).tolist(), "y": [1]}
