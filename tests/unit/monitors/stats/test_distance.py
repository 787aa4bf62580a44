"""Distances: reference values from scipy and by hand, and the properties of each."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitors.stats import distance
from monitors.stats.bins import Counts, NumericBins

P = np.array([10, 20, 30, 40])
Q = np.array([25, 25, 0, 50])
BINS = NumericBins(edges=(0.0, 1.0, 4.0), mean=2.0, sd=1.5)
SYMMETRIC: tuple[distance.Distance, ...] = (
    distance.psi,
    distance.js_distance_log2,
    distance.ks,
    distance.total_variation,
)
BOUNDED: tuple[distance.Distance, ...] = (distance.js_distance_log2, distance.ks, distance.total_variation)


def rows(cells: int) -> st.SearchStrategy[Counts]:
    """Return counts of *cells* cells with at least one row in them."""
    counts = st.lists(st.integers(0, 500), min_size=cells, max_size=cells).filter(any)
    return counts.map(lambda c: np.array(c, dtype=np.int64))


def wasserstein(p: Counts, q: Counts) -> distance.Distances:
    """Return the Wasserstein distance on BINS with nothing far beyond them, as a function of counts alone."""
    return distance.wasserstein_normed(near(p), near(q), BINS)


def near(counts: Counts) -> Counts:
    """Return *counts* with an empty cell at each end of the last axis."""
    return np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(1, 1)])


def test_js_distance_is_scipys_with_base_2() -> None:
    """The Jensen-Shannon distance equals scipy's with base 2, empty cells included."""
    assert pytest.approx(jensenshannon(P / 100, Q / 100, base=2), abs=1e-12) == distance.js_distance_log2(P, Q)


def test_psi_by_hand() -> None:
    """PSI is the textbook sum over shares that had half a row added to every cell."""
    p, q = (P + 0.5) / 102, (Q + 0.5) / 102
    by_hand = sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True))
    assert pytest.approx(by_hand, abs=1e-12) == distance.psi(P, Q)


def test_ks_is_scipys_on_values_at_the_cells() -> None:
    """The KS distance equals scipy's two-sample statistic when every value of a cell is the same."""
    places = np.arange(4)
    expected = stats.ks_2samp(np.repeat(places, P), np.repeat(places, Q)).statistic
    assert pytest.approx(expected, abs=1e-12) == distance.ks(P, Q)


def test_wasserstein_is_scipys_on_midpoints() -> None:
    """W1 equals scipy's on the bins' midpoints (beyond: the edges; far: one range further), in the reference's sd."""
    places = [-4.0, 0.0, 0.5, 2.5, 4.0, 8.0]
    p, q = np.array([1, *P, 0]), np.array([0, *Q, 9])
    expected = stats.wasserstein_distance(places, places, p, q) / 1.5
    assert pytest.approx(expected, abs=1e-12) == distance.wasserstein_normed(p, q, BINS)


def test_wasserstein_needs_a_spread() -> None:
    """A constant reference has no sd to measure by: nan, not infinity."""
    constant = NumericBins(edges=(3.0, 3.0), mean=3.0, sd=0.0)
    assert np.isnan(distance.wasserstein_normed(np.array([0, 0, 5, 0, 0]), np.array([0, 0, 0, 5, 0]), constant))


@pytest.mark.parametrize("measure", [*SYMMETRIC, wasserstein])
def test_nothing_is_no_distance(measure: distance.Distance) -> None:
    """Where either side is empty the distance is nan."""
    nothing = np.zeros(4, np.int64)
    assert np.isnan([measure(P, nothing), measure(nothing, P), measure(nothing, nothing)]).all()


@pytest.mark.parametrize("measure", [*SYMMETRIC, wasserstein])
def test_a_batch_is_its_rows(measure: distance.Distance) -> None:
    """Leading axes broadcast: many windows at once give what each gives alone."""
    batch = np.array([P, Q, [0, 0, 0, 7]])
    assert [float(measure(P, q)) for q in batch] == measure(P, batch).tolist()


@given(p=rows(4), q=rows(4))
def test_distances_are_symmetric(p: Counts, q: Counts) -> None:
    """Which side is called the baseline does not matter."""
    for measure in (*SYMMETRIC, wasserstein):
        assert pytest.approx(float(measure(p, q)), abs=1e-12) == float(measure(q, p))


@given(p=rows(4), q=rows(4))
def test_distances_are_bounded(p: Counts, q: Counts) -> None:
    """They lie in [0, 1] (psi: from 0 up); KS and the JS divergence are never above total variation (Lin 1991)."""
    for measure in BOUNDED:
        assert 0 <= measure(p, q) <= 1
    assert distance.psi(p, q) >= 0
    assert distance.ks(p, q) <= distance.total_variation(p, q) + 1e-12
    assert distance.js_distance_log2(p, q) ** 2 <= distance.total_variation(p, q) + 1e-12


@given(p=rows(4), times=st.integers(1, 50))
def test_the_same_shares_are_at_no_distance(p: Counts, times: int) -> None:
    """Zero for equal shares, whatever the sizes (psi's pseudo-count makes that exact for equal counts only)."""
    for measure in (*BOUNDED, wasserstein):
        assert pytest.approx(0, abs=1e-7) == float(measure(p, p * times))
    assert distance.psi(p, p) == 0


@given(p=rows(5), parts=st.lists(rows(5), min_size=2, max_size=4), order=st.randoms())
def test_merging_counts_in_any_order_changes_nothing(p: Counts, parts: list[Counts], order: Random) -> None:
    """A window is the sum of its slices: their order is not seen."""
    shuffled = parts.copy()
    order.shuffle(shuffled)
    for measure in SYMMETRIC:
        assert measure(p, np.sum(parts, axis=0)) == measure(p, np.sum(shuffled, axis=0))


@given(p=rows(6), q=rows(6), order=st.permutations(range(6)))
def test_categories_have_no_order(p: Counts, q: Counts, order: list[int]) -> None:
    """Renaming cells does not move what is made for categories."""
    for measure in (distance.psi, distance.js_distance_log2, distance.total_variation):
        assert pytest.approx(float(measure(p, q)), abs=1e-9) == float(measure(p[order], q[order]))


@given(p=rows(4), q=rows(4))
def test_a_larger_change_is_further(p: Counts, q: Counts) -> None:
    """The more of the window comes from elsewhere, the larger every distance."""
    p, q = p * int(q.sum()), q * int(p.sum())
    mixtures = np.array([(4 - k) * p + k * q for k in range(5)])
    for measure in (*SYMMETRIC, wasserstein):
        assert (np.diff(measure(p * 4, mixtures)) >= -1e-9).all()


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-2, 2))
def test_binned_ks_never_exceeds_that_of_the_values(seed: int, shift: float) -> None:
    """Bins can hide a difference and never invent one."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal(200), rng.standard_normal(150) + shift
    edges = np.quantile(a, np.linspace(0, 1, 11))[1:-1]
    p, q = (np.bincount(np.searchsorted(edges, x, side="right"), minlength=10) for x in (a, b))
    assert distance.ks(p, q) <= stats.ks_2samp(a, b).statistic + 1e-12


def test_the_scale_in_words_holds() -> None:
    """The docstring's yardstick: a normal shifted by a tenth of its sd is about 0.04 away."""
    edges = stats.norm.ppf(np.linspace(0, 1, 101))
    p, q = (np.rint(1e7 * np.diff(stats.norm.cdf(edges - s))).astype(np.int64) for s in (0, 0.1))
    assert pytest.approx(0.04, abs=0.005) == distance.js_distance_log2(p, q)
