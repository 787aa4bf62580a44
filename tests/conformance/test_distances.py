"""Conformance of distances between two rows of counts: each one of `monitors.stats.distance`."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest

from monitors.config import MonitorPolicy
from monitors.finding import Signal
from monitors.stats import distance, null_distribution, threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances
from monitors.verdicts import distribution
from tests.support import sampling_thresholds

NUMBERS = NumericBins(edges=(0.0, 1.0, 2.0, 3.0), mean=1.5, sd=0.8)
CATEGORIES = CategoricalBins(categories=("a", "b", "c", "d"))
BINS = {"numeric": NUMBERS, "categorical": CATEGORIES}
LEVEL = 0.05

DISTANCES = {
    name: function
    for name, function in inspect.getmembers(distance, inspect.isfunction)
    if function.__module__ == distance.__name__ and not name.startswith("_")
}
"""Public functions of the module: a new one is tested by being there."""


def on(bins: NumericBins | CategoricalBins, name: str) -> Callable[[Counts, Counts], Distances]:
    """Return the distance called *name* of counts on the compared cells of *bins*."""
    function = DISTANCES[name]
    if "bins" not in inspect.signature(function).parameters:
        return function
    return lambda p, q: function(p, q, bins)


def reported(bins: NumericBins | CategoricalBins) -> set[str]:
    """Return the distances that a finding on a variable with *bins* holds."""
    total = np.full(len(threshold.compared(bins)), 50)
    cells = np.zeros(bins.cells, np.int64)
    cells[threshold.compared(bins)] = 50
    known = threshold.ReferenceWindows(total, total[:0, None], 0.01)
    sample = distribution.VariableCounts(bins, known, cells)
    metrics = distribution.finding(Signal.FEATURE, "x", sample, MonitorPolicy()).metrics
    shares_and_lines = ("_share", "_by_chance", "_own_windows")
    return {name for name in metrics if not name.endswith(shares_and_lines)}


CASES = [(name, kind) for kind, bins in BINS.items() for name in sorted(reported(bins))]
each = pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}-{kind}" for name, kind in CASES])


def counts(kind: str, rows: int = 1000, shift: float = 0.0) -> Counts:
    """Return *rows* values on the compared cells; *shift* is the share of them that has moved into one cell."""
    cells = len(threshold.compared(BINS[kind]))
    even = np.full(cells, rows / cells)
    moved = np.zeros(cells)
    moved[-1] = rows
    return np.round((1 - shift) * even + shift * moved).astype(np.int64)


def test_every_distance_is_reported() -> None:
    """A function that is not in `monitors.verdicts.distribution` is in no finding: add it there, or delete it."""
    assert set(DISTANCES) == {name for name, _ in CASES}


@each
def test_equal_counts_are_at_distance_0(name: str, kind: str) -> None:
    """A window that is the baseline has not moved."""
    same = counts(kind)

    assert 0 == pytest.approx(float(on(BINS[kind], name)(same, same)), abs=1e-12)


@each
def test_a_larger_shift_is_further(name: str, kind: str) -> None:
    """The more rows have moved, the larger the distance, strictly, and it is never negative."""
    far = [float(on(BINS[kind], name)(counts(kind), counts(kind, shift=s))) for s in (0, 0.1, 0.3, 0.6, 1)]

    assert far == sorted(set(far))
    assert far[0] >= 0


@each
@pytest.mark.parametrize("empty", ["baseline", "window", "both"])
def test_an_empty_side_is_nan(name: str, kind: str, empty: str) -> None:
    """Nothing is said of no rows, and no warning is raised over it."""
    p, q = counts(kind), counts(kind)
    sides = (p * (empty == "window"), q * (empty == "baseline"))

    assert np.isnan(on(BINS[kind], name)(*sides))


@each
def test_leading_axes_are_broadcast(name: str, kind: str) -> None:
    """A Monte Carlo null is one call: (draws, cells) against (cells,) gives (draws,), row by row the same."""
    p, q = counts(kind), np.stack([counts(kind, shift=s) for s in (0.1, 0.2, 0.5)])
    together = on(BINS[kind], name)(p, q)

    assert (3,) == together.shape
    assert np.float64 == together.dtype
    np.testing.assert_array_equal([float(on(BINS[kind], name)(p, row)) for row in q], together)


@each
def test_arguments_are_not_changed(name: str, kind: str) -> None:
    """Counts are shared between distances."""
    p, q = counts(kind), counts(kind, shift=0.3)
    before = p.copy(), q.copy()
    on(BINS[kind], name)(p, q)

    np.testing.assert_array_equal(before, (p, q))


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "categorical"])
def test_categories_have_no_order(name: str) -> None:
    """A distance of categories is the same when they are listed otherwise."""
    p = counts("categorical", shift=0.2)
    q = np.arange(1, len(p) + 1) ** 2
    order = np.random.default_rng(1).permutation(len(p))

    assert float(DISTANCES[name](p, q)) == pytest.approx(float(DISTANCES[name](p[order], q[order])))


@each
@pytest.mark.parametrize("rows", [150, 1200])
def test_its_null_is_exceeded_at_the_level(name: str, kind: str, rows: int) -> None:
    """Between samples of one distribution it exceeds the quantile of `null_distribution` about as often as asked.

    That module rescales draws by ``1/n + 1/m``, as if the square of a distance were a weighted sum of chi-squares: one
    for which that is wrong (psi is a square itself) has to be named there.
    """
    shares = null_distribution.smoothed_shares(counts(kind, shift=0.1))
    rng, m = np.random.default_rng(7), 5000
    function = null_by_name(kind)[name]
    null = null_distribution.at_sizes(function, shares, n=rows, m=m, level=LEVEL)
    p = np.asarray(shares) / sum(shares)
    drawn = function(rng.multinomial(m, p, 4000), rng.multinomial(rows, p, 4000))

    assert LEVEL / 2 < (drawn > null.quantile).mean() < LEVEL * 2


def null_by_name(kind: str) -> dict[str, distance.Distance]:
    """Return the very functions that findings use: a null is remembered by them."""
    return sampling_thresholds.distances(BINS[kind])


@pytest.mark.parametrize("name", DISTANCES)
def test_its_docstring_has_an_example(name: str) -> None:
    """The first line says what it is, and a doctest shows a number."""
    assert ">>> " in (DISTANCES[name].__doc__ or "")
