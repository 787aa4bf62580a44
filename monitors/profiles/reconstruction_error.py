"""PCA reconstruction error: how far a row lies from the correlations between features in the baseline.

Principal components are fitted to the baseline's rows. Those that make up 65 % of the variance are retained; a row's
reconstruction error is what it has in the others. It shows features that each keep their distribution while their
correlation breaks, which no single variable shows.

As in NannyML's reconstruction error, a row is encoded and standardised first. Unlike there, each residual component
counts in units of its own standard deviation (Shyu et al. 2003), so that a strong correlation counts as much as a weak
one: one pair of 20 features whose correlation of .9 breaks moves the error by .42 (Jensen-Shannon distance) instead of
.17.

Only integers are frozen and added, so equal rows have equal errors wherever they are counted (docs/decisions/0005).

References
----------
Shyu, Chen, Sarinnapakorn and Chang (2003), "A novel anomaly detection scheme based on principal component classifier",
ICDM workshop on foundations and new directions of data mining.
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
RETAINED_VARIANCE = 0.65
"""Share of the variance that the retained components make up, NannyML's default."""
MIN_COMPONENT_SD = 0.1
"""Smallest standard deviation of a residual component, in that of a feature: bins do not resolve what is finer."""
MAX_CODE = 8.0
"""Largest code of a cell, in standard deviations: a rare category is not an outlier by itself."""
CODE_SCALE = 2.0**10
"""Codes are whole numbers of 1/1024 standard deviation."""
WEIGHT_SCALE = 2.0**16
"""Weights are whole numbers of 1/65536 of one over a component's standard deviation."""
BLOCK_ROWS = 4096
"""Rows that are encoded at once, which bounds memory."""


class PrincipalComponents(BaseModel):
    """The residual components of a baseline.

    Sums of products stay below 2^53 for 100,000 features, where float64 arithmetic on whole numbers is exact: any order
    of addition gives the same.

    Parameters
    ----------
    features
        The features, in the order of the weights; a stored baseline keeps no order of names.
    codes
        Code of each cell, in 1/1024 sd, by feature.
    components
        Weights of each residual component, one per feature, in 1/65536 of one over the component's sd.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...]
    codes: dict[str, tuple[int, ...]]
    components: tuple[tuple[int, ...], ...]

    def error(self, cells: Mapping[str, Ints]) -> Floats:
        """Return each row's reconstruction error, (rows,): the rms of its standardised residual components; 1 is usual.

        Parameters
        ----------
        cells
            The rows' cells by feature, (rows,) each.

        Examples
        --------
        >>> ends = (-1024, 1024)
        >>> p = PrincipalComponents(features=("a", "b"), codes={"a": ends, "b": ends}, components=((65536, -65536),))
        >>> p.error({"a": np.array([0, 1, 1]), "b": np.array([0, 1, 0])}).tolist()
        [0.0, 0.0, 2.0]
        """
        weights, n = np.asarray(self.components, np.float64).T, len(next(iter(cells.values())))
        codes = {name: np.asarray(self.codes[name], np.float64) for name in self.features}
        out = np.empty(n)
        for at in range(0, n, BLOCK_ROWS):
            left = np.floor(encode(codes, cells, slice(at, at + BLOCK_ROWS)) @ weights / WEIGHT_SCALE + 0.5)
            out[at : at + BLOCK_ROWS] = np.einsum("ij,ij->i", left, left)
        # Division by a power of two, division and root are each rounded correctly by any IEEE 754 machine.
        return np.asarray(np.sqrt(out / len(self.components)) / CODE_SCALE)


def fit(bins: Mapping[str, Bins], cells: Mapping[str, Ints], part: Ints) -> tuple[PrincipalComponents, Floats] | None:
    """Return the residual components of the baseline's rows, and each row's cross-validated error.

    The narrowest components are narrow partly by chance: errors of the rows that they were fitted to are smaller than
    those of later rows (50 independent features, 10,000 rows: .11 apart, Jensen-Shannon; .03 when cross-validated). The
    same rows in another order give the same components.

    Parameters
    ----------
    bins
        Bins by feature.
    cells
        The rows' cells by feature, (rows,) each.
    part
        Fold of each row, (rows,), from 0.

    Returns
    -------
    tuple or None
        The components, and each row's error by the components of all other folds, (rows,). None where fewer than two
        features vary.
    """
    tallies = {name: np.bincount(at, minlength=bins[name].cells) for name, at in cells.items()}
    codes = {name: code(bins[name], counts) for name, counts in tallies.items() if _varies(bins[name], counts)}
    if len(codes) < 2:
        return None
    picked = [{name: cells[name][part == k] for name in codes} for k in range(int(part.max()) + 1)]
    sums = [_cross_products(codes, own) for own in picked]
    total = sum(sums[1:], start=sums[0])
    errors = np.empty(len(part))
    for k, own in enumerate(picked):
        # With a single fold there are no others to fit to.
        errors[part == k] = _residual_components(codes, total - sums[k] if len(picked) > 1 else total).error(own)
    return _residual_components(codes, total), errors


def freeze_errors(errors: Floats, by_itself: Floats, bins: int) -> NumericBins:
    """Return quantile bins of the baseline's errors, with edges between the values that occur.

    Features with few cells have few distinct errors, and each fold's components give slightly different ones. Edges lie
    midway between values, so that the same cells stay in the same bin.

    Parameters
    ----------
    errors
        Cross-validated errors, (rows,).
    by_itself
        Errors by the components of all rows, (rows,).
    bins
        Number of bins.

    Examples
    --------
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
    """Return the code of each cell, (cells,): a whole number of 1/1024 standard deviation.

    It is the normal score of the cell's middle rank, standardised over the baseline's rows and cut off at
    :data:`MAX_CODE`; categories are ranked by frequency. Missing and non-finite values have the mean, 0.

    Parameters
    ----------
    bins
        Bins of the feature.
    counts
        The feature's counts in the baseline, (cells,).

    Examples
    --------
    >>> from monitors.stats.bins import CategoricalBins
    >>> code(CategoricalBins(categories=("a", "b")), np.array([600, 400, 0, 0, 0])).tolist()
    [-836.0, 1254.0, 4835.0, 5304.0, 0.0]
    """
    ordered = threshold.compared(bins)
    mass = counts[ordered] + 0.5
    score, present = special.ndtri((np.cumsum(mass) - mass / 2) / mass.sum()), counts[ordered]
    score = score - _mean(score, present)
    sd = np.sqrt((score**2 * present).sum() / counts.sum())
    score = np.clip(score / sd, -MAX_CODE, MAX_CODE)
    out = np.zeros(len(counts))
    out[ordered] = np.rint((score - _mean(score, present)) * CODE_SCALE)
    return out


def encode(codes: Mapping[str, Floats], cells: Mapping[str, Ints], rows: slice) -> Floats:
    """Return the codes of the rows in a slice, (rows, features)."""
    return np.column_stack([code[cells[name][rows]] for name, code in codes.items()])


def _mean(score: Floats, counts: Counts) -> float:
    return float((score * counts).sum() / counts.sum())


def _varies(bins: Bins, counts: Counts) -> bool:
    return np.count_nonzero(counts[threshold.compared(bins)]) > 1


def _cross_products(codes: Mapping[str, Floats], cells: Mapping[str, Ints]) -> Floats:
    """Return sums of products of the codes and of 1, (features + 1, features + 1): exact up to 10^8 rows."""
    n = len(next(iter(cells.values())))
    products = np.zeros((len(codes) + 1, len(codes) + 1))
    for at in range(0, n, BLOCK_ROWS):
        block = encode(codes, cells, slice(at, at + BLOCK_ROWS))
        block = np.column_stack([block, np.ones(len(block))])
        products += block.T @ block
    return products


def _residual_components(codes: Mapping[str, Floats], sums: Floats) -> PrincipalComponents:
    """Return the components of the covariance in *sums* that are not retained, as whole numbers.

    The sign of a component is arbitrary; its largest weight is made positive.
    """
    means = sums[-1, :-1] / sums[-1, -1]
    values, vectors = np.linalg.eigh((sums[:-1, :-1] / sums[-1, -1] - np.outer(means, means)) / CODE_SCALE**2)
    left = _residual_count(values)
    # The sign of a component is arbitrary: its largest weight is positive.
    chosen = vectors[:, :left] / np.maximum(np.sqrt(np.maximum(values[:left], 0)), MIN_COMPONENT_SD)
    chosen *= np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(left)])
    weights = np.rint(chosen.T * WEIGHT_SCALE).astype(np.int64)
    return PrincipalComponents(
        features=tuple(codes),
        codes={name: tuple(c.astype(np.int64).tolist()) for name, c in codes.items()},
        components=tuple(map(tuple, weights.tolist())),
    )


def _residual_count(values: Floats) -> int:
    """Return how many components, from the narrowest, are not retained; at least one."""
    share = np.cumsum(values[::-1]) / max(values.sum(), np.finfo(float).tiny)
    return max(len(values) - int(np.searchsorted(share, RETAINED_VARIANCE, side="right")) - 1, 1)
