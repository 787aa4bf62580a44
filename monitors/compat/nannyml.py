"""NannyML's univariate drift metrics: what version 0.13.1 computes for one chunk of current rows, with its thresholds.

Formulas and quirks are those of `nannyml.drift.univariate.methods`; a slow test compares them with the library in an
environment of its own, since it cannot be installed beside this project's pins. Missing values are dropped from every
chunk before its number is computed, though chunks are cut by rows with missing ones among them. Infinite numbers stay:
in current rows they fall outside the bins, in the reference binned methods refuse them.

A method is fitted on the reference without missing values and returns a :data:`Distance`: from a chunk's values to a
number. A chunk without values has nan, and never alerts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from features.errors import DataError, NotEnoughData
from features.schema import FeatureKind
from monitors.compat.column import Comparison, Floats, Values, js_distance, present, tally

VERSION = "0.13.1"
"""The version that is reproduced."""
CHUNKS = 10
"""Chunks of equal length that the reference is cut into; rows that are left over are one more."""
BINNED_FROM = 10_000
"""From this many reference values on, ks and wasserstein are estimated on as many bins."""
CHI2_ALPHA = 0.05
"""Significance level of chi2."""

Distance = Callable[[Values], float]
"""From a chunk's values, none of them missing, to one number."""


def _cells(reference: Values, kind: FeatureKind) -> Callable[[Values], tuple[Floats, Floats]]:
    """Return a function from a chunk to the reference's and the chunk's shares of the reference's bins, or categories.

    Bins are equal-width by Doane's rule over the reference. What of a chunk is in none of them (outside their range, or
    a new category) is one more cell, which is empty in the reference.
    """
    if kind is FeatureKind.CATEGORICAL:
        labels, counts = np.unique(reference, return_counts=True)
    else:
        labels = _doane(reference)
        counts = np.histogram(reference, labels)[0]
    then = counts / len(reference)

    def shares(chunk: Values) -> tuple[Floats, Floats]:
        now = (_matched if kind is FeatureKind.CATEGORICAL else _binned)(chunk, labels) / len(chunk)
        rest = 1 - np.sum(now)
        return (np.append(then, 0), np.append(now, rest)) if rest > 0 else (then, now)

    return shares


def _doane(reference: Values) -> Floats:
    if not np.isfinite(reference).all():
        msg = "the reference holds infinite numbers, over which no bins can be laid"
        raise DataError(msg, hint="NannyML refuses them too; use kolmogorov_smirnov, or mend the reference")
    return np.histogram_bin_edges(reference.astype(np.float64), "doane")


def _binned(chunk: Values, edges: Values) -> Floats:
    return np.histogram(chunk, edges)[0].astype(np.float64)


def _matched(chunk: Values, labels: Values) -> Floats:
    seen = dict(zip(*np.unique(chunk, return_counts=True), strict=True))
    return np.array([seen.get(label, 0) for label in labels], np.float64)


def jensen_shannon(reference: Values, kind: FeatureKind) -> Distance:
    """Return the Jensen-Shannon distance in bits, 0 to 1, over the reference's cells and one for what is in none.

    >>> away = jensen_shannon(np.repeat(["x", "y"], [1, 1]), FeatureKind.CATEGORICAL)
    >>> away(np.array(["z"])), round(away(np.array(["x"])), 4)
    (1.0, 0.558)
    """
    shares = _cells(reference, kind)
    return lambda chunk: js_distance(*shares(chunk), base=2)


def hellinger(reference: Values, kind: FeatureKind) -> Distance:
    """Return the Hellinger distance ``|sqrt(p) - sqrt(q)| / sqrt(2)``, 0 to 1, over jensen_shannon's cells."""
    shares = _cells(reference, kind)

    def away(chunk: Values) -> float:
        p, q = shares(chunk)
        return float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)) / np.sqrt(2))

    return away


def kolmogorov_smirnov(reference: Values, kind: FeatureKind = FeatureKind.NUMERIC) -> Distance:
    """Return the Kolmogorov-Smirnov statistic, 0 to 1; on :data:`BINNED_FROM` bins for large references."""
    if len(reference) < BINNED_FROM:
        return lambda chunk: float(stats.ks_2samp(reference, chunk, method="asymp").statistic)
    edges = np.linspace(np.min(reference), np.max(reference), BINNED_FROM + 1)
    then = np.cumsum(_binned(reference, edges) / len(reference))

    def away(chunk: Values) -> float:
        below = np.mean(chunk < edges[0])
        return float(np.max(np.abs(then - (below + np.cumsum(_binned(chunk, edges) / len(chunk))))))

    return away


def wasserstein(reference: Values, kind: FeatureKind = FeatureKind.NUMERIC) -> Distance:
    """Return the first Wasserstein distance in the feature's unit; on :data:`BINNED_FROM` bins for large references."""
    if len(reference) < BINNED_FROM:
        return lambda chunk: float(stats.wasserstein_distance(reference, chunk))
    counts, edges = np.histogram(reference, BINNED_FROM)
    then, width = np.cumsum(counts / len(reference)), edges[1] - edges[0]

    def away(chunk: Values) -> float:
        low, high = chunk[chunk < edges[0]], chunk[chunk > edges[-1]]
        # The reference's border counts as one more value below it, as in NannyML.
        below = (len(low) + 1) / len(chunk) if len(low) else 0.0
        inside = np.abs(then - (np.cumsum(_binned(chunk, edges) / len(chunk)) + below)).sum() * width
        beyond = np.sum(edges[0] - low) + np.sum(high - edges[-1])
        return float(inside + beyond / len(chunk))

    return away


def l_infinity(reference: Values, kind: FeatureKind = FeatureKind.CATEGORICAL) -> Distance:
    """Return the largest difference in any category's share, 0 to 1."""

    def away(chunk: Values) -> float:
        p, q = tally(reference, chunk)
        return float(np.max(np.abs(p / len(reference) - q / len(chunk))))

    return away


def chi2(reference: Values, kind: FeatureKind = FeatureKind.CATEGORICAL) -> Distance:
    """Return the statistic of the chi-squared test of independence, from 0 up without bound (two categories: Yates)."""
    return lambda chunk: _contingency(reference, chunk)[0]


def _contingency(reference: Values, chunk: Values) -> tuple[float, float]:
    found = stats.chi2_contingency(np.stack(tally(reference, chunk), axis=1))
    return float(found.statistic), float(found.pvalue)


@dataclass(frozen=True, slots=True)
class Method:
    """One of NannyML's methods.

    Parameters
    ----------
    fit
        Fits it to a reference.
    kinds
        Kinds of column that it is for.
    most
        Upper limit of its threshold.
    """

    fit: Callable[[Values, FeatureKind], Distance]
    kinds: tuple[FeatureKind, ...]
    most: float = np.inf


METHODS: Mapping[str, Method] = {
    "jensen_shannon": Method(jensen_shannon, tuple(FeatureKind)),
    "hellinger": Method(hellinger, tuple(FeatureKind)),
    "kolmogorov_smirnov": Method(kolmogorov_smirnov, (FeatureKind.NUMERIC,), most=1.0),
    "wasserstein": Method(wasserstein, (FeatureKind.NUMERIC,)),
    "l_infinity": Method(l_infinity, (FeatureKind.CATEGORICAL,)),
    "chi2": Method(chi2, (FeatureKind.CATEGORICAL,)),
}


def upper_threshold(reference: Values, away: Distance) -> float:
    """Return mean + 3 population sd of the distances of the reference's own chunks, on which the method is fitted too.

    Parameters
    ----------
    reference
        Values of the reference in the order of time.
    away
        The fitted method.

    Raises
    ------
    NotEnoughData
        There are fewer rows than chunks.
    """
    size = len(reference) // CHUNKS
    if size == 0:
        msg = f"{len(reference)} reference rows cannot be cut into {CHUNKS} chunks"
        raise NotEnoughData(msg, hint="NannyML refuses it too; choose a longer baseline")
    found = np.array([_measured(away, reference[i : i + size]) for i in range(0, len(reference), size)])
    return float(np.nanmean(found) + 3 * np.nanstd(found))


def _measured(away: Distance, rows: Values) -> float:
    values = present(rows)
    return away(values) if len(values) else np.nan


def compare(
    reference: Values, current: Values, kind: FeatureKind, *, method: str | None = None, threshold: float | None = None
) -> Comparison:
    """Return NannyML's metric and verdict on a column, the current rows being one chunk.

    More than the threshold is drift; chi2 goes by its p-value alone, whatever threshold is given.

    Parameters
    ----------
    reference
        Values of the reference in the order of time.
    current
        Values of the current rows.
    kind
        Kind of the column.
    method
        One of ``METHODS``; by default jensen_shannon.
    threshold
        By default :func:`upper_threshold`.

    Raises
    ------
    NotEnoughData
        The reference has no values, or too few rows for chunks.
    DataError
        A method needs bins and the reference has infinite numbers.
    KeyError
        There is no such method.
    """
    name = method or "jensen_shannon"
    chosen, then, now = METHODS[name], present(reference), present(current)
    if not len(then):
        msg = "the reference has no values"
        raise NotEnoughData(msg, hint="choose another baseline")
    away = chosen.fit(then, kind)
    value = _measured(away, current)
    if name == "chi2":
        p_value = _contingency(then, now)[1] if len(now) else np.nan
        return Comparison("nannyml", name, value, None, bool(p_value < CHI2_ALPHA), p_value)
    limit = min(upper_threshold(reference, away), chosen.most) if threshold is None else threshold
    return Comparison("nannyml", name, value, limit, bool(value > limit))
