"""TensorFlow Data Validation's drift metrics: what the comparators of version 1.16.1 measure.

Formulas are those of `tensorflow_data_validation/anomalies/metrics.cc`; golden vectors pin them by hand, and a slow
test compares them with the library's compiled core. There is no default threshold: without one there is no verdict.

Missing values are in no histogram and count nowhere, however many there are. Infinite values always count as a
difference, on whichever side. So do values that are not a number (nan), equal shares of them too, but only where both
histograms happen to have the same borders: where they are cut to each other's, TFDV loses its count of nan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from features.errors import NotEnoughData
from features.schema import FeatureKind
from monitors.compat.column import Comparison, Floats, Values
from monitors.compat.histogram import Histogram, histogram
from monitors.stats.bins import Counts
from monitors.stats.distance import js_distance_log2

VERSION = "1.16.1"
"""The version that is reproduced."""
MAX_CATEGORIES = 1000
"""The most frequent categories of each side that are compared; shares are taken among them."""


def jensen_shannon_divergence(reference: Histogram, current: Histogram) -> float:
    """Return ``(KL(p, m) + KL(q, m)) / 2`` with ``m = (p + q) / 2`` in bits, not rooted: 0 to 1.

    Buckets are cut at the borders of both histograms, their counts spread evenly within. Points are matched with equal
    points alone, infinite values and nan with nothing; nan is left out where borders differ.

    Raises
    ------
    NotEnoughData
        A side is empty.

    Examples
    --------
    >>> one, two = Histogram(((1, 2, 2), (2, 3, 2))), Histogram(((2, 4, 2), (4, 6, 2)))
    >>> round(jensen_shannon_divergence(one, two), 9)
    0.655639062
    """
    p, q = aligned(reference, current)
    if not (p.sum() and q.sum()):
        msg = f"an empty histogram: {p.sum():g} values in the reference, {q.sum():g} current"
        raise NotEnoughData(msg, hint="TFDV measures nothing either; choose another period")
    return _divergence(p, q)


def _divergence(p: Floats, q: Floats) -> float:
    # Cut buckets hold parts of counts.
    return float(js_distance_log2(cast(Counts, p), cast(Counts, q))) ** 2


def aligned(reference: Histogram, current: Histogram) -> tuple[Floats, Floats]:
    """Return both sides' counts of the same cells: the cut buckets, the points, and what is matched with nothing."""
    sides = (reference, current)
    here, there = map(_borders, sides)
    borders = np.union1d(here, there)
    points = sorted({b[0] for side in sides for b in _points(side)})
    p, q = (
        [*_cut(_wide(side), borders), *(sum(b[2] for b in _points(side) if b[0] == at) for at in points)]
        for side in sides
    )
    infinite = [sum(b[2] for b in side.buckets if not _finite(b)) for side in sides]
    nan = [side.nan if np.array_equal(here, there) else 0.0 for side in sides]
    return np.array([*p, infinite[0], nan[0], 0.0, 0.0]), np.array([*q, 0.0, 0.0, infinite[1], nan[1]])


_Bucket = tuple[float, float, float]


def _finite(bucket: _Bucket) -> bool:
    return bool(np.isfinite(bucket[:2]).all())


def _wide(side: Histogram) -> list[_Bucket]:
    return [b for b in side.buckets if _finite(b) and b[0] != b[1]]


def _points(side: Histogram) -> list[_Bucket]:
    return [b for b in side.buckets if _finite(b) and b[0] == b[1]]


def _borders(side: Histogram) -> Floats:
    return np.unique([border for b in _wide(side) for border in b[:2]])


def _cut(buckets: Iterable[_Bucket], borders: Floats) -> Floats:
    """Return the counts between *borders*, among which are the buckets' own."""
    counts = np.zeros(max(len(borders) - 1, 0))
    for low, high, count in buckets:
        inside = (borders[:-1] >= low) & (borders[1:] <= high)
        counts[inside] += count * np.diff(borders)[inside] / (high - low)
    return counts


def infinity_norm(reference: Mapping[str, float], current: Mapping[str, float]) -> float:
    """Return the largest difference in any category's share, 0 to 1.

    >>> round(infinity_norm({"b": 9, "c": 1}, {"a": 3, "b": 7}), 6)
    0.3
    """
    p, q = _matched(reference, current)
    return float(np.max(np.abs(p / p.sum() - q / q.sum())))


def normalized_abs_difference(reference: Mapping[str, float], current: Mapping[str, float]) -> float:
    """Return the largest difference in any category's *count* over the sum of all counts of both sides.

    Sides of different length differ by that alone.

    >>> normalized_abs_difference({"a": 30, "b": 10}, {"a": 10})
    0.4
    """
    p, q = _matched(reference, current)
    return float(np.max(np.abs(p - q)) / (p.sum() + q.sum()))


def categorical_divergence(reference: Mapping[str, float], current: Mapping[str, float]) -> float:
    """Return the Jensen-Shannon divergence of the categories' shares in bits, not rooted: 0 to 1."""
    return _divergence(*_matched(reference, current))


def _matched(reference: Mapping[str, float], current: Mapping[str, float]) -> tuple[Floats, Floats]:
    labels = sorted(reference.keys() | current.keys())
    p, q = (np.array([side.get(label, 0) for label in labels], np.float64) for side in (reference, current))
    if not (p.sum() and q.sum()):
        msg = f"a side without values: {p.sum():g} in the reference, {q.sum():g} current"
        raise NotEnoughData(msg, hint="choose another period")
    return p, q


def rank_histogram(values: Values) -> dict[str, float]:
    """Return the counts of the most frequent categories; of equally frequent ones those last in the alphabet.

    >>> rank_histogram(np.array(["a", "b", "b"], dtype=object))
    {'b': 2.0, 'a': 1.0}
    """
    labels, counts = np.unique(values, return_counts=True)
    ranked = sorted(zip(counts.tolist(), labels.tolist(), strict=True), reverse=True)[:MAX_CATEGORIES]
    return {label: float(count) for count, label in ranked}


@dataclass(frozen=True, slots=True)
class Method:
    """One of TFDV's comparators, as a function of two columns for each kind that it is for."""

    measures: Mapping[FeatureKind, Callable[[Values, Values], float]]

    @property
    def kinds(self) -> tuple[FeatureKind, ...]:
        """The kinds of column that it is for."""
        return tuple(self.measures)


def _of_categories(
    measure: Callable[[Mapping[str, float], Mapping[str, float]], float],
) -> Callable[[Values, Values], float]:
    return lambda reference, current: measure(rank_histogram(reference), rank_histogram(current))


def _of_numbers(reference: Values, current: Values) -> float:
    return jensen_shannon_divergence(histogram(reference), histogram(current))


METHODS: Mapping[str, Method] = {
    "jensen_shannon_divergence": Method(
        {FeatureKind.NUMERIC: _of_numbers, FeatureKind.CATEGORICAL: _of_categories(categorical_divergence)}
    ),
    "infinity_norm": Method({FeatureKind.CATEGORICAL: _of_categories(infinity_norm)}),
    "normalized_abs_difference": Method({FeatureKind.CATEGORICAL: _of_categories(normalized_abs_difference)}),
}


def compare(
    reference: Values, current: Values, kind: FeatureKind, *, method: str | None = None, threshold: float | None = None
) -> Comparison:
    """Return TFDV's metric on a column without missing values; nan is a value that is not a number.

    More than the threshold is drift; without one the verdict is None, as TFDV has no default.

    Parameters
    ----------
    reference
        Values of the reference.
    current
        Values of the current rows.
    kind
        Kind of the column.
    method
        One of ``METHODS``; by default jensen_shannon_divergence for numbers, infinity_norm for categories.
    threshold
        None for no verdict.

    Raises
    ------
    NotEnoughData
        A side has no values.
    KeyError
        There is no such method for this kind.
    """
    name = method or ("jensen_shannon_divergence" if kind is FeatureKind.NUMERIC else "infinity_norm")
    value = METHODS[name].measures[kind](reference, current)
    return Comparison("tfdv", name, value, threshold, None if threshold is None else value > threshold)
