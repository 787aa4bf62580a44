"""Router reference: the distances of all variables at once, by which the router knows where to look."""

from __future__ import annotations

import numpy as np

from monitors.quality import router_reference, swapped_columns, unit_change
from monitors.stats.bins import CategoricalBins, NumericBins

ZEROS_AND_MORE = NumericBins(edges=(0.0, 5e-324, 1.0, 2.0), mean=0.5, sd=0.6)
BINS = {"x": ZEROS_AND_MORE, "c": CategoricalBins(categories=("a", "b"), others=("z",))}


def test_a_merged_distance_is_no_larger_than_the_one_of_all_cells() -> None:
    """So what is near by all its cells needs no closer look for swapped columns or units."""
    rng = np.random.default_rng(8)
    slices = {name: rng.multinomial(200, rng.dirichlet(np.ones(b.cells)), 20) for name, b in BINS.items()}
    known = router_reference.router_reference(BINS, slices, length=3, level=0.01)
    for _ in range(200):
        counts = {name: rng.multinomial(100, rng.dirichlet(np.ones(b.cells))) for name, b in BINS.items()}
        apart = known.distances(known.cells.flat(counts))
        as_units = unit_change.distance_from_reference(known.numbers["x"], counts["x"])
        swapped = {n: swapped_columns.Column(BINS[n], r.total, counts[n]) for n, r in known.quality.items()}

        assert as_units <= apart["x"] + 1e-9
        assert all(column.distance <= apart[name] + 1e-9 for name, column in swapped.items())


def test_a_variable_without_rows_is_nowhere() -> None:
    """Its distance is NaN, which is above nothing."""
    slices = {name: np.ones((5, b.cells), np.int64) for name, b in BINS.items()}
    known = router_reference.router_reference(BINS, slices, length=1, level=0.01)
    apart = known.distances(known.cells.flat({}))

    assert all(np.isnan(d) for d in apart.values())
