"""Statistics of other systems, slice by slice, so that their thresholds can be set to any false-alarm rate.

So all of them can be made to alarm by chance equally often, which their defaults do not. Evidently's and NannyML's are
those of :mod:`monitors.compat`, worked out for many slices at once; a test holds the two against one another. Slices
(slices, features, cells) hold counts of the values (features, cells); the first *reference* ones are the reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import distance

from monitors.stats.bins import Counts

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rng = np.random.Generator
EVIDENTLY, NANNYML = 0.1, 3.0
"""The lines as shipped: a distance, and standard deviations above the mean of the reference's chunks."""
SHARE = 0.5
"""Share of drifted columns from which on Evidently calls a data set drifted."""
WINDOW, RECENT = 100, 30
"""KSWIN's sizes as shipped."""
DELTA, FORGET, LEAST = 0.005, 0.9999, 30
"""Page-Hinkley's as shipped."""
CLOCK, BUCKETS, SHORTEST = 32, 5, 5
"""ADWIN's as shipped."""


def evidently(counts: Counts, values: Floats, reference: int) -> Floats:
    """Return Evidently's distance of each later slice and feature, by its choice for references of over 1,000 rows.

    Wasserstein over the reference's sd; up to five distinct values the Jensen-Shannon distance in nats.
    """
    total, now = counts[:reference].sum(axis=0), counts[reference:]
    grid = np.where(np.isfinite(values), values, 0.0)
    p, q = _shares(total), _shares(now)
    gaps = np.abs(np.cumsum(q, axis=-1) - np.cumsum(p, axis=-1))[..., :-1]
    apart = np.where(np.isfinite(values[:, 1:]), np.diff(grid, axis=-1), 0.0)
    mean = (p * grid).sum(axis=-1, keepdims=True)
    sd = np.sqrt((p * (grid - mean) ** 2).sum(axis=-1))
    far = np.einsum("sfc,fc->sf", gaps, apart) / np.maximum(sd, 0.001)
    few = (total > 0).sum(axis=-1) <= 5
    far[:, few] = _js(p[few], q[:, few])
    return np.asarray(far)


def nannyml(counts: Counts, values: Floats, few: Flags, reference: int) -> Floats:
    """Return by how many sd NannyML's Jensen-Shannon distance lies above the mean of the reference's own slices.

    Slices are its chunks (chunks by period). Numbers are on Doane's bins, *few* says which features are categories.
    """
    out = np.empty((len(counts) - reference, counts.shape[1]))
    for i, categories in enumerate(few):
        cells = counts[:, i] if categories else counts[:, i] @ _onto(values[i], counts[:reference, i].sum(axis=0))
        then = _shares(cells[:reference].sum(axis=0))
        found = _js(then, _shares(cells)) / math.sqrt(math.log(2))
        out[:, i] = _above(found, reference)
    return out


def realised(metric: Floats, reference: int) -> Floats:
    """Return by how many sd a *metric* (slices,) lies off the mean of the reference's slices, as NannyML judges it."""
    return np.abs(_above(metric, reference))


def any_column(distances: Floats) -> Floats:
    """Return what has to cross a column's line for any column (slices, features) to do so."""
    return np.asarray(distances.max(axis=-1))


def half_of_columns(distances: Floats) -> Floats:
    """Return what has to cross a column's line for Evidently's share of columns to do so."""
    most = math.ceil(SHARE * distances.shape[-1])
    return np.asarray(np.sort(distances, axis=-1)[..., -most])


def page_hinkley(rows: Floats, every: int, *, both: bool = True) -> Floats:
    """Return River's Page-Hinkley statistic of streams (rows, streams), as if it never alarmed: (stretches, streams).

    The largest of each stretch of *every* rows. One-sided (upwards) unless *both*.
    """
    n = rows.shape[1]
    mean, up, down, low, high = np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, np.inf), np.full(n, -1.0)
    out = np.zeros((-(-len(rows) // every), n))
    for t, x in enumerate(rows):
        mean += (x - mean) / (t + 1)
        up = FORGET * up + (x - mean - DELTA)
        low = np.minimum(low, up)
        found = up - low
        if both:
            down = FORGET * down + (x - mean + DELTA)
            high = np.maximum(high, down)
            found = np.maximum(found, high - down)
        if t >= LEAST - 1:
            out[t // every] = np.maximum(out[t // every], found)
    return out


def kswin(rows: Floats, rng: Rng) -> Floats:
    """Return KSWIN's statistic (rows,), in 30ths, as if it never alarmed; 0 until its window is full.

    The largest difference of the two distribution functions of its last 30 rows and of 30 drawn from the 70 before;
    the p-value that it looks at follows from it.
    """
    out = np.zeros(len(rows))
    windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW)
    for at in range(0, len(windows), 10_000):
        part = windows[at : at + 10_000]
        drawn = np.argpartition(rng.random((len(part), WINDOW - RECENT), np.float32), RECENT, axis=1)[:, :RECENT]
        both = np.concatenate([np.take_along_axis(part, drawn, axis=1), part[:, -RECENT:]], axis=1)
        order = np.argsort(both, axis=1)
        ranked = np.take_along_axis(both, order, axis=1)
        steps = np.where(order < RECENT, 1, -1).cumsum(axis=1)
        steps[:, :-1][ranked[:, 1:] == ranked[:, :-1]] = 0  # between equals there is no step
        out[at + WINDOW - 1 : at + WINDOW - 1 + len(part)] = np.abs(steps).max(axis=1)
    return out


def kswin_p(statistic: int) -> float:
    """Return the p-value of :func:`kswin`'s statistic for continuous rows (Gnedenko and Korolyuk 1951).

    >>> f"{kswin_p(20):.3g}", kswin_p(31)
    ('1.28e-06', 0.0)
    """
    ways = range(1, RECENT // statistic + 1)
    return (
        2
        * sum((-1) ** (j + 1) * math.comb(2 * RECENT, RECENT - j * statistic) for j in ways)
        / math.comb(2 * RECENT, RECENT)
    )


def kswin_binary(rows: Floats, rng: Rng) -> Floats:
    """Return :func:`kswin` of rows that are 0 or 1, where it is the difference of two numbers of ones."""
    sums = np.concatenate([[0.0], np.cumsum(rows)])
    old, new = WINDOW - RECENT, len(rows) - RECENT + 1
    ones = (sums[old:new] - sums[: new - old]).round().astype(np.int64)
    recent = sums[WINDOW:] - sums[old:new]
    drawn = rng.hypergeometric(ones, old - ones, RECENT)
    return np.concatenate([np.zeros(WINDOW - 1), np.abs(drawn - recent)])


def adwin(rows: Floats, every: int) -> Floats:
    """Return what ADWIN makes of streams (rows, streams), as if it never alarmed, the largest of each stretch.

    It is ``-log10`` of the delta below which it would not alarm; River's up to its first alarm at any delta. Where its
    window may be cut does not depend on the values, so all streams are looked at together.
    """
    sums, squares = (np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(x, axis=0)]) for x in (rows, rows**2))
    out = np.full((-(-len(rows) // every), rows.shape[1]), -np.inf)
    for n, cuts in _cuts(len(rows)):
        old, new = cuts[:, None], n - cuts[:, None]
        apart = np.abs(sums[cuts] / old - (sums[n] - sums[cuts]) / new)
        m = 1 / (old - SHORTEST + 1) + 1 / (new - SHORTEST + 1)
        variance = np.maximum(squares[n] / n - (sums[n] / n) ** 2, 0)
        linear, square = np.sqrt(2 * m * variance), 2 / 3 * m  # apart > linear * root + square * root^2
        root = (np.sqrt(linear**2 + 4 * square * apart) - linear) / (2 * square)
        found = (root.max(axis=0) ** 2 - math.log(2 * math.log(n))) / math.log(10)
        out[(n - 1) // every] = np.maximum(out[(n - 1) // every], found)
    return out


def _cuts(rows: int) -> Iterator[tuple[int, Counts]]:
    """Yield at how many rows ADWIN looks, and where its window can be cut: between buckets, of which five a size."""
    buckets = [0]
    for n in range(1, rows + 1):
        buckets[0] += 1
        for level, held in enumerate(buckets):
            if held <= BUCKETS:
                break
            buckets[level] -= 2
            if level + 1 == len(buckets):
                buckets.append(0)
            buckets[level + 1] += 1
        if n % CLOCK == 0:
            sizes = [2**level for level in reversed(range(len(buckets))) for _ in range(buckets[level])]
            cuts = np.cumsum(sizes)
            yield n, cuts[(cuts >= SHORTEST) & (n - cuts >= SHORTEST)]


def cusum(llr: Floats) -> Floats:
    """Return Page's CUSUM of log likelihood ratios (slices,), as if it never alarmed."""
    total = np.cumsum(llr)
    return np.asarray(total - np.minimum.accumulate(np.concatenate([[0.0], total]))[1:])


@dataclass(frozen=True)
class Line:
    """A line for the largest value of a run, exceeded with a known chance by its *highest* values with no change."""

    highest: Floats

    def at(self, chance: float) -> float:
        """Return the value that a run's largest exceeds with *chance*.

        Below ten exceedances, the tail beyond the 90 % quantile is taken to be exponential.
        """
        if chance * len(self.highest) >= 10:
            return float(np.quantile(self.highest, 1 - chance, method="higher"))
        start = float(np.quantile(self.highest, 0.9))
        beyond = self.highest[self.highest > start] - start
        return start + (float(beyond.mean()) if len(beyond) else 0.0) * max(math.log(0.1 / chance), 0.0)


def first(values: Floats, line: float) -> float:
    """Return at which place *values* first exceed *line*, from 1 on; infinite if they never do.

    >>> first(np.array([0.1, 0.5, 0.2, 0.7]), 0.3), first(np.array([0.1]), 0.3)
    (2.0, inf)
    """
    at = np.flatnonzero(values > line)
    return float(at[0]) + 1 if len(at) else math.inf


def _above(found: Floats, reference: int) -> Floats:
    known = found[:reference]
    return np.asarray((found[reference:] - known.mean()) / max(float(known.std()), 1e-12))


def _shares(counts: Counts) -> Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _js(p: Floats, q: Floats) -> Floats:
    """Return the Jensen-Shannon distance in nats along the last axis."""
    return np.asarray(distance.jensenshannon(np.broadcast_to(p, q.shape), q, axis=-1))


def _onto(values: Floats, total: Counts) -> Floats:
    """Return the matrix from cells to Doane's equal bins over the reference, and one more for what is beyond them."""
    there = values[total > 0]
    low, high = float(there[0]), float(there[-1])
    bins = _doane(values, total)
    cell = np.clip(np.floor((values - low) / ((high - low) or 1.0) * bins), 0, bins - 1).astype(np.int64)
    cell[(values < low) | (values > high)] = bins
    return np.asarray(cell[:, None] == np.arange(bins + 1), np.float64)


def _doane(values: Floats, total: Counts) -> int:
    n, share = int(total.sum()), _shares(total)
    mean = float((share * values).sum())
    sd = math.sqrt(float((share * (values - mean) ** 2).sum()))
    if sd == 0:
        return 1
    skew = abs(float((share * ((values - mean) / sd) ** 3).sum()))
    usual = math.sqrt(6 * (n - 2) / ((n + 1) * (n + 3)))
    return math.ceil(1 + math.log2(n) + math.log2(1 + skew / usual))
