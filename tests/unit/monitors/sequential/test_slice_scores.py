"""Slice scores: size, direction and spread of change, in units comparable between busy and quiet slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitors.sequential import slice_scores
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances

SLICES = arrays.arrays(np.int64, (6, 4), elements=st.integers(1, 50))


def drawn(rng: np.random.Generator, slices: int, rows: int, wobble: float = 0.0) -> Counts:
    """Return counts (slices, 10) of normal rows in deciles, whose means wobble from slice to slice."""
    edges = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816])
    values = rng.standard_normal((slices, rows)) + wobble * rng.standard_normal((slices, 1))
    return np.array([np.bincount(np.searchsorted(edges, v), minlength=10) for v in values])


def measure(**counts: Counts) -> slice_scores.ShareScores:
    """Return the measure of variables on all their cells."""
    return slice_scores.share_scores(counts, {name: range(c.shape[1]) for name, c in counts.items()})


def scores(found: slice_scores.ShareScores, **newest: Sequence[int]) -> Distances:
    """Return the five scores of one slice by variable, ``(variables, 5)``."""
    return found.directed(found.scores(newest))


def test_numbers_by_hand() -> None:
    """Of two cells that are as good as known, 60 of 100 rows in the upper one is 2 sd up."""
    _, up, down, _, _ = scores(measure(x=np.full((20, 2), 10**6)), x=[40, 60])[0]

    assert [2.0, -2.0] == pytest.approx([up, down], rel=1e-3)


def test_five_scores_look_five_ways() -> None:
    """Any difference, the middle up and down, wider and narrower."""
    found = measure(x=np.full((20, 10), 1000))
    same, wide = scores(found, x=[10] * 10)[0], scores(found, x=[30, 10, 5, 3, 2, 2, 3, 5, 10, 30])[0]
    far, right, left, wider, narrower = scores(found, x=[5, 5, 5, 5, 5, 5, 5, 5, 30, 30])[0]

    assert [0.0] * 5 == pytest.approx(same, abs=0.5)
    assert far > same[0] + 5
    assert right == -left > 5
    assert wider == -narrower
    assert wide[3] > 5
    assert 0 == pytest.approx(wide[1], abs=1e-6)


@given(SLICES, arrays.arrays(np.int64, 4, elements=st.integers(0, 30)), st.integers(0, 30))
def test_rows_that_move_up_raise_the_middle(slices: Counts, newest: Counts, more: int) -> None:
    """Monotone in the effect: rows that go from the lowest cell to the highest never lower the score."""
    found = measure(x=slices)
    before, after = (newest + more * np.array(cells) for cells in ([1, 0, 0, 0], [0, 0, 0, 1]))
    middle = [scores(found, x=list(c))[0, 1] for c in (before, after) if c.sum()]

    assert middle == pytest.approx(sorted(middle))


@given(SLICES, arrays.arrays(np.int64, 4, elements=st.integers(1, 50)))
def test_cells_turned_round_turn_the_middle_round(slices: Counts, newest: Counts) -> None:
    """High to low instead of low to high: up becomes down, the rest stays."""
    one, other = scores(measure(x=slices), x=newest), scores(measure(x=slices[:, ::-1]), x=newest[::-1])

    assert one[:, (0, 2, 1, 3, 4)] == pytest.approx(other, abs=1e-6)


@given(SLICES, SLICES, st.integers(1, 5))
def test_neighbours_and_padding_do_not_matter(one: Counts, two: Counts, padding: int) -> None:
    """A variable's scores are the same alone, beside another in either order, and with cells that nothing is in."""
    newest = {"x": list(one[0] + 1), "y": list(two[0] + 2)}
    alone = measure(x=one)
    beside, turned = measure(x=one, y=two), measure(y=two, x=one)
    wide = slice_scores.share_scores({"x": np.pad(one, ((0, 0), (0, padding)))}, {"x": range(4 + padding)})

    for found, at in ((beside, 0), (turned, 1), (wide, 0)):
        own = found.directed(found.reference)[:, at]
        assert alone.directed(alone.reference)[:, 0] == pytest.approx(own, abs=1e-9)
    assert scores(alone, x=newest["x"])[0] == pytest.approx(scores(beside, **newest)[0])
    assert scores(beside, **newest) == pytest.approx(scores(turned, **newest)[::-1])
    assert scores(alone, x=newest["x"]) == pytest.approx(scores(wide, x=[*newest["x"], *[0] * padding]))


@pytest.mark.parametrize("wobble", [0.0, 0.2])
def test_the_unit_is_a_standard_deviation(wobble: float) -> None:
    """The middle of later slices has variance 1, whatever their rows and their unrest."""
    rng = np.random.default_rng(1)
    found = measure(x=np.concatenate([drawn(rng, 200, n, wobble) for n in (100, 1000)]))
    for n in (100, 1000):
        seen = [scores(found, x=c)[0, 1] for c in drawn(rng, 400, n, wobble)]
        assert 1 == pytest.approx(np.std(seen), abs=0.12)


def test_unrest_is_the_variance_between_slices() -> None:
    """In units of a row's: near 0 where sampling is all, .04 where means wobble by .2 sd, less what bins lose."""
    rng = np.random.default_rng(2)
    still, restless = (measure(x=drawn(rng, 500, 1000, w)).intraclass_correlation[0] for w in (0.0, 0.2))

    assert still < 0.001
    assert 0.036 == pytest.approx(restless, rel=0.15)


def test_a_cell_that_the_reference_never_saw_makes_nothing_wild() -> None:
    """One row of 50 beyond the range of all slices, as comes now and then, is no wild difference; it is up, though."""
    slices = np.pad(drawn(np.random.default_rng(3), 60, 50), ((0, 0), (0, 1)))
    found = measure(x=slices)
    known = found.directed(found.reference)[:, 0]
    inside, beyond = ([5] * 9 + last for last in ([5, 0], [4, 1]))
    far, up = (scores(found, x=beyond)[0, k] for k in (0, 1))

    assert far < np.median(known[:, 0])
    assert up > scores(found, x=inside)[0, 1]


def test_a_slice_without_rows_says_nothing() -> None:
    """In the reference or later, or where a variable is not counted at all."""
    slices = np.vstack([np.full((5, 3), 10), np.zeros((1, 3), np.int64)])
    found = measure(x=slices, y=np.full((6, 3), 10))

    assert [False] * 5 + [True] == np.isnan(found.reference[:, 0, 1]).tolist()
    assert np.isnan(scores(found, y=[1, 2, 3])[0]).all()
    assert np.isfinite(scores(found, y=[1, 2, 3])[1]).all()


@given(SLICES, SLICES)
def test_slices_add_up(one: Counts, two: Counts) -> None:
    """Counts of merged slices are the sum, in either order; what only one has is kept."""
    a, b = {"x": one[0].tolist(), "y": [1]}, {"x": two[0].tolist()}

    assert slice_scores.add(a, b) == slice_scores.add(b, a) == {"x": (one[0] + two[0]).tolist(), "y": [1]}
