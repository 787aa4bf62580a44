"""Thresholds: sampling variation at the actual sizes, raised to what the baseline's own windows have shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins, freeze_numeric
from monitors.stats.distance import js_distance_log2


def counted(values: npt.NDArray[np.float64], bins: NumericBins) -> Counts:
    """Return the compared cells of each row of *values*."""
    cells = [np.bincount(bins.index(v, np.zeros(len(v), bool)), minlength=bins.cells) for v in values]
    return np.array(cells)[:, threshold.compared(bins)]


def world(rng: np.random.Generator, slices: int, rows: int, wobble: float = 0.0) -> npt.NDArray[np.float64]:
    """Return normal values (slices, rows) whose mean moves by *wobble* sd from slice to slice."""
    values: npt.NDArray[np.float64] = rng.standard_normal((slices, rows)) + wobble * rng.standard_normal((slices, 1))
    return values


def known(
    values: npt.NDArray[np.float64], length: int, level: float = 0.001
) -> tuple[threshold.ReferenceWindows, NumericBins]:
    """Return the reference of *values* on bins frozen from them."""
    bins = freeze_numeric(values.ravel())
    counts = counted(values, bins)
    return threshold.reference_windows(counts, list(range(counts.shape[1])), length=length, level=level), bins


def test_what_is_compared() -> None:
    """Numbers from far under to far over, categories with the unseen; never what is missing."""
    assert [6, 2, 0, 1, 3, 7] == threshold.compared(NumericBins(edges=(0.0, 1.0, 2.0)))
    assert [0, 1, 2, 3] == threshold.compared(CategoricalBins(categories=("a", "b")))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12), st.integers(1, 6))
def test_runs_are_sums_of_neighbours(slices: list[tuple[int, int]], length: int) -> None:
    """Every run of consecutive slices once, and only if as many slices again remain to compare it with."""
    table = np.array(slices)
    starts = range(len(slices) - length + 1) if len(slices) >= 2 * length else range(0)
    assert [table[i : i + length].sum(axis=0).tolist() for i in starts] == threshold.runs(table, length).tolist()


def test_an_even_baseline_leaves_the_line_to_chance() -> None:
    """Where slices differ by sampling alone, what the baseline adds to the line is small."""
    reference, _ = known(world(np.random.default_rng(1), 60, 200), 1)
    line = reference.threshold(200)
    assert 1 <= line.value / line.sampling < 1.15


def test_a_restless_baseline_raises_the_line() -> None:
    """Where slices wobble, the line at 1 in 1,000 is beyond chance, and beyond the worst of 60 slices."""
    reference, _ = known(world(np.random.default_rng(1), 60, 2000, wobble=0.2), 1)
    line = reference.threshold(2000)
    assert line.value > line.historical == reference.historical_max > 2 * line.sampling


def test_an_odd_day_of_the_baseline_is_no_news() -> None:
    """One slice far from all others hardly moves the variance, and yet no window nearer than that exceeds the line."""
    values = world(np.random.default_rng(1), 60, 2000)
    values[7] += 1
    reference, _ = known(values, 1)
    assert reference.threshold(2000).value == reference.historical_max > 0.3


def test_a_restless_world_keeps_its_rate() -> None:
    """Windows that wobble as the baseline did exceed a 1 % line about as often as asked; chance alone 40 times."""
    rng = np.random.default_rng(7)
    hits = chance = 0
    for _ in range(20):
        reference, bins = known(world(rng, 60, 2000, wobble=0.1), 1, 0.01)
        found = js_distance_log2(reference.total, counted(world(rng, 50, 2000, wobble=0.1), bins))
        line = reference.threshold(2000)
        hits, chance = hits + int((found > line.value).sum()), chance + int((found > line.sampling).sum())
    assert hits / 1000 < 0.025
    assert chance / 1000 > 0.3


def test_too_few_slices_say_nothing_about_themselves() -> None:
    """Below two windows' worth of slices only chance is known, and the line says so."""
    reference, _ = known(world(np.random.default_rng(2), 5, 100), 3)
    line = reference.threshold(300)
    assert (0, 0.0, 0.0) == (len(reference.runs), line.historical, reference.excess)
    assert line.sampling == line.value


def test_empty_slices_are_passed_over() -> None:
    """A run without a value, or one that holds all of them, is no window to compare."""
    reference = threshold.reference_windows(np.array([[0, 0], [5, 5], [0, 0], [0, 0]]), [0, 1], length=1, level=0.01)
    assert (0.0, 0.0) == (reference.historical_max, reference.excess)


@pytest.mark.parametrize("rows", [20, 3000])
def test_the_size_that_would_do_does(rows: int) -> None:
    """With the rows asked for, chance stays below the effect; one baseline is long enough for it, the other is not."""
    reference, _ = known(world(np.random.default_rng(3), 20, rows), 1)
    window, base = reference.rows_needed(100, 0.1)
    grown = threshold.ReferenceWindows(reference.total * base // reference.rows, reference.runs, 0.001)
    assert pytest.approx(0.1, rel=0.1) == grown.threshold(window).sampling
    assert (base > reference.rows) == (rows == 20)
