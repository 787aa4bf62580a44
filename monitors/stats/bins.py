"""Binning of variables: quantile bins of numbers and vocabularies of categories, frozen with the baseline.

This is the only place where a value turns into a cell number. Every variable has a fixed row of integer cells: first
the *body*, the ordered bins of a number or the categories; then the cells of data quality (missing, out of range,
unseen). Counts on the same bins add up exactly, in any order, so windows are sums of slices, and partitions merge.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Counts = npt.NDArray[np.int64]


class NumericBins(BaseModel):
    """Ordered bins of a number: cells ``[bin 0 .. k-1, under, over, missing, non-finite, far under, far over]``.

    Bin i has the values ``edges[i] <= v < edges[i + 1]``, the last one its right edge too. Values outside the edges by
    more than the whole range are *far*: a season moves values a little out of their range, another unit moves them far.

    Parameters
    ----------
    edges
        k + 1 increasing values, the first and last being the reference's smallest and largest.
    mean, sd
        Mean and standard deviation of the reference's finite values.

    Examples
    --------
    >>> b = NumericBins(edges=(0.0, 1.0, 2.0), mean=1.0, sd=0.5)
    >>> b.index(np.array([0.0, 1.5, 2.0, -1.0, 3.0, np.nan, np.inf, -9, 9]), np.arange(9) == 5).tolist()
    [0, 1, 1, 2, 3, 4, 5, 6, 7]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...] = Field(min_length=2)
    mean: float = 0.0
    sd: float = 0.0

    @property
    def body(self) -> int:
        """Number of bins, without the cells of data quality."""
        return len(self.edges) - 1

    @property
    def cells(self) -> int:
        """Number of cells: the length of a row of counts."""
        return self.body + 6

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of every cell, as pages and messages show it."""
        beyond = ("under", "over", "missing", "non-finite", "far under", "far over")
        return (*_intervals(self.edges), *beyond)

    @property
    def ordered(self) -> tuple[int, ...]:
        """The cells of finite values from low to high: far under, under, the bins, over, far over."""
        k = self.body
        return (k + 4, k, *range(k), k + 1, k + 5)

    @property
    def positions(self) -> tuple[float, ...]:
        """The value that stands for each *ordered* cell: a bin's midpoint, outside the range the inner border."""
        low, high = self.edges[0], self.edges[-1]
        middles = ((a + b) / 2 for a, b in itertools.pairwise(self.edges))
        return (2 * low - high, low, *middles, high, 2 * high - low)

    def is_narrow(self, cell: int) -> bool:
        """Whether values in *cell* are nearly the same: it has a single value, or is an inner bin no wider than sd / 2.

        A gap between the values makes an inner bin wide, and a week of weather fits in it.
        """
        low, high = self.edges[cell], self.edges[cell + 1]
        return bool(high == np.nextafter(low, np.inf)) or (0 < cell < self.body - 1 and high - low <= self.sd / 2)

    def index(self, values: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return the cell of each value, (rows,); *missing* marks nulls (a NaN that is not null is non-finite)."""
        edges = np.asarray(self.edges)
        out = np.searchsorted(edges[1:-1], values, side="right").astype(np.int64)
        out[values < edges[0]] = self.body
        out[values > edges[-1]] = self.body + 1
        width = edges[-1] - edges[0]
        out[values < edges[0] - width] = self.body + 4
        out[values > edges[-1] + width] = self.body + 5
        out[~np.isfinite(values)] = self.body + 3
        out[missing] = self.body + 2
        return out


def _intervals(edges: tuple[float, ...]) -> list[str]:
    """Return a name for each bin, as a half-open interval; a bin with a single value is ``= value``."""
    out, low, opens = [], f"{edges[0]:.6g}", "["
    for a, b in itertools.pairwise(edges):
        if b == np.nextafter(a, np.inf):
            low, opens = f"{a:.6g}", "("
            out.append(f"= {low}")
        else:
            out.append(f"{opens}{low}, {b:.6g})")
            low, opens = f"{b:.6g}", "["
    return out


class CategoricalBins(BaseModel):
    """Vocabulary of a categorical variable: cells ``[category 0 .. k-1, other, unseen, missing]``.

    A value in neither *categories* nor *others* is unseen.

    Parameters
    ----------
    categories
        The reference's most frequent values, each with a cell of its own.
    others
        The rest of its vocabulary, which shares one cell.

    Examples
    --------
    >>> b = CategoricalBins(categories=("a", "b"), others=("c",))
    >>> b.index(np.array(["b", "c", "z", None], object)).tolist()
    [1, 2, 3, 4]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["categorical"] = "categorical"
    categories: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def body(self) -> int:
        """Number of cells of the vocabulary: each category's own, and the one of all others."""
        return len(self.categories) + 1

    @property
    def cells(self) -> int:
        """Number of cells: the length of a row of counts."""
        return self.body + 2

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of every cell, as pages and messages show it."""
        return (*self.categories, "other", "unseen", "missing")

    def index(self, values: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Return the cell of each value (``str``, or ``None`` where it is missing), (rows,)."""
        where = {c: i for i, c in enumerate(self.categories)}
        where.update(dict.fromkeys(self.others, self.body - 1))
        unseen, missing = self.body, self.body + 1
        cells = (missing if v is None else where.get(v, unseen) for v in values)
        return np.fromiter(cells, np.int64, count=len(values))


Bins = Annotated[NumericBins | CategoricalBins, Field(discriminator="kind")]


def freeze_numeric(values: npt.NDArray[np.float64], bins: int = 10) -> NumericBins:
    """Return quantile bins of a numeric variable.

    A value so frequent that it alone would fill a bin (the zeros of rainfall) has a bin of its own, and the quantiles
    are those of the other values. A constant variable, or one without finite values, has a single bin.

    Parameters
    ----------
    values
        The reference's values, (rows,); those that are not finite are left out.
    bins
        The number of bins aimed at, 1 at least; tied quantiles make fewer, frequent values more.

    Examples
    --------
    >>> freeze_numeric(np.arange(100.0), 4).edges
    (0.0, 24.75, 49.5, 74.25, 99.0)
    >>> freeze_numeric(np.array([0.0] * 80 + [1.0, 2.0, 3.0, 4.0]), 4).labels[:4]
    ('= 0', '(0, 1)', '[1, 2)', '[2, 3)')
    >>> freeze_numeric(np.full(5, 3.0)).edges
    (3.0, 3.0)
    """
    finite = np.sort(values[np.isfinite(values)])  # sums to the last bit, whatever the order of rows
    if len(finite) == 0:
        return NumericBins(edges=(0.0, 0.0))
    distinct, n = np.unique(finite, return_counts=True)
    atoms = distinct[n >= len(finite) / bins] if len(distinct) > 1 else distinct[:0]
    rest = finite[~np.isin(finite, atoms)]
    steps = np.linspace(0, 1, max(bins - len(atoms), 1) + 1)
    inner = np.quantile(rest, steps) if len(rest) else distinct[:0]
    lower = np.where(atoms == distinct[-1], np.nextafter(atoms, -np.inf), atoms)
    edges = np.unique(np.concatenate([distinct[[0, -1]], inner, lower, np.nextafter(lower, np.inf)]))
    return NumericBins(
        edges=tuple(float(e) for e in (edges if len(edges) > 1 else np.repeat(edges, 2))),
        mean=float(finite.mean()),
        sd=float(finite.std()),
    )


def freeze_categorical(values: npt.NDArray[np.object_], top: int = 30, vocabulary: int = 2000) -> CategoricalBins:
    """Return the vocabulary of a categorical variable: its most frequent values, ties by name.

    Parameters
    ----------
    values
        The reference's values, (rows,), ``None`` where they are missing.
    top
        How many values have a cell of their own.
    vocabulary
        How many of the next most frequent values are *others*; what is rarer counts as unseen.

    Examples
    --------
    >>> freeze_categorical(np.array(["b", "a", "b", None, "c"], object), top=2)
    CategoricalBins(kind='categorical', categories=('b', 'a'), others=('c',))
    """
    present = np.array([v for v in values if v is not None], dtype=object)
    names, n = np.unique(present.astype(str), return_counts=True) if len(present) else (np.array([]), np.array([]))
    ranked = [str(names[i]) for i in np.lexsort((names, -n))]
    return CategoricalBins(categories=tuple(ranked[:top]), others=tuple(ranked[top : top + vocabulary]))
