"""Default alarm rules of other systems, computed from counts, on the same streams, window by window.

Evidently's and NannyML's are those of :mod:`monitors.compat`, worked out for many windows at once; a test holds the two
against one another. Windows are slices, and alarm if any feature does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from river import drift
from scipy.spatial import distance

from benchmarks.streams import Stream
from monitors.compat import evidently as at_evidently
from monitors.stats.bins import Counts

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
LINE = 0.1
"""Evidently's default for both of its distances."""
SIGMAS = 3
"""NannyML's default: so many standard deviations over the mean of the reference's own chunks."""


def evidently(stream: Stream, reference: int) -> Flags:
    """Return which (windows, features) drift by Evidently's automatic choice, for references of over 1,000 rows.

    The Wasserstein distance over the reference's sd, or for categories and up to five distinct numbers the
    Jensen-Shannon distance in nats: at .1, whatever the size.
    """
    total, now = stream.counts[:reference].sum(axis=0), stream.counts[reference:]
    if total.sum(axis=-1).min() <= at_evidently.SMALL_REFERENCE:
        msg = "Evidently would choose a test for so small a reference"
        raise ValueError(msg)
    js = _js(_shares(total), _shares(now)) >= LINE
    if stream.categorical:
        return js
    gap = np.abs(np.cumsum(_shares(now), axis=-1) - np.cumsum(_shares(total), axis=-1))[..., :-1]
    far = (gap * np.diff(stream.grid, axis=-1)).sum(axis=-1) / np.maximum(_moments(stream.grid, total)[1], 0.001)
    few = ((now > 0) | (total > 0)).sum(axis=-1) <= 5
    return np.where(few, js, far >= LINE)


def nannyml(stream: Stream, reference: int) -> Flags:
    """Return which (windows, features) drift by NannyML's Jensen-Shannon distance, with slices as its chunks.

    That is chunks by period; of its own accord it would cut the reference into ten, and alarm more often.
    """
    out = np.empty((len(stream.counts) - reference, stream.counts.shape[1]), bool)
    for i in range(out.shape[1]):
        counts = stream.counts[:, i] if stream.categorical else _doane(stream.grid[i], stream.counts[:, i], reference)
        total = counts[:reference].sum(axis=0)
        seen = np.concatenate(
            [np.where(total > 0, counts, 0), counts[:, total == 0].sum(axis=1, keepdims=True)], axis=1
        )
        found = _js(_shares(np.append(total, 0)), _shares(seen)) / np.sqrt(np.log(2))
        line = found[:reference].mean() + SIGMAS * found[:reference].std()
        out[:, i] = found[reference:] > line
    return out


def adwin(stream: Stream, reference: int) -> Flags:
    """Return at which (windows, features) River's ADWIN signals, shown each feature's slice means one by one.

    Means (categories: the share of the first) in units of the reference slices' sd. It remembers the reference.
    """
    n = stream.counts.sum(axis=-1)
    means = stream.counts[..., 0] / n if stream.categorical else (stream.counts * stream.grid).sum(axis=-1) / n
    scaled = (means - means[:reference].mean(axis=0)) / np.maximum(means[:reference].std(axis=0), 1e-9)
    return np.column_stack([_signals(column) for column in scaled.T])[reference:]


def _signals(column: Floats) -> Flags:
    detector, out = drift.ADWIN(), np.zeros(len(column), bool)
    for k, value in enumerate(column.tolist()):
        detector.update(value)
        out[k] = detector.drift_detected
    return out


def _shares(counts: Counts) -> Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _js(p: Floats, q: Floats) -> Floats:
    """Return the Jensen-Shannon distance in nats along the last axis."""
    return np.asarray(distance.jensenshannon(np.broadcast_to(p, q.shape), q, axis=-1))


def _moments(values: Floats, counts: Counts) -> tuple[Floats, Floats]:
    share = _shares(counts)
    mean = (share * values).sum(axis=-1)
    return mean, np.sqrt((share * (values - mean[..., None]) ** 2).sum(axis=-1))


def _doane(values: Floats, counts: Counts, reference: int) -> Counts:
    """Return *counts* on equal bins by Doane's rule over the reference, and what lies outside in one more cell."""
    total = counts[:reference].sum(axis=0)
    there = values[total > 0]
    low, high = there[0], there[-1]
    cell = np.clip(np.floor((values - low) / (high - low or 1) * _bins(values, total)), -1, _bins(values, total))
    cell[values == high] = _bins(values, total) - 1
    onto = cell[:, None] == np.append(np.arange(_bins(values, total)), -1)
    onto[:, -1] = (values < low) | (values > high)
    return np.asarray((counts @ onto.astype(np.float64)).astype(np.int64))


def _bins(values: Floats, total: Counts) -> int:
    n, (mean, sd) = total.sum(), _moments(values, total)
    if sd == 0:
        return 1
    skew = (_shares(total) * ((values - mean) / sd) ** 3).sum()
    usual = np.sqrt(6 * (n - 2) / ((n + 1) * (n + 3)))
    return int(np.ceil(1 + np.log2(n) + np.log2(1 + abs(skew) / usual)))
