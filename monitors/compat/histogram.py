"""TFDV's standard histogram: ten equal-width buckets, estimated from a thousand quantiles rather than counted.

It is what `generate_equi_width_histogram` of `tensorflow_data_validation.utils.quantiles_util` (1.16.1) makes of
quantiles from tfx_bsl's `QuantilesSketch`. The sketch is exact up to 5,701 distinct values; beyond, its ranks are off
by up to 1% and depend on how Beam batched the rows, so that TFDV has no single answer. Here they are always exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitors.compat.column import Floats, Values

BUCKETS = 10
"""Buckets of a standard histogram, TFDV's default."""
QUANTILES = 1000
"""Quantiles that it is estimated from, TFDV's default."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram, as TFDV has it. Counts need not be whole.

    Parameters
    ----------
    buckets
        ``(low, high, count)``, from low to high. A bucket with equal borders is a point; one with an infinite border
        contains infinite values.
    nan
        Number of values that are not a number.
    """

    buckets: tuple[tuple[float, float, float], ...]
    nan: float = 0.0


def histogram(values: Values) -> Histogram:
    """Return the histogram of *values*; nan is a value that is not a number (missing values are in no histogram).

    >>> histogram(np.array([3.0, 3.0, np.nan]))
    Histogram(buckets=((3.0, 3.0, 2.0),), nan=1.0)
    >>> [round(count, 2) for _, _, count in histogram(np.arange(100.0)).buckets]
    [10.09, 9.99, 9.99, 9.99, 9.99, 9.99, 9.99, 9.99, 9.99, 9.99]
    """
    nan = float(np.isnan(values).sum())
    numbers = values[~np.isnan(values)]
    finite = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return Histogram((), nan)
    if not len(finite):
        return Histogram(((np.inf, -np.inf, float(len(numbers))),), nan)
    quantiles, below = _strip(*_quantiles(numbers), finite.max(), float(np.isposinf(numbers).sum()))
    low, high = float(finite.min()), float(finite.max())
    edges = np.linspace(low, high, BUCKETS + 1) if low < high else np.array([low, high])
    counts = _counts(quantiles, below, edges)
    buckets = list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
    return Histogram((*_infinite(numbers, -np.inf), *buckets, *_infinite(numbers, np.inf)), nan)


def _infinite(numbers: Values, which: float) -> list[tuple[float, float, float]]:
    n = float((numbers == which).sum())
    return [(which, which, n)] if n else []


def _quantiles(numbers: Values) -> tuple[Floats, Floats]:
    """Return 1,001 quantiles, each a value that occurs, and how many values are no larger than each."""
    distinct, counts = np.unique(numbers, return_counts=True)
    upto = np.cumsum(counts).astype(np.float64)
    twice = 2 * (np.arange(QUANTILES + 1) * upto[-1] / QUANTILES)
    after = np.maximum(np.searchsorted(2 * upto - counts, twice, side="right"), 1)
    here = after - 1
    # Of the two values around a rank the nearer one; the last value has none after it.
    chosen = np.where((after == len(distinct)) | (twice < 2 * upto[here]), here, np.minimum(after, len(distinct) - 1))
    return distinct[chosen], upto[chosen]


def _strip(quantiles: Floats, below: Floats, most: float, infinite: float) -> tuple[Floats, Floats]:
    """Return the quantiles without infinite ones, the ranks counted from the first finite value on."""
    first = np.searchsorted(quantiles, -np.inf, side="right")
    if first:
        quantiles, below = quantiles[first:], below[first:] - below[first - 1]
    if infinite:
        last = np.searchsorted(quantiles, np.inf, side="left")
        quantiles, below = np.append(quantiles[:last], most), np.append(below[:last], below[-1] - infinite)
    return quantiles, below


def _counts(quantiles: Floats, below: Floats, edges: Floats) -> Floats:
    """Return how many values lie between *edges*, each interval between two quantiles being spread evenly."""
    low, high = quantiles[:-1], quantiles[1:]
    weight = _weights(low, high, below)
    width = np.where(high > low, high - low, 1.0)
    with np.errstate(over="ignore"):  # a stretch may be next to nothing wide
        reached = np.clip((edges[1:, None] - low) / width, 0, 1)
    upto = np.where(high > low, reached, edges[1:, None] >= low) @ weight
    return np.diff(upto, prepend=0.0)


def _weights(low: Floats, high: Floats, below: Floats) -> Floats:
    """Return each interval's mass: those with one end share theirs, the first ones also what is at the start."""
    if not len(low):
        return np.zeros(0)
    _, run, size = np.unique(high, return_inverse=True, return_counts=True)
    weight = (np.bincount(run, np.diff(below)) / size)[run]
    first = np.logical_and.accumulate((low == low[0]) & (high == high[0]))
    weight[first] += below[0] / first.sum()
    return np.asarray(weight)
