"""How far a row lies from the usual ways in which features go together: what the main components leave over.

Principal components are fitted to the baseline's rows; those that make up 65 % of the variance are the usual ways, and
a row's reconstruction error is what it has in the others. Two features may each keep their distribution and yet break
apart: that is seen here and nowhere else.

As in NannyML's reconstruction error, the mass of a row is encoded and standardised first; unlike there, each component
left over counts in units of its own standard deviation (Shyu et al. 2003, "A novel anomaly detection scheme based on
principal component classifier"). A relation that held tightly then counts as much as one that was loose: one pair of 20
features whose correlation of .9 breaks moves the error by .42 (Jensen-Shannon) instead of .17.

Only integers are frozen and added, so equal rows have equal errors wherever they are counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import special

from features.scoring import Floats
from monitors.stats import threshold
from monitors.stats.bins import Bins, Counts, NumericBins

Ints = npt.NDArray[np.int64]
VARIANCE = 0.65
"""Share of the variance that the main components have to make up."""
SMALLEST = 0.1
"""No component is taken to be narrower, in standard deviations of a feature: bins cannot tell what is finer."""
FURTHEST = 8.0
"""Where a code is cut off, in standard deviations: a rare word is no outlier in itself."""
_CODE, _WEIGHT = 2.0**10, 2.0**16
_BLOCK = 4096


class PrincipalComponents(BaseModel):
    """The *codes* of each feature's cells, in 1/1024 sd, and the *components* left over: one weight a feature.

    Weights are in the order of *features*, as a stored baseline keeps no order of names. A weight is in 1/65536 of one
    over the component's sd. Sums of products stay below 2^53 for 100,000 features, where float64 arithmetic on whole
    numbers is exact: any order of adding gives the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...]
    codes: dict[str, tuple[int, ...]]
    components: tuple[tuple[int, ...], ...]

    def error(self, cells: Mapping[str, Ints]) -> Floats:
        """Return each row's reconstruction error from its *cells* by feature: the rms of what is left over, 1 is usual.

        >>> ends = (-1024, 1024)
        >>> p = PrincipalComponents(features=("a", "b"), codes={"a": ends, "b": ends}, components=((65536, -65536),))
        >>> p.error({"a": np.array([0, 1, 1]), "b": np.array([0, 1, 0])}).tolist()
        [0.0, 0.0, 2.0]
        """
        weights, n = np.asarray(self.components, np.float64).T, len(next(iter(cells.values())))
        codes = {name: np.asarray(self.codes[name], np.float64) for name in self.features}
        out = np.empty(n)
        for at in range(0, n, _BLOCK):
            left = np.floor(encode(codes, cells, slice(at, at + _BLOCK)) @ weights / _WEIGHT + 0.5)
            out[at : at + _BLOCK] = np.einsum("ij,ij->i", left, left)
        # Division by a power of two, division and root are each rounded correctly by any IEEE 754 machine.
        return np.asarray(np.sqrt(out / len(self.components)) / _CODE)


def fit(bins: Mapping[str, Bins], cells: Mapping[str, Ints], part: Ints) -> tuple[PrincipalComponents, Floats] | None:
    """Return the projection of the baseline's rows, and each row's error by that of all parts but its own.

    *cells* are the rows' cells on *bins*, both by feature, *part* numbers the part each row is in. The narrowest
    components are narrow by chance too: among the rows they were fitted to, errors are smaller than any later row's
    will be (50 independent features, 10,000 rows: .11 apart, Jensen-Shannon; .03 by the other parts).

    None where fewer than two features vary. The same rows in another order give the same projection.
    """
    tallies = {name: np.bincount(at, minlength=bins[name].cells) for name, at in cells.items()}
    codes = {name: code(bins[name], counts) for name, counts in tallies.items() if _varies(bins[name], counts)}
    if len(codes) < 2:
        return None
    picked = [{name: cells[name][part == k] for name in codes} for k in range(int(part.max()) + 1)]
    sums = [_sums(codes, own) for own in picked]
    total = sum(sums[1:], start=sums[0])
    errors = np.empty(len(part))
    for k, own in enumerate(picked):
        # A part that is everything has no others to be held against.
        errors[part == k] = _project(codes, total - sums[k] if len(picked) > 1 else total).error(own)
    return _project(codes, total), errors


def freeze_errors(errors: Floats, by_itself: Floats, bins: int) -> NumericBins:
    """Return quantile bins of the baseline's *errors*, with edges midway between those that rows have *by_itself*.

    Features with few cells have few errors, and each part's projection gives slightly other ones: edges keep away from
    all of them, so that the same cells stay in the same bin.

    >>> freeze_errors(np.array([0.0, 0.0, 0.98, 1.01, 2.0]), np.array([0.0, 0.0, 1.0, 1.0, 2.0]), 2).edges
    (0.0, 1.5, 2.0)
    """
    steps = np.unique(by_itself)
    middles = (steps[1:] + steps[:-1]) / 2
    wanted = np.quantile(errors, np.linspace(0, 1, bins + 1)[1:-1])
    inner = middles[np.minimum(np.searchsorted(middles, wanted), len(middles) - 1)] if len(middles) else middles
    ends = min(errors.min(), steps[0]), max(errors.max(), steps[-1])
    edges = np.unique([ends[0], *inner, ends[1]])
    return NumericBins(
        edges=tuple((edges if len(edges) > 1 else np.repeat(edges, 2)).tolist()),
        mean=float(errors.mean()),
        sd=float(errors.std()),
    )


def code(bins: Bins, counts: Counts) -> Floats:
    """Return the code of each cell, a whole number of 1/1024 sd, from a feature's baseline *counts*.

    The normal score of the cell's middle rank, standardised over the baseline's rows and cut off at 8 sd; categories
    are ranked by frequency. What is missing or not finite has the mean, 0.

    >>> from monitors.stats.bins import CategoricalBins
    >>> code(CategoricalBins(categories=("a", "b")), np.array([600, 400, 0, 0, 0])).tolist()
    [-836.0, 1254.0, 4835.0, 5304.0, 0.0]
    """
    ordered = threshold.compared(bins)
    mass = counts[ordered] + 0.5
    score, present = special.ndtri((np.cumsum(mass) - mass / 2) / mass.sum()), counts[ordered]
    score = score - _mean(score, present)
    sd = np.sqrt((score**2 * present).sum() / counts.sum())
    score = np.clip(score / sd, -FURTHEST, FURTHEST)
    out = np.zeros(len(counts))
    out[ordered] = np.rint((score - _mean(score, present)) * _CODE)
    return out


def encode(codes: Mapping[str, Floats], cells: Mapping[str, Ints], rows: slice) -> Floats:
    """Return the codes of some *rows*, (rows, features)."""
    return np.column_stack([code[cells[name][rows]] for name, code in codes.items()])


def _mean(score: Floats, counts: Counts) -> float:
    return float((score * counts).sum() / counts.sum())


def _varies(bins: Bins, counts: Counts) -> bool:
    return np.count_nonzero(counts[threshold.compared(bins)]) > 1


def _sums(codes: Mapping[str, Floats], cells: Mapping[str, Ints]) -> Floats:
    """Return the sums of products of the codes and of 1, (features + 1, features + 1): exact up to 10^8 rows."""
    n = len(next(iter(cells.values())))
    products = np.zeros((len(codes) + 1, len(codes) + 1))
    for at in range(0, n, _BLOCK):
        block = encode(codes, cells, slice(at, at + _BLOCK))
        block = np.column_stack([block, np.ones(len(block))])
        products += block.T @ block
    return products


def _project(codes: Mapping[str, Floats], sums: Floats) -> PrincipalComponents:
    means = sums[-1, :-1] / sums[-1, -1]
    values, vectors = np.linalg.eigh((sums[:-1, :-1] / sums[-1, -1] - np.outer(means, means)) / _CODE**2)
    left = _left(values)
    # The sign of a component is arbitrary: its largest weight is positive.
    chosen = vectors[:, :left] / np.maximum(np.sqrt(np.maximum(values[:left], 0)), SMALLEST)
    chosen *= np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(left)])
    weights = np.rint(chosen.T * _WEIGHT).astype(np.int64)
    return PrincipalComponents(
        features=tuple(codes),
        codes={name: tuple(c.astype(np.int64).tolist()) for name, c in codes.items()},
        components=tuple(map(tuple, weights.tolist())),
    )


def _left(values: Floats) -> int:
    """Return how many components, from the narrowest, are left over; one at least."""
    share = np.cumsum(values[::-1]) / max(values.sum(), np.finfo(float).tiny)
    return max(len(values) - int(np.searchsorted(share, VARIANCE, side="right")) - 1, 1)
