"""Distribution verdicts: each distance beside its null distribution at the same sizes and bins."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.config import MonitorPolicy
from monitors.finding import Signal
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, freeze_numeric
from monitors.verdicts import distribution
from tests.support.sampling_thresholds import distances, sampling_thresholds


def sample(rng: np.random.Generator, n: int, shift: float = 0.0) -> distribution.VariableCounts:
    """Return *n* rows of a normal, shifted, beside 4,000 that are not."""
    reference = rng.normal(size=4000)
    bins = freeze_numeric(reference)
    count = [
        np.bincount(bins.index(v, np.isnan(v)), minlength=bins.cells) for v in (reference, rng.normal(shift, size=n))
    ]
    cells = threshold.compared(bins)
    return distribution.VariableCounts(
        bins, threshold.ReferenceWindows(count[0][cells], np.zeros((0, len(cells)), int), 0.01), count[1]
    )


def figures(sample: distribution.VariableCounts) -> dict[str, float]:
    """Return the distances of *sample*."""
    return {name: float(f(sample.reference.total, sample.compared)) for name, f in distances(sample.bins).items()}


@pytest.mark.parametrize("n", [60, 500])
def test_each_distance_exceeds_its_chance_about_as_often_as_asked(n: int) -> None:
    """Of 300 windows without change, each distance lies beyond its line at 1 in 10 in 4 to 18 % of them."""
    rng, beyond, windows = (
        np.random.default_rng(3),
        dict.fromkeys(("psi", distribution.METRIC, "ks", "wasserstein_normed"), 0),
        300,
    )
    made = sample(rng, n)
    lines = sampling_thresholds(made, level=0.1)
    for _ in range(windows):
        values = rng.normal(size=n)
        counts = np.bincount(made.bins.index(values, np.isnan(values)), minlength=made.bins.cells)  # type: ignore[arg-type]
        told = figures(distribution.VariableCounts(made.bins, made.reference, counts))
        beyond = {name: beyond[name] + (told[name] > lines[name]) for name in beyond}
    assert dict.fromkeys(beyond, True) == {name: 0.04 < hits / windows < 0.18 for name, hits in beyond.items()}


def test_a_shift_is_beyond_chance_by_every_distance() -> None:
    """Half a sd in 1,000 rows is rarer than 1 in 1,000 whichever way it is measured."""
    made = sample(np.random.default_rng(4), 1000, shift=0.5)
    lines = sampling_thresholds(made, level=0.001)

    assert [] == [name for name, value in figures(made).items() if value <= lines[name]]


def test_categories_have_their_own_distances() -> None:
    """Total variation instead of those that need an order."""
    bins = CategoricalBins(categories=("a", "b"))
    known = threshold.ReferenceWindows(np.array([50, 50, 0, 0]), np.zeros((0, 4), int), 0.01)
    counts = distribution.VariableCounts(bins, known, np.array([5, 5, 0, 0, 0]))
    found = distribution.finding(Signal.FEATURE, "c", counts, MonitorPolicy())

    assert {"psi", distribution.METRIC, "total_variation"} == found.metrics.keys() & distances(bins).keys()
    assert distances(bins).keys() != distances(sample(np.random.default_rng(1), 5).bins).keys()
