"""Which part of a variable's range moved, and which way: what a person asks as soon as they hear of drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances

MIN_CHANGE = 0.02
"""Cells whose share changed by less are not told."""


@dataclass(frozen=True, slots=True)
class BinChange:
    """A part of the range: its *label*, and its share of all rows *before* and *now*."""

    label: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class BinChanges:
    """How one variable moved: *direction* in words, and the parts of its range that changed most, largest first."""

    direction: str
    parts: tuple[BinChange, ...]

    def __str__(self) -> str:
        """Say it in a sentence.

        >>> print(BinChanges("up", (BinChange("over", 0.0, 0.25),)))
        up; over 0.0% -> 25.0%
        """
        parts = ", ".join(f"{p.label} {p.before:.1%} -> {p.now:.1%}" for p in self.parts)
        return "; ".join(filter(None, (self.direction, parts)))


def bin_changes(
    bins: NumericBins | CategoricalBins, before: Counts | Sequence[int], now: Counts | Sequence[int], *, most: int = 3
) -> BinChanges:
    """Return how the counts *now* differ from those *before*, both on *bins*; at most *most* parts.

    A number goes up or down by its median bin, or gets wider or narrower by its outer quarters. No row on a side, and
    nothing can be said.

    >>> b = NumericBins(edges=(0.0, 1.0, 2.0, 3.0, 4.0))
    >>> print(bin_changes(b, [25, 25, 25, 25, 0, 0, 0, 0, 0, 0], [5, 15, 30, 40, 0, 10, 0, 0, 0, 0]))
    up; [0, 1) 25.0% -> 5.0%, [3, 4) 25.0% -> 40.0%, [1, 2) 25.0% -> 15.0%
    """
    then, after = (np.asarray(c, float) / max(np.sum(c), 1) for c in (before, now))
    if not then.any() or not after.any():
        return BinChanges("", ())
    apart = after - then
    order = sorted(np.flatnonzero(np.abs(apart) >= MIN_CHANGE), key=lambda i: -abs(apart[i]))[:most]
    parts = tuple(BinChange(bins.labels[i], float(then[i]), float(after[i])) for i in order)
    return BinChanges(_direction(bins, then, after) if parts else "", parts)


def _direction(bins: NumericBins | CategoricalBins, then: Distances, now: Distances) -> str:
    if isinstance(bins, CategoricalBins):
        return ""
    below, above = (np.cumsum(side[list(bins.ordered)]) for side in (then, now))
    gap = (below - above)[:-1]
    up, down = float(gap.max(initial=0.0)), float(-gap.min(initial=0.0))
    if min(up, down) > max(up, down) / 2:
        return "wider" if np.argmax(-gap) < np.argmax(gap) else "narrower"
    return "up" if up > down else "down"
