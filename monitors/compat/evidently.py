"""Evidently's drift metrics: what version 0.7.23 computes for one column, with its defaults and automatic choice.

Formulas and quirks are those of `evidently.legacy.calculations.stattests` and of `get_one_column_drift` there, which
`ValueDrift` and `DataDriftPreset` call; tests compare them with the installed library. Missing and infinite values are
dropped on both sides, whatever their share; a side that is left empty is refused.

Every function takes two sides without missing values (:func:`clean`). The dtype matters as it does to numpy: integers
never get bins narrower than 1.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from features.errors import NotEnoughData
from features.schema import FeatureKind
from monitors.compat.column import Comparison, Floats, Values, js_distance, present, tally
from monitors.compat.permute import permutation_p

VERSION = "0.7.23"
"""The version that is reproduced."""
FEW_VALUES = 20
"""Up to this many distinct numbers in the reference are counted one by one, not binned."""
SMALL_REFERENCE = 1000
"""Up to this many reference rows the automatic choice is a test, beyond them a distance; the other side's size does not
matter."""


def clean(values: Values) -> Values:
    """Return *values* without missing and infinite ones."""
    left = present(values)
    return left[np.isfinite(left)] if left.dtype.kind == "f" else left


def shares(reference: Values, current: Values, kind: FeatureKind) -> tuple[Floats, Floats]:
    """Return each side's shares of the cells that psi, jensenshannon and kl_div compare.

    Numbers with more than :data:`FEW_VALUES` distinct values in the reference are binned with equal width by Sturges'
    rule over both sides together (Evidently ignores its own setting of the number of bins). All else is counted value
    by value.

    Parameters
    ----------
    reference
        Values of the reference, none missing.
    current
        Values of the current rows, none missing.
    kind
        Kind of the column.
    """
    if kind is FeatureKind.NUMERIC and len(np.unique(reference)) > FEW_VALUES:
        edges = np.histogram_bin_edges(np.concatenate([reference, current]), "sturges")
        p, q = (np.histogram(side, edges)[0] for side in (reference, current))
    else:
        p, q = tally(reference, current)
    return p / len(reference), q / len(current)


def _filled(side: Floats) -> Floats:
    """Return *side* with empty cells at 1e-4, or a millionth of the least share if that is below it; not rescaled."""
    least = side[side > 0].min()
    return np.where(side == 0, least / 10**6 if least <= 1e-4 else 1e-4, side)


def psi(reference: Values, current: Values, kind: FeatureKind) -> float:
    """Return the population stability index ``sum((p - q) ln(p / q))`` over :func:`shares` with empty cells filled.

    >>> a, b = np.repeat(["x", "y"], [50, 50]), np.repeat(["x", "y"], [90, 10])
    >>> round(psi(a, b, FeatureKind.CATEGORICAL), 6)
    0.87889
    """
    p, q = map(_filled, shares(reference, current, kind))
    return float(np.sum((p - q) * np.log(p / q)))


def kl_div(reference: Values, current: Values, kind: FeatureKind) -> float:
    """Return the Kullback-Leibler divergence ``sum(p ln(p / q))`` over the filled shares, rescaled to sum to 1."""
    p, q = map(_filled, shares(reference, current, kind))
    return float(stats.entropy(p, q))


def jensenshannon(reference: Values, current: Values, kind: FeatureKind) -> float:
    """Return the Jensen-Shannon distance, the root of the divergence in nats: at most ``sqrt(ln 2)``, about .8326.

    >>> a, b = np.array(["x"]), np.array(["y"])
    >>> round(jensenshannon(a, b, FeatureKind.CATEGORICAL), 4)
    0.8326
    """
    return js_distance(*shares(reference, current, kind))


def hellinger(reference: Values, current: Values, kind: FeatureKind) -> float:
    """Return the Hellinger distance ``sqrt(1 - sum(sqrt(p q)))``, 0 to 1; numbers on bins by Sturges' rule.

    The rule is applied to the distinct values of both sides."""
    if kind is FeatureKind.CATEGORICAL:
        p, q = tally(reference, current)
        common = np.sqrt(p / len(reference) * (q / len(current))).sum()
    else:
        edges = np.histogram_bin_edges(np.unique(np.concatenate([reference, current])), "sturges")
        p, q = (np.histogram(side, edges, density=True)[0] for side in (reference, current))
        common = np.sqrt(p * q).sum() * (edges[-1] - edges[0]) / (len(edges) - 1)
    return float(np.sqrt(1 - np.clip(common, 0, 1)))


def wasserstein(reference: Values, current: Values) -> float:
    """Return the first Wasserstein distance over the reference's population sd, or over .001 if that is smaller."""
    return float(stats.wasserstein_distance(reference, current) / max(float(np.std(reference)), 0.001))


def ks(reference: Values, current: Values) -> float:
    """Return the two-sided p-value of the two-sample Kolmogorov-Smirnov test.

    It is exact up to 10,000 rows a side where scipy can compute it, and asymptotic beyond.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy's, where it cannot
        return float(stats.ks_2samp(reference, current).pvalue)


def chisquare(reference: Values, current: Values) -> float:
    """Return the p-value of a chi-squared test of *goodness of fit* to the reference's shares.

    The reference counts as known without error, so a small one raises false alarms; a new value gives 0.
    """
    p, q = tally(reference, current)
    with np.errstate(divide="ignore"):
        return float(stats.chisquare(q, p * (len(current) / len(reference))).pvalue)


def z(reference: Values, current: Values) -> float:
    """Return the two-sided p-value of the pooled z-test for the share of the smallest value, lost below 1e-16.

    >>> z(np.array(["n"]), np.array(["n"]))
    1.0
    """
    p, q = tally(reference, current)
    if len(p) == 1:
        return 1.0
    n, m = len(reference), len(current)
    one, two = 1 - p[0] / n, 1 - q[0] / m
    pooled = (one * n + two * m) / (n + m)
    score = (one - two) / np.sqrt(pooled * (1 - pooled) * (1.0 / n + 1.0 / m))
    return float(2 * (1 - stats.norm.cdf(np.abs(score))))


@dataclass(frozen=True, slots=True)
class Method:
    """One of Evidently's tests.

    Parameters
    ----------
    value
        Computes its number from reference, current rows and kind.
    kinds
        Kinds of column that it is for.
    threshold
        Its default threshold.
    drifted
        Which side of the threshold is drift.
    """

    value: Callable[[Values, Values, FeatureKind], float]
    kinds: tuple[FeatureKind, ...]
    threshold: float
    drifted: Callable[[float, float], bool]


def _plain(test: Callable[[Values, Values], float]) -> Callable[[Values, Values, FeatureKind], float]:
    return lambda reference, current, _kind: test(reference, current)


_BOTH, _NUMBERS, _CATEGORIES = tuple(FeatureKind), (FeatureKind.NUMERIC,), (FeatureKind.CATEGORICAL,)
METHODS: Mapping[str, Method] = {
    "psi": Method(psi, _BOTH, 0.1, operator.ge),
    "jensenshannon": Method(jensenshannon, _BOTH, 0.1, operator.ge),
    "kl_div": Method(kl_div, _BOTH, 0.1, operator.ge),
    "hellinger": Method(hellinger, _BOTH, 0.1, operator.ge),
    "wasserstein": Method(_plain(wasserstein), _NUMBERS, 0.1, operator.ge),
    "ks": Method(_plain(ks), _NUMBERS, 0.05, operator.le),
    "chisquare": Method(_plain(chisquare), _CATEGORIES, 0.05, operator.lt),
    "z": Method(_plain(z), _CATEGORIES, 0.05, operator.lt),
    "TVD": Method(_plain(permutation_p), _CATEGORIES, 0.1, operator.lt),
}


def choose(reference: Values, current: Values, kind: FeatureKind) -> str:
    """Return the method that Evidently chooses where none is named.

    Up to 1,000 reference rows: ks for numbers, chisquare for categories and for numbers with up to five distinct
    values, z where these are two. Beyond: wasserstein for numbers, jensenshannon for the others.
    """
    distinct = len(np.unique(np.concatenate([reference, current])))
    few = kind is FeatureKind.CATEGORICAL or distinct <= 5
    if len(reference) > SMALL_REFERENCE:
        return "jensenshannon" if few else "wasserstein"
    if not few:
        return "ks"
    return "chisquare" if distinct > 2 else "z"


def compare(
    reference: Values, current: Values, kind: FeatureKind, *, method: str | None = None, threshold: float | None = None
) -> Comparison:
    """Return Evidently's metric and verdict on a column.

    Parameters
    ----------
    reference
        Values of the reference.
    current
        Values of the current rows.
    kind
        Kind of the column.
    method
        One of ``METHODS``; by default the automatic choice.
    threshold
        By default the method's.

    Raises
    ------
    NotEnoughData
        A side has no value left without missing and infinite ones.
    KeyError
        There is no such method.
    """
    then, now = clean(reference), clean(current)
    if not (len(then) and len(now)):
        msg = f"a side without values: {len(then)} in the reference, {len(now)} current"
        raise NotEnoughData(msg, hint="Evidently refuses it too; choose another period")
    name = method or choose(then, now, kind)
    chosen = METHODS[name]
    value = chosen.value(then, now, kind)
    limit = chosen.threshold if threshold is None else threshold
    return Comparison("evidently", name, value, limit, bool(chosen.drifted(value, limit)))
