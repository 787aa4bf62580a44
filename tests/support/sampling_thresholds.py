"""Distances beside what sampling alone explains, for each kind of bins."""

from __future__ import annotations

from monitors.stats import distance, null_distribution, threshold
from monitors.stats.bins import CategoricalBins, NumericBins
from monitors.verdicts.distribution import VariableCounts


def distances(bins: NumericBins | CategoricalBins) -> dict[str, distance.Distance]:
    """Return the distances that are computed on this kind of bins, by the name they have in a finding."""
    return {spec.name: spec.on(bins) for spec in distance.DISTANCES if bins.kind in spec.kinds}


def sampling_thresholds(sample: VariableCounts, level: float) -> dict[str, float]:
    """Return what each distance exceeds with the probability *level* while nothing has changed, at these sizes."""
    shares = null_distribution.smoothed_shares(sample.reference.total)
    sizes = {"n": sample.n, "m": sample.reference.rows, "level": level}
    nulls = {name: null_distribution.at_sizes(of, shares, **sizes) for name, of in distances(sample.bins).items()}
    return threshold.figures({name: float(null.quantile) for name, null in nulls.items()})
