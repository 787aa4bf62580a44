"""Swapped columns: variables that carry one another's values, which shows only when two are compared.

The baseline of *y*, counted on the bins of *x*, says what *x* would count if it carried *y*'s values. Columns are
swapped where each of a ring of changed variables looks like the next one's baseline and not like its own.

Not detected: a swap of variables that are alike, one between a number and a category, and a copy (one column carries
another's values, which that one keeps too). Two categories without a common value both turn to unseen values; so they
would if both were spelled anew, and the reason says so. Rates: docs/statistics/router.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from monitors.quality import rescaling
from monitors.quality.fault import Fault, FaultKind
from monitors.quality.rescaling import js_distance
from monitors.quality.unit_change import MAX_FIT, MAX_SINGLE_CELL, MIN_CHANGE, MIN_FIT_RATIO
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

Bins = NumericBins | CategoricalBins
IMPOSSIBLE = 1e3
"""Cost of a pair that cannot be swapped, in the assignment problem: more than all distances together."""


@dataclass(frozen=True, slots=True)
class Column:
    """One variable.

    Parameters
    ----------
    bins
        Its bins.
    total
        Its counts in the baseline, (cells,).
    window
        Its counts in the window, (cells,).
    """

    bins: Bins
    total: Counts
    window: Counts

    @property
    def distance(self) -> float:
        """Distance of the window from the baseline (Jensen-Shannon, log 2); rare categories are one cell."""
        return float(js_distance(_cells(self.bins, self.total)[:-1], _cells(self.bins, self.window)[:-1]))


def find(columns: Mapping[str, Column]) -> Iterator[Fault]:
    """Yield a fault for each ring of swapped columns; the order of *columns* does not matter."""
    names = sorted(columns)
    if len(names) < 2:
        return
    pairs = [[_pair(columns[x], columns[y], own=x == y) for y in names] for x in names]
    cost = np.array([[p.distance if p.close else IMPOSSIBLE for p in row] for row in pairs])
    _, like = optimize.linear_sum_assignment(cost)
    for ring in _rings(like):
        found = [(pairs[i][i], pairs[i][like[i]]) for i in ring]
        is_swap = not all(p.vague for _, p in found) or (len(ring) == 2 and _emptied(columns, names[ring[0]]) == 2)
        if is_swap and all(p.close and own.distance > max(MIN_CHANGE, MIN_FIT_RATIO * p.distance) for own, p in found):
            yield _fault([names[i] for i in [*ring, int(like[ring[-1]])]], found)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Distance between one column's window and another's baseline; *vague* if that would fill a single cell."""

    distance: float
    close: bool
    vague: bool


def _pair(x: Column, y: Column, *, own: bool) -> _Pair:
    """Return the distance of *x*'s window from what *x* would count with *y*'s values."""
    if x.bins.kind != y.bins.kind:
        return _Pair(1.0, close=False, vague=True)
    carried = _carrying(x.bins, y)
    away = float(js_distance(carried, _cells(x.bins, x.window)).min())
    largest = carried[:, :-1].max(axis=1) / carried[:, :-1].sum(axis=1)
    return _Pair(away, close=own or away <= MAX_FIT, vague=bool(largest.min() > MAX_SINGLE_CELL))


def _emptied(columns: Mapping[str, Column], name: str) -> int:
    """Return how many columns of that kind have all their values in one cell now."""
    every = (_cells(c.bins, c.window)[:-1] for c in columns.values() if c.bins.kind == columns[name].bins.kind)
    return sum(bool(cells.max() > MAX_SINGLE_CELL * cells.sum()) for cells in every)


def _rings(like: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the cycles of two or more of a permutation, each from its smallest member."""
    seen: set[int] = set()
    for start in range(len(like)):
        ring, at = [], start
        while at not in seen:
            seen.add(at)
            ring.append(at)
            at = int(like[at])
        if len(ring) > 1:
            yield ring


def _carrying(bins: Bins, y: Column) -> rescaling.Shares:
    """Return the shares of *y*'s baseline in the cells of *bins*, (2, cells), cells as in :func:`_cells`.

    A number's are interpolated in two ways, see :func:`monitors.quality.rescaling.affine_shares`; a category's are
    twice the same, its *others* spread evenly.
    """
    rows = y.total.sum()
    if isinstance(bins, NumericBins) and isinstance(y.bins, NumericBins):
        missing = np.full((2, 1), y.total[y.bins.body + 2] / rows)
        shares = rescaling.affine_shares(y.bins, y.total, bins, np.ones(1), np.zeros(1))[:, 0]
        return np.hstack([rescaling.merge_single_values(bins, shares) * (1 - missing), missing])
    assert isinstance(bins, CategoricalBins)
    assert isinstance(y.bins, CategoricalBins)
    k, others = y.bins.body - 1, max(len(y.bins.others), 1)
    values = np.array([*y.bins.categories, *y.bins.others], dtype=object)
    weight = np.concatenate([y.total[:k], np.full(len(y.bins.others), y.total[k] / others)])
    counts = np.bincount(bins.index(values), weight, minlength=bins.cells)
    counts[bins.body] += y.total[k + 1]
    counts[bins.body + 1] += y.total[k + 2]
    return np.asarray(np.array([_cells(bins, counts)] * 2) / rows)


def _cells(bins: Bins, counts: rescaling.Shares | Counts) -> rescaling.Shares:
    """Return the cells that another column could fill: merged ones, or categories and the rare; missing last."""
    if isinstance(bins, CategoricalBins):
        k = bins.body - 1
        return np.concatenate([counts[:k], [counts[k] + counts[k + 1], counts[k + 2]]])
    return np.append(rescaling.merge_single_values(bins, counts[list(bins.ordered)]), counts[bins.body + 2])


def _fault(ring: list[str], found: list[tuple[_Pair, _Pair]]) -> Fault:
    """Return the fault of a *ring* of names, whose first is repeated at its end."""
    own, away = min(p.distance for p, _ in found), max(p.distance for _, p in found)
    line = max(MIN_CHANGE, max(MIN_FIT_RATIO * p.distance for _, p in found))
    reads = ", ".join(f"{x} looks like {y} did ({p.distance:.2f} away, {o.distance:.2f} from itself)"
                      for (x, y), (o, p) in zip(itertools.pairwise(ring), found, strict=True))  # fmt: skip
    either = "exchanged columns, or new spellings in all of them" if all(p.vague for _, p in found) else "exchanged"
    words = f"{reads}: {either}; check the order of columns at the source of {ring[0]}"
    return Fault(FaultKind.COLUMN_SWAP, tuple(ring[:-1]), "js_distance_log2", round(own, 6), round(line, 6), words,
                 {"as_other": round(away, 6)})  # fmt: skip
