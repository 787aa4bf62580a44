"""Stacked variables: all at once, each is what it is by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.stats import distance, null_distribution, threshold
from monitors.stats.between_windows import between_windows
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins
from monitors.stats.stacked_counts import StackedCells
from monitors.stats.stacked_distances import StackedDistances
from monitors.stats.stacked_windows import StackedWindows

BINS: dict[str, Bins] = {
    "x": NumericBins(edges=(0.0, 1.0, 2.0, 4.0), mean=1.5, sd=1.0),
    "constant": NumericBins(edges=(3.0, 3.0), mean=3.0),
    "y": NumericBins(edges=tuple(map(float, range(11))), mean=5.0, sd=3.0),
    "word": CategoricalBins(categories=("a", "b"), others=("c",)),
    "words": CategoricalBins(categories=tuple(f"w{i}" for i in range(20))),
}
CELLS = StackedCells(BINS)


def counts(seed: int, rows: int, slices: int = 12) -> dict[str, Counts]:
    """Return counts of each variable, (slices, cells)."""
    rng = np.random.default_rng(seed)
    return {name: rng.multinomial(rows, rng.dirichlet(np.ones(bins.cells)), slices) for name, bins in BINS.items()}


def references(slices: dict[str, Counts], length: int) -> list[threshold.ReferenceWindows]:
    """Return the reference windows of each variable."""
    return [
        threshold.reference_windows(slices[name], threshold.compared(bins), length=length, level=0.01)
        for name, bins in BINS.items()
    ]


@given(st.integers(0, 50), st.sampled_from([0, 3, 200]))
def test_every_distance_is_that_of_the_variable_alone(seed: int, rows: int) -> None:
    """Padding changes none of them, with values on both sides or without; each distance of the table is there."""
    one, other = ({name: of[0] for name, of in counts(k, n, 1).items()} for k, n in ((seed, 100), (seed + 1, rows)))
    totals, window = (CELLS.flat(of)[CELLS.compared] for of in (one, other))
    stacked = StackedDistances(tuple(BINS.values()), totals).of(window)
    place = {
        name: (stacked[bins.kind == "categorical"], row - 3 * (row > 2))
        for row, (name, bins) in enumerate(BINS.items())
    }

    for name, bins in BINS.items():
        known, row = place[name]
        cells = threshold.compared(bins)
        alone = {
            s.name: s.on(bins)(one[name][cells], other[name][cells]) for s in distance.DISTANCES if bins.kind in s.kinds
        }
        assert alone == pytest.approx({n: of[row] for n, of in known.items()}, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("length", [1, 4])
def test_nulls_and_thresholds_are_those_of_the_variable_alone(length: int) -> None:
    """At sizes of any half octave, which differ between variables."""
    known, n = references(counts(1, 300), length), np.array([900, 40, 5000, 131, 700])
    stacked = StackedWindows(known)
    chance = stacked.chance(n, np.ones(5, bool))
    thresholds = stacked.thresholds(chance)

    for row, (of, rows) in enumerate(zip(known, n.tolist(), strict=True)):
        alone, line = of.chance(rows), of.threshold(rows)
        assert alone.mean_square == pytest.approx(np.asarray(chance.mean_square)[row])
        assert (line.value, line.sampling, line.historical) == pytest.approx([column[row] for column in thresholds])


@pytest.mark.parametrize(("length", "slices"), [(1, 12), (4, 12), (7, 10), (4, 1)])
def test_between_window_variance_is_that_of_the_variable_alone(length: int, slices: int) -> None:
    """Along any direction; where windows are too long for the baseline, by slices; of one slice, nothing."""
    rng, known = np.random.default_rng(2), references(counts(3, 200, slices), length)
    stacked = StackedWindows(known)
    code = np.where(stacked.totals > 0, rng.standard_normal(stacked.totals.shape), 0.0)
    spread = rng.random(5)
    found = stacked.stretches.along(code, spread)

    for row, of in enumerate(known):
        alone = between_windows(of.stretches, code[row, : len(of.total)], float(spread[row]))
        assert (alone.variance, alone.rows, alone.stretch) == pytest.approx(
            (found.variance[row], found.rows[row], found.stretch[row]), rel=1e-9, abs=1e-15
        )
        assert not alone.estimated or alone.growth == pytest.approx(found.growth[row])
        assert found.length[row] == (alone.length if alone.estimated else 0)


def test_what_is_not_judged_draws_nothing() -> None:
    """A variable without rows has no null distribution."""
    stacked = StackedWindows(references(counts(1, 300), 1))
    before = null_distribution._draw.cache_info().misses
    chance = stacked.chance(np.zeros(5, np.int64), np.zeros(5, bool))

    assert np.isnan(chance.quantile).all()
    assert before == null_distribution._draw.cache_info().misses
